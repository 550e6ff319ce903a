// What the gateway process can be told.
#ifndef RAGMESH_SERVICES_GATEWAY_GATEWAY_CONFIG_H_
#define RAGMESH_SERVICES_GATEWAY_GATEWAY_CONFIG_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/flags/flag_set.h"
#include "libs/pipeline/gateway.h"
#include "libs/rpc/credentials.h"

namespace ragmesh::services {

// Everything but the peers, so that `ragmesh serve` declares the same flags.
struct GatewayConfig {
  std::string http_listen = "127.0.0.1:8080";  // empty: no HTTP
  std::vector<std::string> http_allowed_hosts;
  std::vector<std::string> http_allowed_origins;
  std::string data_dir = "ragmesh-data/gateway";
  std::vector<std::string> allowed_roots;
  std::string api_keys;  // file; empty: everyone is let in
  std::int64_t ingest_workers = 2;
  std::int64_t max_document_bytes = 128 << 20;
  std::int64_t max_spool_bytes = std::int64_t{10} << 30;
  std::int64_t max_ended_jobs = 1000;
  absl::Duration ingest_patience = absl::Minutes(10);
  std::string keep_tokens = "ids";
  std::int64_t rerank_candidates = 24;
  std::int64_t passages = 5;
  std::int64_t max_answer_tokens = 128;
  std::int64_t prompt_tokens = 480;
  double found_relevance = 0.40;

  void Declare(flags::FlagSet& flags);
  // All but the folder.
  void DeclareSettings(flags::FlagSet& flags);
  pipeline::GatewayOptions Options() const;

  // Adds the address on which the HTTP side reaches the gateway's own gRPC server, whatever
  // addresses and certificates callers outside use: a Unix socket in the data folder, or, where
  // that path would be too long for one, in a private folder under /tmp. Call it before the server
  // is made.
  absl::Status AddBridgeSocket(rpc::ServerOptions* server);
  std::string bridge_target;  // "unix:PATH", set by AddBridgeSocket
};

// Where the stages are. An address is what gRPC takes: "127.0.0.1:7703", "unix:/run/x.sock",
// "dns:///embedder:7703".
struct PeerConfig {
  std::string loader = "127.0.0.1:7701";
  std::string splitter = "127.0.0.1:7702";
  std::string embedder = "127.0.0.1:7703";
  std::string next_embedder;  // of the model that collections are changing to; empty: none
  std::string vector_store = "127.0.0.1:7704";
  std::string reranker = "127.0.0.1:7705";
  std::string generator = "127.0.0.1:7706";
  rpc::ClientTls tls{.flags = "--peer"};

  void Declare(flags::FlagSet& flags);
};

}  // namespace ragmesh::services

#endif  // RAGMESH_SERVICES_GATEWAY_GATEWAY_CONFIG_H_
