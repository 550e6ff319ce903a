#include "services/gateway/gateway_metrics.h"

namespace ragmesh::services {
namespace {

const metrics::Label& Stages() {
  static const auto& label = *new metrics::Label{
      "peer", {"loader", "splitter", "embedder", "vector-store", "reranker", "generator"}};
  return label;
}
const metrics::Label& Methods() {
  static const auto& label = *new metrics::Label{"method", {"Ask", "Search", "Chat", "Embed"}};
  return label;
}

}  // namespace

GatewayMetrics::GatewayMetrics(metrics::Registry& registry)
    : degraded_(registry.Counters("ragmesh_gateway_degraded_total",
                                  "Answers that had to do without a stage.",
                                  {Stages(),
                                   {"reason",
                                    {"STAGE_UNREACHABLE", "STAGE_TOO_SLOW", "MODEL_NOT_LOADED",
                                     "QUEUE_FULL", "EMBEDDER_MISMATCH"}}})),
      stage_seconds_(registry.Histograms(
          "ragmesh_gateway_stage_seconds", "Time a stage took, as the gateway saw it.",
          {Stages(), {"outcome", {"ok", "error"}}}, metrics::SecondsBuckets())),
      wasted_seconds_(registry.Counters("ragmesh_gateway_abandoned_seconds_total",
                                        "Time stages had worked for callers who then went away.",
                                        {Methods()})),
      lingered_seconds_(registry.Histograms(
          "ragmesh_gateway_stop_seconds", "From the caller's going to the end of all work for it.",
          {Methods()}, metrics::SecondsBuckets())),
      documents_(registry.Counters(
          "ragmesh_gateway_documents_total", "Documents of ingest jobs that reached their end.",
          {{"outcome", {"succeeded", "unchanged", "failed", "cancelled"}}})),
      answers_(registry.Counters("ragmesh_gateway_answers_total",
                                 "Answers given, by how they came about.",
                                 {{"kind", {"generated", "extractive", "not_found"}}})) {}

void GatewayMetrics::OnDegraded(absl::string_view stage, absl::string_view reason) {
  degraded_.With({stage, reason}).Increment();
}
void GatewayMetrics::OnStage(absl::string_view stage, absl::Duration took,
                             const absl::Status& status) {
  stage_seconds_.With({stage, status.ok() ? "ok" : "error"}).Observe(absl::ToDoubleSeconds(took));
}
void GatewayMetrics::OnWastedWork(absl::string_view method, absl::Duration spent,
                                  absl::Duration lingered) {
  wasted_seconds_.With({method}).Increment(absl::ToDoubleSeconds(spent));
  lingered_seconds_.With({method}).Observe(absl::ToDoubleSeconds(lingered));
}
void GatewayMetrics::OnDocument(absl::string_view outcome) {
  documents_.With({outcome}).Increment();
}
void GatewayMetrics::OnAnswer(absl::string_view kind) { answers_.With({kind}).Increment(); }

}  // namespace ragmesh::services
