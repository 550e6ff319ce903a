#include "libs/ranking/diversity.h"

#include <algorithm>

#include "libs/base/status_macros.h"

namespace ragmesh::ranking {
namespace {

std::vector<double> Relevances(absl::Span<const double> scores) {
  std::vector<double> relevances(scores.size(), 1.0);
  if (scores.empty() || scores.front() <= scores.back()) return relevances;
  const double low = scores.back(), range = scores.front() - low;
  for (std::size_t i = 0; i < scores.size(); ++i) relevances[i] = (scores[i] - low) / range;
  return relevances;
}

}  // namespace

std::vector<Pick> PickBest(const Ranked& ranked, DocumentQuota quota) {
  std::vector<Pick> picks;
  for (std::size_t place = 0; place < ranked.scores.size() && !quota.Full(); ++place) {
    const std::uint64_t document = ranked.document_of(place);
    if (!quota.Admits(document)) continue;
    quota.Take(document);
    picks.push_back({.place = place, .score = ranked.scores[place]});
  }
  return picks;
}

absl::StatusOr<std::vector<Pick>> PickDiverse(
    const Ranked& ranked, DocumentQuota quota, double lambda,
    absl::FunctionRef<double(std::size_t, std::size_t)> cosine,
    absl::FunctionRef<absl::Status()> check) {
  const std::vector<double> relevances = Relevances(ranked.scores);
  std::vector<Pick> left(ranked.scores.size());
  for (std::size_t place = 0; place < left.size(); ++place)
    left[place] = {.place = place, .relevance = relevances[place]};
  std::vector<Pick> picks;
  while (!quota.Full()) {
    RAGMESH_RETURN_IF_ERROR(check());
    // What the quota refuses now it refuses for good.
    left.erase(std::remove_if(
                   left.begin(), left.end(),
                   [&](const Pick& pick) { return !quota.Admits(ranked.document_of(pick.place)); }),
               left.end());
    if (left.empty()) break;
    for (Pick& pick : left) {
      if (!picks.empty())
        pick.similarity = std::max(pick.similarity, cosine(pick.place, picks.back().place));
      pick.score = lambda * pick.relevance - (1 - lambda) * pick.similarity;
    }
    const auto best = std::max_element(
        left.begin(), left.end(), [](const Pick& a, const Pick& b) { return a.score < b.score; });
    picks.push_back(*best);
    left.erase(best);
    quota.Take(ranked.document_of(picks.back().place));
  }
  return picks;
}

}  // namespace ragmesh::ranking
