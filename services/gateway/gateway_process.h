// The process around the gateway: pipeline, gRPC server, HTTP server. `ragmesh-gateway` runs it
// over six clients, `ragmesh serve` over six stages of its own.
#ifndef RAGMESH_SERVICES_GATEWAY_GATEWAY_PROCESS_H_
#define RAGMESH_SERVICES_GATEWAY_GATEWAY_PROCESS_H_

#include <map>
#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "libs/pipeline/stages.h"
#include "libs/rpc/server_options.h"
#include "services/common/stage_host.h"
#include "services/gateway/gateway_config.h"

namespace ragmesh::services {

// The stages of a gateway, with what they are called by people.
struct GatewayStages {
  pipeline::Stages stages;
  std::map<std::string, std::string> addresses;  // by stage name; without an entry: in process
};

// Serves until SIGTERM or SIGINT and drains; the exit status of the process. What `stages` names is
// borrowed and outlives the call. `load` runs once the servers answer, to make stages ready; it may
// be empty.
int RunGateway(const GatewayConfig& config, const rpc::ServerOptions& server,
               const GatewayStages& stages, StageHost& host,
               absl::AnyInvocable<absl::Status(const CallContext&) &&> load);

}  // namespace ragmesh::services

#endif  // RAGMESH_SERVICES_GATEWAY_GATEWAY_PROCESS_H_
