#include <ragmesh/splitter/v1/splitter.grpc.pb.h>

#include "libs/clients/clients.h"
#include "libs/clients/stage_connection.h"
#include "libs/rpc/bidi_client.h"
#include "libs/wire/splitter_wire.h"

namespace ragmesh::clients {
namespace {

namespace v1 = ::ragmesh::splitter::v1;

class SplitterClient final : public stages::Splitter {
 public:
  explicit SplitterClient(StageConnection<v1::SplitterService> connection)
      : connection_(std::move(connection)) {}

  absl::Status Split(const stages::SplitOptions& options,
                     absl::FunctionRef<absl::StatusOr<std::optional<stages::Block>>()> next_block,
                     absl::FunctionRef<absl::Status(stages::Chunk)> on_chunk,
                     const CallContext& call) override {
    rpc::ClientCall client(call, connection_.channel);
    RAGMESH_RETURN_IF_ERROR(client.Check());
    bool first = true;
    const auto next = [&]() -> absl::StatusOr<std::optional<v1::SplitRequest>> {
      v1::SplitRequest message;
      if (first) {
        first = false;
        wire::ToProto(options, message.mutable_options());
        return message;
      }
      RAGMESH_ASSIGN_OR_RETURN(const std::optional<stages::Block> block, next_block());
      if (!block.has_value()) return std::nullopt;
      wire::ToProto(*block, message.mutable_block());
      return message;
    };
    const auto deliver = [&](v1::SplitResponse response) -> absl::Status {
      const wire::Field root;
      RAGMESH_ASSIGN_OR_RETURN(stages::Chunk chunk,
                               wire::FromProto(response.chunk(), wire::Field(root, "chunk")));
      return on_chunk(std::move(chunk));
    };
    using Client = rpc::BidiClient<v1::SplitRequest, v1::SplitResponse>;
    return Client::Run(
        client,
        [this](grpc::ClientContext* context,
               grpc::ClientBidiReactor<v1::SplitRequest, v1::SplitResponse>* reactor) {
          connection_.stub->async()->Split(context, reactor);
        },
        next, deliver);
  }

  absl::StatusOr<stages::StageInfo> Info(const CallContext& call) override {
    return connection_.Info<v1::InfoRequest, v1::InfoResponse>(call);
  }

 private:
  const StageConnection<v1::SplitterService> connection_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<stages::Splitter>> ConnectSplitter(const Peer& peer) {
  RAGMESH_ASSIGN_OR_RETURN(auto connection,
                           StageConnection<v1::SplitterService>::Open(peer, "splitter", {"Info"}));
  return std::make_unique<SplitterClient>(std::move(connection));
}

}  // namespace ragmesh::clients
