// One gRPC server: its addresses, its health, its end.
#ifndef RAGMESH_LIBS_RPC_SERVER_H_
#define RAGMESH_LIBS_RPC_SERVER_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "libs/rpc/server_options.h"

namespace grpc {
class Server;
class Service;
}  // namespace grpc

namespace ragmesh::rpc {

// Answers grpc.health.v1 and reflection beside the given services. Health of "" is the process:
// SERVING until the drain begins. Health of each named service starts NOT_SERVING. Thread-safe.
class Server {
 public:
  struct Readiness {
    bool ready = false;
    std::string reason;  // why not
  };

  // Listens on every address of `options`, or on none: FAILED_PRECONDITION / CANNOT_LISTEN names
  // the one that failed. Services are borrowed and outlive the server. `names` are their full
  // names, for health.
  static absl::StatusOr<std::unique_ptr<Server>> Start(const ServerOptions& options,
                                                       absl::Span<grpc::Service* const> services,
                                                       std::vector<std::string> names);
  ~Server();  // drains with no time left
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Addresses as bound: "127.0.0.1:40123" for "127.0.0.1:0".
  const std::vector<std::string>& addresses() const { return addresses_; }

  // Sets the health of every named service. Ignored once the drain has begun.
  void SetReady();
  void SetNotReady(const std::string& reason);
  Readiness readiness() const;

  // NOT_SERVING first, then no new calls; running calls may finish within `timeout`, then they are
  // cancelled. Returns when the last one has ended. Idempotent.
  void Drain(absl::Duration timeout);

 private:
  Server(std::vector<std::string> names);
  void SetHealth(bool serving) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::vector<std::string> names_;
  std::vector<std::string> addresses_;
  std::unique_ptr<grpc::Server> server_;
  mutable absl::Mutex mutex_;
  Readiness readiness_ ABSL_GUARDED_BY(mutex_){false, "starting"};
  bool draining_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace ragmesh::rpc

#endif  // RAGMESH_LIBS_RPC_SERVER_H_
