// Runs one unary call on the runtime's executor.
#ifndef RAGMESH_LIBS_RPC_RUN_UNARY_H_
#define RAGMESH_LIBS_RPC_RUN_UNARY_H_

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "libs/rpc/server_runtime.h"

namespace grpc {
class CallbackServerContext;
class ServerUnaryReactor;
}  // namespace grpc

namespace ragmesh::rpc {

// `work` fills the response it captured and returns the call's status. Its CallContext is cancelled
// when the caller goes, has the caller's deadline (at most --max_call_time), and carries the span's
// traceparent. A full queue is answered at once with RESOURCE_EXHAUSTED / QUEUE_FULL. `method` is a
// literal.
grpc::ServerUnaryReactor* RunUnary(ServerRuntime& runtime, const char* method,
                                   grpc::CallbackServerContext* context,
                                   absl::AnyInvocable<absl::Status(const CallContext&) &&> work);

}  // namespace ragmesh::rpc

#endif  // RAGMESH_LIBS_RPC_RUN_UNARY_H_
