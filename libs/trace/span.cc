#include "libs/trace/span.h"

namespace ragmesh::trace {
namespace {

class NoExporter final : public Exporter {
 public:
  void Export(const FinishedSpan&) override {}
};

}  // namespace

Exporter& Exporter::None() {
  static auto* const none = new NoExporter;
  return *none;
}

Span::Span(absl::string_view name, SpanKind kind, absl::string_view traceparent, Exporter& exporter,
           const Clock& clock)
    : exporter_(exporter), clock_(clock) {
  span_.name = std::string(name);
  span_.kind = kind;
  span_.context = ChildOf(traceparent);
  if (const auto parent = ParseTraceParent(traceparent); parent.has_value())
    span_.parent_span_id = parent->span_id;
  span_.start = clock.Now();
}

void Span::End(const absl::Status& status) {
  if (ended_) return;
  ended_ = true;
  if (!span_.context.sampled) return;
  span_.end = clock_.Now();
  span_.status = status;
  exporter_.Export(span_);
}

}  // namespace ragmesh::trace
