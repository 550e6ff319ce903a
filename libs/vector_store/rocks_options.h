// How the store sets RocksDB up.
#ifndef RAGMESH_LIBS_VECTOR_STORE_ROCKS_OPTIONS_H_
#define RAGMESH_LIBS_VECTOR_STORE_ROCKS_OPTIONS_H_

#include <rocksdb/cache.h>
#include <rocksdb/listener.h>
#include <rocksdb/options.h>

#include <atomic>
#include <memory>
#include <string>

#include "libs/vector_store/database.h"

namespace ragmesh::vector_store {

// Of the whole database, and of a family by its name on disk.
rocksdb::DBOptions GlobalOptions(const DatabaseOptions& options);
rocksdb::ColumnFamilyOptions FamilyOptions(const std::string& name,
                                           const std::shared_ptr<rocksdb::Cache>& cache);

// Learns whether a write failed in the log. Such a write may be in the log all the same, so nothing
// may be written after it until the log was read again at an open: numbers that it used would be
// used twice, and RocksDB, asked to go on, replays it for some families and not for others.
class LogFailure final : public rocksdb::EventListener {
 public:
  void OnBackgroundError(rocksdb::BackgroundErrorReason reason, rocksdb::Status*) override {
    if (reason != rocksdb::BackgroundErrorReason::kFlush &&
        reason != rocksdb::BackgroundErrorReason::kCompaction)
      seen_ = true;
  }
  // RocksDB does not go on by itself; CheckWritable decides.
  void OnErrorRecoveryBegin(rocksdb::BackgroundErrorReason, rocksdb::Status,
                            bool* auto_recovery) override {
    *auto_recovery = false;
  }
  bool seen() const { return seen_; }

 private:
  std::atomic<bool> seen_{false};
};

}  // namespace ragmesh::vector_store

#endif  // RAGMESH_LIBS_VECTOR_STORE_ROCKS_OPTIONS_H_
