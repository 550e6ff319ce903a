// ragmesh-generator: writes text token by token with a decoder model.
#include "libs/base/status_macros.h"
#include "libs/concurrency/thread_pool.h"
#include "services/common/server_flags.h"
#include "services/common/stage_host.h"
#include "services/generator/generator_service.h"
#include "services/generator/generator_stage.h"

int main(int argc, char** argv) {
  using namespace ragmesh;  // NOLINT
  services::ModelOptions models;
  services::GeneratorConfig config;
  std::string kernel = "auto";
  std::int64_t threads = AvailableCpus();
  rpc::ServerOptions server = services::DefaultServerOptions(7706);
  server.workers = 72;  // a stream holds one while it runs or waits: the engine bounds the work
  flags::FlagSet flags("ragmesh-generator", "Writes text token by token with a decoder model.",
                       "ragmesh-generator --listen=127.0.0.1:7706");
  models.Declare(flags);
  config.Declare(flags);
  services::AddKernelFlag(flags, &kernel);
  flags.Int("threads", &threads, {1, 1024}, "threads", "Threads that compute.");
  services::AddServerFlags(flags, &server);
  flags.ParseOrExit(argc, argv);

  services::StageHost host("generator", "ragmesh.generator.v1.GeneratorService", server,
                           flags.Values());
  services::StageSlot<stages::Generator> slot("generator");
  services::GeneratorService service(host.runtime(), slot);
  models.log = &host.log();
  return host.Run(service, [&](const CallContext& call) -> absl::Status {
    auto made = services::MakeGenerator(
        config, models, kernel, static_cast<int>(threads),
        [&host](const absl::Status& readiness) { host.ReportReadiness(readiness); }, host.metrics(),
        call);
    if (!made.ok()) {
      slot.Fail(made.status());
      return made.status();
    }
    slot.Fill(std::move(made->generator));
    return made->readiness;
  });
}
