// Settings of the embedder stage and its core, without any transport.
#ifndef RAGMESH_SERVICES_EMBEDDER_EMBEDDER_STAGE_H_
#define RAGMESH_SERVICES_EMBEDDER_EMBEDDER_STAGE_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "libs/concurrency/executor.h"
#include "libs/embedding/bert_embedder.h"
#include "libs/flags/flag_set.h"
#include "services/common/model_options.h"

namespace ragmesh::services {

struct EmbedderConfig {
  std::string model = "all-minilm-l6-v2";
  std::string precision = "auto";
  std::int64_t max_batch_texts = 256;

  void Declare(flags::FlagSet& flags);
};

// `compute` is borrowed and outlives the embedder, which keeps `threads` of it busy. `kernel` as
// for linalg::SelectKernels. FAILED_PRECONDITION / MODEL_NOT_INSTALLED without the model.
absl::StatusOr<std::shared_ptr<embedding::BertEmbedder>> MakeEmbedder(
    const EmbedderConfig& config, const ModelOptions& models, const std::string& kernel,
    Executor& compute, int threads, const CallContext& call);

}  // namespace ragmesh::services

#endif  // RAGMESH_SERVICES_EMBEDDER_EMBEDDER_STAGE_H_
