// Stage 5: a query and its candidates -> their order.
#ifndef RAGMESH_LIBS_STAGES_RERANKER_H_
#define RAGMESH_LIBS_STAGES_RERANKER_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "libs/base/call_context.h"
#include "libs/stages/passage_tokens.h"
#include "libs/stages/stage_info.h"

namespace ragmesh::stages {

struct RerankCandidate {
  std::string text;
  std::optional<double> dense_score;  // of retrieval; absent when that list did not find it
  std::optional<double> lexical_score;
  PassageTokens tokens;  // of `text`, when they are known; they change no score
};

// Late interaction: each of the three scores is z-normalised over the candidates (absent ones get
// the minimum), then summed with these weights. Weights are not negative and sum to more than 0.
struct RerankWeights {
  double lexical = 0.3;
  double dense = 0.3;
  double model = 0.4;
};

struct RerankRequest {
  std::string query;
  std::vector<RerankCandidate> candidates;  // in retrieval order
  std::optional<RerankWeights>
      weights;  // unset: the model's own default; a cross-encoder's is the model alone
  // 0: all. Below the number of candidates, those that will hardly be among the first may be left
  // out without a model score; whatever is returned has one.
  std::uint32_t top_k = 0;
};

struct Reranked {
  std::uint32_t index = 0;  // into RerankRequest::candidates
  double score = 0;         // what the order is by
  double model_score = 0;   // MaxSim in [-1, 1], or the cross-encoder's logit
};

class Reranker {
 public:
  virtual ~Reranker() = default;

  // Highest score first; ties keep input order. Stops between batches once `call` is cancelled or
  // late.
  virtual absl::StatusOr<std::vector<Reranked>> Rerank(const RerankRequest& request,
                                                       const CallContext& call) = 0;

  virtual absl::StatusOr<StageInfo> Info(const CallContext& call) = 0;
};

}  // namespace ragmesh::stages

#endif  // RAGMESH_LIBS_STAGES_RERANKER_H_
