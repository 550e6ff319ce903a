#include "libs/vector_store/dense_search.h"

#include <algorithm>
#include <array>
#include <bit>
#include <memory>
#include <utility>

#include "absl/synchronization/mutex.h"
#include "libs/base/status_macros.h"
#include "libs/concurrency/for_each_part.h"
#include "libs/vector_index/shortlist.h"

namespace ragmesh::vector_store {
namespace {

using vector_index::ScoredSlot;
using vector_index::Shortlist;
using vector_index::SlotSet;
using vector_index::TieBreak;
using vector_index::TopK;

// Rows a thread takes at a time, and floats below which a scan is done before another thread has
// woken up (about 0.2 ms).
constexpr std::size_t kWordsPerPart = 16;
constexpr std::uint64_t kFloatsWorthAThread = 1 << 20;

// Offers every row of some words of `allowed`.
absl::Status ScanExactly(const PartView& part, const SlotSet& allowed, std::size_t begin_word,
                         std::size_t end_word, absl::Span<const float> query,
                         const linalg::Kernels& kernels, TopK* best) {
  std::array<float, Part::kRowsPerRun> scores;
  std::unique_ptr<float[]> room;  // for most parts there is nothing to do
  for (std::size_t word = begin_word; word < end_word; ++word) {
    std::uint64_t bits = allowed.words()[word];
    if (bits == 0) continue;
    // From the first wanted row to the last. Taking all of them in one go beats picking when most
    // are wanted; dot and dot_rows agree bit for bit.
    const auto skipped = static_cast<std::uint32_t>(std::countr_zero(bits));
    const auto first = static_cast<std::uint32_t>(word * Part::kRowsPerRun) + skipped;
    const auto count =
        Part::kRowsPerRun - skipped - static_cast<std::uint32_t>(std::countl_zero(bits));
    bits >>= skipped;
    if (room == nullptr)
      room = std::make_unique_for_overwrite<float[]>(Part::kRowsPerRun * query.size());
    const bool most = 2 * static_cast<std::uint32_t>(std::popcount(bits)) >= count;
    if (most) {
      RAGMESH_ASSIGN_OR_RETURN(const Part::VectorRun run,
                               part.part->Vectors(first, count, room.get()));
      kernels.dot_rows(query.data(), run.first, run.stride, count, query.size(), scores.data());
    }
    for (; bits != 0; bits &= bits - 1) {
      const auto row = static_cast<std::uint32_t>(std::countr_zero(bits));
      if (!most) {
        RAGMESH_ASSIGN_OR_RETURN(const Part::VectorRun run,
                                 part.part->Vectors(first + row, 1, room.get()));
        scores[row] = kernels.dot(query.data(), run.first, query.size());
      }
      best->Offer(part.base + first + row, scores[row]);
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<ScoredSlot>> SearchExactly(
    const ImageView& view, absl::Span<const float> query, const ChunkSets& allowed, std::size_t k,
    TieBreak comes_first, const DenseOptions& options, const CallContext& call) {
  const auto worth = static_cast<int>(
      std::min<std::uint64_t>(allowed.count * query.size() / kFloatsWorthAThread, 1024));
  const int helpers = std::min(options.max_threads - 1, worth);
  absl::Mutex mutex;
  TopK best(k, comes_first);
  absl::Status status;
  for (std::size_t i = 0; i < view.parts().size(); ++i) {
    const SlotSet& rows = *allowed.parts[i];
    ForEachPart(helpers > 0 ? options.executor : nullptr, helpers, rows.words().size(),
                kWordsPerPart, [&](std::size_t begin, std::size_t end) {
                  absl::Status scanned = call.Check();
                  TopK found(k, comes_first);
                  if (scanned.ok()) {
                    scanned = ScanExactly(view.parts()[i], rows, begin, end, query,
                                          *options.kernels, &found);
                  }
                  const std::vector<ScoredSlot> slots = found.Take();
                  absl::MutexLock lock(&mutex);
                  status.Update(scanned);
                  for (const ScoredSlot& slot : slots) best.Offer(slot.slot, slot.score);
                });
    RAGMESH_RETURN_IF_ERROR(status);
  }
  return best.Take();
}

}  // namespace

absl::StatusOr<std::vector<ScoredSlot>> SearchDense(
    const ImageView& view, absl::Span<const float> query, const ChunkSets& allowed, std::size_t k,
    TieBreak comes_first, const DenseOptions& options, const CallContext& call) {
  RAGMESH_RETURN_IF_ERROR(call.Check());
  if (options.PlanFor(allowed.count) == DensePlan::kExact)
    return SearchExactly(view, query, allowed, k, comes_first, options, call);
  float slack = 0;
  for (const PartView& part : view.parts()) slack = std::max(slack, part.part->score_slack());
  Shortlist shortlist(k, slack);
  for (std::size_t i = 0; i < view.parts().size(); ++i) {
    RAGMESH_RETURN_IF_ERROR(call.Check());
    const PartView& part = view.parts()[i];
    const std::uint64_t count =
        view.parts().size() == 1 ? allowed.count : allowed.parts[i]->Count();
    if (count == 0) continue;
    part.part->SearchVectors(*options.kernels, query.data(), options.recall, *allowed.parts[i],
                             count, part.base, &shortlist);
  }
  TopK best(k, comes_first);
  std::vector<float> vector(query.size());
  for (const Shortlist::Entry& entry : shortlist.Take()) {
    RAGMESH_RETURN_IF_ERROR(view.ReadVector(entry.row, vector.data()));
    best.Offer(entry.row, options.kernels->dot(query.data(), vector.data(), query.size()));
  }
  return best.Take();
}

}  // namespace ragmesh::vector_store
