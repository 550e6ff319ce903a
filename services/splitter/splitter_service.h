// The splitter stage over gRPC: converts, calls the core, converts back.
#ifndef RAGMESH_SERVICES_SPLITTER_SPLITTER_SERVICE_H_
#define RAGMESH_SERVICES_SPLITTER_SPLITTER_SERVICE_H_

#include <ragmesh/splitter/v1/splitter.grpc.pb.h>

#include "libs/rpc/server_runtime.h"
#include "libs/stages/splitter.h"
#include "services/common/stage_slot.h"

namespace ragmesh::services {

// Thread-safe. `runtime` and `slot` are borrowed and outlive the server this is registered with.
class SplitterService final : public splitter::v1::SplitterService::CallbackService {
 public:
  SplitterService(rpc::ServerRuntime& runtime, const StageSlot<stages::Splitter>& slot)
      : runtime_(runtime), slot_(slot) {}

  grpc::ServerBidiReactor<splitter::v1::SplitRequest, splitter::v1::SplitResponse>* Split(
      grpc::CallbackServerContext* context) override;
  grpc::ServerUnaryReactor* Info(grpc::CallbackServerContext* context,
                                 const splitter::v1::InfoRequest* request,
                                 splitter::v1::InfoResponse* response) override;

 private:
  rpc::ServerRuntime& runtime_;
  const StageSlot<stages::Splitter>& slot_;
};

}  // namespace ragmesh::services

#endif  // RAGMESH_SERVICES_SPLITTER_SPLITTER_SERVICE_H_
