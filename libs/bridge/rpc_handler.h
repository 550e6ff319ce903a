// Serves one transcoded request: HTTP in, gRPC call, HTTP out.
#ifndef RAGMESH_LIBS_BRIDGE_RPC_HANDLER_H_
#define RAGMESH_LIBS_BRIDGE_RPC_HANDLER_H_

#include <memory>

#include "grpcpp/channel.h"
#include "libs/bridge/generic_call.h"
#include "libs/bridge/route_table.h"
#include "libs/http/exchange.h"

namespace ragmesh::bridge {

struct RpcHandlerOptions {
  std::size_t max_body_bytes = 64 << 20;
  TimeoutPolicy timeouts;
};

// Answers `exchange`. Unary methods answer with one JSON value. Server streams answer with
// server-sent events (`event:` is the name of the set member when the message has exactly one
// oneof) or, when Accept asks for application/x-ndjson, with one JSON value a line. An error after
// the first message is the last event: `event: error` with a google.rpc.Status, or a line {"error":
// ...}. The call is cancelled when the client goes away.
void ServeRpc(std::shared_ptr<http::Exchange> exchange, const Route& route,
              std::vector<PathBinding> bindings, const std::shared_ptr<grpc::Channel>& channel,
              const RpcHandlerOptions& options);

// The same, with a body that has been read already.
void RunRpc(std::shared_ptr<http::Exchange> exchange, const Route& route,
            const std::vector<PathBinding>& bindings, absl::string_view query,
            absl::string_view body, const std::shared_ptr<grpc::Channel>& channel,
            const TimeoutPolicy& timeouts);

}  // namespace ragmesh::bridge

#endif  // RAGMESH_LIBS_BRIDGE_RPC_HANDLER_H_
