// ragmesh-splitter: cuts documents into chunks that fit the embedder.
#include "services/common/server_flags.h"
#include "services/common/stage_host.h"
#include "services/splitter/splitter_service.h"
#include "services/splitter/splitter_stage.h"

int main(int argc, char** argv) {
  using namespace ragmesh;  // NOLINT
  services::ModelOptions models;
  services::SplitterConfig config;
  rpc::ServerOptions server = services::DefaultServerOptions(7702);
  flags::FlagSet flags("ragmesh-splitter", "Cuts documents into chunks that fit the embedder.",
                       "ragmesh-splitter --listen=127.0.0.1:7702");
  models.Declare(flags);
  config.Declare(flags);
  services::AddServerFlags(flags, &server);
  flags.ParseOrExit(argc, argv);

  services::StageSlot<stages::Splitter> slot("splitter");
  services::StageHost host("splitter", "ragmesh.splitter.v1.SplitterService", server,
                           flags.Values());
  services::SplitterService service(host.runtime(), slot);
  return host.Run(service, [&](const CallContext& call) -> absl::Status {
    auto splitter = services::MakeSplitter(config, models, call);
    if (!splitter.ok()) {
      slot.Fail(splitter.status());
      return splitter.status();
    }
    slot.Fill(*std::move(splitter));
    return absl::OkStatus();
  });
}
