// The gateway over gRPC: authenticates, converts, calls the pipeline, converts back.
#ifndef RAGMESH_SERVICES_GATEWAY_GATEWAY_SERVICE_H_
#define RAGMESH_SERVICES_GATEWAY_GATEWAY_SERVICE_H_

#include <ragmesh/gateway/v1/gateway.grpc.pb.h>

#include "libs/pipeline/gateway.h"
#include "libs/rpc/server_runtime.h"
#include "services/gateway/api_keys.h"

namespace ragmesh::services {

// Thread-safe. What it is given is borrowed and outlives the server this is registered with.
class GatewayService final : public gateway::v1::GatewayService::CallbackService {
 public:
  GatewayService(rpc::ServerRuntime& runtime, pipeline::Gateway& gateway, const ApiKeys& keys)
      : runtime_(runtime), gateway_(gateway), keys_(keys) {}

#define RAGMESH_GATEWAY_UNARY(Method)                                   \
  grpc::ServerUnaryReactor* Method(grpc::CallbackServerContext*,        \
                                   const gateway::v1::Method##Request*, \
                                   gateway::v1::Method##Response*) override
  RAGMESH_GATEWAY_UNARY(CreateCollection);
  RAGMESH_GATEWAY_UNARY(ListCollections);
  RAGMESH_GATEWAY_UNARY(GetCollection);
  RAGMESH_GATEWAY_UNARY(UpdateCollection);
  RAGMESH_GATEWAY_UNARY(DeleteCollection);
  RAGMESH_GATEWAY_UNARY(ChangeModel);
  RAGMESH_GATEWAY_UNARY(RollBackModel);
  RAGMESH_GATEWAY_UNARY(FinishModelChange);
  RAGMESH_GATEWAY_UNARY(ListDocuments);
  RAGMESH_GATEWAY_UNARY(GetDocument);
  RAGMESH_GATEWAY_UNARY(ListChunks);
  RAGMESH_GATEWAY_UNARY(DeleteDocument);
  RAGMESH_GATEWAY_UNARY(CreateIngestJob);
  RAGMESH_GATEWAY_UNARY(ListJobs);
  RAGMESH_GATEWAY_UNARY(GetJob);
  RAGMESH_GATEWAY_UNARY(ListJobDocuments);
  RAGMESH_GATEWAY_UNARY(CancelJob);
  RAGMESH_GATEWAY_UNARY(RetryJob);
  RAGMESH_GATEWAY_UNARY(Search);
  RAGMESH_GATEWAY_UNARY(Embed);
  RAGMESH_GATEWAY_UNARY(GetStatus);
#undef RAGMESH_GATEWAY_UNARY

  grpc::ServerReadReactor<gateway::v1::UploadDocumentRequest>* UploadDocument(
      grpc::CallbackServerContext* context, gateway::v1::UploadDocumentResponse* response) override;
  grpc::ServerWriteReactor<gateway::v1::WatchJobResponse>* WatchJob(
      grpc::CallbackServerContext* context, const gateway::v1::WatchJobRequest* request) override;
  grpc::ServerWriteReactor<gateway::v1::AskResponse>* Ask(
      grpc::CallbackServerContext* context, const gateway::v1::AskRequest* request) override;
  grpc::ServerWriteReactor<gateway::v1::ChatResponse>* Chat(
      grpc::CallbackServerContext* context, const gateway::v1::ChatRequest* request) override;

 private:
  absl::StatusOr<pipeline::Caller> CallerOf(const grpc::CallbackServerContext& context) const;

  // Runs `work(caller, call)` for an authenticated caller.
  template <typename Work>
  grpc::ServerUnaryReactor* Unary(const char* method, grpc::CallbackServerContext* context,
                                  Work work);

  rpc::ServerRuntime& runtime_;
  pipeline::Gateway& gateway_;
  const ApiKeys& keys_;
};

}  // namespace ragmesh::services

#endif  // RAGMESH_SERVICES_GATEWAY_GATEWAY_SERVICE_H_
