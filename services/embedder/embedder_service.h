// The embedder stage over gRPC: converts, calls the core, converts back.
#ifndef RAGMESH_SERVICES_EMBEDDER_EMBEDDER_SERVICE_H_
#define RAGMESH_SERVICES_EMBEDDER_EMBEDDER_SERVICE_H_

#include <ragmesh/embedder/v1/embedder.grpc.pb.h>

#include "libs/rpc/server_runtime.h"
#include "libs/stages/embedder.h"
#include "libs/wire/embedder_wire.h"
#include "services/common/stage_slot.h"

namespace ragmesh::services {

// Thread-safe. `runtime` and `slot` are borrowed and outlive the server this is registered with.
class EmbedderService final : public embedder::v1::EmbedderService::CallbackService {
 public:
  EmbedderService(rpc::ServerRuntime& runtime, const StageSlot<stages::Embedder>& slot,
                  wire::EmbedLimits limits)
      : runtime_(runtime), slot_(slot), limits_(limits) {}

  grpc::ServerUnaryReactor* Embed(grpc::CallbackServerContext* context,
                                  const embedder::v1::EmbedRequest* request,
                                  embedder::v1::EmbedResponse* response) override;
  grpc::ServerBidiReactor<embedder::v1::EmbedStreamRequest, embedder::v1::EmbedStreamResponse>*
  EmbedStream(grpc::CallbackServerContext* context) override;
  grpc::ServerUnaryReactor* Info(grpc::CallbackServerContext* context,
                                 const embedder::v1::InfoRequest* request,
                                 embedder::v1::InfoResponse* response) override;

 private:
  rpc::ServerRuntime& runtime_;
  const StageSlot<stages::Embedder>& slot_;
  const wire::EmbedLimits limits_;
};

}  // namespace ragmesh::services

#endif  // RAGMESH_SERVICES_EMBEDDER_EMBEDDER_SERVICE_H_
