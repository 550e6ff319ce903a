// ragmesh serve: the whole mesh in one process. Calls between stages are C++ calls through the
// interfaces of libs/stages; no sockets.
#include <cstdio>
#include <string>

#include "services/common/server_flags.h"
#include "services/common/stage_host.h"
#include "services/gateway/gateway_process.h"
#include "services/ragmesh/command.h"
#include "services/ragmesh/data_folder.h"
#include "services/ragmesh/exit_status.h"
#include "services/ragmesh/local_stages.h"
#include "services/ragmesh/store_door.h"

namespace ragmesh::cli {
namespace {

class ServeCommand final : public Command {
 public:
  std::string Name() const override { return "serve"; }

  void Declare(flags::FlagSet& root) override {
    flags_ = &root.Subcommand("serve", "Runs the whole mesh in one process until Ctrl-C.",
                              "ragmesh serve --http_listen=127.0.0.1:8080");
    flags_->Group("Storage");
    flags_->String("data_dir", &data_dir_, "Folder of everything that is kept.");
    gateway_.DeclareSettings(*flags_);
    local_.Declare(*flags_);
    server_.workers = 64;  // each waits for stages most of the time
    services::AddServerFlags(*flags_, &server_);
  }

  int Run(const std::string&) override {
    gateway_.data_dir = data_dir_ + "/gateway";
    if (absl::Status status = gateway_.AddBridgeSocket(&server_); !status.ok()) {
      return Fail(status, /*json=*/false);
    }
    services::StageHost host("gateway", "ragmesh.gateway.v1.GatewayService", server_,
                             flags_->Values());
    local_.models.log = &host.log();
    local_.vector_store.data_dir = data_dir_ + "/vector-store";
    local_.loader.max_document_bytes = gateway_.max_document_bytes;
    local_.loader.allowed_roots = gateway_.allowed_roots;
    auto local = LocalStages::Open(local_, &host.metrics());
    if (!local.ok()) return Fail(local.status(), /*json=*/false);
    const auto door = StoreDoor::Open(data_dir_, (*local)->vector_store(), host);
    if (!door.ok()) return Fail(door.status(), /*json=*/false);
    const services::GatewayStages stages{(*local)->stages(), {}};
    return services::RunGateway(gateway_, server_, stages, host, [&](const CallContext& call) {
      const absl::Status loaded = (*local)->Load(host.metrics(), call);
      // A missing model degrades answers; the gateway itself is ready all the same.
      if (!loaded.ok()) {
        host.log().Warning("stage_not_loaded", {{"reason", std::string(loaded.message())}});
      }
      return absl::OkStatus();
    });
  }

 private:
  flags::FlagSet* flags_ = nullptr;
  std::string data_dir_ = DefaultDataFolder();
  services::GatewayConfig gateway_;
  LocalStagesConfig local_;
  rpc::ServerOptions server_ = services::DefaultServerOptions(7700);
};

}  // namespace

std::unique_ptr<Command> MakeServeCommand() { return std::make_unique<ServeCommand>(); }

}  // namespace ragmesh::cli
