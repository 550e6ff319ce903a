// What all calls of one server share, and the record of one call. RunUnary and the stream adapters
// are built on these; together they are the one place for the access log, the per-method metrics
// and the server span.
#ifndef RAGMESH_LIBS_RPC_SERVER_RUNTIME_H_
#define RAGMESH_LIBS_RPC_SERVER_RUNTIME_H_

#include <grpcpp/support/status.h>

#include <cstdint>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "libs/base/call_context.h"
#include "libs/concurrency/executor.h"
#include "libs/log/logger.h"
#include "libs/metrics/registry.h"
#include "libs/trace/span.h"

namespace grpc {
class CallbackServerContext;
}

namespace ragmesh::rpc {

// Thread-safe. Everything given by reference is borrowed and outlives it, and it outlives the gRPC
// server.
class ServerRuntime {
 public:
  struct Options {
    std::string stage;                 // "vector-store"
    std::vector<std::string> methods;  // short names; see MethodNames
    absl::Duration max_call_time = absl::Minutes(10);
    absl::Duration max_write_stall = absl::Seconds(30);
  };

  ServerRuntime(Options options, Executor& executor, log::Logger& log, metrics::Registry& metrics,
                trace::Exporter& spans);

  const Options& options() const { return options_; }
  Executor& executor() const { return executor_; }

 private:
  friend class ServerCall;

  const Options options_;
  Executor& executor_;
  log::Logger& log_;
  trace::Exporter& spans_;
  metrics::Family<metrics::Counter>& requests_;
  metrics::Family<metrics::Histogram>& durations_;
  metrics::Family<metrics::Gauge>& in_flight_;
  metrics::Family<metrics::Counter>& messages_;
  metrics::Histogram& queue_wait_;
  metrics::Counter& wasted_seconds_;
};

// One call from arrival to its status. Thread-safe for Cancel beside the rest, which one thread at
// a time uses.
class ServerCall {
 public:
  // `method` is a literal.
  ServerCall(ServerRuntime& runtime, const char* method,
             const grpc::CallbackServerContext& context);

  ServerRuntime& runtime() const { return runtime_; }
  const CallContext& call() const { return call_; }
  void Cancel() { call_.Cancel(); }

  // Hands `work` to the executor; false when the queue is full. The queue wait ends when `work`
  // begins.
  bool Submit(absl::AnyInvocable<absl::Status() &&> work,
              absl::AnyInvocable<void(absl::Status) &&> done);

  // Logs, counts and ends the span, once; returns what to send.
  grpc::Status Complete(const absl::Status& status, std::uint64_t messages_in,
                        std::uint64_t messages_out);

 private:
  ServerRuntime& runtime_;
  const char* const method_;
  trace::Span span_;
  const CallContext call_;
  const absl::Time arrived_;
  absl::Duration queue_wait_ = absl::ZeroDuration();
};

// Short names of the methods of a service whose generated code is linked in: {"Embed",
// "EmbedStream", "Info"}.
std::vector<std::string> MethodNames(const std::string& service);

}  // namespace ragmesh::rpc

#endif  // RAGMESH_LIBS_RPC_SERVER_RUNTIME_H_
