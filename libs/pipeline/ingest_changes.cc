// Changes of models among the jobs: one thread works them off, one after the other, so that they
// neither wait for folders nor hold them up.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/pipeline/ingest.h"
#include "libs/pipeline/ingest_state.h"

namespace ragmesh::pipeline {

using journal::Batch;
using journal::JobRecord;
using journal::State;
using Durability = journal::Journal::Durability;

namespace {

// For what a cancelled change has made to go.
constexpr absl::Duration kCleanUp = absl::Minutes(2);

}  // namespace

absl::StatusOr<JobRecord> Ingest::CreateModelChange(const Caller& caller,
                                                    const std::string& collection,
                                                    journal::ModelChange change,
                                                    const CallContext& call) {
  NewJob job;
  job.collection = collection;
  job.change = std::move(change);
  absl::MutexLock lock(&mutex_);
  RAGMESH_RETURN_IF_ERROR(CheckNoChangeLocked({caller.tenant, collection}));
  return Enqueue(caller, std::move(job), {}, {}, {}, call);
}

absl::Status Ingest::CheckNoChangeLocked(const stages::CollectionId& collection) const {
  for (const auto& [id, active] : active_) {
    const JobRecord& job = active->record;
    if (!job.change.has_value() || job.tenant != collection.tenant ||
        job.collection != collection.name)
      continue;
    return WrongState("MODEL_CHANGE_RUNNING",
                      absl::StrCat("job ", id, " is changing the model of '", collection.name, "'"),
                      "Wait for it, or cancel it first.");
  }
  return absl::OkStatus();
}

absl::Status Ingest::CheckNoModelChange(const stages::CollectionId& collection) const {
  absl::MutexLock lock(&mutex_);
  return CheckNoChangeLocked(collection);
}

absl::StatusOr<std::vector<Ingest::ChangeTarget>> Ingest::ChangeTargets(
    const std::string& tenant) const {
  std::vector<ChangeTarget> targets;
  RAGMESH_RETURN_IF_ERROR(journal_->VisitJobs("", [&](JobRecord job) {
    if (job.tenant == tenant && job.change.has_value() && job.change->makes_target &&
        job.state != State::kSucceeded) {
      targets.push_back({std::move(job.collection), *std::move(job.change)});
    }
    return true;
  }));
  return targets;
}

absl::Status Ingest::ForgetChangeTargets(const stages::CollectionId& collection) {
  absl::MutexLock lock(&mutex_);
  RAGMESH_RETURN_IF_ERROR(CheckNoChangeLocked(collection));
  Batch batch;
  RAGMESH_RETURN_IF_ERROR(journal_->VisitJobs("", [&](JobRecord job) {
    if (job.tenant != collection.tenant || job.collection != collection.name ||
        !job.change.has_value() || job.state == State::kSucceeded)
      return true;
    job.change->makes_target = false;
    batch.PutJob(job);
    return true;
  }));
  return journal_->Write(std::move(batch), Durability::kSynced);
}

Ingest::Active* Ingest::NextChange() const {
  for (const auto& [id, active] : active_) {
    if (active->record.change.has_value() && !active->exclusive && !active->cancelled)
      return active.get();
  }
  return nullptr;
}

bool Ingest::HasChangeOrStops() const { return stopping_ || NextChange() != nullptr; }

void Ingest::WorkOnChanges() {
  while (true) {
    std::optional<Task> task;
    {
      absl::MutexLock lock(&mutex_);
      mutex_.Await(absl::Condition(this, &Ingest::HasChangeOrStops));
      if (stopping_) return;
      Active& active = *NextChange();
      active.exclusive = true;
      ++active.running;
      active.record.state = State::kRunning;
      (void)SaveLocked(active, Batch(), Durability::kLater);
      task = Task{Task::Kind::kChange, active.record.id, active.record, active.call, {}};
    }
    watchers_.JobChanged(task->job_id);
    RunChange(*task);
  }
}

void Ingest::RunChange(const Task& task) {
  const stages::CollectionId collection{task.job.tenant, task.job.collection};
  const auto save = [&](const ModelChanger::Progress& progress) {
    absl::MutexLock lock(&mutex_);
    Active& active = *active_.at(task.job_id);
    JobRecord& job = active.record;
    const CopyProgress& copy = progress.copy;
    const std::uint64_t done = copy.documents_same + copy.documents_copied;
    job.documents_done = static_cast<std::uint32_t>(done);
    job.documents_unchanged = static_cast<std::uint32_t>(copy.documents_same);
    job.documents_total = static_cast<std::uint32_t>(std::max(done, progress.documents));
    job.chunks_done = copy.chunks_copied;
    job.change->chunks_truncated = copy.chunks_truncated;
    job.error = copy.waiting_for;
    (void)SaveLocked(active, Batch(), Durability::kLater);
    watchers_.JobChanged(task.job_id);
  };
  const absl::Status status = changer_.Run(collection, *task.job.change, save, task.call);
  bool cancelled = false;
  {
    absl::MutexLock lock(&mutex_);
    cancelled = active_.at(task.job_id)->cancelled && !stopping_;
  }
  // Of a change that failed the target stays: the next try goes on with it.
  if (!status.ok() && cancelled) {
    (void)changer_.DeleteTarget(collection, *task.job.change, CallContext(absl::Now() + kCleanUp));
  }
  absl::MutexLock lock(&mutex_);
  Active& active = *active_.at(task.job_id);
  --active.running;
  active.exclusive = false;
  // Left as running in the journal, as a crash would: the next start goes on with it.
  if (stopping_ && !status.ok()) return;
  active.record.error = status;
  if (status.ok()) return CloseJobLocked(active, State::kSucceeded);
  if (!active.cancelled) return CloseJobLocked(active, State::kFailed);
  active.record.error = absl::OkStatus();
  CancelRestLocked(active);
}

}  // namespace ragmesh::pipeline
