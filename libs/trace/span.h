// A span is one piece of work in a trace: a call, a batch. It is handed to an Exporter when it
// ends.
#ifndef RAGMESH_LIBS_TRACE_SPAN_H_
#define RAGMESH_LIBS_TRACE_SPAN_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "libs/base/clock.h"
#include "libs/trace/trace_context.h"

namespace ragmesh::trace {

enum class SpanKind { kInternal, kServer, kClient };

struct FinishedSpan {
  std::string name;
  SpanKind kind = SpanKind::kInternal;
  TraceContext context;
  std::string parent_span_id;  // empty at the root
  absl::Time start;
  absl::Time end;
  absl::Status status;
  std::vector<std::pair<std::string, std::string>> attributes;  // ids and sizes, never user text
};

// Where finished spans go. Thread-safe; must not block for long and must not fail: it drops and
// counts.
class Exporter {
 public:
  virtual ~Exporter() = default;
  virtual void Export(const FinishedSpan& span) = 0;

  // Drops everything; lives as long as the process.
  static Exporter& None();
};

// Ends when destroyed, or earlier by End. Not thread-safe. Unsampled spans keep their context and
// are not exported.
class Span {
 public:
  // A child of `traceparent`, or the root of a new trace when that is empty or malformed.
  Span(absl::string_view name, SpanKind kind, absl::string_view traceparent, Exporter& exporter,
       const Clock& clock = Clock::Real());
  ~Span() { End(absl::OkStatus()); }
  Span(const Span&) = delete;
  Span& operator=(const Span&) = delete;

  const TraceContext& context() const { return span_.context; }
  void SetAttribute(absl::string_view key, absl::string_view value) {
    span_.attributes.emplace_back(std::string(key), std::string(value));
  }
  void End(const absl::Status& status);  // the first call counts

 private:
  FinishedSpan span_;
  Exporter& exporter_;
  const Clock& clock_;
  bool ended_ = false;
};

}  // namespace ragmesh::trace

#endif  // RAGMESH_LIBS_TRACE_SPAN_H_
