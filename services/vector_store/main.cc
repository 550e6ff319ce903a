// ragmesh-vector-store: keeps documents, chunks and vectors durably, and finds them again.
#include <optional>
#include <utility>

#include "absl/time/time.h"
#include "services/common/server_flags.h"
#include "services/common/stage_host.h"
#include "services/vector_store/store_watch.h"
#include "services/vector_store/vector_store_service.h"
#include "services/vector_store/vector_store_stage.h"

namespace {

constexpr absl::Duration kWatchInterval = absl::Seconds(5);

}  // namespace

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
  std::optional<services::StoreWatch> watch;
  return host.Run(service, [&](const CallContext& call) -> absl::Status {
    auto store = services::MakeVectorStore(config, &host.metrics());
    if (!store.ok()) {
      slot.Fail(store.status());
      return store.status();
    }
    slot.Fill(*store);
    if (config.backend == "builtin") return absl::OkStatus();
    // A server may be away, now or later; calls tell so, and so does readiness.
    const absl::Status readiness = services::StoreReadiness(**store, call);
    watch.emplace(*store, kWatchInterval,
                  [&host, was_ready = readiness.ok()](const absl::Status& now) mutable {
                    host.ReportReadiness(now);
                    if (std::exchange(was_ready, now.ok()) == now.ok()) return;
                    if (now.ok()) {
                      host.log().Info("store_available", {});
                    } else {
                      host.log().Warning("store_unavailable", {{"error", now}});
                    }
                  });
    return readiness;
  });
}
