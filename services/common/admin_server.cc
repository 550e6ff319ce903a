#include "services/common/admin_server.h"

#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "libs/base/error.h"

namespace ragmesh::services {
namespace {

http::Response Text(int status, std::string body) {
  return {status,
          {{"Content-Type", "text/plain; charset=utf-8"}, {"Cache-Control", "no-store"}},
          std::move(body)};
}

http::Response Answer(const http::RequestHead& head, metrics::Registry& metrics,
                      const std::function<rpc::Server::Readiness()>& readiness) {
  if (head.method != "GET" && head.method != "HEAD") {
    http::Response response = Text(405, "only GET and HEAD are answered here\n");
    response.headers.push_back({"Allow", "GET, HEAD"});
    return response;
  }
  if (head.path == "/metrics") {
    http::Response response = Text(200, metrics.Expose());
    response.headers[0].value = "text/plain; version=0.0.4; charset=utf-8";
    return response;
  }
  if (head.path == "/healthz") return Text(200, "ok\n");
  if (head.path == "/readyz") {
    const rpc::Server::Readiness now = readiness();
    return now.ready ? Text(200, "ready\n")
                     : Text(503, absl::StrCat("not ready: ", now.reason, "\n"));
  }
  return Text(404, "this port has /metrics, /healthz and /readyz\n");
}

}  // namespace

absl::StatusOr<std::unique_ptr<http::Server>> StartAdminServer(
    const std::string& listen, metrics::Registry& metrics,
    std::function<rpc::Server::Readiness()> readiness) {
  const std::size_t colon = listen.rfind(':');
  http::ServerOptions options;
  int port = 0;
  if (colon == std::string::npos || !absl::SimpleAtoi(listen.substr(colon + 1), &port) ||
      port < 0 || port > 65535) {
    return InvalidField("--admin_listen", absl::StrCat("is \"", listen, "\""), "Write HOST:PORT.");
  }
  options.address =
      std::string(absl::StripSuffix(absl::StripPrefix(listen.substr(0, colon), "["), "]"));
  options.port = static_cast<std::uint16_t>(port);
  options.max_connections = 64;  // a few scrapers and probes
  options.max_header_bytes = 8 << 10;
  return http::Server::Start(options, [&metrics, readiness = std::move(readiness)](
                                          std::shared_ptr<http::Exchange> exchange) {
    exchange->Respond(Answer(exchange->head(), metrics, readiness));
  });
}

}  // namespace ragmesh::services
