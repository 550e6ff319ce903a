// A disk that syncs in a given time: what a figure would be on another disk than the one at hand.
#ifndef RAGMESH_BENCH_STORE_PRETENDED_DISK_H_
#define RAGMESH_BENCH_STORE_PRETENDED_DISK_H_

#include <rocksdb/file_system.h>

#include <memory>

#include "absl/time/time.h"

namespace ragmesh::bench {

// The operating system's files, but that syncing one sleeps for `sync` and does nothing else. Syncs
// do not wait for each other.
std::shared_ptr<rocksdb::FileSystem> PretendedDisk(absl::Duration sync);

}  // namespace ragmesh::bench

#endif  // RAGMESH_BENCH_STORE_PRETENDED_DISK_H_
