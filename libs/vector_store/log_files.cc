#include "libs/vector_store/log_files.h"

#include <atomic>
#include <utility>

#include "absl/strings/match.h"
#include "absl/synchronization/mutex.h"

namespace ragmesh::vector_store {
namespace {

using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;

// May be synced by several threads at once, and while another appends: that there is something to
// sync is said after the append, or a sync in between would take the bytes for synced.
class LogFile final : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  explicit LogFile(std::unique_ptr<rocksdb::FSWritableFile> file)
      : FSWritableFileOwnerWrapper(std::move(file)) {}

  IOStatus Append(const rocksdb::Slice& data, const IOOptions& options,
                  IODebugContext* debug) override {
    IOStatus status = target()->Append(data, options, debug);
    unsynced_ = true;
    return status;
  }
  IOStatus Append(const rocksdb::Slice& data, const IOOptions& options,
                  const rocksdb::DataVerificationInfo& verification,
                  IODebugContext* debug) override {
    IOStatus status = target()->Append(data, options, verification, debug);
    unsynced_ = true;
    return status;
  }
  IOStatus Sync(const IOOptions& options, IODebugContext* debug) override {
    return IfUnsynced([&] { return target()->Sync(options, debug); });
  }
  IOStatus Fsync(const IOOptions& options, IODebugContext* debug) override {
    return IfUnsynced([&] { return target()->Fsync(options, debug); });
  }

 private:
  template <typename SyncFile>
  IOStatus IfUnsynced(const SyncFile& sync) {
    absl::MutexLock lock(&syncing_);
    if (!unsynced_.exchange(false)) return IOStatus::OK();
    IOStatus status = sync();
    if (!status.ok()) unsynced_ = true;
    return status;
  }

  absl::Mutex syncing_;
  std::atomic<bool> unsynced_{true};  // the file itself, at first
};

}  // namespace

IOStatus LogFiles::NewWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                                   std::unique_ptr<rocksdb::FSWritableFile>* file,
                                   IODebugContext* debug) {
  if (!absl::EndsWith(path, ".log")) return target()->NewWritableFile(path, options, file, debug);
  std::unique_ptr<rocksdb::FSWritableFile> log;
  IOStatus status = target()->NewWritableFile(path, options, &log, debug);
  if (status.ok()) *file = std::make_unique<LogFile>(std::move(log));
  return status;
}

}  // namespace ragmesh::vector_store
