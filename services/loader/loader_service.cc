#include "services/loader/loader_service.h"

#include <utility>

#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/rpc/run_stream.h"
#include "libs/rpc/run_unary.h"
#include "libs/wire/common_wire.h"
#include "libs/wire/loader_wire.h"

namespace ragmesh::services {

namespace v1 = ::ragmesh::loader::v1;

grpc::ServerBidiReactor<v1::LoadRequest, v1::LoadResponse>* LoaderService::Load(
    grpc::CallbackServerContext* context) {
  return rpc::RunBidi<v1::LoadRequest, v1::LoadResponse>(
      runtime_, "Load", context,
      [this](auto& reader, auto& writer, const CallContext& call) -> absl::Status {
        RAGMESH_ASSIGN_OR_RETURN(const auto loader, slot_.Get());
        wire::LoadRequestReader request(max_document_bytes_);
        while (true) {
          RAGMESH_ASSIGN_OR_RETURN(const std::optional<v1::LoadRequest> message, reader.Read());
          if (!message.has_value()) break;
          RAGMESH_RETURN_IF_ERROR(request.Add(*message));
        }
        RAGMESH_ASSIGN_OR_RETURN(const stages::LoadRequest in, std::move(request).Finish());
        const auto on_block = [&writer](stages::Block block) {
          v1::LoadResponse response;
          wire::ToProto(block, response.mutable_block());
          return writer.Write(std::move(response));
        };
        RAGMESH_ASSIGN_OR_RETURN(const stages::DocumentInfo info, loader->Load(in, on_block, call));
        v1::LoadResponse last;
        wire::ToProto(info, last.mutable_summary());
        return writer.Write(std::move(last));
      });
}

grpc::ServerUnaryReactor* LoaderService::Info(grpc::CallbackServerContext* context,
                                              const v1::InfoRequest*, v1::InfoResponse* response) {
  return rpc::RunUnary(runtime_, "Info", context,
                       [=, this](const CallContext& call) -> absl::Status {
                         RAGMESH_ASSIGN_OR_RETURN(const stages::StageInfo info, slot_.Info(call));
                         wire::ToProto(info, response->mutable_info());
                         return absl::OkStatus();
                       });
}

}  // namespace ragmesh::services
