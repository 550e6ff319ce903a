#include <ragmesh/reranker/v1/reranker.grpc.pb.h>

#include "libs/clients/clients.h"
#include "libs/clients/stage_connection.h"
#include "libs/wire/reranker_wire.h"

namespace ragmesh::clients {
namespace {

namespace v1 = ::ragmesh::reranker::v1;

class RerankerClient final : public stages::Reranker {
 public:
  explicit RerankerClient(StageConnection<v1::RerankerService> connection)
      : connection_(std::move(connection)) {}

  absl::StatusOr<std::vector<stages::Reranked>> Rerank(const stages::RerankRequest& request,
                                                       const CallContext& call) override {
    v1::RerankRequest message;
    v1::RerankResponse response;
    wire::ToProto(request, &message);
    RAGMESH_RETURN_IF_ERROR(
        rpc::Unary(call, connection_.channel, [&](grpc::ClientContext* context) {
          return connection_.stub->Rerank(context, message, &response);
        }));
    return wire::FromProto(response, request.candidates.size());
  }

  absl::StatusOr<stages::StageInfo> Info(const CallContext& call) override {
    return connection_.Info<v1::InfoRequest, v1::InfoResponse>(call);
  }

 private:
  const StageConnection<v1::RerankerService> connection_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<stages::Reranker>> ConnectReranker(const Peer& peer) {
  RAGMESH_ASSIGN_OR_RETURN(auto connection, StageConnection<v1::RerankerService>::Open(
                                                peer, "reranker", {"Rerank", "Info"}));
  return std::make_unique<RerankerClient>(std::move(connection));
}

}  // namespace ragmesh::clients
