// RocksDB's errors as ours.
#ifndef RAGMESH_LIBS_VECTOR_STORE_ROCKS_STATUS_H_
#define RAGMESH_LIBS_VECTOR_STORE_ROCKS_STATUS_H_

#include <rocksdb/status.h>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace ragmesh::vector_store {

// DATA_LOSS / CORRUPT_DATA for files that do not check out, RESOURCE_EXHAUSTED / DISK_FULL,
// FAILED_PRECONDITION / STORE_LOCKED, otherwise UNAVAILABLE / STORAGE_FAILED. `what` comes before
// RocksDB's own words.
absl::Status FromRocks(const rocksdb::Status& status, absl::string_view what);

}  // namespace ragmesh::vector_store

#endif  // RAGMESH_LIBS_VECTOR_STORE_ROCKS_STATUS_H_
