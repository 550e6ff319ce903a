// Settings of the vector-store stage and its core, without any transport.
#ifndef RAGMESH_SERVICES_VECTOR_STORE_VECTOR_STORE_STAGE_H_
#define RAGMESH_SERVICES_VECTOR_STORE_VECTOR_STORE_STAGE_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/flags/flag_set.h"
#include "libs/metrics/registry.h"
#include "libs/stages/vector_store.h"

namespace ragmesh::services {

struct VectorStoreConfig {
  std::string data_dir = "ragmesh-data/vector-store";
  std::int64_t write_buffer_bytes = 64 << 20;
  std::int64_t block_cache_bytes = 64 << 20;
  std::int64_t max_index_bytes = 0;
  std::int64_t max_collection_index_bytes = 0;
  // Bytes, or percent of the disk: "64MiB", "2%".
  std::string low_free = "64MiB";
  std::string high_free = "128MiB";
  std::string snapshots;  // folder; empty: "snapshots" in the store's
  absl::Duration sweep_interval = absl::Minutes(1);
  std::string archive;  // folder; empty: none
  absl::Duration archive_interval = absl::Seconds(1);
  absl::Duration archive_base = absl::Hours(24);
  absl::Duration archive_keep = absl::Hours(7 * 24);
  std::int64_t archive_max_bytes = 0;
  // Where the data is: here, or on a database server; then nothing above matters.
  std::string backend = "builtin";  // "postgres", "milvus"
  std::string url;                  // of the server, without a password
  std::string password_file;        // empty: the server asks for none
  std::string schema = "ragmesh";
  std::int64_t connections = 8;
  std::string dense_index = "exact";  // "graph"

  void Declare(flags::FlagSet& flags);
  // All but the folder.
  void DeclareTuning(flags::FlagSet& flags);
  // INVALID_ARGUMENT where the flags of the backend do not fit each other, or a password stands
  // where everybody reads it.
  absl::Status CheckBackend() const;
};

// Opens the store, which waits for the disk. Errors as vector_store::Store::Open, and
// INVALID_ARGUMENT for a watermark that is neither bytes nor percent. Its metrics (store_metrics.h)
// go to `registry`, unless that is null.
absl::StatusOr<std::shared_ptr<stages::VectorStore>> MakeVectorStore(
    const VectorStoreConfig& config, metrics::Registry* registry);

}  // namespace ragmesh::services

#endif  // RAGMESH_SERVICES_VECTOR_STORE_VECTOR_STORE_STAGE_H_
