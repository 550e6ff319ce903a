// The durable list of ingest jobs and of the documents in them.
#ifndef RAGMESH_LIBS_JOURNAL_JOURNAL_H_
#define RAGMESH_LIBS_JOURNAL_JOURNAL_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/journal/records.h"

namespace rocksdb {
class DB;
class WriteBatch;
}  // namespace rocksdb

namespace ragmesh::journal {

// Writes that happen together or not at all. Later writes of one key win.
class Batch {
 public:
  Batch();
  ~Batch();
  Batch(Batch&&) noexcept;

  void PutJob(const JobRecord& job);
  // Keeps the reference of `document` on its spooled bytes as long as the document stays in the
  // journal, unless DropSpoolReference is called.
  void PutDocument(const DocumentRecord& document);
  void AddSpoolReference(const DocumentRecord& document);
  void DropSpoolReference(const DocumentRecord& document);
  void DeleteDocument(const DocumentRecord& document);
  void DeleteJob(
      absl::string_view job_id);  // the record only; its documents are deleted one by one
  void PutFootprint(absl::string_view tenant, absl::string_view collection,
                    const Footprint& footprint);
  void DeleteFootprint(absl::string_view tenant, absl::string_view collection,
                       absl::string_view document_id);

 private:
  friend class Journal;
  std::unique_ptr<rocksdb::WriteBatch> batch_;
};

// Thread-safe. One process at a time: a second Open of the same folder fails.
class Journal {
 public:
  // Creates the folder when it is absent. FAILED_PRECONDITION / JOURNAL_LOCKED, DATA_LOSS /
  // CORRUPT_DATA.
  static absl::StatusOr<std::unique_ptr<Journal>> Open(const std::string& folder);
  ~Journal();

  // kSynced: on disk when it returns OK. kLater: survives a crash of this process, not of the
  // machine; for progress.
  enum class Durability { kSynced, kLater };
  absl::Status Write(Batch batch, Durability durability);

  absl::StatusOr<std::optional<JobRecord>> GetJob(absl::string_view job_id) const;
  // Newest first. Stops when `visit` returns false. `before` is a job id to start below; empty:
  // from the newest.
  absl::Status VisitJobs(absl::string_view before, absl::FunctionRef<bool(JobRecord)> visit) const;

  absl::StatusOr<std::optional<DocumentRecord>> GetDocument(absl::string_view job_id,
                                                            std::uint32_t ordinal) const;
  // By ordinal, from `first`. Stops when `visit` returns false.
  absl::Status VisitDocuments(absl::string_view job_id, std::uint32_t first,
                              absl::FunctionRef<bool(DocumentRecord)> visit) const;

  // Whether any document of any job still needs the spooled bytes.
  absl::StatusOr<bool> SpoolReferenced(absl::string_view sha256) const;

  absl::StatusOr<std::optional<Footprint>> GetFootprint(absl::string_view tenant,
                                                        absl::string_view collection,
                                                        absl::string_view document_id) const;
  absl::Status VisitFootprints(absl::string_view tenant, absl::string_view collection,
                               absl::FunctionRef<bool(Footprint)> visit) const;

 private:
  explicit Journal(std::unique_ptr<rocksdb::DB> db);
  absl::StatusOr<std::optional<std::string>> Get(const std::string& key) const;

  std::unique_ptr<rocksdb::DB> db_;
};

}  // namespace ragmesh::journal

#endif  // RAGMESH_LIBS_JOURNAL_JOURNAL_H_
