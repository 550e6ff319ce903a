#include <ragmesh/embedder/v1/embedder.grpc.pb.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "libs/clients/clients.h"
#include "libs/clients/stage_connection.h"
#include "libs/wire/embedder_wire.h"

namespace ragmesh::clients {
namespace {

namespace v1 = ::ragmesh::embedder::v1;

class EmbedderClient final : public stages::Embedder {
 public:
  explicit EmbedderClient(StageConnection<v1::EmbedderService> connection)
      : connection_(std::move(connection)) {}

  absl::StatusOr<std::vector<stages::Embedding>> Embed(const stages::EmbedRequest& request,
                                                       const CallContext& call) override {
    v1::EmbedRequest message;
    v1::EmbedResponse response;
    wire::ToProto(request, &message);
    RAGMESH_RETURN_IF_ERROR(
        rpc::Unary(call, connection_.channel, [&](grpc::ClientContext* context) {
          return connection_.stub->Embed(context, message, &response);
        }));
    std::vector<stages::Embedding> embeddings = wire::FromProto(response);
    if (embeddings.size() != request.texts.size()) {
      return absl::InternalError(absl::StrCat(connection_.channel.name, " answered ",
                                              embeddings.size(), " vectors for ",
                                              request.texts.size(), " texts"));
    }
    return embeddings;
  }

  absl::StatusOr<stages::StageInfo> Info(const CallContext& call) override {
    return connection_.Info<v1::InfoRequest, v1::InfoResponse>(call);
  }

 private:
  const StageConnection<v1::EmbedderService> connection_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<stages::Embedder>> ConnectEmbedder(const Peer& peer) {
  RAGMESH_ASSIGN_OR_RETURN(auto connection, StageConnection<v1::EmbedderService>::Open(
                                                peer, "embedder", {"Embed", "Info"}));
  return std::make_unique<EmbedderClient>(std::move(connection));
}

}  // namespace ragmesh::clients
