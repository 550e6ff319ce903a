// Reranking without running every candidate through the model.
#ifndef RAGMESH_LIBS_RERANK_CASCADE_H_
#define RAGMESH_LIBS_RERANK_CASCADE_H_

#include <cstddef>
#include <functional>
#include <optional>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "libs/stages/reranker.h"

namespace ragmesh::rerank {

// Candidates are scored in waves, those that retrieval put highest first. After each wave a
// straight line through what was scored predicts the model's score of the others from their
// retrieval scores. While one of them would enter the top if it beat its prediction by `margin`
// standard errors, the next wave is scored; then the rest is left out. ADR 11 has the measurements
// behind the defaults.
struct Cascade {
  std::size_t wave = 8;  // from 1; a fixed number, so that no order depends on the machine
  double margin = 1.5;   // from 0, finite; the larger, the more are scored
};

// The model's scores of `candidates`, indices into the request's, in that order; all finite.
using ScoreCandidates = absl::FunctionRef<absl::StatusOr<std::vector<double>>(
    absl::Span<const std::size_t> candidates)>;

// Told once a request how many candidates the model scored and how many were left out.
using OnRanked = std::function<void(std::size_t scored, std::size_t skipped)>;

// The first `request.top_k` of the order of MixScores. Without `cascade` that is exact: every
// candidate is scored, 32 at a time. With it, whoever is returned has been scored by the model, and
// candidates that were not are never returned; `score` then differs from the exact one by what the
// predictions of the others differ from their scores. Everything is scored all the same when
// `top_k` is 0 or takes in all candidates, and when retrieval scores are absent or all equal. The
// result depends on the request and on `score` alone.
absl::StatusOr<std::vector<stages::Reranked>> RankInWaves(const stages::RerankRequest& request,
                                                          const stages::RerankWeights& weights,
                                                          const std::optional<Cascade>& cascade,
                                                          ScoreCandidates score,
                                                          const OnRanked& on_ranked);

}  // namespace ragmesh::rerank

#endif  // RAGMESH_LIBS_RERANK_CASCADE_H_
