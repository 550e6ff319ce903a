#include "services/gateway/http_front.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/bridge/bridge.h"
#include "libs/http/server.h"
#include "libs/version/version.h"

namespace ragmesh::services {
namespace {

class BridgedServer final : public HttpFront {
 public:
  BridgedServer(std::unique_ptr<bridge::Bridge> bridge, std::unique_ptr<http::Server> server)
      : bridge_(std::move(bridge)), server_(std::move(server)) {}
  ~BridgedServer() override { server_->Shutdown(absl::InfinitePast()); }
  std::uint16_t port() const override { return server_->port(); }
  void Shutdown(absl::Time deadline) override { server_->Shutdown(deadline); }

 private:
  const std::unique_ptr<bridge::Bridge> bridge_;
  const std::unique_ptr<http::Server> server_;  // goes first
};

// "127.0.0.1:8080", "[::1]:8080"
absl::Status ParseAddress(absl::string_view text, http::ServerOptions* options) {
  const std::size_t colon = text.rfind(':');
  int port = 0;
  if (colon == absl::string_view::npos || !absl::SimpleAtoi(text.substr(colon + 1), &port) ||
      port < 0 || port > 65535) {
    return InvalidField("http_listen", absl::StrCat("is \"", text, "\", not HOST:PORT"),
                        "Use for example 127.0.0.1:8080.");
  }
  absl::string_view host = text.substr(0, colon);
  if (absl::ConsumePrefix(&host, "[")) absl::ConsumeSuffix(&host, "]");
  options->address = std::string(host);
  options->port = static_cast<std::uint16_t>(port);
  return absl::OkStatus();
}

void LogAccess(log::Logger& log, const http::AccessRecord& record) {
  log.Info("http", {{"id", record.id},
                    {"method", record.method},
                    {"path", record.path},
                    {"status", record.status},
                    {"bytes_in", record.bytes_in},
                    {"bytes_out", record.bytes_out},
                    {"duration_ms", absl::ToDoubleMilliseconds(record.duration)}});
}

}  // namespace

absl::StatusOr<std::unique_ptr<HttpFront>> HttpFront::Start(const GatewayConfig& config,
                                                            const rpc::ServerTls& tls,
                                                            log::Logger& log) {
  http::ServerOptions options;
  RAGMESH_RETURN_IF_ERROR(ParseAddress(config.http_listen, &options));
  options.allowed_hosts = config.http_allowed_hosts.empty() ? http::LoopbackHosts(options.address)
                                                            : config.http_allowed_hosts;
  options.allowed_origins = config.http_allowed_origins;
  if (!tls.cert_file.empty()) {
    options.tls = http::TlsFiles{tls.cert_file, tls.key_file, tls.client_ca_file};
  }

  bridge::BridgeOptions bridge_options;
  bridge_options.version = Version();
  // A Unix socket, not gRPC's in-process transport: in 1.51 that one sometimes ends a unary call
  // with OK and without its message (55 of 900 calls measured).
  grpc::ChannelArguments arguments;
  const int max_message = static_cast<int>(bridge_options.api.max_body_bytes) + (2 << 20);
  arguments.SetMaxReceiveMessageSize(max_message);
  arguments.SetMaxSendMessageSize(max_message);
  bridge_options.api.channel = grpc::CreateCustomChannel(
      config.bridge_target, grpc::InsecureChannelCredentials(), arguments);
  bridge_options.api.max_document_bytes = static_cast<std::size_t>(config.max_document_bytes);
  RAGMESH_ASSIGN_OR_RETURN(auto made, bridge::Bridge::Create(std::move(bridge_options)));
  RAGMESH_ASSIGN_OR_RETURN(
      auto server, http::Server::Start(
                       options,
                       [raw = made.get()](std::shared_ptr<http::Exchange> exchange) {
                         raw->Handle(std::move(exchange));
                       },
                       [&log](const http::AccessRecord& record) { LogAccess(log, record); }));
  log.Info("http_started", {{"address", options.address}, {"port", server->port()}});
  return std::unique_ptr<HttpFront>(
      std::make_unique<BridgedServer>(std::move(made), std::move(server)));
}

}  // namespace ragmesh::services
