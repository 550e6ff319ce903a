#include <ragmesh/generator/v1/generator.grpc.pb.h>

#include "absl/strings/str_cat.h"
#include "libs/clients/clients.h"
#include "libs/clients/stage_connection.h"
#include "libs/wire/generator_wire.h"

namespace ragmesh::clients {
namespace {

namespace v1 = ::ragmesh::generator::v1;

class GeneratorClient final : public stages::Generator {
 public:
  explicit GeneratorClient(StageConnection<v1::GeneratorService> connection)
      : connection_(std::move(connection)) {}

  absl::StatusOr<stages::GenerateResult> Generate(
      const stages::GenerateRequest& request,
      absl::FunctionRef<absl::Status(const stages::TokenEvent&)> on_token,
      const CallContext& call) override {
    v1::GenerateRequest message;
    wire::ToProto(request, &message);
    rpc::ClientCall client(call, connection_.channel);
    RAGMESH_RETURN_IF_ERROR(client.Check());
    const auto reader = connection_.stub->Generate(client.context(), message);
    v1::GenerateResponse response;
    absl::StatusOr<stages::GenerateResult> result = absl::InternalError(
        absl::StrCat(connection_.channel.name, " ended its stream without a summary"));
    absl::Status consumer;
    while (consumer.ok() && reader->Read(&response)) {
      if (response.has_token()) consumer = on_token(wire::FromProto(response.token()));
      if (response.has_summary()) result = wire::FromProto(response.summary());
    }
    if (!consumer.ok()) client.context()->TryCancel();
    const absl::Status finished = client.Finish(reader->Finish());
    RAGMESH_RETURN_IF_ERROR(consumer);
    RAGMESH_RETURN_IF_ERROR(finished);
    return result;
  }

  absl::StatusOr<std::vector<std::uint32_t>> Tokenize(const stages::Prompt& prompt,
                                                      const CallContext& call) override {
    v1::TokenizeRequest message;
    v1::TokenizeResponse response;
    wire::ToProto(prompt, message.mutable_prompt());
    RAGMESH_RETURN_IF_ERROR(
        rpc::Unary(call, connection_.channel, [&](grpc::ClientContext* context) {
          return connection_.stub->Tokenize(context, message, &response);
        }));
    return std::vector<std::uint32_t>(response.token_ids().begin(), response.token_ids().end());
  }

  absl::StatusOr<stages::StageInfo> Info(const CallContext& call) override {
    return connection_.Info<v1::InfoRequest, v1::InfoResponse>(call);
  }

 private:
  const StageConnection<v1::GeneratorService> connection_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<stages::Generator>> ConnectGenerator(const Peer& peer) {
  RAGMESH_ASSIGN_OR_RETURN(auto connection,
                           StageConnection<v1::GeneratorService>::Open(
                               peer, "generator", {"Tokenize", "CountTokens", "Info"}));
  return std::make_unique<GeneratorClient>(std::move(connection));
}

}  // namespace ragmesh::clients
