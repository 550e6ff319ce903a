// Writes finished spans to the log, at level debug.
#ifndef RAGMESH_SERVICES_COMMON_LOG_EXPORTER_H_
#define RAGMESH_SERVICES_COMMON_LOG_EXPORTER_H_

#include "libs/log/logger.h"
#include "libs/trace/span.h"

namespace ragmesh::services {

// Thread-safe. `log` is borrowed.
class LogExporter final : public trace::Exporter {
 public:
  explicit LogExporter(log::Logger& log) : log_(log) {}

  void Export(const trace::FinishedSpan& span) override {
    log_.Write(log::Level::kDebug, "span", span.context.trace_id,
               {{"name", span.name},
                {"span_id", span.context.span_id},
                {"parent_span_id", span.parent_span_id},
                {"duration_ms", absl::ToDoubleMilliseconds(span.end - span.start)},
                {"code", absl::StatusCodeToString(span.status.code())}});
  }

 private:
  log::Logger& log_;
};

}  // namespace ragmesh::services

#endif  // RAGMESH_SERVICES_COMMON_LOG_EXPORTER_H_
