#include "services/embedder/embedder_service.h"

#include <utility>

#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/rpc/run_stream.h"
#include "libs/rpc/run_unary.h"
#include "libs/wire/common_wire.h"
#include "libs/wire/embedder_wire.h"

namespace ragmesh::services {

namespace v1 = ::ragmesh::embedder::v1;
namespace {

absl::Status EmbedBatch(const StageSlot<stages::Embedder>& slot, const wire::EmbedLimits& limits,
                        const v1::EmbedRequest& in, const wire::Field& field,
                        v1::EmbedResponse* out, const CallContext& call) {
  RAGMESH_ASSIGN_OR_RETURN(const auto embedder, slot.Get());
  RAGMESH_ASSIGN_OR_RETURN(const stages::EmbedRequest request, wire::FromProto(in, limits, field));
  RAGMESH_ASSIGN_OR_RETURN(const auto embeddings, embedder->Embed(request, call));
  wire::ToProto(embeddings, out);
  return absl::OkStatus();
}

}  // namespace

grpc::ServerUnaryReactor* EmbedderService::Embed(grpc::CallbackServerContext* context,
                                                 const v1::EmbedRequest* request,
                                                 v1::EmbedResponse* response) {
  return rpc::RunUnary(runtime_, "Embed", context, [=, this](const CallContext& call) {
    return EmbedBatch(slot_, limits_, *request, wire::Field(), response, call);
  });
}

grpc::ServerBidiReactor<v1::EmbedStreamRequest, v1::EmbedStreamResponse>*
EmbedderService::EmbedStream(grpc::CallbackServerContext* context) {
  return rpc::RunBidi<v1::EmbedStreamRequest, v1::EmbedStreamResponse>(
      runtime_, "EmbedStream", context,
      [this](auto& reader, auto& writer, const CallContext& call) -> absl::Status {
        const wire::Field root;
        while (true) {
          RAGMESH_ASSIGN_OR_RETURN(const std::optional<v1::EmbedStreamRequest> request,
                                   reader.Read());
          if (!request.has_value()) return absl::OkStatus();
          v1::EmbedStreamResponse response;
          RAGMESH_RETURN_IF_ERROR(EmbedBatch(slot_, limits_, request->batch(),
                                             wire::Field(root, "batch"), response.mutable_batch(),
                                             call));
          RAGMESH_RETURN_IF_ERROR(writer.Write(std::move(response)));
        }
      });
}

grpc::ServerUnaryReactor* EmbedderService::Info(grpc::CallbackServerContext* context,
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
