#include "libs/rpc/undecodable.h"

#include <grpcpp/support/server_interceptor.h>

#include <memory>
#include <utility>
#include <vector>

#include "libs/base/error.h"
#include "libs/rpc/status.h"

namespace ragmesh::rpc {
namespace {

using grpc::experimental::InterceptionHookPoints;

class Explainer final : public grpc::experimental::Interceptor {
 public:
  void Intercept(grpc::experimental::InterceptorBatchMethods* batch) override {
    if (batch->QueryInterceptionHookPoint(InterceptionHookPoints::PRE_SEND_STATUS)) {
      const grpc::Status status = batch->GetSendStatus();
      // Our own UNIMPLEMENTED always says what is not implemented.
      if (status.error_code() == grpc::StatusCode::UNIMPLEMENTED &&
          status.error_message().empty()) {
        batch->ModifySendStatus(ToGrpcStatus(
            InvalidField("message", "cannot be decoded as the method's request",
                         "Send the request type of the method's proto, with strings in UTF-8.")));
      }
    }
    batch->Proceed();
  }
};

class ExplainerFactory final : public grpc::experimental::ServerInterceptorFactoryInterface {
 public:
  grpc::experimental::Interceptor* CreateServerInterceptor(
      grpc::experimental::ServerRpcInfo*) override {
    return new Explainer;  // gRPC deletes it
  }
};

}  // namespace

void ExplainUndecodableRequests(grpc::ServerBuilder& builder) {
  std::vector<std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>> factories;
  factories.push_back(std::make_unique<ExplainerFactory>());
  builder.experimental().SetInterceptorCreators(std::move(factories));
}

}  // namespace ragmesh::rpc
