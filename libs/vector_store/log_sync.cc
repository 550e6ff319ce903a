#include "libs/vector_store/log_sync.h"

#include <algorithm>

#include "absl/strings/match.h"

namespace ragmesh::vector_store {

void LogSync::Start(rocksdb::DB* db) {
  db_ = db;
  thread_ = std::thread([this] { Run(); });
}

void LogSync::Stop() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  if (thread_.joinable()) thread_.join();
}

void LogSync::Begin(std::uint64_t bytes) {
  absl::MutexLock lock(&mutex_);
  ++under_way_;
  expected_ = written_ + bytes;
}

rocksdb::Status LogSync::End(bool written) {
  absl::MutexLock lock(&mutex_);
  rocksdb::Status status = written ? Await() : failed_;
  --under_way_;
  return status;
}

rocksdb::Status LogSync::Settle() {
  absl::MutexLock lock(&mutex_);
  return under_way_ > 0 ? Await() : failed_;
}

rocksdb::Status LogSync::Await() {
  const std::uint64_t all = written_;
  wanted_ = std::max(wanted_, all);
  const auto done = [&]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
    return synced_ >= all || !failed_.ok();
  };
  mutex_.Await(absl::Condition(&done));
  return failed_;
}

rocksdb::Status LogSync::Failure() {
  absl::MutexLock lock(&mutex_);
  return failed_;
}

// Called once the bytes are the file's: a sync that begins after that covers them.
void LogSync::OnFileWriteFinish(const rocksdb::FileOperationInfo& info) {
  if (!absl::EndsWith(info.path, ".log")) return;
  absl::MutexLock lock(&mutex_);
  if (info.status.ok()) {
    written_ += info.length;
  } else if (failed_.ok()) {
    failed_ = info.status;  // RocksDB asserts that nobody syncs such a file
  }
}

void LogSync::Run() {
  absl::MutexLock lock(&mutex_);
  while (true) {
    mutex_.Await(absl::Condition(this, &LogSync::IsDue));
    if (stopping_ || !failed_.ok()) return;
    const std::uint64_t all = written_;
    expected_ = 0;
    mutex_.Unlock();
    const rocksdb::Status status = db_->SyncWAL();
    mutex_.Lock();
    if (status.ok()) {
      synced_ = all;
    } else if (failed_.ok()) {
      failed_ = status;
    }
  }
}

}  // namespace ragmesh::vector_store
