// The workers' half of Ingest: taking tasks, walking folders, running documents, ending jobs.
#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/pipeline/ingest.h"
#include "libs/pipeline/ingest_state.h"

namespace ragmesh::pipeline {

using journal::Batch;
using journal::DocumentRecord;
using journal::JobRecord;
using journal::State;
using journal::Step;
using Durability = journal::Journal::Durability;

bool Ingest::HasTaskOrStops() const {
  if (stopping_) return true;
  // An active job always has something to do, unless all of it is under way.
  return std::any_of(active_.begin(), active_.end(), [](const auto& entry) {
    const Active& active = *entry.second;
    return !active.exclusive && !active.cancelled && !active.record.change.has_value() &&
           (active.running == 0 || active.cursor < active.record.documents_total);
  });
}

std::optional<Ingest::Task> Ingest::TakeTask() {
  // From the job after the one served last, once around.
  auto it = active_.upper_bound(last_served_);
  for (std::size_t seen = 0; seen < active_.size(); ++seen, ++it) {
    if (it == active_.end()) it = active_.begin();
    Active& active = *it->second;
    if (active.exclusive || active.cancelled || active.record.change.has_value()) continue;
    Task task{Task::Kind::kFinish, it->first, active.record, active.call, {}};
    if (active.record.walked < active.record.paths.size()) {
      if (active.running > 0) continue;
      task.kind = Task::Kind::kWalk;
    } else {
      bool found = false;
      const absl::Status status =
          journal_->VisitDocuments(it->first, active.cursor, [&](DocumentRecord document) {
            if (document.state != State::kQueued) return true;
            task.document = std::move(document);
            found = true;
            return false;
          });
      if (!status.ok()) {
        active.record.error = status;
      }
      active.cursor = found ? task.document.ordinal + 1 : active.record.documents_total;
      if (found) {
        task.kind = Task::Kind::kDocument;
      } else if (active.running > 0) {
        continue;
      }
    }
    active.exclusive = task.kind != Task::Kind::kDocument;
    ++active.running;
    last_served_ = it->first;
    return task;
  }
  return std::nullopt;
}

void Ingest::Work() {
  while (true) {
    std::optional<Task> task;
    {
      absl::MutexLock lock(&mutex_);
      mutex_.Await(absl::Condition(this, &Ingest::HasTaskOrStops));
      if (stopping_) return;
      task = TakeTask();
    }
    if (!task.has_value()) continue;
    switch (task->kind) {
      case Task::Kind::kWalk:
        Walk(*task);
        break;
      case Task::Kind::kDocument:
        RunDocument(*std::move(task));
        break;
      case Task::Kind::kFinish:
        FinishJob(*task);
        break;
      case Task::Kind::kChange:  // is another thread's
        break;
    }
  }
}

absl::Status Ingest::SaveLocked(Active& active, Batch batch, Durability durability) {
  active.record.updated = absl::Now();
  batch.PutJob(active.record);
  return journal_->Write(std::move(batch), durability);
}

// Turns the next path of the job into documents, all or none in the journal.
void Ingest::Walk(const Task& task) {
  const std::string& path = task.job.paths[task.job.walked];
  const auto files =
      roots_.Walk(path,
                  options_.max_files_per_job -
                      std::min<std::size_t>(options_.max_files_per_job, task.job.documents_total),
                  task.call);
  absl::MutexLock lock(&mutex_);
  Active& active = *active_.at(task.job_id);
  --active.running;
  active.exclusive = false;
  if (stopping_) return;
  if (active.cancelled) return CancelRestLocked(active);
  Batch batch;
  if (files.ok()) {
    for (const FoundFile& file : *files) {
      DocumentRecord document;
      document.job_id = task.job_id;
      document.ordinal = active.record.documents_total++;
      document.document_id = DocumentIdFromName(file.path);
      document.name = file.relative;
      document.uri = absl::StrCat("file://", file.path);
      document.path = file.path;
      if (file.path != path) document.root = path;
      document.size_bytes = file.size_bytes;
      batch.PutDocument(document);
    }
  } else if (active.record.error.ok()) {
    active.record.error = Annotate(files.status(), path);
  }
  ++active.record.walked;
  active.record.state = State::kRunning;
  if (const absl::Status status = SaveLocked(active, std::move(batch), Durability::kSynced);
      !status.ok()) {
    active.record.error = status;
  }
  watchers_.JobChanged(task.job_id);
}

void Ingest::RunDocument(Task task) {
  DocumentRecord& document = task.document;
  const std::string& job_id = task.job_id;
  const auto save = [&](bool job_too) {
    absl::MutexLock lock(&mutex_);
    Batch batch;
    batch.PutDocument(document);
    Active& active = *active_.at(job_id);
    if (job_too && active.record.state == State::kQueued) {
      active.record.state = State::kRunning;
      (void)SaveLocked(active, std::move(batch), Durability::kLater);
      watchers_.JobChanged(job_id);
    } else {
      (void)journal_->Write(std::move(batch), Durability::kLater);
    }
    watchers_.DocumentChanged(job_id, document.ordinal);
  };
  document.state = State::kRunning;
  document.step = Step::kLoad;
  ++document.attempts;
  save(/*job_too=*/true);

  const auto run = [&]() -> absl::StatusOr<DocumentOutcome> {
    DocumentInput input;
    input.collection = {task.job.tenant, task.job.collection};
    input.document_id = document.document_id;
    input.name = document.name;
    input.uri = document.uri;
    input.options = task.job.options;
    input.caller_labels = task.job.caller_labels;
    const std::uint64_t limit = options_.spool.document_bytes;
    if (!document.path.empty()) {
      RAGMESH_ASSIGN_OR_RETURN(input.bytes, roots_.Read(document.path, limit, task.call));
    } else {
      RAGMESH_ASSIGN_OR_RETURN(const AllowedRoots spool,
                               AllowedRoots::Create({options_.data_folder + "/spool"}));
      RAGMESH_ASSIGN_OR_RETURN(input.bytes,
                               spool.Read(spool_->Path(document.spool_sha256), limit, task.call));
    }
    document.size_bytes = input.bytes.size();
    if (document.has_password) {
      RAGMESH_ASSIGN_OR_RETURN(input.password, spool_->GetSecret(SecretKey(document)));
    }
    RAGMESH_ASSIGN_OR_RETURN(
        input.footprint,
        journal_->GetFootprint(task.job.tenant, task.job.collection, document.document_id));
    if (!document.root.empty() || input.footprint.has_value()) {
      // Before the store is written, so that a crash in between leaves a trace for the next prune.
      Batch batch;
      batch.PutFootprint(task.job.tenant, task.job.collection,
                         {document.document_id, document.root,
                          input.footprint.has_value() ? input.footprint->fingerprint : "",
                          input.footprint.has_value() ? input.footprint->version : 0});
      RAGMESH_RETURN_IF_ERROR(journal_->Write(std::move(batch), Durability::kSynced));
    }
    return documents_.Run(
        input,
        [&](const DocumentProgress& progress) {
          document.step = progress.step;
          document.chunks_total = progress.chunks_total;
          document.chunks_done = progress.chunks_done;
          document.chunks_reused = progress.chunks_reused;
          document.error = progress.waiting_for;
          if (!progress.waiting_for.ok()) ++document.attempts;
          save(/*job_too=*/false);
        },
        task.call);
  };
  const absl::StatusOr<DocumentOutcome> outcome = run();
  EndDocument(task, document, outcome);
}

void Ingest::EndDocument(const Task& task, DocumentRecord document,
                         const absl::StatusOr<DocumentOutcome>& outcome) {
  absl::MutexLock lock(&mutex_);
  Active& active = *active_.at(task.job_id);
  --active.running;
  // Left as running in the journal, as a crash would: the next start begins it again.
  if (stopping_ && !outcome.ok()) return;
  JobRecord& job = active.record;
  Batch batch;
  document.step = Step::kNone;
  document.error = absl::OkStatus();
  std::vector<std::string> release;
  if (outcome.ok()) {
    document.state = State::kSucceeded;
    document.unchanged = outcome->unchanged;
    ++job.documents_done;
    if (outcome->unchanged) ++job.documents_unchanged;
    if (!outcome->unchanged) {
      document.chunks_total = document.chunks_done = outcome->chunks_total;
      document.chunks_reused = outcome->chunks_reused;
      job.chunks_done += outcome->chunks_total;
      job.chunks_reused += outcome->chunks_reused;
    }
    batch.PutFootprint(
        job.tenant, job.collection,
        {document.document_id, document.root, outcome->fingerprint, outcome->version});
    if (!document.spool_sha256.empty()) {
      batch.DropSpoolReference(document);
      release.push_back(document.spool_sha256);
    }
    observer_.OnDocument(outcome->unchanged ? "unchanged" : "succeeded");
  } else if (active.cancelled) {
    document.state = State::kCancelled;
    observer_.OnDocument("cancelled");
  } else {
    document.state = State::kFailed;
    document.error = outcome.status();
    ++job.documents_failed;
    observer_.OnDocument("failed");
  }
  if (document.has_password && document.state != State::kCancelled) {
    spool_->RemoveSecret(SecretKey(document));
    document.has_password = false;
  }
  batch.PutDocument(document);
  // Synced: a document reported as in must not be reported as waiting after a power cut. The store
  // has it in any case.
  if (const absl::Status status = SaveLocked(active, std::move(batch), Durability::kSynced);
      !status.ok()) {
    job.error = status;
  }
  ReleaseSpoolLocked(release);
  watchers_.DocumentChanged(task.job_id, document.ordinal);
  watchers_.JobChanged(task.job_id);
  if (active.cancelled && active.running == 0) CancelRestLocked(active);
}

// Deletes what an earlier ingest of the job's folders brought and this one did not find.
absl::Status Ingest::Prune(const Task& task) {
  const stages::CollectionId collection{task.job.tenant, task.job.collection};
  absl::flat_hash_set<std::string> found;
  RAGMESH_RETURN_IF_ERROR(
      journal_->VisitDocuments(task.job_id, 0, [&](const DocumentRecord& document) {
        found.insert(document.document_id);
        return true;
      }));
  std::vector<std::string> gone;
  RAGMESH_RETURN_IF_ERROR(journal_->VisitFootprints(
      collection.tenant, collection.name, [&](const journal::Footprint& footprint) {
        const bool from_here = std::find(task.job.paths.begin(), task.job.paths.end(),
                                         footprint.root) != task.job.paths.end();
        if (!footprint.root.empty() && from_here && !found.contains(footprint.document_id)) {
          gone.push_back(footprint.document_id);
        }
        return true;
      }));
  for (const std::string& id : gone) {
    const CallContext call = task.call.Child(
        std::min(task.call.deadline(), absl::Now() + options_.document.store_timeout));
    const auto deleted = stages_.vector_store.Delete(collection, stages::DocumentIds{{id}}, call);
    if (!deleted.ok() && deleted.status().code() != absl::StatusCode::kNotFound) {
      return Annotate(deleted.status(), "prune");
    }
    RAGMESH_RETURN_IF_ERROR(ForgetDocument(collection, id));
  }
  return absl::OkStatus();
}

void Ingest::FinishJob(const Task& task) {
  // A folder that could not be read wholly says nothing about what is gone.
  absl::Status pruned;
  if (task.job.prune && task.job.error.ok()) {
    pruned = RetryWithBackoff(
        options_.document.backoff, [&] { return Prune(task); }, [](const absl::Status&) {},
        task.call);
  }
  absl::MutexLock lock(&mutex_);
  Active& active = *active_.at(task.job_id);
  --active.running;
  active.exclusive = false;
  if (stopping_) return;
  if (active.cancelled) return CancelRestLocked(active);
  if (active.record.error.ok()) active.record.error = pruned;
  const bool failed = active.record.documents_failed > 0 || !active.record.error.ok();
  CloseJobLocked(active, failed ? State::kFailed : State::kSucceeded);
}

void Ingest::CancelRestLocked(Active& active) {
  Batch batch;
  std::vector<std::uint32_t> changed;
  (void)journal_->VisitDocuments(active.record.id, 0, [&](DocumentRecord document) {
    if (!journal::Ended(document.state)) {
      document.state = State::kCancelled;
      document.step = Step::kNone;
      batch.PutDocument(document);
      changed.push_back(document.ordinal);
    }
    return true;
  });
  (void)SaveLocked(active, std::move(batch), Durability::kSynced);
  for (const std::uint32_t ordinal : changed) watchers_.DocumentChanged(active.record.id, ordinal);
  CloseJobLocked(active, State::kCancelled);
}

// `active` is gone when this returns. Room is made first: who reads that the job has ended finds
// the old ones gone.
void Ingest::CloseJobLocked(Active& active, State state) {
  ForgetOldJobsLocked();
  const std::string id = active.record.id;
  active.record.state = state;
  (void)SaveLocked(active, Batch(), Durability::kSynced);
  active_.erase(id);
  ended_.insert(id);
  watchers_.JobChanged(id);
}

// Leaves room for one more.
void Ingest::ForgetOldJobsLocked() {
  while (!ended_.empty() && ended_.size() >= options_.max_ended_jobs) {
    const std::string id = *ended_.begin();
    Batch batch;
    std::vector<std::string> release;
    const absl::Status status =
        journal_->VisitDocuments(id, 0, [&](const DocumentRecord& document) {
          batch.DeleteDocument(document);
          if (document.has_password) spool_->RemoveSecret(SecretKey(document));
          if (!document.spool_sha256.empty()) release.push_back(document.spool_sha256);
          return true;
        });
    batch.DeleteJob(id);
    if (!status.ok() || !journal_->Write(std::move(batch), Durability::kLater).ok()) return;
    ended_.erase(id);
    ReleaseSpoolLocked(release);
  }
}

void Ingest::ReleaseSpoolLocked(const std::vector<std::string>& digests) {
  for (const std::string& digest : digests) {
    const auto referenced = journal_->SpoolReferenced(digest);
    if (referenced.ok() && !*referenced) spool_->Remove(digest);
  }
}

}  // namespace ragmesh::pipeline
