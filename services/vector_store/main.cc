// ragmesh-vector-store: keeps documents, chunks and vectors durably, and finds them again.
#include "libs/base/status_macros.h"
#include "services/common/server_flags.h"
#include "services/common/stage_host.h"
#include "services/vector_store/vector_store_service.h"
#include "services/vector_store/vector_store_stage.h"

int main(int argc, char** argv) {
  using namespace ragmesh;  // NOLINT
  services::VectorStoreConfig config;
  rpc::ServerOptions server = services::DefaultServerOptions(7704);
  flags::FlagSet flags(
      "ragmesh-vector-store", "Keeps documents, chunks and vectors durably, and finds them again.",
      "ragmesh-vector-store --data_dir=/var/lib/ragmesh/vector-store --listen=127.0.0.1:7704");
  config.Declare(flags);
  services::AddServerFlags(flags, &server);
  flags.ParseOrExit(argc, argv);

  services::StageSlot<stages::VectorStore> slot("vector-store");
  services::StageHost host("vector-store", "ragmesh.vector_store.v1.VectorStoreService", server,
                           flags.Values());
  services::VectorStoreService service(host.runtime(), slot);
  return host.Run(service, [&](const CallContext&) -> absl::Status {
    auto store = services::MakeVectorStore(config, &host.metrics());
    if (!store.ok()) {
      slot.Fail(store.status());
      return store.status();
    }
    slot.Fill(*std::move(store));
    return absl::OkStatus();
  });
}
