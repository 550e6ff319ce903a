#include "services/generator/passage_metrics.h"

#include <atomic>
#include <cstdint>
#include <utility>
#include <vector>

namespace ragmesh::services {

std::shared_ptr<generation::PassageCounts> CountPassages(metrics::Registry& registry) {
  auto counts = std::make_shared<generation::PassageCounts>();
  auto& reads =
      registry.Counters("ragmesh_generator_passage_reads_total", "Passages looked for on disk.",
                        {{"result", {"hit", "miss", "damaged", "failed"}}});
  auto& writes =
      registry.Counters("ragmesh_generator_passage_writes_total", "Passages to be kept on disk.",
                        {{"result", {"written", "skipped", "failed"}}});
  auto& moved = registry.Counters("ragmesh_generator_passage_moved_bytes_total",
                                  "Bytes of passages read from and written to disk.",
                                  {{"direction", {"read", "written"}}});
  auto& bytes = registry.AddGauge("ragmesh_generator_passage_disk_bytes",
                                  "Bytes that passages take on disk.");
  struct Shown {
    metrics::Counter* counter;
    const std::atomic<std::uint64_t>* count;
    std::uint64_t value = 0;  // as shown last
  };
  std::vector<Shown> all = {{&reads.With({"hit"}), &counts->hits},
                            {&reads.With({"miss"}), &counts->misses},
                            {&reads.With({"damaged"}), &counts->damaged},
                            {&reads.With({"failed"}), &counts->read_failed},
                            {&writes.With({"written"}), &counts->written},
                            {&writes.With({"skipped"}), &counts->write_skipped},
                            {&writes.With({"failed"}), &counts->write_failed},
                            {&moved.With({"read"}), &counts->bytes_read},
                            {&moved.With({"written"}), &counts->bytes_written}};
  registry.OnScrape([counts, &bytes, all = std::move(all)]() mutable {
    for (Shown& shown : all) {
      const std::uint64_t now = shown.count->load();
      shown.counter->Increment(static_cast<double>(now - std::exchange(shown.value, now)));
    }
    bytes.Set(static_cast<double>(counts->bytes.load()));
  });
  return counts;
}

}  // namespace ragmesh::services
