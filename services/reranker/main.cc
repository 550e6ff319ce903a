// ragmesh-reranker: orders candidate passages by relevance to one query.
#include "libs/base/status_macros.h"
#include "libs/concurrency/thread_pool.h"
#include "services/common/server_flags.h"
#include "services/common/stage_host.h"
#include "services/reranker/reranker_service.h"
#include "services/reranker/reranker_stage.h"

int main(int argc, char** argv) {
  using namespace ragmesh;  // NOLINT
  services::ModelOptions models;
  services::RerankerConfig config;
  std::string kernel = "auto";
  std::int64_t threads = AvailableCpus();
  rpc::ServerOptions server = services::DefaultServerOptions(7705);
  flags::FlagSet flags("ragmesh-reranker", "Orders candidate passages by relevance to one query.",
                       "ragmesh-reranker --listen=127.0.0.1:7705");
  models.Declare(flags);
  config.Declare(flags);
  services::AddKernelFlag(flags, &kernel);
  flags.Int("threads", &threads, {1, 1024}, "threads", "Threads that compute.");
  services::AddServerFlags(flags, &server);
  flags.ParseOrExit(argc, argv);

  services::StageHost host("reranker", "ragmesh.reranker.v1.RerankerService", server,
                           flags.Values());
  models.log = &host.log();
  ThreadPool compute("compute", static_cast<int>(threads), 4096);
  services::StageSlot<stages::Reranker> slot("reranker");
  services::RerankerService service(host.runtime(), slot);
  return host.Run(service, [&](const CallContext& call) -> absl::Status {
    auto reranker = services::MakeReranker(
        config, models, kernel, compute, static_cast<int>(threads), nullptr, host.metrics(), call);
    if (!reranker.ok()) {
      slot.Fail(reranker.status());
      return reranker.status();
    }
    slot.Fill(*std::move(reranker));
    return absl::OkStatus();
  });
}
