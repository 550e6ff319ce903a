// ragmesh-loader: turns documents into normalised text blocks.
#include "libs/base/status_macros.h"
#include "libs/document/parser_child.h"
#include "services/common/server_flags.h"
#include "services/common/stage_host.h"
#include "services/loader/loader_service.h"
#include "services/loader/loader_stage.h"

int main(int argc, char** argv) {
  using namespace ragmesh;  // NOLINT
  document::MaybeRunParserChild(argc, argv);
  services::ModelOptions models;
  services::LoaderConfig config;
  rpc::ServerOptions server = services::DefaultServerOptions(7701);
  server.workers = 4;  // each call holds one parser process and one document
  flags::FlagSet flags("ragmesh-loader", "Turns documents into normalised text blocks.",
                       "ragmesh-loader --listen=127.0.0.1:7701");
  models.Declare(flags);
  config.Declare(flags);
  services::AddServerFlags(flags, &server);
  flags.ParseOrExit(argc, argv);

  services::StageHost host("loader", "ragmesh.loader.v1.LoaderService", server, flags.Values());
  services::StageSlot<stages::Loader> slot("loader");
  services::LoaderService service(host.runtime(), slot,
                                  static_cast<std::size_t>(config.max_document_bytes));
  return host.Run(service, [&](const CallContext& call) -> absl::Status {
    auto loader = services::MakeLoader(config, models, call);
    if (!loader.ok()) {
      slot.Fail(loader.status());
      return loader.status();
    }
    slot.Fill(*std::move(loader));
    return absl::OkStatus();
  });
}
