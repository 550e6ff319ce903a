// What happens in the pipeline, as metrics.
#ifndef RAGMESH_SERVICES_GATEWAY_GATEWAY_METRICS_H_
#define RAGMESH_SERVICES_GATEWAY_GATEWAY_METRICS_H_

#include "libs/metrics/registry.h"
#include "libs/pipeline/observer.h"

namespace ragmesh::services {

// Thread-safe. `registry` is borrowed.
class GatewayMetrics final : public pipeline::Observer {
 public:
  explicit GatewayMetrics(metrics::Registry& registry);

  void OnDegraded(absl::string_view stage, absl::string_view reason) override;
  void OnStage(absl::string_view stage, absl::Duration took, const absl::Status& status) override;
  void OnWastedWork(absl::string_view method, absl::Duration spent,
                    absl::Duration lingered) override;
  void OnDocument(absl::string_view outcome) override;
  void OnAnswer(absl::string_view kind) override;

 private:
  metrics::Family<metrics::Counter>& degraded_;
  metrics::Family<metrics::Histogram>& stage_seconds_;
  metrics::Family<metrics::Counter>& wasted_seconds_;
  metrics::Family<metrics::Histogram>& lingered_seconds_;
  metrics::Family<metrics::Counter>& documents_;
  metrics::Family<metrics::Counter>& answers_;
};

}  // namespace ragmesh::services

#endif  // RAGMESH_SERVICES_GATEWAY_GATEWAY_METRICS_H_
