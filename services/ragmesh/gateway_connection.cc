#include "services/ragmesh/gateway_connection.h"

#include <fcntl.h>
#include <grpcpp/channel.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/rpc/channel.h"
#include "libs/rpc/status.h"

namespace ragmesh::cli {

void ConnectionOptions::Declare(flags::FlagSet& flags) {
  flags.Group("Server");
  flags.String("server", &server, "Gateway to talk to: HOST:PORT or unix:PATH.");
  flags.String("token", &token, "API key, when the server asks for one.");
  flags.String("tls_ca", &tls.ca_file,
               "PEM file of the authority that signed the server's certificate; "
               "turns TLS on.");
  flags.String("tls_cert", &tls.cert_file,
               "PEM file with your certificate, for servers that ask for one.");
  flags.String("tls_key", &tls.key_file, "PEM file with the private key of --tls_cert.");
  flags.Duration("timeout", &timeout, {absl::Seconds(1), absl::Hours(24)},
                 "Longest time one call may take.");
  flags.Group("Output");
  flags.Bool("json", &json, "Print JSON, one object a line, and errors as JSON on stderr.");
  flags.Bool("quiet", &quiet, "No progress on stderr.");
}

absl::StatusOr<std::unique_ptr<GatewayConnection>> GatewayConnection::Open(
    const ConnectionOptions& options) {
  rpc::ChannelOptions channel;
  channel.target = options.server;
  channel.stage = "gateway";
  channel.service = "ragmesh.gateway.v1.GatewayService";
  channel.tls = options.tls;
  RAGMESH_ASSIGN_OR_RETURN(const rpc::StageChannel dialled, rpc::Dial(channel));
  return std::unique_ptr<GatewayConnection>(
      new GatewayConnection(options, ragmesh::gateway::v1::GatewayService::NewStub(dialled.any)));
}

std::unique_ptr<grpc::ClientContext> GatewayConnection::NewContext() const {
  auto context = std::make_unique<grpc::ClientContext>();
  context->set_deadline(absl::ToChronoTime(absl::Now() + options_.timeout));
  if (!options_.token.empty()) {
    context->AddMetadata("authorization", absl::StrCat("Bearer ", options_.token));
  }
  return context;
}

absl::Status GatewayConnection::ToStatus(const grpc::Status& status) const {
  const absl::Status typed = rpc::FromGrpcStatus(status);
  // A server of ours always says why; without a reason it was never reached.
  if (absl::IsUnavailable(typed) && !GetErrorDetail(typed).has_value()) {
    return Unavailable(
        "SERVER_UNREACHABLE", absl::StrCat("no ragmesh server answers at ", options_.server),
        "Start one with `ragmesh serve`, or name it with --server HOST:PORT; one that uses "
        "TLS needs --tls_ca, and --tls_cert if it asks who calls.");
  }
  return typed;
}

namespace {

int interrupt_pipe_write = -1;  // one CancelOnInterrupt at a time

void OnInterrupt(int) {
  const char byte = 1;
  [[maybe_unused]] const auto written = write(interrupt_pipe_write, &byte, 1);
}

}  // namespace

// Cancelling a call takes locks, which a signal handler must not; the handler wakes a thread.
CancelOnInterrupt::CancelOnInterrupt(grpc::ClientContext* context) {
  if (pipe2(pipe_, O_CLOEXEC) != 0) return;  // then Ctrl-C ends the program, which also cancels
  interrupt_pipe_write = pipe_[1];
  watcher_ = std::thread([read_end = pipe_[0], context] {
    char byte = 0;
    if (read(read_end, &byte, 1) == 1 && byte == 1) context->TryCancel();
  });
  struct sigaction action {};
  action.sa_handler = OnInterrupt;
  action.sa_flags = SA_RESETHAND | SA_RESTART;  // a second Ctrl-C ends the program
  sigaction(SIGINT, &action, nullptr);
}

CancelOnInterrupt::~CancelOnInterrupt() {
  if (!watcher_.joinable()) return;
  signal(SIGINT, SIG_DFL);
  const char done = 0;
  [[maybe_unused]] const auto written = write(pipe_[1], &done, 1);
  watcher_.join();
  close(pipe_[0]);
  close(pipe_[1]);
}

}  // namespace ragmesh::cli
