// A connection to one stage: load-balanced over its replicas, health-checked, with retries of what
// may be retried.
#ifndef RAGMESH_LIBS_RPC_CHANNEL_H_
#define RAGMESH_LIBS_RPC_CHANNEL_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/rpc/credentials.h"

namespace grpc {
class Channel;
}

namespace ragmesh::rpc {

struct ChannelOptions {
  std::string target;   // "host:port", "dns:///name:port", "unix:/path" or "xds:///name"
  std::string stage;    // for messages: "embedder"
  std::string service;  // full name, whose health is watched
  std::vector<std::string>
      idempotent;  // methods retried on UNAVAILABLE, at most twice, within their deadline
  ClientTls tls;
  std::int64_t max_message_bytes = std::int64_t{66} << 20;
  absl::Duration max_call_time = absl::Minutes(15);  // of calls whose caller has no deadline
};

// Thread-safe; both channels share their connections.
struct StageChannel {
  std::string name;                        // "embedder at 127.0.0.1:7703"
  std::shared_ptr<grpc::Channel> healthy;  // for work: replicas that are NOT_SERVING get no calls
  std::shared_ptr<grpc::Channel> any;      // for Info, which a stage that is not ready answers too
  absl::Duration max_call_time;
};

// Connects when first used. INVALID_ARGUMENT on a target that is none and on TLS files that cannot
// be used.
absl::StatusOr<StageChannel> Dial(const ChannelOptions& options);

}  // namespace ragmesh::rpc

#endif  // RAGMESH_LIBS_RPC_CHANNEL_H_
