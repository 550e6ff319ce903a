// What a Database holds of RocksDB, for the files that implement it.
#ifndef RAGMESH_LIBS_VECTOR_STORE_DATABASE_HANDLES_H_
#define RAGMESH_LIBS_VECTOR_STORE_DATABASE_HANDLES_H_

#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/file_system.h>
#include <rocksdb/write_batch.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "libs/vector_store/database.h"
#include "libs/vector_store/early_sync.h"
#include "libs/vector_store/rocks_options.h"

namespace ragmesh::vector_store {

// Names on disk, in the order of Family. RocksDB insists on a family named "default".
inline constexpr std::array<const char*, kFamilies> kFamilyNames = {
    "default", "collections", "states", "documents", "texts",    "chunks",
    "index",   "vectors",     "tokens", "replays",   "segments", "removed"};

inline rocksdb::Slice ToSlice(absl::string_view bytes) { return {bytes.data(), bytes.size()}; }
inline absl::string_view ToView(const rocksdb::Slice& slice) {
  return {slice.data(), slice.size()};
}

// The time of a batch as its note in the log, which no reader of the database sees.
class BatchTime {
 public:
  explicit BatchTime(absl::Time time) : bytes_(absl::StrCat(kMark, absl::ToUnixNanos(time))) {}
  const std::string& bytes() const { return bytes_; }

  // The latest of a batch, which may be several that were written together: none of them was
  // acknowledged before that.
  class Finder final : public rocksdb::WriteBatch::Handler {
   public:
    rocksdb::Status PutCF(std::uint32_t, const rocksdb::Slice&, const rocksdb::Slice&) override {
      return rocksdb::Status::OK();
    }
    rocksdb::Status DeleteCF(std::uint32_t, const rocksdb::Slice&) override {
      return rocksdb::Status::OK();
    }
    void LogData(const rocksdb::Slice& blob) override {
      absl::string_view note = ToView(blob);
      std::int64_t nanoseconds = 0;
      if (absl::ConsumePrefix(&note, kMark) && absl::SimpleAtoi(note, &nanoseconds))
        time_ = std::max(time_, absl::FromUnixNanos(nanoseconds));
    }
    absl::Time time() const { return time_; }

   private:
    absl::Time time_ = absl::UnixEpoch();
  };

 private:
  static constexpr absl::string_view kMark = "time ";
  const std::string bytes_;
};

struct Database::Handles {
  std::string path;
  std::shared_ptr<rocksdb::FileSystem> files;
  std::unique_ptr<rocksdb::Env> env;  // of the database: LogFiles around `files`
  std::uint64_t low_free_bytes = 0;
  std::uint64_t high_free_bytes = 0;
  std::uint64_t sync_beside_bytes = 0;
  std::shared_ptr<LogFailure> log_failure = std::make_shared<LogFailure>();
  std::shared_ptr<EarlySync> early_sync;  // null where nothing is written
  // Held alone by a write that is in the tables before it is synced, so that nobody writes to the
  // log, or reads its end, before that is known to be there.
  absl::Mutex unsynced;
  rocksdb::FileLock* lock = nullptr;
  const Clock* log_clock = nullptr;
  // Of the last write, with its memory: fresh memory costs a large one a millisecond.
  std::optional<rocksdb::WriteBatch> spare ABSL_GUARDED_BY(mutex);
  std::unique_ptr<rocksdb::DB> db;
  std::vector<rocksdb::ColumnFamilyHandle*> owned;  // all, also families of a later release
  std::array<rocksdb::ColumnFamilyHandle*, kFamilies> families{};
  mutable absl::Mutex mutex;
  std::optional<std::string> read_only_reason ABSL_GUARDED_BY(mutex);
  bool disk_full ABSL_GUARDED_BY(mutex) = false;  // free space fell below the low watermark
  bool stopped_by_full_disk ABSL_GUARDED_BY(mutex) = false;  // RocksDB itself ran out of space

  ~Handles() {
    for (auto* family : owned) db->DestroyColumnFamilyHandle(family);
    if (db != nullptr) db->Close();
    if (lock != nullptr) files->UnlockFile(lock, {}, nullptr).PermitUncheckedError();
  }
  rocksdb::ColumnFamilyHandle* of(Family family) const {
    return families[static_cast<std::size_t>(family)];
  }
  void PlaceFamilies() {
    for (auto* family : owned) {
      const auto name = std::find(kFamilyNames.begin(), kFamilyNames.end(), family->GetName());
      if (name != kFamilyNames.end())
        families[static_cast<std::size_t>(name - kFamilyNames.begin())] = family;
    }
  }
  rocksdb::WriteBatch TakeBatch(std::size_t bytes) ABSL_LOCKS_EXCLUDED(mutex) {
    absl::MutexLock lock(&mutex);
    return spare.has_value() ? *std::exchange(spare, std::nullopt) : rocksdb::WriteBatch(bytes);
  }
  void ReturnBatch(rocksdb::WriteBatch batch) ABSL_LOCKS_EXCLUDED(mutex) {
    constexpr std::size_t kMostSpareBytes = 4u << 20;
    if (batch.GetDataSize() > kMostSpareBytes) return;
    batch.Clear();
    absl::MutexLock lock(&mutex);
    spare = std::move(batch);
  }
  // The free space, and with it whether the disk counts as full: what lies between the watermarks
  // leaves that as it was. nullopt when the file system cannot tell.
  std::optional<std::uint64_t> LookAtSpace() ABSL_LOCKS_EXCLUDED(mutex) {
    std::uint64_t free = 0;
    if (!files->GetFreeSpace(path, {}, &free, nullptr).ok()) return std::nullopt;
    absl::MutexLock lock(&mutex);
    if (free < low_free_bytes) disk_full = true;
    if (free >= high_free_bytes) disk_full = false;
    return free;
  }
};

}  // namespace ragmesh::vector_store

#endif  // RAGMESH_LIBS_VECTOR_STORE_DATABASE_HANDLES_H_
