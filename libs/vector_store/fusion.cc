#include "libs/vector_store/fusion.h"

#include <algorithm>
#include <cmath>

#include "absl/container/flat_hash_map.h"

namespace ragmesh::vector_store {
namespace {

using vector_index::ScoredSlot;

// Brings the scores of one list to mean 0 and deviation 1.
class ZScale {
 public:
  explicit ZScale(absl::Span<const ScoredSlot> list) {
    if (list.empty()) return;
    const double n = static_cast<double>(list.size());
    for (const ScoredSlot& entry : list) mean_ += entry.score / n;
    double variance = 0;
    for (const ScoredSlot& entry : list)
      variance += (entry.score - mean_) * (entry.score - mean_) / n;
    // Equal scores can differ from their mean by rounding, which must not be blown up to a
    // deviation of 1.
    const double deviation = std::sqrt(variance);
    if (deviation > 1e-12 * std::max(1.0, std::abs(mean_))) inverse_ = 1 / deviation;
    lowest_ = list.back().score;
  }
  double operator()(std::optional<double> score) const {
    return (score.value_or(lowest_) - mean_) * inverse_;
  }

 private:
  double mean_ = 0, inverse_ = 0, lowest_ = 0;
};

double ReciprocalRank(std::optional<std::uint32_t> rank, double constant) {
  return rank.has_value() ? 1 / (constant + *rank) : 0;
}

}  // namespace

std::vector<RankedChunk> Fuse(absl::Span<const ScoredSlot> dense,
                              absl::Span<const ScoredSlot> lexical, const stages::Fusion& fusion,
                              std::size_t top_k, vector_index::TieBreak comes_first) {
  std::vector<RankedChunk> chunks;
  absl::flat_hash_map<std::uint32_t, std::size_t> places;
  const auto chunk_of = [&](std::uint32_t slot) -> RankedChunk& {
    const auto [it, inserted] = places.try_emplace(slot, chunks.size());
    if (inserted) chunks.push_back({.slot = slot});
    return chunks[it->second];
  };
  for (std::size_t i = 0; i < dense.size(); ++i) {
    RankedChunk& chunk = chunk_of(dense[i].slot);
    chunk.dense_score = dense[i].score;
    chunk.dense_rank = static_cast<std::uint32_t>(i + 1);
  }
  for (std::size_t i = 0; i < lexical.size(); ++i) {
    RankedChunk& chunk = chunk_of(lexical[i].slot);
    chunk.lexical_score = lexical[i].score;
    chunk.lexical_rank = static_cast<std::uint32_t>(i + 1);
  }
  const ZScale dense_scale(dense), lexical_scale(lexical);
  for (RankedChunk& chunk : chunks) {
    chunk.score = fusion.method == stages::FusionMethod::kReciprocalRank
                      ? ReciprocalRank(chunk.dense_rank, fusion.rank_constant) +
                            ReciprocalRank(chunk.lexical_rank, fusion.rank_constant)
                      : fusion.dense_weight * dense_scale(chunk.dense_score) +
                            (1 - fusion.dense_weight) * lexical_scale(chunk.lexical_score);
  }
  std::sort(chunks.begin(), chunks.end(),
            [comes_first](const RankedChunk& a, const RankedChunk& b) {
              return a.score != b.score ? a.score > b.score : comes_first(a.slot, b.slot);
            });
  if (chunks.size() > top_k) chunks.resize(top_k);
  return chunks;
}

}  // namespace ragmesh::vector_store
