#include "libs/vector_store/early_sync.h"

#include <fcntl.h>
#include <unistd.h>

#include "absl/strings/match.h"

namespace ragmesh::vector_store {

EarlySync::EarlySync() : thread_([this] { Run(); }) {}

EarlySync::~EarlySync() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  thread_.join();
}

void EarlySync::Expect(std::uint64_t bytes) {
  absl::MutexLock lock(&mutex_);
  seen_ = written_;
  expected_ = written_ + bytes;
}

void EarlySync::OnFileWriteFinish(const rocksdb::FileOperationInfo& info) {
  if (!absl::EndsWith(info.path, ".log") || !info.status.ok()) return;
  absl::MutexLock lock(&mutex_);
  written_ += info.length;
  if (expected_ > 0) log_ = info.path;
}

void EarlySync::Run() {
  absl::MutexLock lock(&mutex_);
  while (true) {
    mutex_.Await(absl::Condition(this, &EarlySync::HasWork));
    if (stopping_) return;
    seen_ = written_;
    const bool whole = written_ >= expected_;
    if (whole) expected_ = 0;
    const std::string log = log_;
    mutex_.Unlock();
    // Through a descriptor of our own: RocksDB's learns of a failure all the same.
    if (const int file = open(log.c_str(), O_RDONLY | O_CLOEXEC); file >= 0) {
      (void)!(whole ? fdatasync(file) : sync_file_range(file, 0, 0, SYNC_FILE_RANGE_WRITE));
      close(file);
    }
    mutex_.Lock();
  }
}

}  // namespace ragmesh::vector_store
