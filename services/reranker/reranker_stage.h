// Settings of the reranker stage and its core, without any transport.
#ifndef RAGMESH_SERVICES_RERANKER_RERANKER_STAGE_H_
#define RAGMESH_SERVICES_RERANKER_RERANKER_STAGE_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "libs/concurrency/executor.h"
#include "libs/embedding/text_encoder.h"
#include "libs/flags/flag_set.h"
#include "libs/metrics/registry.h"
#include "libs/stages/reranker.h"
#include "services/common/model_options.h"

namespace ragmesh::services {

struct RerankerConfig {
  std::string model = "all-minilm-l6-v2";
  std::string precision = "auto";
  std::string cascade = "auto";
  std::int64_t cache_bytes = std::int64_t{64} << 20;

  void Declare(flags::FlagSet& flags);
};

// A model of the catalogue with the role reranker is a cross-encoder; an embedder is used for late
// interaction. `shared` is an encoder that is loaded already, or null; it is used when its model is
// the same, whatever its precision. `compute` is borrowed and outlives the reranker, which keeps
// `threads` of it busy. `registry` is borrowed in the same way, for
// ragmesh_reranker_passages_total{outcome}; a process makes one reranker. FAILED_PRECONDITION /
// MODEL_NOT_INSTALLED without the model.
absl::StatusOr<std::shared_ptr<stages::Reranker>> MakeReranker(
    const RerankerConfig& config, const ModelOptions& models, const std::string& kernel,
    Executor& compute, int threads, std::shared_ptr<embedding::TextEncoder> shared,
    metrics::Registry& registry, const CallContext& call);

}  // namespace ragmesh::services

#endif  // RAGMESH_SERVICES_RERANKER_RERANKER_STAGE_H_
