// The process around one stage: log, metrics, workers, gRPC server, admin server, signals. A
// stage's main makes one, adds its service, loads its core while the server already answers, and
// runs until SIGTERM.
#ifndef RAGMESH_SERVICES_COMMON_STAGE_HOST_H_
#define RAGMESH_SERVICES_COMMON_STAGE_HOST_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "libs/base/call_context.h"
#include "libs/concurrency/thread_pool.h"
#include "libs/log/logger.h"
#include "libs/metrics/registry.h"
#include "libs/rpc/server.h"
#include "libs/rpc/server_options.h"
#include "libs/rpc/server_runtime.h"
#include "libs/trace/span.h"

namespace ragmesh::http {
class Server;
}

namespace ragmesh::services {

// Make it before any thread: it blocks SIGTERM and SIGINT, which Run waits for, and ignores
// SIGPIPE.
class StageHost {
 public:
  // `stage`: "vector-store"; `service`: "ragmesh.vector_store.v1.VectorStoreService". `flag_values`
  // go to the log line at start.
  StageHost(std::string stage, std::string service, rpc::ServerOptions options,
            std::vector<std::string> flag_values);
  ~StageHost();
  StageHost(const StageHost&) = delete;
  StageHost& operator=(const StageHost&) = delete;

  rpc::ServerRuntime& runtime() { return *runtime_; }
  log::Logger& log() { return log_; }
  metrics::Registry& metrics() { return metrics_; }

  // Serves, NOT_SERVING, runs `load` on a thread of its own, becomes ready when that returns OK or
  // stays NOT_SERVING with its message as the reason; waits for SIGTERM or SIGINT; drains. Returns
  // the exit status of the process: 0, or 1 when it could not listen. `service` is borrowed. The
  // context of `load` is cancelled by a signal.
  int Run(grpc::Service& service, absl::AnyInvocable<absl::Status(const CallContext&) &&> load);

  // From `load` on, for a stage whose ability to do its work changes: ready or not, with the
  // message as the reason. Thread-safe; ignored once the drain has begun.
  void ReportReadiness(const absl::Status& readiness);

  // From inside `load`: runs `stop` when the drain begins, before the gRPC server refuses calls; it
  // returns when its own work has ended, at the given time at the latest.
  void BeforeDrain(absl::AnyInvocable<void(absl::Time) &&> stop) {
    before_drain_ = std::move(stop);
  }

 private:
  absl::Status StartServers(grpc::Service& service);

  const std::string stage_;
  const std::string service_name_;
  const rpc::ServerOptions options_;
  const std::vector<std::string> flag_values_;
  log::Logger log_;
  metrics::Registry metrics_;
  std::unique_ptr<trace::Exporter> spans_;
  std::unique_ptr<ThreadPool> workers_;
  std::unique_ptr<rpc::ServerRuntime> runtime_;
  absl::Mutex end_mutex_;  // held while server_ ends, which ReportReadiness may not see half done
  std::unique_ptr<rpc::Server> server_;
  std::unique_ptr<http::Server> admin_;
  absl::AnyInvocable<void(absl::Time) &&> before_drain_;  // set by `load`, read after it has ended
};

}  // namespace ragmesh::services

#endif  // RAGMESH_SERVICES_COMMON_STAGE_HOST_H_
