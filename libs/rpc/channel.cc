#include "libs/rpc/channel.h"

#include <grpcpp/channel.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/support/channel_arguments.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"

namespace ragmesh::rpc {
namespace {

// A stage that comes back is used again soon.
constexpr int kFirstReconnectMs = 100;
constexpr int kMaxReconnectMs = 2000;
constexpr int kKeepaliveMs = 20 * 1000;
constexpr int kKeepaliveTimeoutMs = 5 * 1000;

absl::StatusOr<std::string> FullTarget(const std::string& target) {
  for (const char* scheme : {"dns:", "unix:", "ipv4:", "ipv6:", "xds:"}) {
    if (absl::StartsWith(target, scheme)) return target;
  }
  const std::size_t colon = target.rfind(':');
  if (target.empty() || colon == std::string::npos || colon == 0 || colon + 1 == target.size() ||
      absl::StrContains(target, '/')) {
    return InvalidField("target", absl::StrCat("is \"", target, "\""),
                        "Write HOST:PORT, dns:///NAME:PORT or unix:PATH.");
  }
  return absl::StrCat("dns:///", target);
}

// Never a "timeout" here: in gRPC 1.51 calls with one end early. Deadlines are set on every call
// instead.
std::string ServiceConfig(const ChannelOptions& options) {
  std::string config = absl::StrCat(
      R"({"loadBalancingConfig":[{"round_robin":{}}],"healthCheckConfig":{"serviceName":")",
      options.service, R"("})");
  if (!options.idempotent.empty()) {
    const std::string names =
        absl::StrJoin(options.idempotent, ",", [&](std::string* out, const std::string& method) {
          absl::StrAppend(out, R"({"service":")", options.service, R"(","method":")", method,
                          R"("})");
        });
    absl::StrAppend(
        &config, R"(,"methodConfig":[{"name":[)", names,
        R"(],"retryPolicy":{"maxAttempts":3,"initialBackoff":"0.05s","maxBackoff":"0.5s",)"
        R"("backoffMultiplier":2,"retryableStatusCodes":["UNAVAILABLE"]}}],)"
        R"("retryThrottling":{"maxTokens":20,"tokenRatio":0.1})");
  }
  return config + "}";
}

}  // namespace

absl::StatusOr<StageChannel> Dial(const ChannelOptions& options) {
  RAGMESH_ASSIGN_OR_RETURN(const std::string target, FullTarget(options.target));
  RAGMESH_RETURN_IF_ERROR(Validate(options.tls));
  grpc::ChannelArguments arguments;
  arguments.SetServiceConfigJSON(ServiceConfig(options));
  arguments.SetMaxReceiveMessageSize(static_cast<int>(options.max_message_bytes));
  arguments.SetMaxSendMessageSize(static_cast<int>(options.max_message_bytes));
  arguments.SetInt(GRPC_ARG_MAX_METADATA_SIZE, 16 << 10);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, kFirstReconnectMs);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, kFirstReconnectMs);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, kMaxReconnectMs);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveMs);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveTimeoutMs);
  arguments.SetInt(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1);  // no TXT look-ups
  if (!options.tls.server_name.empty()) arguments.SetSslTargetNameOverride(options.tls.server_name);
  const auto credentials = ChannelCredentialsFor(target, options.tls);
  StageChannel channel{absl::StrCat(options.stage, " at ", options.target), nullptr, nullptr,
                       options.max_call_time};
  channel.healthy = grpc::CreateCustomChannel(target, credentials, arguments);
  arguments.SetInt("grpc.inhibit_health_checking", 1);
  channel.any = grpc::CreateCustomChannel(target, credentials, arguments);
  return channel;
}

}  // namespace ragmesh::rpc
