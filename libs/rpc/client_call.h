// One outgoing call made for an incoming one: it gets what is left of the caller's time, belongs to
// the caller's trace, and is cancelled with it.
#ifndef RAGMESH_LIBS_RPC_CLIENT_CALL_H_
#define RAGMESH_LIBS_RPC_CLIENT_CALL_H_

#include <grpcpp/client_context.h>

#include "absl/status/status.h"
#include "libs/base/call_context.h"
#include "libs/rpc/channel.h"

namespace ragmesh::rpc {

// Used by one thread; lives until the call has finished. `call` is copied, `channel` is borrowed.
class ClientCall {
 public:
  ClientCall(const CallContext& call, const StageChannel& channel);

  // CANCELLED or DEADLINE_EXCEEDED when there is no point in making the call.
  absl::Status Check() const { return call_.Check(); }

  grpc::ClientContext* context() { return &context_; }

  // What the call came to. The caller's own cancellation and deadline win over what the transport
  // says of them; a peer that cannot be reached is UNAVAILABLE / PEER_UNREACHABLE and named.
  absl::Status Finish(const grpc::Status& status) const;

 private:
  const CallContext call_;
  const StageChannel& channel_;
  grpc::ClientContext context_;
  CallContext::Registration cancel_;  // last, so that it goes first
};

// Makes one unary call: Unary(call, channel, [&](auto* context) { return stub->Embed(context,
// request, &response); }).
template <typename Function>
absl::Status Unary(const CallContext& call, const StageChannel& channel, Function&& function) {
  ClientCall client(call, channel);
  if (absl::Status status = client.Check(); !status.ok()) return status;
  return client.Finish(function(client.context()));
}

}  // namespace ragmesh::rpc

#endif  // RAGMESH_LIBS_RPC_CLIENT_CALL_H_
