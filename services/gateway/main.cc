// ragmesh-gateway: the door of the mesh. Ingest jobs, search and answers over gRPC and HTTP.
#include <cstdio>
#include <filesystem>
#include <memory>

#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/clients/clients.h"
#include "services/common/server_flags.h"
#include "services/common/stage_host.h"
#include "services/gateway/gateway_config.h"
#include "services/gateway/gateway_metrics.h"
#include "services/gateway/gateway_service.h"
#include "services/gateway/http_front.h"

namespace {

using namespace ragmesh;  // NOLINT

// The six stages behind their clients.
struct Peers {
  std::unique_ptr<stages::Loader> loader;
  std::unique_ptr<stages::Splitter> splitter;
  std::unique_ptr<stages::Embedder> embedder;
  std::unique_ptr<stages::VectorStore> vector_store;
  std::unique_ptr<stages::Reranker> reranker;
  std::unique_ptr<stages::Generator> generator;

  static absl::StatusOr<Peers> Connect(const services::PeerConfig& config) {
    Peers peers;
    RAGMESH_ASSIGN_OR_RETURN(peers.loader, clients::ConnectLoader({config.loader, config.tls}));
    RAGMESH_ASSIGN_OR_RETURN(peers.splitter, clients::ConnectSplitter({config.splitter, config.tls}));
    RAGMESH_ASSIGN_OR_RETURN(peers.embedder, clients::ConnectEmbedder({config.embedder, config.tls}));
    RAGMESH_ASSIGN_OR_RETURN(peers.vector_store, clients::ConnectVectorStore({config.vector_store, config.tls}));
    RAGMESH_ASSIGN_OR_RETURN(peers.reranker, clients::ConnectReranker({config.reranker, config.tls}));
    RAGMESH_ASSIGN_OR_RETURN(peers.generator, clients::ConnectGenerator({config.generator, config.tls}));
    return peers;
  }
  pipeline::Stages stages() const {
    return {*loader, *splitter, *embedder, *vector_store, *reranker, *generator};
  }
};

absl::StatusOr<services::ApiKeys> ReadKeys(const std::string& path) {
  return path.empty() ? services::ApiKeys::Open() : services::ApiKeys::FromFile(path);
}

absl::Status Run(const services::GatewayConfig& config, const services::PeerConfig& peer_config,
                 services::StageHost& host, const std::string& local_target, int* exit_status) {
  RAGMESH_ASSIGN_OR_RETURN(const services::ApiKeys keys, ReadKeys(config.api_keys));
  RAGMESH_ASSIGN_OR_RETURN(const Peers peers, Peers::Connect(peer_config));
  services::GatewayMetrics observer(host.metrics());
  pipeline::GatewayOptions options = config.Options();
  options.addresses = {{"loader", peer_config.loader},         {"splitter", peer_config.splitter},
                       {"embedder", peer_config.embedder},     {"vector-store", peer_config.vector_store},
                       {"reranker", peer_config.reranker},     {"generator", peer_config.generator},
                       {"gateway", local_target}};
  RAGMESH_ASSIGN_OR_RETURN(const auto gateway, pipeline::Gateway::Create(peers.stages(), options, observer));
  auto& jobs = host.metrics().AddGauge("ragmesh_gateway_active_jobs", "Ingest jobs that have not ended.");
  host.metrics().OnScrape([&] { jobs.Set(static_cast<double>(gateway->ingest().active_jobs())); });
  services::GatewayService service(host.runtime(), *gateway, keys);
  std::unique_ptr<services::HttpFront> http;
  *exit_status = host.Run(service, [&](const CallContext&) -> absl::Status {
    if (config.http_listen.empty()) return absl::OkStatus();
    RAGMESH_ASSIGN_OR_RETURN(http, services::HttpFront::Start(config, local_target, host.log()));
    return absl::OkStatus();
  });
  return absl::OkStatus();
}

}  // namespace

int main(int argc, char** argv) {
  services::GatewayConfig config;
  services::PeerConfig peers;
  rpc::ServerOptions server = services::DefaultServerOptions(7700);
  server.workers = 64;  // most calls wait for stages, and each watcher of a job holds one
  flags::FlagSet flags("ragmesh-gateway", "The door of the mesh: ingest, search and answers over gRPC and HTTP.",
                       "ragmesh-gateway --listen=127.0.0.1:7700 --http_listen=127.0.0.1:8080 --allowed_roots=/srv/docs");
  peers.Declare(flags);
  config.Declare(flags);
  services::AddServerFlags(flags, &server);
  flags.ParseOrExit(argc, argv);
  // HTTP calls come in by a socket of their own, whatever addresses and certificates callers outside use.
  std::error_code ignored;
  std::filesystem::create_directories(config.data_dir, ignored);
  const std::string local_target = "unix:" + config.data_dir + "/bridge.sock";
  if (!config.http_listen.empty()) server.listen.push_back(local_target);

  services::StageHost host("gateway", "ragmesh.gateway.v1.GatewayService", server, flags.Values());
  int exit_status = 1;
  const absl::Status status = Run(config, peers, host, local_target, &exit_status);
  if (!status.ok()) {
    const auto detail = GetErrorDetail(status);
    host.log().Error("cannot_start", {{"error", status}, {"next_step", detail ? detail->next_step : ""}});
  }
  return exit_status;
}
