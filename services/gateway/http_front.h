// The HTTP side of a gateway: the bridge in front of its own gRPC server.
#ifndef RAGMESH_SERVICES_GATEWAY_HTTP_FRONT_H_
#define RAGMESH_SERVICES_GATEWAY_HTTP_FRONT_H_

#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/log/logger.h"
#include "libs/rpc/server_options.h"
#include "services/gateway/gateway_config.h"

namespace ragmesh::services {

// Serves from Start until Shutdown, which must come before the end of the gRPC server.
class HttpFront {
 public:
  virtual ~HttpFront() = default;
  virtual std::uint16_t port() const = 0;

  // Accepts no more, lets running exchanges end until `deadline`, then cancels the rest.
  virtual void Shutdown(absl::Time deadline) = 0;

  // Reaches the gateway's own gRPC server at config.bridge_target. With certificates in `tls` HTTP
  // is served over TLS too, and asks for a client's certificate when gRPC does. `log` is borrowed.
  // INVALID_ARGUMENT on an address that is none.
  static absl::StatusOr<std::unique_ptr<HttpFront>> Start(const GatewayConfig& config,
                                                          const rpc::ServerTls& tls,
                                                          log::Logger& log);
};

}  // namespace ragmesh::services

#endif  // RAGMESH_SERVICES_GATEWAY_HTTP_FRONT_H_
