// The reading half of Database: records, walks over them, and the log.
#include <rocksdb/db.h>
#include <rocksdb/transaction_log.h>

#include <utility>

#include "absl/strings/match.h"
#include "libs/base/status_macros.h"
#include "libs/vector_store/database.h"
#include "libs/vector_store/database_handles.h"
#include "libs/vector_store/rocks_status.h"

namespace ragmesh::vector_store {

absl::StatusOr<std::optional<std::string>> Database::Get(Family family,
                                                         absl::string_view key) const {
  std::string value;
  const rocksdb::Status status = handles_->db->Get({}, handles_->of(family), ToSlice(key), &value);
  if (status.IsNotFound()) return std::optional<std::string>();
  RAGMESH_RETURN_IF_ERROR(FromRocks(status, "read from the vector store"));
  return std::optional<std::string>(std::move(value));
}

absl::StatusOr<std::vector<std::optional<std::string>>> Database::MultiGet(
    Family family, absl::Span<const std::string> keys) const {
  std::vector<rocksdb::Slice> slices(keys.begin(), keys.end());
  std::vector<rocksdb::PinnableSlice> values(keys.size());
  std::vector<rocksdb::Status> statuses(keys.size());
  handles_->db->MultiGet({}, handles_->of(family), keys.size(), slices.data(), values.data(),
                         statuses.data());
  std::vector<std::optional<std::string>> result(keys.size());
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (statuses[i].IsNotFound()) continue;
    RAGMESH_RETURN_IF_ERROR(FromRocks(statuses[i], "read from the vector store"));
    result[i] = values[i].ToString();
  }
  return result;
}

struct Database::Cursor::Position {
  std::string prefix;
  std::unique_ptr<rocksdb::Iterator> it;
};

Database::Cursor::Cursor(std::unique_ptr<Position> position) : position_(std::move(position)) {}
Database::Cursor::~Cursor() = default;
bool Database::Cursor::Valid() const {
  return position_->it->Valid() &&
         absl::StartsWith(ToView(position_->it->key()), position_->prefix);
}
absl::string_view Database::Cursor::key() const { return ToView(position_->it->key()); }
absl::string_view Database::Cursor::value() const { return ToView(position_->it->value()); }
void Database::Cursor::Next() { position_->it->Next(); }
absl::Status Database::Cursor::status() const {
  return FromRocks(position_->it->status(), "scan of the vector store");
}

Database::Moment::Moment(const Handles& handles)
    : handles_(handles), snapshot_(handles.db->GetSnapshot()) {}
Database::Moment::~Moment() {
  handles_.db->ReleaseSnapshot(static_cast<const rocksdb::Snapshot*>(snapshot_));
}

std::unique_ptr<Database::Moment> Database::Hold() const {
  return std::unique_ptr<Moment>(new Moment(*handles_));
}

std::uint64_t Database::LatestSequence() const { return handles_->db->GetLatestSequenceNumber(); }

absl::StatusOr<std::string> Database::Identity() const {
  std::string identity;
  RAGMESH_RETURN_IF_ERROR(FromRocks(handles_->db->GetDbIdentity(identity), "vector store"));
  return identity;
}

absl::StatusOr<bool> Database::LoggedSince(
    std::uint64_t sequence, absl::FunctionRef<absl::Status(ArchiveEntry)> take) const {
  // Nothing that comes after this moment, so that it ends.
  std::uint64_t latest = 0;
  {
    absl::ReaderMutexLock lock(&handles_->unsynced);  // nor what a crash could still take away
    latest = LatestSequence();
  }
  if (latest < sequence) return true;
  std::unique_ptr<rocksdb::TransactionLogIterator> it;
  const rocksdb::Status found = handles_->db->GetUpdatesSince(sequence, &it);
  // RocksDB says corruption of a log that begins later than what is asked for.
  if (found.IsNotFound() || found.IsCorruption() || (found.ok() && !it->Valid())) return false;
  RAGMESH_RETURN_IF_ERROR(FromRocks(found, "log of the vector store"));
  std::uint64_t next = sequence;
  for (; it->Valid() && next <= latest; it->Next()) {
    const rocksdb::BatchResult logged = it->GetBatch();
    const auto count = static_cast<std::uint64_t>(logged.writeBatchPtr->Count());
    // A batch may hold notes alone, and then takes no number.
    if (count == 0) continue;
    if (logged.sequence != next) return false;
    BatchTime::Finder finder;
    RAGMESH_RETURN_IF_ERROR(
        FromRocks(logged.writeBatchPtr->Iterate(&finder), "log of the vector store"));
    RAGMESH_RETURN_IF_ERROR(
        take({next, count, finder.time(), std::string(logged.writeBatchPtr->Data())}));
    next += count;
  }
  // What a crash cut off, or what is just being written, ends a look; what is damaged does not.
  if (next > latest) return true;
  const rocksdb::Status status = it->status();
  return status.ok() || status.IsTryAgain() || status.IsIncomplete();
}

std::unique_ptr<Database::Cursor> Database::Walk(Family family, absl::string_view prefix,
                                                 const Moment* moment) const {
  rocksdb::ReadOptions options;
  if (moment != nullptr)
    options.snapshot = static_cast<const rocksdb::Snapshot*>(moment->snapshot_);
  options.fill_cache = false;
  options.readahead_size = 2u << 20;
  auto position = std::make_unique<Cursor::Position>();
  position->prefix = std::string(prefix);
  position->it.reset(handles_->db->NewIterator(options, handles_->of(family)));
  position->it->Seek(position->prefix);
  return std::unique_ptr<Cursor>(new Cursor(std::move(position)));
}

std::unique_ptr<Database::Cursor> Database::WalkFrom(Family family, absl::string_view prefix,
                                                     absl::string_view first) const {
  auto cursor = Walk(family, prefix);
  cursor->position_->it->Seek(ToSlice(first));
  return cursor;
}

}  // namespace ragmesh::vector_store
