// The command line's way to a gateway: one channel, and a context for each call.
#ifndef RAGMESH_SERVICES_RAGMESH_GATEWAY_CONNECTION_H_
#define RAGMESH_SERVICES_RAGMESH_GATEWAY_CONNECTION_H_

#include <grpcpp/client_context.h>

#include <memory>
#include <string>
#include <thread>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/flags/flag_set.h"
#include "libs/rpc/credentials.h"
#include "ragmesh/gateway/v1/gateway.grpc.pb.h"

namespace ragmesh::cli {

// What every command that talks to a server takes.
struct ConnectionOptions {
  std::string server = "127.0.0.1:7700";
  std::string token;   // API key, empty when the server asks for none
  rpc::ClientTls tls;  // empty: plain text
  absl::Duration timeout = absl::Minutes(10);
  bool json = false;
  bool quiet = false;

  void Declare(flags::FlagSet& flags);
};

class GatewayConnection {
 public:
  using Stub = ragmesh::gateway::v1::GatewayService::Stub;

  // Connects lazily: an unreachable server shows at the first call, with the command that starts
  // one.
  static absl::StatusOr<std::unique_ptr<GatewayConnection>> Open(const ConnectionOptions& options);

  Stub& stub() { return *stub_; }

  // A context with the deadline and the key set.
  std::unique_ptr<grpc::ClientContext> NewContext() const;

  // The server's typed error, or one that says how to start a server.
  absl::Status ToStatus(const grpc::Status& status) const;

 private:
  GatewayConnection(ConnectionOptions options, std::unique_ptr<Stub> stub)
      : options_(std::move(options)), stub_(std::move(stub)) {}

  const ConnectionOptions options_;
  const std::unique_ptr<Stub> stub_;
};

// Cancels `context` when the person presses Ctrl-C, while the object lives. A second Ctrl-C ends
// the program as usual. One object at a time.
class CancelOnInterrupt {
 public:
  explicit CancelOnInterrupt(grpc::ClientContext* context);
  ~CancelOnInterrupt();

 private:
  int pipe_[2] = {-1, -1};
  std::thread watcher_;
};

}  // namespace ragmesh::cli

#endif  // RAGMESH_SERVICES_RAGMESH_GATEWAY_CONNECTION_H_
