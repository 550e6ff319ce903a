#include "services/gateway/gateway_process.h"

#include <memory>
#include <utility>

#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/pipeline/gateway.h"
#include "services/gateway/api_keys.h"
#include "services/gateway/gateway_metrics.h"
#include "services/gateway/gateway_service.h"
#include "services/gateway/http_front.h"

namespace ragmesh::services {
namespace {

absl::Status Serve(const GatewayConfig& config, const rpc::ServerOptions& server,
                   const GatewayStages& stages, StageHost& host,
                   absl::AnyInvocable<absl::Status(const CallContext&) &&> load, int* exit_status) {
  ApiKeys keys = ApiKeys::Open();
  if (!config.api_keys.empty()) {
    RAGMESH_ASSIGN_OR_RETURN(keys, ApiKeys::FromFile(config.api_keys));
  }
  GatewayMetrics observer(host.metrics());
  pipeline::GatewayOptions options = config.Options();
  options.addresses = stages.addresses;
  RAGMESH_ASSIGN_OR_RETURN(const auto gateway,
                           pipeline::Gateway::Create(stages.stages, options, observer));
  auto& jobs =
      host.metrics().AddGauge("ragmesh_gateway_active_jobs", "Ingest jobs that have not ended.");
  host.metrics().OnScrape([&] { jobs.Set(static_cast<double>(gateway->ingest().active_jobs())); });
  GatewayService service(host.runtime(), *gateway, keys);
  std::unique_ptr<HttpFront> http;
  *exit_status = host.Run(service, [&](const CallContext& call) -> absl::Status {
    if (!config.http_listen.empty()) {
      RAGMESH_ASSIGN_OR_RETURN(http, HttpFront::Start(config, server.tls, host.log()));
      host.BeforeDrain([&http](absl::Time deadline) { http->Shutdown(deadline); });
    }
    return load ? std::move(load)(call) : absl::OkStatus();
  });
  return absl::OkStatus();
}

}  // namespace

int RunGateway(const GatewayConfig& config, const rpc::ServerOptions& server,
               const GatewayStages& stages, StageHost& host,
               absl::AnyInvocable<absl::Status(const CallContext&) &&> load) {
  int exit_status = 1;
  const absl::Status status = Serve(config, server, stages, host, std::move(load), &exit_status);
  if (!status.ok()) {
    const auto detail = GetErrorDetail(status).value_or(ErrorDetail{});
    host.log().Error("cannot_start", {{"error", status}, {"next_step", detail.next_step}});
  }
  return exit_status;
}

}  // namespace ragmesh::services
