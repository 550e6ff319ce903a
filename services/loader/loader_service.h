// The loader stage over gRPC: converts, calls the core, converts back.
#ifndef RAGMESH_SERVICES_LOADER_LOADER_SERVICE_H_
#define RAGMESH_SERVICES_LOADER_LOADER_SERVICE_H_

#include <ragmesh/loader/v1/loader.grpc.pb.h>

#include "libs/rpc/server_runtime.h"
#include "libs/stages/loader.h"
#include "services/common/stage_slot.h"

namespace ragmesh::services {

// Thread-safe. `runtime` and `slot` are borrowed and outlive the server this is registered with.
class LoaderService final : public loader::v1::LoaderService::CallbackService {
 public:
  LoaderService(rpc::ServerRuntime& runtime, const StageSlot<stages::Loader>& slot,
                std::size_t max_document_bytes)
      : runtime_(runtime), slot_(slot), max_document_bytes_(max_document_bytes) {}

  grpc::ServerBidiReactor<loader::v1::LoadRequest, loader::v1::LoadResponse>* Load(
      grpc::CallbackServerContext* context) override;
  grpc::ServerUnaryReactor* Info(grpc::CallbackServerContext* context,
                                 const loader::v1::InfoRequest* request,
                                 loader::v1::InfoResponse* response) override;

 private:
  rpc::ServerRuntime& runtime_;
  const StageSlot<stages::Loader>& slot_;
  const std::size_t max_document_bytes_;
};

}  // namespace ragmesh::services

#endif  // RAGMESH_SERVICES_LOADER_LOADER_SERVICE_H_
