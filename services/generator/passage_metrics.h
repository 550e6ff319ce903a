// Metrics of passages that the engine keeps on disk.
#ifndef RAGMESH_SERVICES_GENERATOR_PASSAGE_METRICS_H_
#define RAGMESH_SERVICES_GENERATOR_PASSAGE_METRICS_H_

#include <memory>

#include "libs/generation/passage_folder.h"
#include "libs/metrics/registry.h"

namespace ragmesh::services {

// Counts that `registry` shows, once in its life, as
// ragmesh_generator_passage_reads_total{result}: hit, miss, damaged, failed;
// ragmesh_generator_passage_writes_total{result}: written, skipped, failed;
// ragmesh_generator_passage_moved_bytes_total{direction}: read, written; and
// ragmesh_generator_passage_disk_bytes, what the files take now.
std::shared_ptr<generation::PassageCounts> CountPassages(metrics::Registry& registry);

}  // namespace ragmesh::services

#endif  // RAGMESH_SERVICES_GENERATOR_PASSAGE_METRICS_H_
