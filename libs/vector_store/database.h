// The durable half of the store: RocksDB, one column family per kind of record. Hides RocksDB's
// types, its threads and its errors from the rest.
#ifndef RAGMESH_LIBS_VECTOR_STORE_DATABASE_H_
#define RAGMESH_LIBS_VECTOR_STORE_DATABASE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "libs/vector_store/archive_files.h"
#include "libs/vector_store/write_set.h"

namespace rocksdb {
class FileSystem;
}

namespace ragmesh {
class Clock;
}

namespace ragmesh::vector_store {

absl::string_view FamilyName(Family family);  // on disk

struct DatabaseOptions {
  std::uint64_t write_buffer_bytes =
      64u << 20;  // of all families together, before they are written to files
  std::uint64_t block_cache_bytes = 64u << 20;
  // Free space on the store's disk below which only deletes are taken, and from which on writes are
  // taken again.
  std::uint64_t low_free_bytes = 32u << 20;
  std::uint64_t high_free_bytes = 32u << 20;
  // A batch of so many bytes that removes nothing enters RocksDB's tables while its log is synced.
  // Should the sync fail, records that nobody refers to are in memory until the restart.
  std::uint64_t sync_beside_bytes = 256u << 10;
  // What all files are read and written through; null: the operating system's. For tests that fail
  // it.
  std::shared_ptr<rocksdb::FileSystem> file_system;
  // Notes in the log when each batch was about to be written, by this clock, and keeps logs that
  // are no longer needed a while, for LoggedSince; null: neither. Borrowed.
  const Clock* log_clock = nullptr;
  // Opens also a store whose format record is missing or damaged, and raises no format.
  bool for_check = false;
};

// What the database can take at the moment.
struct DatabaseHealth {
  std::uint64_t free_bytes = 0;                 // on the store's disk
  bool disk_full = false;                       // only deletes are taken
  std::optional<std::string> read_only_reason;  // a write failed: nothing is taken, this is why
};

// Thread-safe. One process at a time may have a directory open.
class Database {
 private:
  struct Handles;

 public:
  // Opens the store in `path`, creating it when there is none and raising an older format to this
  // build's. FAILED_PRECONDITION / STORE_LOCKED
  // while another process has it open, / NEWER_FORMAT when a later release wrote it; DATA_LOSS /
  // CORRUPT_DATA when it does not check out.
  static absl::StatusOr<std::unique_ptr<Database>> Open(const std::string& path,
                                                        const DatabaseOptions& options);
  // Opens it to look at it alone, without its lock and without changing a byte of it: a store that
  // nothing else has open, or a snapshot. Only its collections and their states are sure to be
  // there.
  static absl::StatusOr<std::unique_ptr<Database>> OpenForReading(const std::string& path);
  ~Database();

  // Durable when it returns OK: in the write-ahead log, and the log on disk. RESOURCE_EXHAUSTED /
  // DISK_FULL, and nothing has happened, when the disk is nearly full; the same write succeeds once
  // there is space, without a restart. Any other failure makes the database read-only: every later
  // Commit fails with FAILED_PRECONDITION / STORE_READ_ONLY. A write that failed that way was not
  // acknowledged, and what it would have removed is still there; after a restart it is there as a
  // whole or not at all.
  absl::Status Commit(const WriteSet& writes);
  // What Commit looks at before it does anything: as it would be refused now.
  absl::Status CheckCommit(const WriteSet& writes) const;
  DatabaseHealth Health() const;
  // Why writes are refused; nullopt while they are accepted.
  std::optional<std::string> read_only_reason() const;

  absl::StatusOr<std::optional<std::string>> Get(Family family, absl::string_view key) const;
  // One answer per key, in order; nullopt for what is absent.
  absl::StatusOr<std::vector<std::optional<std::string>>> MultiGet(
      Family family, absl::Span<const std::string> keys) const;
  // Walks the keys that begin with a prefix, ascending, on the state of the database when it was
  // made.
  class Cursor {
   public:
    ~Cursor();
    bool Valid() const;
    absl::string_view key() const;    // valid until Next
    absl::string_view value() const;  // valid until Next
    void Next();
    absl::Status status() const;  // look at it when Valid() turned false

   private:
    friend class Database;
    struct Position;
    explicit Cursor(std::unique_ptr<Position> position);
    std::unique_ptr<Position> position_;
  };
  // The keys from `first` on, which begins with the prefix.
  std::unique_ptr<Cursor> WalkFrom(Family family, absl::string_view prefix,
                                   absl::string_view first) const;
  // A moment that walks of several families can be held to, while it lives.
  class Moment {
   public:
    ~Moment();

   private:
    friend class Database;
    Moment(const Handles& handles);
    const Handles& handles_;
    const void* const snapshot_;  // RocksDB's
  };
  std::unique_ptr<Moment> Hold() const;
  // `moment` null: the state of now.
  std::unique_ptr<Cursor> Walk(Family family, absl::string_view prefix,
                               const Moment* moment = nullptr) const;

  // Number of the last write, counted over everything.
  std::uint64_t LatestSequence() const;
  // A name that no other database has; a restored one gets a new one.
  absl::StatusOr<std::string> Identity() const;
  // Gives every batch that was committed from the write `sequence` on to `take`, in order, with its
  // time when it has one. False when the first of them is no longer in the log.
  absl::StatusOr<bool> LoggedSince(std::uint64_t sequence,
                                   absl::FunctionRef<absl::Status(ArchiveEntry)> take) const;
  // Writes the bytes of such a batch, not yet synced. Only to a database that holds exactly what
  // the batch came after.
  absl::Status ApplyLogged(absl::string_view batch);
  // What was written so far is on disk.
  absl::Status SyncLog();

  // A consistent copy in the new directory `path`, by hard links where the file system has them.
  // ALREADY_EXISTS when there is something at `path`.
  absl::Status Checkpoint(const std::string& path);

  // Takes a family out, with all that is in it; nothing may be done with it afterwards.
  absl::Status DropFamily(Family family);

  // Reads every block of every file and checks it. DATA_LOSS / CORRUPT_DATA at the first that
  // fails.
  absl::Status VerifyFiles() const;

  std::uint64_t disk_bytes() const;
  static std::string Version();  // of RocksDB

 private:
  explicit Database(std::unique_ptr<Handles> handles);
  absl::Status CheckSpace(const WriteSet& writes) const;
  absl::Status CheckWritable() const;
  const std::unique_ptr<Handles> handles_;
};

}  // namespace ragmesh::vector_store

#endif  // RAGMESH_LIBS_VECTOR_STORE_DATABASE_H_
