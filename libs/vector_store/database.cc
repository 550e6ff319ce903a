#include "libs/vector_store/database.h"

#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/perf_level.h>
#include <rocksdb/utilities/checkpoint.h>
#include <rocksdb/version.h>
#include <rocksdb/write_batch.h>

#include <algorithm>
#include <filesystem>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/clock.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/vector_store/aliases.h"
#include "libs/vector_store/database_handles.h"
#include "libs/vector_store/log_check.h"
#include "libs/vector_store/log_files.h"
#include "libs/vector_store/records.h"
#include "libs/vector_store/rocks_options.h"
#include "libs/vector_store/rocks_status.h"

namespace ragmesh::vector_store {
namespace {

namespace fs = std::filesystem;

constexpr char kFormatKey[] = "format";

// RocksDB has a lock of its own, but takes it after much was read, and what another process is
// writing looks like damage.
constexpr char kLockFile[] = "ragmesh.lock";

// How many of them a store of each format has: 1 without tokens, 2 without replays, 3 without
// segments.
constexpr std::array<std::size_t, 5> kFamiliesOf = {0, 8, 9, 10, 12};
static_assert(kFamiliesOf.size() == kFormatVersion + 1);

// Left free by deletes, which may go below the low watermark since they are how space comes back:
// RocksDB has to finish flushes and merges, and takes a failed one as a reason to stop.
constexpr std::uint64_t kReservedBytes = 8u << 20;

// Logs that are kept for LoggedSince: what an archive that cannot be written may fall behind.
constexpr std::uint64_t kKeptLogMegabytes = 1024;

absl::Status WriteFormat(Database& database) {
  WriteSet writes;
  writes.Put(Family::kMeta, kFormatKey, EncodeFormat(kFormatVersion));
  return database.Commit(writes);
}

// The format record of the store in `path`, which has the families `there`, without changing
// anything; nullopt when there is none.
absl::StatusOr<std::optional<std::uint32_t>> FormatOf(
    const rocksdb::DBOptions& options, const std::string& path,
    const std::vector<std::string>& there, const std::shared_ptr<rocksdb::Cache>& cache) {
  std::vector<rocksdb::ColumnFamilyDescriptor> descriptors;
  for (const std::string& name : there) descriptors.emplace_back(name, FamilyOptions(name, cache));
  std::vector<rocksdb::ColumnFamilyHandle*> families;
  rocksdb::DB* opened = nullptr;
  RAGMESH_RETURN_IF_ERROR(FromRocks(
      rocksdb::DB::OpenForReadOnly(options, path, descriptors, &families, &opened), path));
  const std::unique_ptr<rocksdb::DB> db(opened);
  std::string value;
  const rocksdb::Status found = db->Get({}, db->DefaultColumnFamily(), kFormatKey, &value);
  for (auto* family : families) db->DestroyColumnFamilyHandle(family).PermitUncheckedError();
  if (found.IsNotFound()) return std::optional<std::uint32_t>();
  RAGMESH_RETURN_IF_ERROR(FromRocks(found, path));
  RAGMESH_ASSIGN_OR_RETURN(const std::uint32_t version, DecodeFormat(value));
  return std::optional(version);
}

}  // namespace

absl::string_view FamilyName(Family family) {
  return kFamilyNames[static_cast<std::size_t>(family)];
}

Database::Database(std::unique_ptr<Handles> handles) : handles_(std::move(handles)) {}
Database::~Database() = default;

absl::StatusOr<std::unique_ptr<Database>> Database::Open(const std::string& path,
                                                         const DatabaseOptions& options) {
  const std::string what = absl::StrCat("vector store ", path);
  std::error_code error;
  fs::create_directories(path, error);
  if (error) return ErrnoError(absl::StrCat("create directory ", path), error.value());
  auto handles = std::make_unique<Handles>();
  handles->path = path;
  handles->files = options.file_system;
  handles->low_free_bytes = options.low_free_bytes;
  handles->log_clock = options.log_clock;
  handles->sync_beside_bytes = options.sync_beside_bytes;
  handles->high_free_bytes = std::max(options.low_free_bytes, options.high_free_bytes);
  rocksdb::DBOptions db_options = GlobalOptions(options);
  if (options.log_clock != nullptr) db_options.WAL_size_limit_MB = kKeptLogMegabytes;
  db_options.listeners.push_back(handles->log_failure);
  handles->early_sync = std::make_shared<EarlySync>();
  db_options.listeners.push_back(handles->early_sync);
  if (handles->files == nullptr) handles->files = rocksdb::FileSystem::Default();
  handles->env = rocksdb::NewCompositeEnv(std::make_shared<LogFiles>(handles->files));
  db_options.env = handles->env.get();
  RAGMESH_RETURN_IF_ERROR(FromRocks(
      handles->files->LockFile((fs::path(path) / kLockFile).string(), {}, &handles->lock, nullptr),
      what));
  RAGMESH_RETURN_IF_ERROR(CheckLogs(handles->files.get(), path));
  std::vector<std::string> names;
  const bool exists = fs::exists(fs::path(path) / "CURRENT", error);
  if (exists) {
    RAGMESH_RETURN_IF_ERROR(
        FromRocks(rocksdb::DB::ListColumnFamilies(db_options, path, &names), what));
  }
  const std::vector<std::string> there = names;
  std::size_t missing_from = kFamilyNames.size();  // the first of our families that is not there
  for (std::size_t i = kFamilyNames.size(); i-- > 0;) {
    if (std::find(names.begin(), names.end(), kFamilyNames[i]) != names.end()) continue;
    names.emplace_back(kFamilyNames[i]);
    missing_from = i;
  }
  const auto cache = rocksdb::NewLRUCache(options.block_cache_bytes);
  std::vector<rocksdb::ColumnFamilyDescriptor> descriptors;
  for (const std::string& name : names) descriptors.emplace_back(name, FamilyOptions(name, cache));
  if (exists && missing_from < kFamilyNames.size()) {
    // Before it is made anew, empty: an older release had none, or damage took it.
    RAGMESH_ASSIGN_OR_RETURN(const auto version, FormatOf(db_options, path, there, cache));
    if (version.value_or(0) <= kFormatVersion && missing_from < kFamiliesOf[version.value_or(0)]) {
      return Corrupt(what, absl::StrCat("has no family '", kFamilyNames[missing_from], "'"),
                     "Restore the store from a snapshot.");
    }
  }
  rocksdb::DB* db = nullptr;
  RAGMESH_RETURN_IF_ERROR(
      FromRocks(rocksdb::DB::Open(db_options, path, descriptors, &handles->owned, &db), what));
  handles->db.reset(db);
  handles->PlaceFamilies();
  auto database = std::unique_ptr<Database>(new Database(std::move(handles)));
  RAGMESH_ASSIGN_OR_RETURN(const auto format, database->Get(Family::kMeta, kFormatKey));
  if (options.for_check) {
    const auto known = format.has_value() ? DecodeFormat(*format) : kFormatVersion;
    if (!known.ok() || *known == 0 || *known <= kFormatVersion) return database;
  }
  if (!format.has_value()) {
    // Also the case of a first start that was killed between creating the database and this write.
    const auto collections = database->Walk(Family::kCollections, "");
    if (collections->Valid()) {
      return Corrupt(what, "has collections but no format record",
                     "Restore the store from a snapshot.");
    }
    RAGMESH_RETURN_IF_ERROR(collections->status());
    RAGMESH_RETURN_IF_ERROR(WriteFormat(*database));
    return database;
  }
  RAGMESH_ASSIGN_OR_RETURN(const std::uint32_t version, DecodeFormat(*format));
  if (version > kFormatVersion) {
    return WrongState(
        "NEWER_FORMAT",
        absl::StrCat(what, " has format ", version, ", this build reads up to ", kFormatVersion),
        "Use the release that wrote the store, or a later one.");
  }
  // Everything of earlier formats is of format 4 as it is; from here on, chunks may have tokens,
  // writes may have keys, and there may be segments.
  if (version < kFormatVersion) RAGMESH_RETURN_IF_ERROR(WriteFormat(*database));
  return database;
}

absl::StatusOr<std::unique_ptr<Database>> Database::OpenForReading(const std::string& path) {
  const std::string what = absl::StrCat("vector store ", path);
  rocksdb::DBOptions db_options = GlobalOptions({});
  db_options.create_if_missing = false;
  db_options.create_missing_column_families = false;
  std::vector<std::string> names;
  RAGMESH_RETURN_IF_ERROR(
      FromRocks(rocksdb::DB::ListColumnFamilies(db_options, path, &names), what));
  const auto cache = rocksdb::NewLRUCache(1 << 20);
  std::vector<rocksdb::ColumnFamilyDescriptor> descriptors;
  for (const std::string& name : names) descriptors.emplace_back(name, FamilyOptions(name, cache));
  auto handles = std::make_unique<Handles>();
  handles->path = path;
  handles->files = rocksdb::FileSystem::Default();
  rocksdb::DB* db = nullptr;
  RAGMESH_RETURN_IF_ERROR(FromRocks(
      rocksdb::DB::OpenForReadOnly(db_options, path, descriptors, &handles->owned, &db), what));
  handles->db.reset(db);
  handles->PlaceFamilies();
  for (const Family family : {Family::kMeta, Family::kCollections, Family::kStates}) {
    if (handles->of(family) == nullptr)
      return Corrupt(what, absl::StrCat("has no family '", FamilyName(family), "'"),
                     "Restore the store from a snapshot.");
  }
  return std::unique_ptr<Database>(new Database(std::move(handles)));
}

absl::Status Database::CheckSpace(const WriteSet& writes) const {
  const std::optional<std::uint64_t> free = handles_->LookAtSpace();
  if (!free.has_value()) return absl::OkStatus();
  std::uint64_t wanted = 0;
  {
    absl::MutexLock lock(&handles_->mutex);
    wanted = writes.only_removes() ? std::min(kReservedBytes, handles_->low_free_bytes)
             : handles_->disk_full ? handles_->high_free_bytes
                                   : handles_->low_free_bytes;
  }
  // Twice the batch, since it goes to the log and then to a file.
  wanted += 2 * writes.bytes();
  if (*free >= wanted) return absl::OkStatus();
  return MakeError(
      absl::StatusCode::kResourceExhausted,
      absl::StrCat("the store's disk has ", *free, " bytes left, this write needs ", wanted,
                   "; writes stop below ", handles_->low_free_bytes, " and go on from ",
                   handles_->high_free_bytes),
      {.reason = "DISK_FULL",
       .next_step = "Free space on the store's disk, or delete documents, then write again.",
       .metadata = {{"free_bytes", absl::StrCat(*free)},
                    {"low_free_bytes", absl::StrCat(handles_->low_free_bytes)},
                    {"high_free_bytes", absl::StrCat(handles_->high_free_bytes)}}});
}

// A store that ran out of space in a flush or a merge goes on once there is some: what RocksDB
// could not write is still in its memory and its log.
absl::Status Database::CheckWritable() const {
  absl::MutexLock lock(&handles_->mutex);
  // Going on would store what is in RocksDB's memory, which may hold a write that failed.
  if (handles_->stopped_by_full_disk && !handles_->read_only_reason.has_value()) {
    const rocksdb::Status resumed = handles_->db->Resume();
    if (resumed.IsNoSpace()) return FromRocks(resumed, "vector store");
    handles_->stopped_by_full_disk = false;
    if (!resumed.ok()) handles_->read_only_reason = resumed.ToString();
  }
  if (!handles_->read_only_reason.has_value()) return absl::OkStatus();
  return WrongState(
      "STORE_READ_ONLY",
      absl::StrCat("the store takes no writes since one failed: ", *handles_->read_only_reason),
      "Free disk space or repair the disk, then restart the store; nothing acknowledged is lost.");
}

absl::Status Database::CheckCommit(const WriteSet& writes) const {
  RAGMESH_RETURN_IF_ERROR(CheckSpace(writes));
  return CheckWritable();
}

absl::Status Database::Commit(const WriteSet& writes) {
  RAGMESH_RETURN_IF_ERROR(CheckCommit(writes));
  // RocksDB adds to a change less than a WriteSet does, and a header to all of them.
  constexpr std::size_t kHeader = 16;
  rocksdb::WriteBatch batch = handles_->TakeBatch(writes.bytes() + kHeader);
  rocksdb::Status put;  // the first that failed
  const auto note = [&put](const rocksdb::Status& status) {
    if (put.ok()) put = status;
  };
  writes.ForEach(
      [&](Family family, absl::string_view key, absl::string_view value) {
        note(batch.Put(handles_->of(family), ToSlice(key), ToSlice(value)));
      },
      [&](Family family, absl::string_view key) {
        note(batch.Delete(handles_->of(family), ToSlice(key)));
      });
  RAGMESH_RETURN_IF_ERROR(FromRocks(put, "write batch"));
  if (handles_->log_clock != nullptr) {
    const BatchTime time(handles_->log_clock->Now());
    RAGMESH_RETURN_IF_ERROR(FromRocks(batch.PutLogData(time.bytes()), "write batch"));
  }
  // It counts every comparison of keys otherwise; per thread.
  rocksdb::SetPerfLevel(rocksdb::PerfLevel::kDisable);
  const bool beside = writes.only_puts() && writes.bytes() >= handles_->sync_beside_bytes;
  rocksdb::WriteOptions synced, unsynced;
  synced.sync = true;
  rocksdb::Status status;
  bool written = false;
  if (beside) {
    absl::WriterMutexLock lock(&handles_->unsynced);
    handles_->early_sync->Expect(batch.GetDataSize());
    status = handles_->db->Write(unsynced, &batch);
    written = status.ok();
    if (written) status = handles_->db->SyncWAL();
  } else {
    absl::ReaderMutexLock lock(&handles_->unsynced);
    status = handles_->db->Write(synced, &batch);
  }
  handles_->ReturnBatch(std::move(batch));
  if (status.ok()) return absl::OkStatus();
  absl::MutexLock lock(&handles_->mutex);
  if (status.IsNoSpace() && !written && !handles_->log_failure->seen()) {
    handles_->stopped_by_full_disk = true;
    return Annotate(FromRocks(status, "vector store"), "the write was not stored");
  }
  if (!handles_->read_only_reason.has_value()) handles_->read_only_reason = status.ToString();
  return Annotate(FromRocks(status, "vector store"),
                  "the write was not stored, and the store is now read-only");
}

DatabaseHealth Database::Health() const {
  DatabaseHealth health;
  health.free_bytes = handles_->LookAtSpace().value_or(0);
  absl::MutexLock lock(&handles_->mutex);
  health.disk_full = handles_->disk_full || handles_->stopped_by_full_disk;
  health.read_only_reason = handles_->read_only_reason;
  return health;
}

std::optional<std::string> Database::read_only_reason() const {
  absl::MutexLock lock(&handles_->mutex);
  return handles_->read_only_reason;
}

absl::Status Database::ApplyLogged(absl::string_view batch) {
  rocksdb::WriteBatch writes{std::string(batch)};
  return FromRocks(handles_->db->Write({}, &writes), "write of an archived batch");
}

absl::Status Database::SyncLog() {
  return FromRocks(handles_->db->FlushWAL(/*sync=*/true), "sync of the vector store");
}

absl::Status Database::Checkpoint(const std::string& path) {
  std::error_code error;
  if (fs::exists(path, error)) return AlreadyExists("snapshot", path);
  rocksdb::Checkpoint* checkpoint = nullptr;
  RAGMESH_RETURN_IF_ERROR(
      FromRocks(rocksdb::Checkpoint::Create(handles_->db.get(), &checkpoint), "snapshot"));
  const std::unique_ptr<rocksdb::Checkpoint> owned(checkpoint);
  return FromRocks(checkpoint->CreateCheckpoint(path), absl::StrCat("snapshot ", path));
}

absl::Status Database::DropFamily(Family family) {
  return FromRocks(handles_->db->DropColumnFamily(handles_->of(family)), FamilyName(family));
}

absl::Status Database::VerifyFiles() const {
  return FromRocks(handles_->db->VerifyChecksum(), "files of the vector store");
}

std::uint64_t Database::disk_bytes() const {
  std::uint64_t bytes = 0;
  for (const fs::path& folder : {fs::path(handles_->path), handles_->path / fs::path("segments")}) {
    std::error_code error;
    for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
      std::error_code gone;  // files come and go while we look
      const std::uint64_t size = it->is_regular_file(gone) ? it->file_size(gone) : 0;
      if (!gone) bytes += size;
    }
  }
  return bytes;
}

std::string Database::Version() {
  return absl::StrCat(ROCKSDB_MAJOR, ".", ROCKSDB_MINOR, ".", ROCKSDB_PATCH);
}

}  // namespace ragmesh::vector_store
