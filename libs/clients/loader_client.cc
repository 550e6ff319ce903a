#include <ragmesh/loader/v1/loader.grpc.pb.h>

#include "absl/strings/str_cat.h"
#include "libs/clients/clients.h"
#include "libs/clients/stage_connection.h"
#include "libs/wire/loader_wire.h"

namespace ragmesh::clients {
namespace {

namespace v1 = ::ragmesh::loader::v1;

class LoaderClient final : public stages::Loader {
 public:
  explicit LoaderClient(StageConnection<v1::LoaderService> connection)
      : connection_(std::move(connection)) {}

  absl::StatusOr<stages::DocumentInfo> Load(const stages::LoadRequest& request,
                                            absl::FunctionRef<absl::Status(stages::Block)> on_block,
                                            const CallContext& call) override {
    rpc::ClientCall client(call, connection_.channel);
    RAGMESH_RETURN_IF_ERROR(client.Check());
    const auto stream = connection_.stub->Load(client.context());
    // The server reads everything before it answers, so all is written first. A failed write means
    // that the server has made up its mind; its status says why.
    wire::ToProto(request, [&](const v1::LoadRequest& message) {
      return stream->Write(message) ? absl::OkStatus() : absl::CancelledError("the stream ended");
    }).IgnoreError();
    stream->WritesDone();
    v1::LoadResponse response;
    absl::StatusOr<stages::DocumentInfo> info = absl::InternalError(
        absl::StrCat(connection_.channel.name, " ended its stream without a summary"));
    absl::Status consumer;
    while (consumer.ok() && stream->Read(&response)) {
      if (response.has_summary()) info = wire::FromProto(response.summary());
      if (response.has_block()) consumer = Deliver(response.block(), on_block);
    }
    if (!consumer.ok()) client.context()->TryCancel();
    const absl::Status finished = client.Finish(stream->Finish());
    RAGMESH_RETURN_IF_ERROR(consumer);
    RAGMESH_RETURN_IF_ERROR(finished);
    return info;
  }

  absl::StatusOr<stages::StageInfo> Info(const CallContext& call) override {
    return connection_.Info<v1::InfoRequest, v1::InfoResponse>(call);
  }

 private:
  static absl::Status Deliver(const wire::common::Block& message,
                              absl::FunctionRef<absl::Status(stages::Block)> on_block) {
    const wire::Field root;
    RAGMESH_ASSIGN_OR_RETURN(stages::Block block,
                             wire::FromProto(message, wire::Field(root, "block")));
    return on_block(std::move(block));
  }

  const StageConnection<v1::LoaderService> connection_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<stages::Loader>> ConnectLoader(const Peer& peer) {
  RAGMESH_ASSIGN_OR_RETURN(auto connection,
                           StageConnection<v1::LoaderService>::Open(peer, "loader", {"Info"}));
  return std::make_unique<LoaderClient>(std::move(connection));
}

}  // namespace ragmesh::clients
