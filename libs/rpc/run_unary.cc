#include "libs/rpc/run_unary.h"

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include <utility>

namespace ragmesh::rpc {
namespace {

// Lives from the handler to OnDone, which gRPC calls after Finish and after any OnCancel.
class UnaryCall final : public grpc::ServerUnaryReactor {
 public:
  UnaryCall(ServerRuntime& runtime, const char* method, const grpc::CallbackServerContext& context)
      : call_(runtime, method, context) {}

  void Run(absl::AnyInvocable<absl::Status(const CallContext&) &&> work) {
    call_.Submit(
        [this, work = std::move(work)]() mutable { return std::move(work)(call_.call()); },
        [this](absl::Status status) { Finish(call_.Complete(status, 1, status.ok() ? 1 : 0)); });
  }

 private:
  void OnCancel() override { call_.Cancel(); }
  void OnDone() override { delete this; }

  ServerCall call_;
};

}  // namespace

grpc::ServerUnaryReactor* RunUnary(ServerRuntime& runtime, const char* method,
                                   grpc::CallbackServerContext* context,
                                   absl::AnyInvocable<absl::Status(const CallContext&) &&> work) {
  auto* call = new UnaryCall(runtime, method, *context);
  call->Run(std::move(work));
  return call;
}

}  // namespace ragmesh::rpc
