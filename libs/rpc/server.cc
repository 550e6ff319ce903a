#include "libs/rpc/server.h"

#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/resource_quota.h>

#include <mutex>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/rpc/credentials.h"
#include "libs/rpc/undecodable.h"

namespace ragmesh::rpc {
namespace {

constexpr int kMaxMetadataBytes = 16 << 10;
// Clients ask DNS again only when a connection ends, so connections end now and then; running calls
// get the grace.
constexpr int kMaxConnectionAgeMs = 5 * 60 * 1000;
constexpr int kMaxConnectionGraceMs = 60 * 60 * 1000;
constexpr int kKeepaliveMs = 30 * 1000;
constexpr int kKeepaliveTimeoutMs = 10 * 1000;
constexpr int kMinPingIntervalMs = 5 * 1000;

void EnablePlugins() {
  static std::once_flag once;
  std::call_once(once, [] {
    grpc::EnableDefaultHealthCheckService(true);
    grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  });
}

void Limit(const ServerOptions& options, grpc::ServerBuilder& builder) {
  const int max_message = static_cast<int>(options.max_message_bytes);
  builder.SetMaxReceiveMessageSize(max_message);
  builder.SetMaxSendMessageSize(max_message);
  builder.AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, kMaxMetadataBytes);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS,
                             static_cast<int>(options.max_streams));
  builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_AGE_MS, kMaxConnectionAgeMs);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_AGE_GRACE_MS, kMaxConnectionGraceMs);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveMs);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveTimeoutMs);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
                             kMinPingIntervalMs);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  // Two servers must not share a port in silence.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  grpc::ResourceQuota quota("ragmesh");
  quota.Resize(static_cast<std::size_t>(options.max_memory_bytes));
  builder.SetResourceQuota(quota);
}

// "127.0.0.1:40123" for "127.0.0.1:0".
std::string Bound(const std::string& address, int port) {
  if (absl::StartsWith(address, "unix:")) return address;
  return absl::StrCat(address.substr(0, address.rfind(':')), ":", port);
}

}  // namespace

Server::Server(std::vector<std::string> names) : names_(std::move(names)) {}

absl::StatusOr<std::unique_ptr<Server>> Server::Start(const ServerOptions& options,
                                                      absl::Span<grpc::Service* const> services,
                                                      std::vector<std::string> names) {
  RAGMESH_RETURN_IF_ERROR(Validate(options));
  EnablePlugins();
  std::unique_ptr<Server> self(new Server(std::move(names)));
  grpc::ServerBuilder builder;
  Limit(options, builder);
  ExplainUndecodableRequests(builder);
  std::vector<int> ports(options.listen.size(), 0);
  for (std::size_t i = 0; i < options.listen.size(); ++i) {
    const std::string& address = options.listen[i];
    builder.AddListeningPort(address, ServerCredentialsFor(address, options.tls), &ports[i]);
  }
  for (grpc::Service* service : services) builder.RegisterService(service);
  self->server_ = builder.BuildAndStart();
  for (std::size_t i = 0; i < options.listen.size(); ++i) {
    if (self->server_ == nullptr || ports[i] == 0) {
      return WrongState("CANNOT_LISTEN", absl::StrCat("cannot listen on ", options.listen[i]),
                        "Check that no other process uses the address and that this one may; port "
                        "0 takes a free port.");
    }
    self->addresses_.push_back(Bound(options.listen[i], ports[i]));
  }
  absl::MutexLock lock(&self->mutex_);
  self->SetHealth(false);
  return self;
}

Server::~Server() {
  if (server_ != nullptr) Drain(absl::ZeroDuration());
}

void Server::SetHealth(bool serving) {
  for (const std::string& name : names_)
    server_->GetHealthCheckService()->SetServingStatus(name, serving);
}

void Server::SetReady() {
  absl::MutexLock lock(&mutex_);
  if (draining_) return;
  readiness_ = {true, ""};
  SetHealth(true);
}

void Server::SetNotReady(const std::string& reason) {
  absl::MutexLock lock(&mutex_);
  if (draining_) return;
  readiness_ = {false, reason};
  SetHealth(false);
}

Server::Readiness Server::readiness() const {
  absl::MutexLock lock(&mutex_);
  return readiness_;
}

void Server::Drain(absl::Duration timeout) {
  {
    absl::MutexLock lock(&mutex_);
    if (draining_) return;
    draining_ = true;
    readiness_ = {false, "draining"};
  }
  server_->GetHealthCheckService()->SetServingStatus(false);  // every service and the process
  server_->Shutdown(absl::ToChronoTime(absl::Now() + timeout));
  server_->Wait();
}

}  // namespace ragmesh::rpc
