#include "services/ragmesh/local_stages.h"

#include <utility>
#include <vector>

#include "libs/base/status_macros.h"
#include "services/common/server_flags.h"

namespace ragmesh::cli {
namespace {

constexpr std::size_t kMaxQueuedCompute = 4096;  // texts; each stage bounds its own queue below it

}  // namespace

void LocalStagesConfig::Declare(flags::FlagSet& flags) {
  models.Declare(flags);
  loader.Declare(flags);
  splitter.Declare(flags);
  embedder.Declare(flags);
  flags.String("next_embedder_model", &next_embedder_model,
               "Catalogue name of a second encoder, which collections are to change to, or have "
               "changed to; empty: none.");
  vector_store.DeclareTuning(flags);
  reranker.Declare(flags);
  generator.Declare(flags);
  services::AddKernelFlag(flags, &kernel);
  flags.Int("threads", &threads, {1, 1024}, "threads", "Threads that compute.");
}

LocalStages::LocalStages(const LocalStagesConfig& config)
    : config_(config), compute_("compute", static_cast<int>(config.threads), kMaxQueuedCompute) {}

absl::StatusOr<std::unique_ptr<LocalStages>> LocalStages::Open(const LocalStagesConfig& config,
                                                               metrics::Registry* registry) {
  std::unique_ptr<LocalStages> local(new LocalStages(config));
  RAGMESH_ASSIGN_OR_RETURN(local->vector_store_,
                           services::MakeVectorStore(config.vector_store, registry));
  return local;
}

absl::Status LocalStages::Load(metrics::Registry& registry, const CallContext& call) {
  std::vector<absl::Status> failures;
  // Puts what was made, or why it could not be, where callers find it.
  const auto settle = [&failures](auto& stage, auto made) {
    if (made.ok()) {
      stage.slot().Fill(*std::move(made));
    } else {
      stage.slot().Fail(made.status());
      failures.push_back(made.status());
    }
  };
  const int threads = static_cast<int>(config_.threads);
  settle(splitter_, services::MakeSplitter(config_.splitter, config_.models, call));
  auto embedder = services::MakeEmbedder(config_.embedder, config_.models, config_.kernel, compute_,
                                         threads, call);
  settle(reranker_,
         services::MakeReranker(config_.reranker, config_.models, config_.kernel, compute_, threads,
                                embedder.ok() ? (*embedder)->encoder() : nullptr, registry, call));
  settle(embedder_, std::move(embedder));
  if (!config_.next_embedder_model.empty()) {
    services::EmbedderConfig next = config_.embedder;
    next.model = config_.next_embedder_model;
    settle(next_embedder_,
           services::MakeEmbedder(next, config_.models, config_.kernel, compute_, threads, call));
  }
  settle(loader_, services::MakeLoader(config_.loader, config_.models, call));
  // Last: a model server may keep it waiting.
  auto generator = services::MakeGenerator(config_.generator, config_.models, config_.kernel,
                                           threads, /*on_readiness=*/nullptr, registry, call);
  if (generator.ok()) {
    if (!generator->readiness.ok()) failures.push_back(generator->readiness);
    generator_.slot().Fill(std::move(generator->generator));
  } else {
    generator_.slot().Fail(generator.status());
    failures.push_back(generator.status());
  }
  if (failures.empty()) return absl::OkStatus();
  return failures.front();
}

}  // namespace ragmesh::cli
