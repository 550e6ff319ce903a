// All six stages in this process, behind the same interfaces as their clients.
#ifndef RAGMESH_SERVICES_RAGMESH_LOCAL_STAGES_H_
#define RAGMESH_SERVICES_RAGMESH_LOCAL_STAGES_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "libs/base/call_context.h"
#include "libs/concurrency/thread_pool.h"
#include "libs/flags/flag_set.h"
#include "libs/pipeline/stages.h"
#include "services/common/model_options.h"
#include "services/embedder/embedder_stage.h"
#include "services/generator/generator_stage.h"
#include "services/loader/loader_stage.h"
#include "services/ragmesh/slot_stages.h"
#include "services/reranker/reranker_stage.h"
#include "services/splitter/splitter_stage.h"
#include "services/vector_store/vector_store_stage.h"

namespace ragmesh::cli {

struct LocalStagesConfig {
  services::ModelOptions models;
  services::LoaderConfig loader;
  services::SplitterConfig splitter;
  services::EmbedderConfig embedder;
  std::string next_embedder_model;  // empty: there is no next one
  services::VectorStoreConfig vector_store;
  services::RerankerConfig reranker;
  services::GeneratorConfig generator;
  std::string kernel = "auto";
  std::int64_t threads = AvailableCpus();

  // Everything but the vector store's folder, which the caller places below its own.
  void Declare(flags::FlagSet& flags);
};

// Thread-safe. One compute pool serves embedder and reranker, which share their weights when they
// use the same model.
class LocalStages {
 public:
  // Opens the vector store; the other stages answer UNAVAILABLE / STAGE_STARTING until Load. Its
  // metrics go to `registry`, unless that is null.
  static absl::StatusOr<std::unique_ptr<LocalStages>> Open(const LocalStagesConfig& config,
                                                           metrics::Registry* registry);

  // Loads what needs time: models and the parser. A stage that cannot be loaded says so to its
  // callers, the others go on; the first error is returned. `registry` is borrowed until the stages
  // are gone.
  absl::Status Load(metrics::Registry& registry, const CallContext& call);

  pipeline::Stages stages() {
    return {loader_,
            splitter_,
            embedder_,
            *vector_store_,
            reranker_,
            generator_,
            config_.next_embedder_model.empty() ? nullptr : &next_embedder_};
  }

  std::shared_ptr<stages::VectorStore> vector_store() const { return vector_store_; }

 private:
  explicit LocalStages(const LocalStagesConfig& config);

  const LocalStagesConfig config_;
  ThreadPool compute_;
  SlotLoader loader_{"loader"};
  SlotSplitter splitter_{"splitter"};
  SlotEmbedder embedder_{"embedder"};
  SlotEmbedder next_embedder_{"next-embedder"};
  SlotReranker reranker_{"reranker"};
  SlotGenerator generator_{"generator"};
  std::shared_ptr<stages::VectorStore> vector_store_;
};

}  // namespace ragmesh::cli

#endif  // RAGMESH_SERVICES_RAGMESH_LOCAL_STAGES_H_
