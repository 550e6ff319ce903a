#include "libs/journal/journal.h"

#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/options.h>
#include <rocksdb/write_batch.h>

#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/journal/record_codec.h"

namespace ragmesh::journal {
namespace {

// Keys: one letter, '/', then parts. Job ids, tenants and collection names hold no '/'; a document
// id comes last.
std::string JobKey(absl::string_view job_id) { return absl::StrCat("j/", job_id); }
std::string DocumentPrefix(absl::string_view job_id) { return absl::StrCat("d/", job_id, "/"); }
std::string DocumentKey(absl::string_view job_id, std::uint32_t ordinal) {
  return absl::StrCat("d/", job_id, "/", absl::Hex(ordinal, absl::kZeroPad8));
}
std::string SpoolPrefix(absl::string_view sha256) { return absl::StrCat("s/", sha256, "/"); }
std::string SpoolKey(const DocumentRecord& document) {
  return absl::StrCat(SpoolPrefix(document.spool_sha256), document.job_id, "/",
                      absl::Hex(document.ordinal, absl::kZeroPad8));
}
std::string FootprintPrefix(absl::string_view tenant, absl::string_view collection) {
  return absl::StrCat("f/", tenant, "/", collection, "/");
}

absl::string_view ToView(const rocksdb::Slice& slice) { return {slice.data(), slice.size()}; }

absl::Status FromRocks(const rocksdb::Status& status, absl::string_view what) {
  if (status.ok()) return absl::OkStatus();
  if (status.IsCorruption())
    return Corrupt(what, status.ToString(), "restore the gateway's data folder from a backup");
  if (status.IsIOError() && absl::StrContains(status.ToString(), "lock")) {
    return WrongState("JOURNAL_LOCKED", absl::StrCat(what, ": ", status.ToString()),
                      "stop the other gateway that uses this data folder");
  }
  if (status.IsNoSpace()) {
    return MakeError(absl::StatusCode::kResourceExhausted,
                     absl::StrCat(what, ": ", status.ToString()),
                     {.reason = "DISK_FULL",
                      .next_step = "free space on the disk of the gateway's data folder"});
  }
  return absl::InternalError(absl::StrCat(what, ": ", status.ToString()));
}

// RocksDB's own log file asserts when it cannot be written (Debian builds with assertions), which
// would turn a full disk into a crash.
class SilentLogger final : public rocksdb::Logger {
 public:
  using rocksdb::Logger::Logv;
  void Logv(const char*, va_list) override {}
};

}  // namespace

Batch::Batch() : batch_(std::make_unique<rocksdb::WriteBatch>()) {}
Batch::~Batch() = default;
Batch::Batch(Batch&&) noexcept = default;

// WriteBatch methods fail only when the batch is over a size limit, and ours has none.
void Batch::PutJob(const JobRecord& job) { (void)batch_->Put(JobKey(job.id), EncodeJob(job)); }
void Batch::PutDocument(const DocumentRecord& document) {
  (void)batch_->Put(DocumentKey(document.job_id, document.ordinal), EncodeDocument(document));
}
void Batch::AddSpoolReference(const DocumentRecord& document) {
  (void)batch_->Put(SpoolKey(document), "");
}
void Batch::DropSpoolReference(const DocumentRecord& document) {
  (void)batch_->Delete(SpoolKey(document));
}
void Batch::DeleteDocument(const DocumentRecord& document) {
  (void)batch_->Delete(DocumentKey(document.job_id, document.ordinal));
  if (!document.spool_sha256.empty()) DropSpoolReference(document);
}
void Batch::DeleteJob(absl::string_view job_id) { (void)batch_->Delete(JobKey(job_id)); }
void Batch::PutFootprint(absl::string_view tenant, absl::string_view collection,
                         const Footprint& footprint) {
  (void)batch_->Put(absl::StrCat(FootprintPrefix(tenant, collection), footprint.document_id),
                    EncodeFootprint(footprint));
}
void Batch::DeleteFootprint(absl::string_view tenant, absl::string_view collection,
                            absl::string_view document_id) {
  (void)batch_->Delete(absl::StrCat(FootprintPrefix(tenant, collection), document_id));
}

absl::StatusOr<std::unique_ptr<Journal>> Journal::Open(const std::string& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) return ErrnoError(absl::StrCat("create ", folder), error.value());
  rocksdb::Options options;
  options.create_if_missing = true;
  // Records are small and jobs are few: small buffers keep the gateway's memory low.
  options.write_buffer_size = 4 << 20;
  options.max_open_files = 64;
  options.max_total_wal_size = 16 << 20;
  options.info_log = std::make_shared<SilentLogger>();
  rocksdb::DB* db = nullptr;
  RAGMESH_RETURN_IF_ERROR(FromRocks(rocksdb::DB::Open(options, folder, &db), "job journal"));
  return std::unique_ptr<Journal>(new Journal(std::unique_ptr<rocksdb::DB>(db)));
}

Journal::Journal(std::unique_ptr<rocksdb::DB> db) : db_(std::move(db)) {}
Journal::~Journal() = default;

absl::Status Journal::Write(Batch batch, Durability durability) {
  rocksdb::WriteOptions options;
  options.sync = durability == Durability::kSynced;
  return FromRocks(db_->Write(options, batch.batch_.get()), "job journal");
}

absl::StatusOr<std::optional<std::string>> Journal::Get(const std::string& key) const {
  std::string value;
  const rocksdb::Status status = db_->Get(rocksdb::ReadOptions(), key, &value);
  if (status.IsNotFound()) return std::optional<std::string>();
  RAGMESH_RETURN_IF_ERROR(FromRocks(status, "job journal"));
  return std::optional<std::string>(std::move(value));
}

absl::StatusOr<std::optional<JobRecord>> Journal::GetJob(absl::string_view job_id) const {
  RAGMESH_ASSIGN_OR_RETURN(const std::optional<std::string> value, Get(JobKey(job_id)));
  if (!value.has_value()) return std::optional<JobRecord>();
  RAGMESH_ASSIGN_OR_RETURN(JobRecord job, DecodeJob(*value));
  return std::optional<JobRecord>(std::move(job));
}

absl::Status Journal::VisitJobs(absl::string_view before,
                                absl::FunctionRef<bool(JobRecord)> visit) const {
  const std::unique_ptr<rocksdb::Iterator> it(db_->NewIterator(rocksdb::ReadOptions()));
  const std::string start = before.empty() ? "j0" : JobKey(before);  // '0' follows '/'
  for (it->SeekForPrev(start); it->Valid() && it->key().starts_with("j/"); it->Prev()) {
    if (ToView(it->key()) == start) continue;
    RAGMESH_ASSIGN_OR_RETURN(JobRecord job, DecodeJob(ToView(it->value())));
    if (!visit(std::move(job))) break;
  }
  return FromRocks(it->status(), "job journal");
}

absl::StatusOr<std::optional<DocumentRecord>> Journal::GetDocument(absl::string_view job_id,
                                                                   std::uint32_t ordinal) const {
  RAGMESH_ASSIGN_OR_RETURN(const std::optional<std::string> value,
                           Get(DocumentKey(job_id, ordinal)));
  if (!value.has_value()) return std::optional<DocumentRecord>();
  RAGMESH_ASSIGN_OR_RETURN(DocumentRecord document, DecodeDocument(*value));
  return std::optional<DocumentRecord>(std::move(document));
}

absl::Status Journal::VisitDocuments(absl::string_view job_id, std::uint32_t first,
                                     absl::FunctionRef<bool(DocumentRecord)> visit) const {
  const std::unique_ptr<rocksdb::Iterator> it(db_->NewIterator(rocksdb::ReadOptions()));
  const std::string prefix = DocumentPrefix(job_id);
  for (it->Seek(DocumentKey(job_id, first)); it->Valid() && it->key().starts_with(prefix);
       it->Next()) {
    RAGMESH_ASSIGN_OR_RETURN(DocumentRecord document, DecodeDocument(ToView(it->value())));
    if (!visit(std::move(document))) break;
  }
  return FromRocks(it->status(), "job journal");
}

absl::StatusOr<bool> Journal::SpoolReferenced(absl::string_view sha256) const {
  const std::unique_ptr<rocksdb::Iterator> it(db_->NewIterator(rocksdb::ReadOptions()));
  const std::string prefix = SpoolPrefix(sha256);
  it->Seek(prefix);
  RAGMESH_RETURN_IF_ERROR(FromRocks(it->status(), "job journal"));
  return it->Valid() && it->key().starts_with(prefix);
}

absl::StatusOr<std::optional<Footprint>> Journal::GetFootprint(
    absl::string_view tenant, absl::string_view collection, absl::string_view document_id) const {
  RAGMESH_ASSIGN_OR_RETURN(const std::optional<std::string> value,
                           Get(absl::StrCat(FootprintPrefix(tenant, collection), document_id)));
  if (!value.has_value()) return std::optional<Footprint>();
  RAGMESH_ASSIGN_OR_RETURN(Footprint footprint, DecodeFootprint(*value));
  return std::optional<Footprint>(std::move(footprint));
}

absl::Status Journal::VisitFootprints(absl::string_view tenant, absl::string_view collection,
                                      absl::FunctionRef<bool(Footprint)> visit) const {
  const std::unique_ptr<rocksdb::Iterator> it(db_->NewIterator(rocksdb::ReadOptions()));
  const std::string prefix = FootprintPrefix(tenant, collection);
  for (it->Seek(prefix); it->Valid() && it->key().starts_with(prefix); it->Next()) {
    RAGMESH_ASSIGN_OR_RETURN(Footprint footprint, DecodeFootprint(ToView(it->value())));
    if (!visit(std::move(footprint))) break;
  }
  return FromRocks(it->status(), "job journal");
}

}  // namespace ragmesh::journal
