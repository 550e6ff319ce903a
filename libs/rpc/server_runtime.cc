#include "libs/rpc/server_runtime.h"

#include <google/protobuf/descriptor.h>
#include <grpcpp/server_context.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "libs/base/check.h"
#include "libs/base/error.h"
#include "libs/rpc/status.h"
#include "libs/trace/trace_context.h"

namespace ragmesh::rpc {
namespace {

// Small, so that a caller who must wait comes back while the burst drains.
constexpr absl::Duration kRetryAfter = absl::Milliseconds(50);

const std::vector<std::string>& CodeNames() {
  static const auto* const names = [] {
    auto* list = new std::vector<std::string>;
    for (int code = 0; code <= 16; ++code) {
      list->push_back(absl::StatusCodeToString(static_cast<absl::StatusCode>(code)));
    }
    return list;
  }();
  return *names;
}

std::string Metric(absl::string_view stage, absl::string_view what) {
  return absl::StrCat("ragmesh_", absl::StrReplaceAll(stage, {{"-", "_"}}), "_", what);
}

std::string TraceParentOf(const grpc::CallbackServerContext& context) {
  const auto& metadata = context.client_metadata();
  const auto found = metadata.find(trace::kTraceParentKey);
  return found == metadata.end() ? "" : std::string(found->second.data(), found->second.size());
}

// The caller's deadline, or `max_call_time` from now when that is sooner or there is none.
absl::Time DeadlineOf(const grpc::CallbackServerContext& context, absl::Duration max_call_time) {
  return std::min(absl::FromChrono(context.deadline()), absl::Now() + max_call_time);
}

}  // namespace

ServerRuntime::ServerRuntime(Options options, Executor& executor, log::Logger& log,
                             metrics::Registry& metrics, trace::Exporter& spans)
    : options_(std::move(options)),
      executor_(executor),
      log_(log),
      spans_(spans),
      requests_(metrics.Counters(Metric(options_.stage, "requests_total"),
                                 "Calls answered, by method and status code.",
                                 {{"method", options_.methods}, {"code", CodeNames()}})),
      durations_(metrics.Histograms(Metric(options_.stage, "request_duration_seconds"),
                                    "From a call's arrival to its status.",
                                    {{"method", options_.methods}}, metrics::SecondsBuckets())),
      in_flight_(metrics.Gauges(Metric(options_.stage, "inflight_requests"),
                                "Calls arrived and not answered.", {{"method", options_.methods}})),
      messages_(metrics.Counters(Metric(options_.stage, "messages_total"),
                                 "Messages received and sent.",
                                 {{"method", options_.methods}, {"direction", {"in", "out"}}})),
      queue_wait_(metrics.AddHistogram(Metric(options_.stage, "queue_wait_seconds"),
                                       "Time calls waited for a worker.",
                                       metrics::SecondsBuckets())),
      wasted_seconds_(metrics.AddCounter(Metric(options_.stage, "wasted_work_seconds_total"),
                                         "Time spent on calls whose caller was gone at the end.")) {
  auto& depth =
      metrics.AddGauge(Metric(options_.stage, "queue_depth"), "Calls waiting for a worker.");
  metrics.OnScrape([&depth, &executor] { depth.Set(static_cast<double>(executor.queue_depth())); });
}

ServerCall::ServerCall(ServerRuntime& runtime, const char* method,
                       const grpc::CallbackServerContext& context)
    : runtime_(runtime),
      method_(method),
      span_(method, trace::SpanKind::kServer, TraceParentOf(context), runtime.spans_),
      call_(DeadlineOf(context, runtime.options_.max_call_time), span_.context().ToString()),
      arrived_(absl::Now()) {
  runtime_.in_flight_.With({method_}).Add(1);
}

bool ServerCall::Submit(absl::AnyInvocable<absl::Status() &&> work,
                        absl::AnyInvocable<void(absl::Status) &&> done) {
  // `done` may end the life of this call, so it comes last.
  const auto shared = std::make_shared<decltype(done)>(std::move(done));
  const bool queued =
      runtime_.executor_.TrySubmit([this, work = std::move(work), shared]() mutable {
        queue_wait_ = absl::Now() - arrived_;
        runtime_.queue_wait_.Observe(absl::ToDoubleSeconds(queue_wait_));
        absl::Status status = call_.Check();  // it may have expired in the queue
        if (status.ok()) status = std::move(work)();
        std::move (*shared)(std::move(status));
      });
  if (!queued) std::move (*shared)(QueueFull(kRetryAfter));
  return queued;
}

grpc::Status ServerCall::Complete(const absl::Status& status, std::uint64_t messages_in,
                                  std::uint64_t messages_out) {
  const absl::Duration took = absl::Now() - arrived_;
  const std::string code = absl::StatusCodeToString(status.code());
  runtime_.in_flight_.With({method_}).Add(-1);
  runtime_.requests_.With({method_, code}).Increment();
  runtime_.durations_.With({method_}).Observe(absl::ToDoubleSeconds(took));
  runtime_.messages_.With({method_, "in"}).Increment(static_cast<double>(messages_in));
  runtime_.messages_.With({method_, "out"}).Increment(static_cast<double>(messages_out));
  if (!call_.Check().ok())
    runtime_.wasted_seconds_.Increment(absl::ToDoubleSeconds(took - queue_wait_));
  const auto detail = GetErrorDetail(status);
  const log::Level level =
      status.code() == absl::StatusCode::kInternal || status.code() == absl::StatusCode::kDataLoss
          ? log::Level::kError
          : log::Level::kInfo;
  const std::string& trace_id = span_.context().trace_id;
  runtime_.log_.Write(level, "call", trace_id,
                      {{"method", method_},
                       {"code", code},
                       {"reason", detail.has_value() ? detail->reason : ""},
                       {"field", detail.has_value() ? detail->field : ""},
                       {"duration_ms", absl::ToDoubleMilliseconds(took)},
                       {"queue_wait_ms", absl::ToDoubleMilliseconds(queue_wait_)},
                       {"messages_in", messages_in},
                       {"messages_out", messages_out}});
  span_.End(status);
  return ToGrpcStatus(status, trace_id);
}

std::vector<std::string> MethodNames(const std::string& service) {
  const auto* descriptor =
      google::protobuf::DescriptorPool::generated_pool()->FindServiceByName(service);
  RAGMESH_CHECK(descriptor != nullptr, "the generated code of the service is not linked in");
  std::vector<std::string> names;
  for (int i = 0; i < descriptor->method_count(); ++i)
    names.push_back(descriptor->method(i)->name());
  return names;
}

}  // namespace ragmesh::rpc
