// ragmesh-gateway: the door of the mesh. Ingest jobs, search and answers over gRPC and HTTP.
#include <cstdio>
#include <memory>

#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/clients/clients.h"
#include "services/common/server_flags.h"
#include "services/gateway/gateway_process.h"

namespace {

using namespace ragmesh;  // NOLINT

// The six stages behind their clients.
struct Peers {
  std::unique_ptr<stages::Loader> loader;
  std::unique_ptr<stages::Splitter> splitter;
  std::unique_ptr<stages::Embedder> embedder;
  std::unique_ptr<stages::Embedder> next_embedder;  // may be null
  std::unique_ptr<stages::VectorStore> vector_store;
  std::unique_ptr<stages::Reranker> reranker;
  std::unique_ptr<stages::Generator> generator;

  static absl::StatusOr<Peers> Connect(const services::PeerConfig& config) {
    const auto& tls = config.tls;
    Peers peers;
    RAGMESH_ASSIGN_OR_RETURN(peers.loader, clients::ConnectLoader({config.loader, tls}));
    RAGMESH_ASSIGN_OR_RETURN(peers.splitter, clients::ConnectSplitter({config.splitter, tls}));
    RAGMESH_ASSIGN_OR_RETURN(peers.embedder, clients::ConnectEmbedder({config.embedder, tls}));
    if (!config.next_embedder.empty()) {
      RAGMESH_ASSIGN_OR_RETURN(peers.next_embedder,
                               clients::ConnectEmbedder({config.next_embedder, tls}));
    }
    RAGMESH_ASSIGN_OR_RETURN(peers.vector_store,
                             clients::ConnectVectorStore({config.vector_store, tls}));
    RAGMESH_ASSIGN_OR_RETURN(peers.reranker, clients::ConnectReranker({config.reranker, tls}));
    RAGMESH_ASSIGN_OR_RETURN(peers.generator, clients::ConnectGenerator({config.generator, tls}));
    return peers;
  }
};

int Refuse(const absl::Status& status) {
  const std::string next_step = GetErrorDetail(status).value_or(ErrorDetail{}).next_step;
  std::fprintf(stderr, "ragmesh-gateway: %s%s%s\n", std::string(status.message()).c_str(),
               next_step.empty() ? "" : ". ", next_step.c_str());
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  services::GatewayConfig config;
  services::PeerConfig peer_config;
  rpc::ServerOptions server = services::DefaultServerOptions(7700);
  server.workers = 64;  // most calls wait for stages, and each watcher of a job holds one
  flags::FlagSet flags("ragmesh-gateway",
                       "The door of the mesh: ingest, search and answers over gRPC and HTTP.",
                       "ragmesh-gateway --listen=127.0.0.1:7700 --http_listen=127.0.0.1:8080");
  peer_config.Declare(flags);
  config.Declare(flags);
  services::AddServerFlags(flags, &server);
  flags.ParseOrExit(argc, argv);

  if (absl::Status status = config.AddBridgeSocket(&server); !status.ok()) return Refuse(status);
  services::StageHost host("gateway", "ragmesh.gateway.v1.GatewayService", server, flags.Values());
  const auto peers = Peers::Connect(peer_config);
  if (!peers.ok()) return Refuse(peers.status());
  const services::GatewayStages stages{
      {*peers->loader, *peers->splitter, *peers->embedder, *peers->vector_store, *peers->reranker,
       *peers->generator, peers->next_embedder.get()},
      {{"loader", peer_config.loader},
       {"splitter", peer_config.splitter},
       {"embedder", peer_config.embedder},
       {"next-embedder", peer_config.next_embedder},
       {"vector-store", peer_config.vector_store},
       {"reranker", peer_config.reranker},
       {"generator", peer_config.generator}}};
  return services::RunGateway(config, server, stages, host, nullptr);
}
