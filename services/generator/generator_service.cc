#include "services/generator/generator_service.h"

#include <utility>

#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/rpc/run_stream.h"
#include "libs/rpc/run_unary.h"
#include "libs/wire/common_wire.h"
#include "libs/wire/generator_wire.h"

namespace ragmesh::services {

namespace v1 = ::ragmesh::generator::v1;

grpc::ServerWriteReactor<v1::GenerateResponse>* GeneratorService::Generate(
    grpc::CallbackServerContext* context, const v1::GenerateRequest* request) {
  return rpc::RunServerStream<v1::GenerateResponse>(
      runtime_, "Generate", context,
      [=, this](auto& writer, const CallContext& call) -> absl::Status {
        RAGMESH_ASSIGN_OR_RETURN(const auto generator, slot_.Get());
        RAGMESH_ASSIGN_OR_RETURN(const stages::GenerateRequest in,
                                 wire::FromProto(*request, wire::Field()));
        const auto on_token = [&writer](const stages::TokenEvent& event) {
          v1::GenerateResponse response;
          wire::ToProto(event, response.mutable_token());
          return writer.Write(std::move(response));
        };
        RAGMESH_ASSIGN_OR_RETURN(const stages::GenerateResult result,
                                 generator->Generate(in, on_token, call));
        if (result.finish_reason == stages::FinishReason::kCancelled) {
          return absl::CancelledError("the generation was cancelled");
        }
        v1::GenerateResponse last;
        wire::ToProto(result, last.mutable_summary());
        return writer.Write(std::move(last));
      });
}

grpc::ServerUnaryReactor* GeneratorService::Tokenize(grpc::CallbackServerContext* context,
                                                     const v1::TokenizeRequest* request,
                                                     v1::TokenizeResponse* response) {
  return rpc::RunUnary(
      runtime_, "Tokenize", context, [=, this](const CallContext& call) -> absl::Status {
        const wire::Field root;
        RAGMESH_ASSIGN_OR_RETURN(const auto generator, slot_.Get());
        RAGMESH_ASSIGN_OR_RETURN(const wire::Prompt prompt,
                                 wire::FromProto(request->prompt(), wire::Field(root, "prompt")));
        RAGMESH_ASSIGN_OR_RETURN(const auto ids, generator->Tokenize(prompt, call));
        *response->mutable_token_ids() = {ids.begin(), ids.end()};
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* GeneratorService::CountTokens(grpc::CallbackServerContext* context,
                                                        const v1::CountTokensRequest* request,
                                                        v1::CountTokensResponse* response) {
  return rpc::RunUnary(
      runtime_, "CountTokens", context, [=, this](const CallContext& call) -> absl::Status {
        const wire::Field root;
        RAGMESH_ASSIGN_OR_RETURN(const auto generator, slot_.Get());
        RAGMESH_ASSIGN_OR_RETURN(const wire::Prompt prompt,
                                 wire::FromProto(request->prompt(), wire::Field(root, "prompt")));
        RAGMESH_ASSIGN_OR_RETURN(const auto ids, generator->Tokenize(prompt, call));
        RAGMESH_ASSIGN_OR_RETURN(const stages::StageInfo info, generator->Info(call));
        response->set_token_count(static_cast<std::uint32_t>(ids.size()));
        response->set_context_tokens(info.model.max_tokens);
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* GeneratorService::Info(grpc::CallbackServerContext* context,
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
