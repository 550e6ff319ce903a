#include "services/vector_store/store_metrics.h"

#include <utility>

namespace ragmesh::services {
namespace {

absl::string_view NameOf(stages::SearchMode mode) {
  return mode == stages::SearchMode::kDense     ? "dense"
         : mode == stages::SearchMode::kLexical ? "lexical"
                                                : "hybrid";
}

class StoreMetrics final : public vector_store::StoreObserver {
 public:
  explicit StoreMetrics(metrics::Registry& registry)
      : writes_(registry.Counters("ragmesh_vector_store_writes_total", "Upserts and deletes.",
                                  {{"result", {"stored", "failed"}}})),
        commit_writes_(registry.AddHistogram("ragmesh_vector_store_commit_writes",
                                             "Writes that shared one commit to disk.",
                                             metrics::CountBuckets())),
        commit_seconds_(registry.AddHistogram("ragmesh_vector_store_commit_seconds",
                                              "Time of one commit, synced to disk.",
                                              metrics::SecondsBuckets())),
        expired_(registry.AddCounter("ragmesh_vector_store_expired_documents_total",
                                     "Documents deleted because their time had come.")),
        segments_(registry.Counters("ragmesh_vector_store_segments_total",
                                    "Segments made of tails and of other segments.",
                                    {{"result", {"made", "failed"}}})),
        segment_seconds_(registry.AddHistogram("ragmesh_vector_store_segment_seconds",
                                               "Time to make one segment.",
                                               metrics::SecondsBuckets())),
        segments_lost_(registry.AddCounter(
            "ragmesh_vector_store_segments_lost_total",
            "Collections whose segments were missing or damaged at an open, and made anew.")),
        search_seconds_(registry.Histograms(
            "ragmesh_vector_store_search_seconds", "Time of a search in the store.",
            {{"mode", {"dense", "lexical", "hybrid"}}}, metrics::SecondsBuckets())) {}

  void Committed(std::size_t writes, absl::Duration took, const absl::Status& status) override {
    writes_.With({status.ok() ? "stored" : "failed"}).Increment(static_cast<double>(writes));
    commit_writes_.Observe(static_cast<double>(writes));
    commit_seconds_.Observe(absl::ToDoubleSeconds(took));
  }
  void Expired(std::uint64_t documents) override {
    expired_.Increment(static_cast<double>(documents));
  }
  void Sealed(std::size_t, absl::Duration took, const absl::Status& status) override {
    segments_.With({status.ok() ? "made" : "failed"}).Increment();
    segment_seconds_.Observe(absl::ToDoubleSeconds(took));
  }
  void SegmentsLost(const absl::Status&) override { segments_lost_.Increment(); }
  void Searched(stages::SearchMode mode, absl::Duration took, const absl::Status&) override {
    search_seconds_.With({NameOf(mode)}).Observe(absl::ToDoubleSeconds(took));
  }

 private:
  metrics::Family<metrics::Counter>& writes_;
  metrics::Histogram& commit_writes_;
  metrics::Histogram& commit_seconds_;
  metrics::Counter& expired_;
  metrics::Family<metrics::Counter>& segments_;
  metrics::Histogram& segment_seconds_;
  metrics::Counter& segments_lost_;
  metrics::Family<metrics::Histogram>& search_seconds_;
};

}  // namespace

std::unique_ptr<vector_store::StoreObserver> ObserveStore(metrics::Registry& registry) {
  return std::make_unique<StoreMetrics>(registry);
}

void ShowHealth(std::weak_ptr<const vector_store::Store> store, metrics::Registry& registry) {
  auto& image = registry.AddGauge("ragmesh_vector_store_image_bytes",
                                  "Memory of all search images together.");
  auto& free =
      registry.AddGauge("ragmesh_vector_store_free_bytes", "Free space on the store's disk.");
  auto& disk_full = registry.AddGauge(
      "ragmesh_vector_store_disk_full",
      "1 while free space is below the low watermark and only deletes are taken.");
  auto& read_only = registry.AddGauge("ragmesh_vector_store_read_only",
                                      "1 once a write failed and none are taken until a restart.");
  auto& behind = registry.AddGauge("ragmesh_vector_store_archive_behind_writes",
                                   "Writes that are not in the archive yet.");
  auto& failing = registry.AddGauge("ragmesh_vector_store_archive_failing",
                                    "1 while the archive cannot be written.");
  registry.OnScrape(
      [store = std::move(store), &image, &free, &disk_full, &read_only, &behind, &failing] {
        const auto alive = store.lock();
        if (alive == nullptr) return;
        const vector_store::StoreHealth health = alive->Health();
        image.Set(static_cast<double>(health.image_bytes));
        free.Set(static_cast<double>(health.free_bytes));
        disk_full.Set(health.disk_full ? 1 : 0);
        read_only.Set(health.read_only ? 1 : 0);
        behind.Set(static_cast<double>(health.archive_behind));
        failing.Set(health.archive_failing ? 1 : 0);
      });
}

}  // namespace ragmesh::services
