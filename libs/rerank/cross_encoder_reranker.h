// Reranking with a model trained for it: query and passage go through the encoder together.
#ifndef RAGMESH_LIBS_RERANK_CROSS_ENCODER_RERANKER_H_
#define RAGMESH_LIBS_RERANK_CROSS_ENCODER_RERANKER_H_

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/embedding/text_encoder.h"
#include "libs/rerank/cascade.h"
#include "libs/rerank/cross_encoder_head.h"
#include "libs/rerank/score_mix.h"
#include "libs/stages/reranker.h"

namespace ragmesh::rerank {

// Model score: the logit of a sequence classifier with one label (CrossEncoderHead) over query and
// passage as one pair, the longer side cut first. The order is by that alone unless a request
// brings weights. Deterministic; thread-safe.
class CrossEncoderReranker final : public stages::Reranker {
 public:
  struct Options {
    std::string name;
    RequestLimits limits;
    // Unset, every candidate is scored: no trained cross-encoder was at hand to measure what a
    // cascade would lose.
    std::optional<Cascade> cascade;
    OnRanked on_ranked;                       // may be empty; called by many threads at once
    embedding::TextEncoder::Options encoder;  // facts.max_tokens 0: all positions, at most 512
  };

  // `compute` is borrowed and must outlive the reranker. DATA_LOSS naming the tensor when the
  // weights have no classifier with one logit.
  static absl::StatusOr<std::unique_ptr<CrossEncoderReranker>> Create(const Options& options,
                                                                      Executor& compute);

  // Scores at most 32 passages between two looks at `call`, and ends within one layer of its
  // cancellation.
  absl::StatusOr<std::vector<stages::Reranked>> Rerank(const stages::RerankRequest& request,
                                                       const CallContext& call) override;
  absl::StatusOr<stages::StageInfo> Info(const CallContext& call) override;

 private:
  CrossEncoderReranker(const Options& options, std::unique_ptr<embedding::TextEncoder> encoder,
                       CrossEncoderHead head);

  const Options options_;
  const CrossEncoderHead head_;
  const std::unique_ptr<embedding::TextEncoder>
      encoder_;  // last: its destructor waits for work that uses the head
};

}  // namespace ragmesh::rerank

#endif  // RAGMESH_LIBS_RERANK_CROSS_ENCODER_RERANKER_H_
