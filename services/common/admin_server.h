// The port for operators: /metrics, /healthz and /readyz over HTTP, GET and HEAD only.
#ifndef RAGMESH_SERVICES_COMMON_ADMIN_SERVER_H_
#define RAGMESH_SERVICES_COMMON_ADMIN_SERVER_H_

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "libs/http/server.h"
#include "libs/metrics/registry.h"
#include "libs/rpc/server.h"

namespace ragmesh::services {

// `listen` is HOST:PORT. /healthz answers 200 while the process runs; /readyz 200, or 503 with the
// reason as text. `metrics` is borrowed. `readiness` is called on a network thread.
absl::StatusOr<std::unique_ptr<http::Server>> StartAdminServer(
    const std::string& listen, metrics::Registry& metrics,
    std::function<rpc::Server::Readiness()> readiness);

}  // namespace ragmesh::services

#endif  // RAGMESH_SERVICES_COMMON_ADMIN_SERVER_H_
