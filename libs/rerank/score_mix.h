// What both rerankers share: the limits of a request, and how scores of different kinds become one
// order.
#ifndef RAGMESH_LIBS_RERANK_SCORE_MIX_H_
#define RAGMESH_LIBS_RERANK_SCORE_MIX_H_

#include <cstddef>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "libs/stages/reranker.h"

namespace ragmesh::rerank {

struct RequestLimits {
  std::size_t max_candidates = 512;
  std::size_t max_query_bytes = 4096;
  std::size_t max_passage_bytes = 1 << 20;
};

// INVALID_ARGUMENT or LIMIT_EXCEEDED naming the field: an empty query, no candidates, too many or
// too large, a score that is not finite, weights that are negative, not finite or all zero.
absl::Status CheckRequest(const stages::RerankRequest& request, const RequestLimits& limits);

// What makes scores of one kind comparable with others: less the mean, over the standard deviation.
struct Scale {
  double mean = 0;
  double deviation = 0;  // 0: all scores are the same, and add nothing
};
Scale ScaleOf(absl::Span<const double> scores);

// The weighted sum of each candidate's lexical and dense score on their scales over the candidates.
// A candidate without a score gets the lowest of the others; a kind that no candidate has adds
// nothing.
std::vector<double> RetrievalScores(absl::Span<const stages::RerankCandidate> candidates,
                                    const stages::RerankWeights& weights);

// Orders the candidates by RetrievalScores plus the weighted model score on its own scale. When no
// candidate has any retrieval score, or these weigh nothing, the order is by the model score alone
// and `score` equals it. Highest first, ties in input order, cut to `top_k` (0: all).
// `model_scores` has one finite score per candidate; `model_scale` unset is theirs.
std::vector<stages::Reranked> MixScores(absl::Span<const stages::RerankCandidate> candidates,
                                        absl::Span<const double> model_scores,
                                        const stages::RerankWeights& weights, std::size_t top_k,
                                        std::optional<Scale> model_scale = std::nullopt);

}  // namespace ragmesh::rerank

#endif  // RAGMESH_LIBS_RERANK_SCORE_MIX_H_
