// A ranking -> the hits that are shown: the best ones, or ones that differ, within the quota of
// each document.
#ifndef RAGMESH_LIBS_RANKING_DIVERSITY_H_
#define RAGMESH_LIBS_RANKING_DIVERSITY_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "libs/ranking/document_quota.h"

namespace ragmesh::ranking {

// What a selection sees of the ranking, by places from 0, best first.
struct Ranked {
  absl::Span<const double> scores;  // descending
  absl::FunctionRef<std::uint64_t(std::size_t)> document_of;
};

struct Pick {
  std::size_t place = 0;  // in the ranking
  double score = 0;       // the ranking's own, or the marginal relevance
  double relevance = 0;   // diverse picks: see PickDiverse
  double similarity = 0;
};

// The best places that the quota admits, in order.
std::vector<Pick> PickBest(const Ranked& ranked, DocumentQuota quota);

// Maximal marginal relevance (Carbonell and Goldstein, SIGIR 1998). Time after time the admitted
// place with the largest
//     lambda * relevance - (1 - lambda) * similarity
// is picked, ties by place. Relevance is the score brought to [0, 1] over the whole ranking, 1
// where all scores are equal; similarity is the largest `cosine(a, b)` with a place picked before,
// at least 0, so that scores never rise from pick to pick. Exact; takes (places x picks) cosines.
// `check` is asked before each pick, and its error is the answer.
absl::StatusOr<std::vector<Pick>> PickDiverse(
    const Ranked& ranked, DocumentQuota quota, double lambda,
    absl::FunctionRef<double(std::size_t, std::size_t)> cosine,
    absl::FunctionRef<absl::Status()> check);

}  // namespace ragmesh::ranking

#endif  // RAGMESH_LIBS_RANKING_DIVERSITY_H_
