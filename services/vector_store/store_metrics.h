// Metrics of a vector store of this process.
#ifndef RAGMESH_SERVICES_VECTOR_STORE_STORE_METRICS_H_
#define RAGMESH_SERVICES_VECTOR_STORE_STORE_METRICS_H_

#include <memory>

#include "libs/metrics/registry.h"
#include "libs/vector_store/store.h"
#include "libs/vector_store/store_observer.h"

namespace ragmesh::services {

// Shown by `registry`, once in its life:
// ragmesh_vector_store_writes_total{result}: stored, failed: writes, whatever their size;
// ragmesh_vector_store_commit_writes: writes that shared one commit to disk;
// ragmesh_vector_store_commit_seconds: of one commit, synced;
// ragmesh_vector_store_search_seconds{mode}: in the store, without the way there and back;
// ragmesh_vector_store_segments_total{result}: made, failed and due again: segments;
// ragmesh_vector_store_segment_seconds: of making one;
// ragmesh_vector_store_segments_lost_total: collections that made theirs anew at an open.
std::unique_ptr<vector_store::StoreObserver> ObserveStore(metrics::Registry& registry);

// And at each scrape, as long as the store lives: ragmesh_vector_store_image_bytes,
// ragmesh_vector_store_free_bytes, ragmesh_vector_store_disk_full (1: only deletes are taken, an
// alarm), ragmesh_vector_store_read_only (1: a write failed, a restart is needed),
// ragmesh_vector_store_archive_behind_writes and _archive_failing (1: its disk refuses, an alarm).
void ShowHealth(std::weak_ptr<const vector_store::Store> store, metrics::Registry& registry);

}  // namespace ragmesh::services

#endif  // RAGMESH_SERVICES_VECTOR_STORE_STORE_METRICS_H_
