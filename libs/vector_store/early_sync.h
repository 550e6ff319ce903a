// A sync of the log that begins before it is asked for.
//
// RocksDB writes a batch to its log, syncs the log and then enters the batch into its tables, one
// after the other. For a large batch the last two take about as long as each other. So such a batch
// is written without a sync, and the log is synced once it is in the tables; by then a thread of
// ours, which saw the log being written, has had the operating system do most of that work: each
// piece goes to the disk while the next is written. Nothing depends on what this thread does but
// time.
#ifndef RAGMESH_LIBS_VECTOR_STORE_EARLY_SYNC_H_
#define RAGMESH_LIBS_VECTOR_STORE_EARLY_SYNC_H_

#include <rocksdb/listener.h>

#include <cstdint>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace ragmesh::vector_store {

// Thread-safe. A listener of one database.
class EarlySync final : public rocksdb::EventListener {
 public:
  EarlySync();
  ~EarlySync() override;

  // A batch of so many bytes is about to be written: its log is synced once it has them.
  void Expect(std::uint64_t bytes) ABSL_LOCKS_EXCLUDED(mutex_);

  bool ShouldBeNotifiedOnFileIO() override { return true; }
  void OnFileWriteFinish(const rocksdb::FileOperationInfo& info) override
      ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  void Run() ABSL_LOCKS_EXCLUDED(mutex_);
  bool HasWork() const ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
    return stopping_ || (expected_ > 0 && written_ > seen_);
  }

  absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::string log_ ABSL_GUARDED_BY(mutex_);             // that was written to last
  std::uint64_t written_ ABSL_GUARDED_BY(mutex_) = 0;   // bytes of all logs since the start
  std::uint64_t seen_ ABSL_GUARDED_BY(mutex_) = 0;      // of them, by the thread
  std::uint64_t expected_ ABSL_GUARDED_BY(mutex_) = 0;  // when to sync; 0: nothing is expected
  std::thread thread_;
};

}  // namespace ragmesh::vector_store

#endif  // RAGMESH_LIBS_VECTOR_STORE_EARLY_SYNC_H_
