#include "services/reranker/reranker_service.h"

#include <utility>

#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/rpc/run_stream.h"
#include "libs/rpc/run_unary.h"
#include "libs/wire/common_wire.h"
#include "libs/wire/reranker_wire.h"

namespace ragmesh::services {

namespace v1 = ::ragmesh::reranker::v1;

grpc::ServerUnaryReactor* RerankerService::Rerank(grpc::CallbackServerContext* context,
                                                  const v1::RerankRequest* request,
                                                  v1::RerankResponse* response) {
  return rpc::RunUnary(runtime_, "Rerank", context,
                       [=, this](const CallContext& call) -> absl::Status {
                         RAGMESH_ASSIGN_OR_RETURN(const auto reranker, slot_.Get());
                         RAGMESH_ASSIGN_OR_RETURN(const stages::RerankRequest in,
                                                  wire::FromProto(*request, wire::Field()));
                         RAGMESH_ASSIGN_OR_RETURN(const auto results, reranker->Rerank(in, call));
                         wire::ToProto(results, response);
                         return absl::OkStatus();
                       });
}

grpc::ServerUnaryReactor* RerankerService::Info(grpc::CallbackServerContext* context,
                                                const v1::InfoRequest*,
                                                v1::InfoResponse* response) {
  return rpc::RunUnary(runtime_, "Info", context,
                       [=, this](const CallContext& call) -> absl::Status {
                         RAGMESH_ASSIGN_OR_RETURN(const stages::StageInfo info, slot_.Info(call));
                         wire::ToProto(info, response->mutable_info());
                         return absl::OkStatus();
                       });
}

}  // namespace ragmesh::services
