// The generator stage over gRPC: converts, calls the core, converts back.
#ifndef RAGMESH_SERVICES_GENERATOR_GENERATOR_SERVICE_H_
#define RAGMESH_SERVICES_GENERATOR_GENERATOR_SERVICE_H_

#include <ragmesh/generator/v1/generator.grpc.pb.h>

#include "libs/rpc/server_runtime.h"
#include "libs/stages/generator.h"
#include "services/common/stage_slot.h"

namespace ragmesh::services {

// Thread-safe. `runtime` and `slot` are borrowed and outlive the server this is registered with.
class GeneratorService final : public generator::v1::GeneratorService::CallbackService {
 public:
  GeneratorService(rpc::ServerRuntime& runtime, const StageSlot<stages::Generator>& slot)
      : runtime_(runtime), slot_(slot) {}

  grpc::ServerWriteReactor<generator::v1::GenerateResponse>* Generate(
      grpc::CallbackServerContext* context, const generator::v1::GenerateRequest* request) override;
  grpc::ServerUnaryReactor* Tokenize(grpc::CallbackServerContext* context,
                                     const generator::v1::TokenizeRequest* request,
                                     generator::v1::TokenizeResponse* response) override;
  grpc::ServerUnaryReactor* CountTokens(grpc::CallbackServerContext* context,
                                        const generator::v1::CountTokensRequest* request,
                                        generator::v1::CountTokensResponse* response) override;
  grpc::ServerUnaryReactor* Info(grpc::CallbackServerContext* context,
                                 const generator::v1::InfoRequest* request,
                                 generator::v1::InfoResponse* response) override;

 private:
  rpc::ServerRuntime& runtime_;
  const StageSlot<stages::Generator>& slot_;
};

}  // namespace ragmesh::services

#endif  // RAGMESH_SERVICES_GENERATOR_GENERATOR_SERVICE_H_
