// What both rerankers share: the limits of a request, and how scores of different kinds become one
// order.
#ifndef RAGMESH_LIBS_RERANK_SCORE_MIX_H_
#define RAGMESH_LIBS_RERANK_SCORE_MIX_H_

#include <cstddef>
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

// Orders the candidates by the weighted sum of their lexical, dense and model scores, each made
// comparable over the candidates: less the mean, over the standard deviation. A candidate without a
// score gets the lowest of the others; a kind that no candidate has, or that is the same for all,
// adds nothing. When no candidate has any retrieval score the order is by the model score alone and
// `score` equals it. Highest first, ties in input order, cut to `top_k` (0: all). `model_scores`
// has one finite score per candidate.
std::vector<stages::Reranked> MixScores(absl::Span<const stages::RerankCandidate> candidates,
                                        absl::Span<const double> model_scores,
                                        const stages::RerankWeights& weights, std::size_t top_k);

}  // namespace ragmesh::rerank

#endif  // RAGMESH_LIBS_RERANK_SCORE_MIX_H_
