#include "libs/vector_store/database.h"

#include <rocksdb/cache.h>
#include <rocksdb/convenience.h>
#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/file_system.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/listener.h>
#include <rocksdb/perf_level.h>
#include <rocksdb/rate_limiter.h>
#include <rocksdb/table.h>
#include <rocksdb/transaction_log.h>
#include <rocksdb/utilities/checkpoint.h>
#include <rocksdb/version.h>
#include <rocksdb/write_batch.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <filesystem>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/synchronization/mutex.h"
#include "libs/base/clock.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/vector_store/aliases.h"
#include "libs/vector_store/log_check.h"
#include "libs/vector_store/records.h"
#include "libs/vector_store/rocks_status.h"

namespace ragmesh::vector_store {
namespace {

namespace fs = std::filesystem;

// Names on disk, in the order of Family. RocksDB insists on a family named "default".
constexpr std::array<const char*, kFamilies> kNames = {
    "default", "collections", "states", "documents", "texts",    "chunks",
    "index",   "vectors",     "tokens", "replays",   "segments", "removed"};
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

// Of flushes and merges together: several times what can be ingested, and less than a disk does.
constexpr std::int64_t kBackgroundBytesPerSecond = 256 << 20;

rocksdb::Slice ToSlice(absl::string_view bytes) { return {bytes.data(), bytes.size()}; }
absl::string_view ToView(const rocksdb::Slice& slice) { return {slice.data(), slice.size()}; }

rocksdb::CompressionType BestOf(std::initializer_list<rocksdb::CompressionType> wishes) {
  const auto supported = rocksdb::GetSupportedCompressions();
  for (const auto wish : wishes) {
    if (std::find(supported.begin(), supported.end(), wish) != supported.end()) return wish;
  }
  return rocksdb::kNoCompression;
}

rocksdb::ColumnFamilyOptions FamilyOptions(const std::string& name,
                                           const std::shared_ptr<rocksdb::Cache>& cache) {
  rocksdb::ColumnFamilyOptions options;
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = cache;
  table.block_size = 16 << 10;
  table.format_version = 5;
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  options.write_buffer_size = 32u << 20;
  // Neither floats nor bytes of vectors compress, long texts do, and what every search reads must
  // unpack fast.
  options.compression = name == "vectors" || name == "tokens" ? rocksdb::kNoCompression
                        : name == "texts" ? BestOf({rocksdb::kZSTD, rocksdb::kLZ4Compression})
                                          : BestOf({rocksdb::kLZ4Compression});
  return options;
}

// RocksDB's own log file asserts when it cannot be written (Debian builds with assertions), which
// would turn a full disk into a crash. What matters of it reaches callers as a status.
class SilentLogger final : public rocksdb::Logger {
 public:
  using rocksdb::Logger::Logv;
  void Logv(const char*, va_list) override {}
};

// Learns whether a write failed in the log. Such a write may be in the log all the same, so nothing
// may be written after it until the log was read again at an open: numbers that it used would be
// used twice, and RocksDB, asked to go on, replays it for some families and not for others.
class LogFailure final : public rocksdb::EventListener {
 public:
  void OnBackgroundError(rocksdb::BackgroundErrorReason reason, rocksdb::Status*) override {
    if (reason != rocksdb::BackgroundErrorReason::kFlush &&
        reason != rocksdb::BackgroundErrorReason::kCompaction)
      seen_ = true;
  }
  // RocksDB does not go on by itself; CheckWritable decides.
  void OnErrorRecoveryBegin(rocksdb::BackgroundErrorReason, rocksdb::Status,
                            bool* auto_recovery) override {
    *auto_recovery = false;
  }
  bool seen() const { return seen_; }

 private:
  std::atomic<bool> seen_{false};
};

rocksdb::DBOptions GlobalOptions(const DatabaseOptions& options) {
  rocksdb::DBOptions db;
  db.create_if_missing = true;
  db.create_missing_column_families = true;
  db.db_write_buffer_size = options.write_buffer_bytes;
  db.max_total_wal_size = 4 * options.write_buffer_bytes;
  db.max_background_jobs = 2;
  // Files are pushed to the disk as they are written, so that no sync of the log waits behind a
  // whole file; and flushes and merges, which nobody waits for, take what reads and writes leave.
  db.bytes_per_sync = 1u << 20;
  db.rate_limiter.reset(rocksdb::NewGenericRateLimiter(kBackgroundBytesPerSecond));
  for (const auto pool : {rocksdb::Env::Priority::LOW, rocksdb::Env::Priority::HIGH}) {
    rocksdb::Env::Default()
        ->LowerThreadPoolCPUPriority(pool, rocksdb::CpuPriority::kLow)
        .PermitUncheckedError();
  }
  db.info_log = std::make_shared<SilentLogger>();
  // A torn last record is what kill -9 leaves; anything else wrong with the log is damage and must
  // show.
  db.wal_recovery_mode = rocksdb::WALRecoveryMode::kTolerateCorruptedTailRecords;
  db.max_bgerror_resume_count = 0;  // see LogFailure
  // A log that is missing, or shorter than what was synced when it was closed, is damage too.
  db.track_and_verify_wals_in_manifest = true;
  return db;
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

struct Database::Handles {
  std::string path;
  std::shared_ptr<rocksdb::FileSystem> files;
  std::unique_ptr<rocksdb::Env> env;  // around `files`, when they are not the operating system's
  std::uint64_t low_free_bytes = 0;
  std::uint64_t high_free_bytes = 0;
  std::shared_ptr<LogFailure> log_failure = std::make_shared<LogFailure>();
  rocksdb::FileLock* lock = nullptr;
  const Clock* log_clock = nullptr;
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
      const auto name = std::find(kNames.begin(), kNames.end(), family->GetName());
      if (name != kNames.end()) families[static_cast<std::size_t>(name - kNames.begin())] = family;
    }
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

absl::string_view FamilyName(Family family) { return kNames[static_cast<std::size_t>(family)]; }

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
  handles->high_free_bytes = std::max(options.low_free_bytes, options.high_free_bytes);
  rocksdb::DBOptions db_options = GlobalOptions(options);
  if (options.log_clock != nullptr) db_options.WAL_size_limit_MB = kKeptLogMegabytes;
  db_options.listeners.push_back(handles->log_failure);
  if (handles->files == nullptr) {
    handles->files = rocksdb::FileSystem::Default();
  } else {
    handles->env = rocksdb::NewCompositeEnv(handles->files);
    db_options.env = handles->env.get();
  }
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
  std::size_t missing_from = kNames.size();  // the first of our families that is not there
  for (std::size_t i = kNames.size(); i-- > 0;) {
    if (std::find(names.begin(), names.end(), kNames[i]) != names.end()) continue;
    names.emplace_back(kNames[i]);
    missing_from = i;
  }
  const auto cache = rocksdb::NewLRUCache(options.block_cache_bytes);
  std::vector<rocksdb::ColumnFamilyDescriptor> descriptors;
  for (const std::string& name : names) descriptors.emplace_back(name, FamilyOptions(name, cache));
  if (exists && missing_from < kNames.size()) {
    // Before it is made anew, empty: an older release had none, or damage took it.
    RAGMESH_ASSIGN_OR_RETURN(const auto version, FormatOf(db_options, path, there, cache));
    if (version.value_or(0) <= kFormatVersion && missing_from < kFamiliesOf[version.value_or(0)]) {
      return Corrupt(what, absl::StrCat("has no family '", kNames[missing_from], "'"),
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
  if (handles_->stopped_by_full_disk) {
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
  rocksdb::WriteBatch batch(writes.bytes() + kHeader);
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
  rocksdb::WriteOptions options;
  options.sync = true;
  const rocksdb::Status status = handles_->db->Write(options, &batch);
  if (status.ok()) return absl::OkStatus();
  absl::MutexLock lock(&handles_->mutex);
  if (status.IsNoSpace() && !handles_->log_failure->seen()) {
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
  const std::uint64_t latest = LatestSequence();
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

absl::Status Database::ApplyLogged(absl::string_view batch) {
  rocksdb::WriteBatch writes{std::string(batch)};
  return FromRocks(handles_->db->Write({}, &writes), "write of an archived batch");
}

absl::Status Database::SyncLog() {
  return FromRocks(handles_->db->FlushWAL(/*sync=*/true), "sync of the vector store");
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
