// RocksDB's write-ahead logs, synced when there is something to sync.
//
// Every write is synced before it is acknowledged, so a log that has ended has nothing more to
// sync. RocksDB syncs it again all the same, from its flushes and with the next write, and ends the
// process with an assertion when one of the two fails while the other waits. A log without new
// bytes is therefore not synced: it costs nothing, and it cannot fail.
#ifndef RAGMESH_LIBS_VECTOR_STORE_LOG_FILES_H_
#define RAGMESH_LIBS_VECTOR_STORE_LOG_FILES_H_

#include <rocksdb/file_system.h>

#include <memory>
#include <string>

namespace ragmesh::vector_store {

// The files of `base`, all but its logs as they are.
class LogFiles final : public rocksdb::FileSystemWrapper {
 public:
  explicit LogFiles(const std::shared_ptr<rocksdb::FileSystem>& base) : FileSystemWrapper(base) {}

  const char* Name() const override { return "LogFiles"; }
  rocksdb::IOStatus NewWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSWritableFile>* file,
                                    rocksdb::IODebugContext* debug) override;
};

}  // namespace ragmesh::vector_store

#endif  // RAGMESH_LIBS_VECTOR_STORE_LOG_FILES_H_
