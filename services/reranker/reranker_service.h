// The reranker stage over gRPC: converts, calls the core, converts back.
#ifndef RAGMESH_SERVICES_RERANKER_RERANKER_SERVICE_H_
#define RAGMESH_SERVICES_RERANKER_RERANKER_SERVICE_H_

#include <ragmesh/reranker/v1/reranker.grpc.pb.h>

#include "libs/rpc/server_runtime.h"
#include "libs/stages/reranker.h"
#include "services/common/stage_slot.h"

namespace ragmesh::services {

// Thread-safe. `runtime` and `slot` are borrowed and outlive the server this is registered with.
class RerankerService final : public reranker::v1::RerankerService::CallbackService {
 public:
  RerankerService(rpc::ServerRuntime& runtime, const StageSlot<stages::Reranker>& slot)
      : runtime_(runtime), slot_(slot) {}

  grpc::ServerUnaryReactor* Rerank(grpc::CallbackServerContext* context,
                                   const reranker::v1::RerankRequest* request,
                                   reranker::v1::RerankResponse* response) override;
  grpc::ServerUnaryReactor* Info(grpc::CallbackServerContext* context,
                                 const reranker::v1::InfoRequest* request,
                                 reranker::v1::InfoResponse* response) override;

 private:
  rpc::ServerRuntime& runtime_;
  const StageSlot<stages::Reranker>& slot_;
};

}  // namespace ragmesh::services

#endif  // RAGMESH_SERVICES_RERANKER_RERANKER_SERVICE_H_
