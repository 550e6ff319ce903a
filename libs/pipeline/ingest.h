// Ingest jobs: journalled before they are acknowledged, worked off by a few threads, watched,
// cancelled, retried.
#ifndef RAGMESH_LIBS_PIPELINE_INGEST_H_
#define RAGMESH_LIBS_PIPELINE_INGEST_H_

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "libs/base/call_context.h"
#include "libs/journal/journal.h"
#include "libs/journal/spool.h"
#include "libs/pipeline/allowed_roots.h"
#include "libs/pipeline/document_ingest.h"
#include "libs/pipeline/embedders.h"
#include "libs/pipeline/job_watch.h"
#include "libs/pipeline/model_change.h"
#include "libs/pipeline/stages.h"

namespace ragmesh::pipeline {

// Where a document comes from.
struct PathSource {
  std::string path;
};
struct InlineSource {
  std::string name;
  std::string data;
  std::string document_id;  // empty: made from the name
  std::string uri;
  std::string password;
};
using IngestSource = std::variant<PathSource, InlineSource>;

struct NewJob {
  std::string collection;
  std::vector<IngestSource> sources;  // 1 to 1,000
  journal::IngestOptions options;     // empty labels: the caller's
  bool prune = false;
  std::optional<journal::ModelChange> change = {};  // by CreateModelChange alone
};

struct JobPage {
  std::vector<journal::JobRecord> jobs;  // newest first
  std::string next_token;
};

struct JobDocumentPage {
  std::vector<journal::DocumentRecord> documents;  // in the order found
  std::string next_token;
};

using JobEvent = std::variant<journal::JobRecord, journal::DocumentRecord>;

// Thread-safe. The destructor stops the workers; documents under way start again with the next
// Ingest over the same folder, just as after a crash.
class Ingest {
 public:
  struct Options {
    std::string data_folder;  // journal/ and spool/ below it
    std::vector<std::string> allowed_roots;
    int workers = 2;  // documents under way at once
    std::size_t max_active_jobs = 1000;
    std::size_t max_ended_jobs = 1000;  // older ones are forgotten
    std::size_t max_files_per_job = 100'000;
    std::size_t max_watchers = 1000;
    journal::Spool::Limits spool;
    DocumentIngest::Options document;
    ModelChanger::Options change;
  };

  // Opens the journal and goes on with whatever had not ended. Borrows `stages`, `embedders` and
  // `observer`.
  static absl::StatusOr<std::unique_ptr<Ingest>> Create(const Stages& stages, Embedders& embedders,
                                                        const Options& options, Observer& observer);
  ~Ingest();

  absl::StatusOr<journal::JobRecord> CreateJob(const Caller& caller, NewJob job,
                                               const CallContext& call);

  // A document that comes in pieces: append to the writer, then finish. `source.data` is not used.
  absl::StatusOr<std::unique_ptr<journal::Spool::Writer>> BeginUpload() { return spool_->Begin(); }
  struct Uploaded {
    journal::JobRecord job;
    std::string document_id;
  };
  absl::StatusOr<Uploaded> FinishUpload(const Caller& caller, const std::string& collection,
                                        InlineSource source, journal::IngestOptions options,
                                        journal::Spool::Writer& writer, const CallContext& call);

  absl::StatusOr<JobPage> ListJobs(const Caller& caller, const std::string& collection,
                                   const stages::Page& page);
  absl::StatusOr<journal::JobRecord> GetJob(const Caller& caller, const std::string& job_id);
  absl::StatusOr<JobDocumentPage> ListJobDocuments(const Caller& caller, const std::string& job_id,
                                                   std::optional<journal::State> state,
                                                   const stages::Page& page);
  // Calls `on_event` with the job, its documents when they are at most 1,000, and then each change,
  // until the job has ended; its last state comes last. A non-OK status from `on_event` ends the
  // watch with that status.
  absl::Status WatchJob(const Caller& caller, const std::string& job_id,
                        absl::FunctionRef<absl::Status(const JobEvent&)> on_event,
                        const CallContext& call);
  absl::StatusOr<journal::JobRecord> CancelJob(const Caller& caller, const std::string& job_id);
  absl::StatusOr<journal::JobRecord> RetryJob(const Caller& caller, const std::string& job_id);

  // Queues a change of a collection's model, as a job that can be watched, cancelled and retried.
  // Changes are done one after the other, beside the ingest of documents. FAILED_PRECONDITION /
  // MODEL_CHANGE_RUNNING while one of this collection has not ended.
  absl::StatusOr<journal::JobRecord> CreateModelChange(const Caller& caller,
                                                       const std::string& collection,
                                                       journal::ModelChange change,
                                                       const CallContext& call);
  absl::Status CheckNoModelChange(const stages::CollectionId& collection) const;
  // What changes that did not succeed were filling, or are.
  struct ChangeTarget {
    std::string collection;  // the job's
    journal::ModelChange change;
  };
  absl::StatusOr<std::vector<ChangeTarget>> ChangeTargets(const std::string& tenant) const;
  // They are deleted: such a change cannot be retried any more, and its target's name is free.
  absl::Status ForgetChangeTargets(const stages::CollectionId& collection);

  // Cancels the collection's jobs, waits until none of their documents is under way, and forgets
  // its documents.
  absl::Status ForgetCollection(const stages::CollectionId& collection, const CallContext& call);
  // The document was deleted: the next ingest of the same bytes is not "unchanged".
  absl::Status ForgetDocument(const stages::CollectionId& collection,
                              const std::string& document_id);

  std::size_t active_jobs() const;

 private:
  struct Active;
  struct Task;

  Ingest(const Stages& stages, Embedders& embedders, const Options& options, Observer& observer,
         AllowedRoots roots, std::unique_ptr<journal::Spool> spool,
         std::unique_ptr<journal::Journal> journal);

  absl::Status Recover();
  absl::StatusOr<journal::DocumentRecord> SpoolInline(InlineSource source);
  absl::StatusOr<journal::JobRecord> Enqueue(const Caller& caller, NewJob job,
                                             std::vector<std::string> paths,
                                             std::vector<journal::DocumentRecord> documents,
                                             const std::vector<std::string>& passwords,
                                             const CallContext& call)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<journal::JobRecord> OwnJob(const Caller& caller, const std::string& job_id);

  void Work();
  bool HasTaskOrStops() const ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  std::optional<Task> TakeTask() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Walk(const Task& task);
  void RunDocument(Task task);
  void EndDocument(const Task& task, journal::DocumentRecord document,
                   const absl::StatusOr<DocumentOutcome>& outcome);
  void FinishJob(const Task& task);
  absl::Status Prune(const Task& task);
  // Changes of models: ingest_changes.cc.
  void WorkOnChanges();
  Active* NextChange() const ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  bool HasChangeOrStops() const ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  void RunChange(const Task& task);
  absl::Status CheckNoChangeLocked(const stages::CollectionId& collection) const
      ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  void CloseJobLocked(Active& active, journal::State state) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void CancelRestLocked(Active& active) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ForgetOldJobsLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ReleaseSpoolLocked(const std::vector<std::string>& digests)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status SaveLocked(Active& active, journal::Batch batch,
                          journal::Journal::Durability durability)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Stages stages_;
  const Options options_;
  Observer& observer_;
  const AllowedRoots roots_;
  const std::unique_ptr<journal::Spool> spool_;
  const std::unique_ptr<journal::Journal> journal_;
  const DocumentIngest documents_;
  const ModelChanger changer_;
  JobWatchers watchers_;

  mutable absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::int64_t last_job_number_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<std::string, std::unique_ptr<Active>> active_ ABSL_GUARDED_BY(mutex_);  // by job id
  std::string last_served_
      ABSL_GUARDED_BY(mutex_);  // jobs take turns, so that a folder does not hold up an upload
  std::set<std::string> ended_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::thread> workers_;
};

}  // namespace ragmesh::pipeline

#endif  // RAGMESH_LIBS_PIPELINE_INGEST_H_
