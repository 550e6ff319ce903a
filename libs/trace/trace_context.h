// W3C Trace Context: who a call belongs to, carried as the value of `traceparent` in metadata and
// HTTP headers. https://www.w3.org/TR/trace-context/
#ifndef RAGMESH_LIBS_TRACE_TRACE_CONTEXT_H_
#define RAGMESH_LIBS_TRACE_TRACE_CONTEXT_H_

#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace ragmesh::trace {

// The metadata key and HTTP header.
inline constexpr char kTraceParentKey[] = "traceparent";

struct TraceContext {
  std::string trace_id;  // 32 lower-case hexadecimal digits, not all zero
  std::string span_id;   // 16 of them, not all zero
  bool sampled = true;

  // "00-<trace_id>-<span_id>-01".
  std::string ToString() const;

  bool operator==(const TraceContext&) const = default;
};

// Nothing when `traceparent` is malformed. Versions after 00 are read as far as 00 defines them, as
// the standard asks.
std::optional<TraceContext> ParseTraceParent(absl::string_view traceparent);

// A new trace with random ids.
TraceContext NewTrace();

// A new span in the trace of `traceparent`; in a new trace when it is malformed or empty.
TraceContext ChildOf(absl::string_view traceparent);

// The trace id of `traceparent`, empty when it is malformed.
std::string TraceId(absl::string_view traceparent);

}  // namespace ragmesh::trace

#endif  // RAGMESH_LIBS_TRACE_TRACE_CONTEXT_H_
