#include "libs/lexical/bm25.h"

namespace ragmesh::lexical {
namespace {

// Chunks are seldom longer; the norms of those that are take a division each.
constexpr std::size_t kNorms = 1024;

struct KeptNorms {
  double k1 = -1, b = -1, average_length = -1;
  std::shared_ptr<const std::vector<double>> norms;
};

}  // namespace

Scorer::Scorer(const Bm25& bm25, const CorpusStatistics& statistics)
    : k1_(bm25.k1),
      b_(bm25.b),
      weights_(bm25.weights),
      plain_(bm25.weights == PerField<double>{1, 1, 1}),
      documents_(static_cast<double>(statistics.documents)) {
  const double total = plain_ ? static_cast<double>(statistics.total_length)
                              : Weighted(statistics.total_length, statistics.title_length,
                                         statistics.heading_length);
  average_length_ = std::max(1.0, statistics.documents == 0 ? 0.0 : total / documents_);
  if (!plain_) return;
  thread_local KeptNorms kept;
  if (kept.norms == nullptr || kept.k1 != k1_ || kept.b != b_ ||
      kept.average_length != average_length_) {
    auto norms = std::make_shared<std::vector<double>>(kNorms);
    for (std::size_t length = 0; length < kNorms; ++length)
      (*norms)[length] = NormOf(static_cast<double>(length));
    kept = {k1_, b_, average_length_, std::move(norms)};
  }
  norms_ = kept.norms;
}

double Scorer::Bound(double weight, const Occurrences& most, std::uint32_t total) const {
  if (plain_) return Contribution(weight, most.count, PlainNorm(total));
  // Occurrences count as the body's, and those in title and heading for what these weigh more. A
  // length is at least what it is in the field that weighs least. The factors are for rounding.
  const auto more = [&](std::size_t field, int at_most) {
    return std::max(0.0, weights_[field] - weights_[2]) * std::min<int>(at_most, most.count);
  };
  const double frequency =
      (weights_[2] * most.count + more(0, most.title) + more(1, most.heading)) * (1 + 1e-12);
  const double lightest = *std::min_element(weights_.begin(), weights_.end());
  const double norm = NormOf(lightest * total * (1 - 1e-12));
  return frequency > 0 ? Contribution(weight, frequency, norm) * (1 + 1e-12) : 0;
}

}  // namespace ragmesh::lexical
