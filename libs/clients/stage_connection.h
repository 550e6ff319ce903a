// A channel to one stage and the two stubs on it. Internal to libs/clients.
#ifndef RAGMESH_LIBS_CLIENTS_STAGE_CONNECTION_H_
#define RAGMESH_LIBS_CLIENTS_STAGE_CONNECTION_H_

#include <grpcpp/channel.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "libs/base/status_macros.h"
#include "libs/clients/clients.h"
#include "libs/rpc/channel.h"
#include "libs/rpc/client_call.h"
#include "libs/wire/common_wire.h"

namespace ragmesh::clients {

// `Service` is a generated service class.
template <typename Service>
struct StageConnection {
  rpc::StageChannel channel;
  std::unique_ptr<typename Service::Stub> stub;  // for work
  std::unique_ptr<typename Service::Stub> info;  // for Info, whatever the stage's health

  static absl::StatusOr<StageConnection> Open(const Peer& peer, std::string stage,
                                              std::vector<std::string> idempotent) {
    StageConnection connection;
    RAGMESH_ASSIGN_OR_RETURN(connection.channel, rpc::Dial({.target = peer.target,
                                                            .stage = std::move(stage),
                                                            .service = Service::service_full_name(),
                                                            .idempotent = std::move(idempotent),
                                                            .tls = peer.tls}));
    connection.stub = Service::NewStub(connection.channel.healthy);
    connection.info = Service::NewStub(connection.channel.any);
    return connection;
  }

  template <typename Request, typename Response>
  absl::StatusOr<stages::StageInfo> Info(const CallContext& call) const {
    Response response;
    RAGMESH_RETURN_IF_ERROR(rpc::Unary(call, channel, [&](grpc::ClientContext* context) {
      return info->Info(context, Request(), &response);
    }));
    return wire::FromProto(response.info());
  }
};

}  // namespace ragmesh::clients

#endif  // RAGMESH_LIBS_CLIENTS_STAGE_CONNECTION_H_
