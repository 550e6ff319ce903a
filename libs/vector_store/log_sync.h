// The log of a database synced by a thread of its own, beside other work.
//
// RocksDB writes a batch to its log, syncs the log and then enters the batch into its tables, one
// after the other. For a large batch the last two take about as long as each other, so such a batch
// is written without a sync, this thread begins one as soon as the batch is in the log, and the
// writer waits for it once the tables are done.
#ifndef RAGMESH_LIBS_VECTOR_STORE_LOG_SYNC_H_
#define RAGMESH_LIBS_VECTOR_STORE_LOG_SYNC_H_

#include <rocksdb/db.h>
#include <rocksdb/listener.h>

#include <cstdint>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace ragmesh::vector_store {

// Thread-safe. Listens to one database, which is opened with it among its listeners.
class LogSync final : public rocksdb::EventListener {
 public:
  LogSync() = default;
  ~LogSync() override { Stop(); }

  // Until Stop, which comes before the database is closed.
  void Start(rocksdb::DB* db);
  void Stop();

  // A batch of so many bytes is about to be written, without a sync. End is called once it was
  // written, or was not: it waits until all that is in the log by then is on the disk.
  void Begin(std::uint64_t bytes) ABSL_LOCKS_EXCLUDED(mutex_);
  rocksdb::Status End(bool written) ABSL_LOCKS_EXCLUDED(mutex_);
  // What the database shows by now is on the disk when this returns OK.
  rocksdb::Status Settle() ABSL_LOCKS_EXCLUDED(mutex_);
  // The first failure to write or sync the log: nothing that is written to it from then on is sure
  // to be there, even when a later sync succeeds, as the system tells of a failed one once.
  rocksdb::Status Failure() ABSL_LOCKS_EXCLUDED(mutex_);

  bool ShouldBeNotifiedOnFileIO() override { return true; }
  void OnFileWriteFinish(const rocksdb::FileOperationInfo& info) override
      ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  void Run() ABSL_LOCKS_EXCLUDED(mutex_);
  rocksdb::Status Await() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool IsDue() const ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
    return stopping_ || !failed_.ok() || wanted_ > synced_ ||
           (expected_ > 0 && written_ >= expected_);
  }

  rocksdb::DB* db_ = nullptr;
  std::thread thread_;
  absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  int under_way_ ABSL_GUARDED_BY(mutex_) = 0;  // batches between Begin and the end of End
  // Bytes of the log since the start.
  std::uint64_t written_ ABSL_GUARDED_BY(mutex_) = 0;
  std::uint64_t synced_ ABSL_GUARDED_BY(mutex_) = 0;    // at least
  std::uint64_t wanted_ ABSL_GUARDED_BY(mutex_) = 0;    // by those that wait
  std::uint64_t expected_ ABSL_GUARDED_BY(mutex_) = 0;  // when to begin a sync; 0: nothing is
  rocksdb::Status failed_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace ragmesh::vector_store

#endif  // RAGMESH_LIBS_VECTOR_STORE_LOG_SYNC_H_
