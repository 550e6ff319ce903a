// ragmesh-embedder: turns texts into vectors whose cosine says how alike they are.
#include "libs/concurrency/thread_pool.h"
#include "services/common/server_flags.h"
#include "services/common/stage_host.h"
#include "services/embedder/embedder_service.h"
#include "services/embedder/embedder_stage.h"

int main(int argc, char** argv) {
  using namespace ragmesh;  // NOLINT
  services::ModelOptions models;
  services::EmbedderConfig config;
  std::string kernel = "auto";
  std::int64_t threads = AvailableCpus();
  rpc::ServerOptions server = services::DefaultServerOptions(7703);
  server.workers = 32;  // calls wait in the batcher, which does the work of many at once
  flags::FlagSet flags(
      "ragmesh-embedder", "Turns texts into vectors whose cosine says how alike they are.",
      "ragmesh-embedder --embedder_model=all-minilm-l6-v2 --listen=127.0.0.1:7703");
  models.Declare(flags);
  config.Declare(flags);
  services::AddKernelFlag(flags, &kernel);
  flags.Int("threads", &threads, {1, 1024}, "threads", "Threads that compute.");
  services::AddServerFlags(flags, &server);
  flags.ParseOrExit(argc, argv);

  services::StageHost host("embedder", "ragmesh.embedder.v1.EmbedderService", server,
                           flags.Values());
  models.log = &host.log();
  ThreadPool compute("compute", static_cast<int>(threads), 4096);
  services::StageSlot<stages::Embedder> slot("embedder");
  services::EmbedderService service(
      host.runtime(), slot, {.max_texts = static_cast<std::size_t>(config.max_batch_texts)});
  return host.Run(service, [&](const CallContext& call) -> absl::Status {
    auto embedder =
        services::MakeEmbedder(config, models, kernel, compute, static_cast<int>(threads), call);
    if (!embedder.ok()) {
      slot.Fail(embedder.status());
      return embedder.status();
    }
    slot.Fill(*std::move(embedder));
    return absl::OkStatus();
  });
}
