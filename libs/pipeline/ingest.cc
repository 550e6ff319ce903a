#include "libs/pipeline/ingest.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/pipeline/ingest_state.h"

namespace ragmesh::pipeline {
namespace {

using journal::Batch;
using journal::DocumentRecord;
using journal::JobRecord;
using journal::State;
using Durability = journal::Journal::Durability;

constexpr std::size_t kMaxSources = 1000;
constexpr std::uint32_t kDocumentsToldAtOnce = 1000;  // to a new watcher

absl::Status CheckName(absl::string_view field, absl::string_view name) {
  if (name.empty() || name.size() > 4096) return InvalidField(field, "must have 1 to 4096 bytes");
  return absl::OkStatus();
}

absl::StatusOr<std::size_t> PageSize(const stages::Page& page) {
  if (page.size > 1000) return InvalidField("page_size", "must be at most 1000");
  return page.size == 0 ? 100 : page.size;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Ingest>> Ingest::Create(const Stages& stages, Embedders& embedders,
                                                       const Options& options, Observer& observer) {
  RAGMESH_ASSIGN_OR_RETURN(AllowedRoots roots, AllowedRoots::Create(options.allowed_roots));
  RAGMESH_ASSIGN_OR_RETURN(auto journal, journal::Journal::Open(options.data_folder + "/journal"));
  RAGMESH_ASSIGN_OR_RETURN(auto spool,
                           journal::Spool::Open(options.data_folder + "/spool", options.spool));
  std::unique_ptr<Ingest> ingest(new Ingest(stages, embedders, options, observer, std::move(roots),
                                            std::move(spool), std::move(journal)));
  RAGMESH_RETURN_IF_ERROR(ingest->Recover());
  for (int i = 0; i < std::max(1, options.workers); ++i) {
    ingest->workers_.emplace_back([raw = ingest.get()] { raw->Work(); });
  }
  ingest->workers_.emplace_back([raw = ingest.get()] { raw->WorkOnChanges(); });
  return ingest;
}

Ingest::Ingest(const Stages& stages, Embedders& embedders, const Options& options,
               Observer& observer, AllowedRoots roots, std::unique_ptr<journal::Spool> spool,
               std::unique_ptr<journal::Journal> journal)
    : stages_(stages),
      options_(options),
      observer_(observer),
      roots_(std::move(roots)),
      spool_(std::move(spool)),
      journal_(std::move(journal)),
      documents_(stages, embedders, options.document, observer),
      changer_(stages, embedders, options.change, observer),
      watchers_(options.max_watchers) {}

Ingest::~Ingest() {
  std::vector<CallContext> calls;
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
    for (const auto& [id, active] : active_) calls.push_back(active->call);
  }
  for (const CallContext& call : calls) call.Cancel();
  watchers_.Close();
  for (std::thread& worker : workers_) worker.join();
}

absl::Status Ingest::Recover() {
  absl::MutexLock lock(&mutex_);
  std::vector<JobRecord> unfinished;
  RAGMESH_RETURN_IF_ERROR(
      journal_->VisitJobs("", [&](JobRecord job) ABSL_NO_THREAD_SAFETY_ANALYSIS {
        std::int64_t number = 0;
        if (absl::SimpleHexAtoi(job.id, &number))
          last_job_number_ = std::max(last_job_number_, number);
        if (journal::Ended(job.state)) {
          ended_.insert(job.id);
        } else {
          unfinished.push_back(std::move(job));
        }
        return true;
      }));
  for (JobRecord& job : unfinished) {
    Batch batch;
    RAGMESH_RETURN_IF_ERROR(journal_->VisitDocuments(job.id, 0, [&](DocumentRecord document) {
      if (document.state == State::kRunning) {
        RestartDocument(&document);
        batch.PutDocument(document);
      }
      return true;
    }));
    auto active = std::make_unique<Active>(std::move(job));
    RAGMESH_RETURN_IF_ERROR(journal_->Write(std::move(batch), Durability::kSynced));
    active_.emplace(active->record.id, std::move(active));
  }
  absl::Status status;
  spool_->Sweep([&](absl::string_view sha256) {
    const auto referenced = journal_->SpoolReferenced(sha256);
    if (!referenced.ok()) status = referenced.status();
    return !referenced.ok() || *referenced;
  });
  return status;
}

absl::StatusOr<DocumentRecord> Ingest::SpoolInline(InlineSource source) {
  RAGMESH_RETURN_IF_ERROR(CheckName("name", source.name));
  RAGMESH_ASSIGN_OR_RETURN(auto writer, spool_->Begin());
  RAGMESH_RETURN_IF_ERROR(writer->Append(source.data));
  DocumentRecord document = DocumentFromUpload(source);
  document.size_bytes = writer->size_bytes();
  RAGMESH_ASSIGN_OR_RETURN(document.spool_sha256, writer->Commit());
  return document;
}

absl::StatusOr<JobRecord> Ingest::CreateJob(const Caller& caller, NewJob job,
                                            const CallContext& call) {
  if (job.sources.empty() || job.sources.size() > kMaxSources) {
    return InvalidField("sources", absl::StrCat("must hold 1 to ", kMaxSources, " sources"));
  }
  std::vector<std::string> paths;
  for (const IngestSource& source : job.sources) {
    if (const auto* path = std::get_if<PathSource>(&source)) {
      RAGMESH_ASSIGN_OR_RETURN(std::string canonical, roots_.Resolve(path->path));
      paths.push_back(std::move(canonical));
    } else {
      const auto& inlined = std::get<InlineSource>(source);
      RAGMESH_RETURN_IF_ERROR(CheckName("name", inlined.name));
      if (inlined.document_id.size() > 512)
        return InvalidField("document_id", "must have at most 512 bytes");
    }
  }
  // Holding the lock keeps the bytes safe from being released between their writing and their first
  // reference.
  std::vector<DocumentRecord> documents;
  std::vector<std::string> passwords;
  absl::MutexLock lock(&mutex_);
  for (IngestSource& source : job.sources) {
    auto* inlined = std::get_if<InlineSource>(&source);
    if (inlined == nullptr) continue;
    passwords.push_back(inlined->password);
    auto document = SpoolInline(std::move(*inlined));
    if (!document.ok()) {
      std::vector<std::string> written;
      for (const DocumentRecord& earlier : documents) written.push_back(earlier.spool_sha256);
      ReleaseSpoolLocked(written);
      return document.status();
    }
    documents.push_back(*std::move(document));
  }
  return Enqueue(caller, std::move(job), std::move(paths), std::move(documents), passwords, call);
}

absl::StatusOr<Ingest::Uploaded> Ingest::FinishUpload(
    const Caller& caller, const std::string& collection, InlineSource source,
    journal::IngestOptions options, journal::Spool::Writer& writer, const CallContext& call) {
  RAGMESH_RETURN_IF_ERROR(CheckName("name", source.name));
  if (source.document_id.size() > 512)
    return InvalidField("document_id", "must have at most 512 bytes");
  DocumentRecord document = DocumentFromUpload(source);
  document.size_bytes = writer.size_bytes();
  NewJob job;
  job.collection = collection;
  job.options = std::move(options);
  const std::string document_id = document.document_id;
  absl::MutexLock lock(&mutex_);
  RAGMESH_ASSIGN_OR_RETURN(document.spool_sha256, writer.Commit());
  RAGMESH_ASSIGN_OR_RETURN(
      JobRecord record,
      Enqueue(caller, std::move(job), {}, {std::move(document)}, {source.password}, call));
  return Uploaded{std::move(record), document_id};
}

absl::StatusOr<JobRecord> Ingest::Enqueue(const Caller& caller, NewJob job,
                                          std::vector<std::string> paths,
                                          std::vector<DocumentRecord> documents,
                                          const std::vector<std::string>& passwords,
                                          const CallContext& call) {
  std::vector<std::string> digests;
  for (const DocumentRecord& document : documents) digests.push_back(document.spool_sha256);
  const auto refuse = [&](const absl::Status& status) ABSL_NO_THREAD_SAFETY_ANALYSIS {
    ReleaseSpoolLocked(digests);
    return status;
  };
  if (const absl::Status status = call.Check(); !status.ok()) return refuse(status);
  if (active_.size() >= options_.max_active_jobs) return refuse(QueueFull(absl::Seconds(5)));

  const absl::Time now = absl::Now();
  last_job_number_ = std::max(last_job_number_ + 1, absl::ToUnixMicros(now));
  JobRecord record;
  record.id = absl::StrCat(absl::Hex(last_job_number_, absl::kZeroPad16));
  record.tenant = caller.tenant;
  record.collection = job.collection;
  record.created = record.updated =
      absl::FromUnixMicros(absl::ToUnixMicros(now));  // as it will be read back
  record.options = std::move(job.options);
  if (record.options.acl_labels.empty()) record.options.acl_labels = caller.labels;
  record.caller_labels = caller.labels;
  record.prune = job.prune;
  record.change = std::move(job.change);
  record.paths = std::move(paths);
  record.documents_total = static_cast<std::uint32_t>(documents.size());

  Batch batch;
  for (std::size_t i = 0; i < documents.size(); ++i) {
    DocumentRecord& document = documents[i];
    document.job_id = record.id;
    document.ordinal = static_cast<std::uint32_t>(i);
    if (!passwords[i].empty()) {
      if (const absl::Status status = spool_->PutSecret(SecretKey(document), passwords[i]);
          !status.ok()) {
        return refuse(status);
      }
      document.has_password = true;
    }
    batch.PutDocument(document);
    batch.AddSpoolReference(document);
  }
  batch.PutJob(record);
  if (const absl::Status status = journal_->Write(std::move(batch), Durability::kSynced);
      !status.ok()) {
    return refuse(status);
  }
  active_.emplace(record.id, std::make_unique<Active>(record));
  return record;
}

absl::StatusOr<JobRecord> Ingest::OwnJob(const Caller& caller, const std::string& job_id) {
  if (job_id.empty() || job_id.size() > 64 || job_id.find('/') != std::string::npos) {
    return InvalidField("job_id", "must be the id of a job");
  }
  RAGMESH_ASSIGN_OR_RETURN(const std::optional<JobRecord> job, journal_->GetJob(job_id));
  if (!job.has_value() || job->tenant != caller.tenant) {
    return NotFound("job", job_id, "only the newest ended jobs are kept; list them to see which");
  }
  return *job;
}

absl::StatusOr<JobRecord> Ingest::GetJob(const Caller& caller, const std::string& job_id) {
  return OwnJob(caller, job_id);
}

absl::StatusOr<JobPage> Ingest::ListJobs(const Caller& caller, const std::string& collection,
                                         const stages::Page& page) {
  RAGMESH_ASSIGN_OR_RETURN(const std::size_t size, PageSize(page));
  if (page.token.size() > 64) return InvalidField("page_token", "is not one of ours");
  JobPage result;
  RAGMESH_RETURN_IF_ERROR(journal_->VisitJobs(page.token, [&](JobRecord job) {
    if (job.tenant != caller.tenant || (!collection.empty() && job.collection != collection))
      return true;
    if (result.jobs.size() == size) {
      result.next_token = result.jobs.back().id;
      return false;
    }
    result.jobs.push_back(std::move(job));
    return true;
  }));
  return result;
}

absl::StatusOr<JobDocumentPage> Ingest::ListJobDocuments(const Caller& caller,
                                                         const std::string& job_id,
                                                         std::optional<State> state,
                                                         const stages::Page& page) {
  RAGMESH_RETURN_IF_ERROR(OwnJob(caller, job_id).status());
  RAGMESH_ASSIGN_OR_RETURN(const std::size_t size, PageSize(page));
  std::uint32_t first = 0;
  if (!page.token.empty() && !absl::SimpleAtoi(page.token, &first)) {
    return InvalidField("page_token", "is not one of ours");
  }
  JobDocumentPage result;
  RAGMESH_RETURN_IF_ERROR(journal_->VisitDocuments(job_id, first, [&](DocumentRecord document) {
    if (state.has_value() && document.state != *state) return true;
    if (result.documents.size() == size) {
      result.next_token = absl::StrCat(document.ordinal);
      return false;
    }
    result.documents.push_back(std::move(document));
    return true;
  }));
  return result;
}

absl::Status Ingest::WatchJob(const Caller& caller, const std::string& job_id,
                              absl::FunctionRef<absl::Status(const JobEvent&)> on_event,
                              const CallContext& call) {
  RAGMESH_RETURN_IF_ERROR(OwnJob(caller, job_id).status());
  RAGMESH_ASSIGN_OR_RETURN(const auto watcher, watchers_.Add(job_id));
  RAGMESH_ASSIGN_OR_RETURN(JobRecord job, OwnJob(caller, job_id));
  RAGMESH_RETURN_IF_ERROR(on_event(job));
  if (job.documents_total <= kDocumentsToldAtOnce) {
    absl::Status status;
    std::vector<DocumentRecord> documents;
    RAGMESH_RETURN_IF_ERROR(journal_->VisitDocuments(job_id, 0, [&](DocumentRecord document) {
      documents.push_back(std::move(document));
      return documents.size() < kDocumentsToldAtOnce;
    }));
    for (const DocumentRecord& document : documents) RAGMESH_RETURN_IF_ERROR(on_event(document));
  }
  while (!journal::Ended(job.state)) {
    RAGMESH_ASSIGN_OR_RETURN(const JobWatchers::Changes changes, watcher->Next(call));
    // The job is read before its documents: when it says "ended", their last states are already
    // there to be read.
    RAGMESH_ASSIGN_OR_RETURN(job, OwnJob(caller, job_id));
    for (const std::uint32_t ordinal : changes.documents) {
      RAGMESH_ASSIGN_OR_RETURN(const auto document, journal_->GetDocument(job_id, ordinal));
      if (document.has_value()) RAGMESH_RETURN_IF_ERROR(on_event(*document));
    }
    if (changes.job || journal::Ended(job.state)) RAGMESH_RETURN_IF_ERROR(on_event(job));
  }
  return absl::OkStatus();
}

absl::StatusOr<JobRecord> Ingest::CancelJob(const Caller& caller, const std::string& job_id) {
  RAGMESH_RETURN_IF_ERROR(OwnJob(caller, job_id).status());
  std::optional<CallContext> running;
  {
    absl::MutexLock lock(&mutex_);
    const auto it = active_.find(job_id);
    if (it != active_.end()) {
      Active& active = *it->second;
      active.cancelled = true;
      running = active.call;
      if (active.running == 0) CancelRestLocked(active);
    }
  }
  if (running.has_value()) running->Cancel();
  return OwnJob(caller, job_id);
}

absl::StatusOr<JobRecord> Ingest::RetryJob(const Caller& caller, const std::string& job_id) {
  RAGMESH_ASSIGN_OR_RETURN(JobRecord job, OwnJob(caller, job_id));
  absl::MutexLock lock(&mutex_);
  if (active_.count(job_id) != 0) {
    return WrongState("JOB_RUNNING", absl::StrCat("job ", job_id, " has not ended"),
                      "cancel it first, or wait");
  }
  RAGMESH_ASSIGN_OR_RETURN(job, OwnJob(caller, job_id));  // as it is under the lock
  if (active_.size() >= options_.max_active_jobs) return QueueFull(absl::Seconds(5));
  if (job.change.has_value())
    RAGMESH_RETURN_IF_ERROR(CheckNoChangeLocked({job.tenant, job.collection}));
  Batch batch;
  bool gone = false;
  RAGMESH_RETURN_IF_ERROR(journal_->VisitDocuments(job_id, 0, [&](DocumentRecord document) {
    if (document.state != State::kFailed && document.state != State::kCancelled) return true;
    if (!document.spool_sha256.empty() &&
        !std::filesystem::exists(spool_->Path(document.spool_sha256)))
      gone = true;
    if (document.state == State::kFailed) --job.documents_failed;
    RestartDocument(&document);
    batch.PutDocument(document);
    return true;
  }));
  if (gone) {
    return WrongState("JOB_SOURCE_GONE", "the uploaded bytes are no longer kept",
                      "upload the documents again");
  }
  job.state = State::kQueued;
  job.error = absl::OkStatus();
  job.updated = absl::Now();
  batch.PutJob(job);
  RAGMESH_RETURN_IF_ERROR(journal_->Write(std::move(batch), Durability::kSynced));
  ended_.erase(job_id);
  active_.emplace(job_id, std::make_unique<Active>(job));
  watchers_.JobChanged(job_id);
  return job;
}

absl::Status Ingest::ForgetCollection(const stages::CollectionId& collection,
                                      const CallContext& call) {
  const auto ours = [&](const Active& active) {
    return active.record.tenant == collection.tenant && active.record.collection == collection.name;
  };
  std::vector<CallContext> running;
  {
    absl::MutexLock lock(&mutex_);
    std::vector<Active*> idle;
    for (const auto& [id, active] : active_) {
      if (!ours(*active)) continue;
      active->cancelled = true;
      running.push_back(active->call);
      if (active->running == 0) idle.push_back(active.get());
    }
    for (Active* active : idle) CancelRestLocked(*active);
  }
  for (const CallContext& job : running) job.Cancel();
  absl::MutexLock lock(&mutex_);
  const auto quiet = [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
    return std::none_of(active_.begin(), active_.end(),
                        [&](const auto& entry) { return ours(*entry.second); });
  };
  mutex_.AwaitWithDeadline(absl::Condition(&quiet), call.deadline());
  RAGMESH_RETURN_IF_ERROR(call.Check());
  Batch batch;
  RAGMESH_RETURN_IF_ERROR(journal_->VisitFootprints(
      collection.tenant, collection.name, [&](const journal::Footprint& footprint) {
        batch.DeleteFootprint(collection.tenant, collection.name, footprint.document_id);
        return true;
      }));
  return journal_->Write(std::move(batch), Durability::kLater);
}

absl::Status Ingest::ForgetDocument(const stages::CollectionId& collection,
                                    const std::string& document_id) {
  Batch batch;
  batch.DeleteFootprint(collection.tenant, collection.name, document_id);
  return journal_->Write(std::move(batch), Durability::kLater);
}

std::size_t Ingest::active_jobs() const {
  absl::MutexLock lock(&mutex_);
  return active_.size();
}

}  // namespace ragmesh::pipeline
