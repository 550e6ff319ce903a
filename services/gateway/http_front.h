// The HTTP side of a gateway: the bridge in front of its own gRPC server.
#ifndef RAGMESH_SERVICES_GATEWAY_HTTP_FRONT_H_
#define RAGMESH_SERVICES_GATEWAY_HTTP_FRONT_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "libs/log/logger.h"
#include "services/gateway/gateway_config.h"

namespace ragmesh::services {

// Serves from Start until it is destroyed; destroy it before the gRPC server's services.
class HttpFront {
 public:
  virtual ~HttpFront() = default;
  virtual std::uint16_t port() const = 0;

  // `grpc_target` is where the gateway answers, best a Unix socket. `log` is borrowed. INVALID_ARGUMENT on an address
  // that is none.
  static absl::StatusOr<std::unique_ptr<HttpFront>> Start(const GatewayConfig& config, const std::string& grpc_target,
                                                          log::Logger& log);
};

}  // namespace ragmesh::services

#endif  // RAGMESH_SERVICES_GATEWAY_HTTP_FRONT_H_
