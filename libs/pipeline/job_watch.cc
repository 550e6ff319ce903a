#include "libs/pipeline/job_watch.h"

#include <utility>

#include "libs/base/error.h"

namespace ragmesh::pipeline {

JobWatchers::Watcher::~Watcher() {
  absl::MutexLock lock(&owner_.mutex_);
  const auto [begin, end] = owner_.watchers_.equal_range(job_id_);
  for (auto it = begin; it != end; ++it) {
    if (it->second != this) continue;
    owner_.watchers_.erase(it);
    break;
  }
}

absl::StatusOr<JobWatchers::Changes> JobWatchers::Watcher::Next(const CallContext& call) {
  const auto wake = call.OnCancel([this] {
    absl::MutexLock lock(&mutex_);
    ++wakes_;
  });
  absl::MutexLock lock(&mutex_);
  const auto ready = [this, &call]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
    return closed_ || call.cancelled() || changes_.job || !changes_.documents.empty();
  };
  mutex_.AwaitWithDeadline(absl::Condition(&ready), call.deadline());
  if (call.cancelled()) return absl::CancelledError("the watcher went away");
  if (changes_.job || !changes_.documents.empty()) return std::exchange(changes_, Changes());
  if (closed_)
    return Unavailable("SHUTTING_DOWN", "the gateway is shutting down", "watch the job again");
  return absl::DeadlineExceededError("the call's time is used up; the job goes on");
}

absl::StatusOr<std::unique_ptr<JobWatchers::Watcher>> JobWatchers::Add(const std::string& job_id) {
  std::unique_ptr<Watcher> watcher(new Watcher(*this, job_id));
  {
    absl::MutexLock lock(&mutex_);
    if (!closed_ && watchers_.size() < max_watchers_) {
      watchers_.emplace(job_id, watcher.get());
      return watcher;
    }
  }
  return QueueFull(absl::Seconds(1));
}

void JobWatchers::JobChanged(const std::string& job_id) {
  absl::MutexLock lock(&mutex_);
  const auto [begin, end] = watchers_.equal_range(job_id);
  for (auto it = begin; it != end; ++it) {
    absl::MutexLock watcher_lock(&it->second->mutex_);
    it->second->changes_.job = true;
  }
}

void JobWatchers::DocumentChanged(const std::string& job_id, std::uint32_t ordinal) {
  absl::MutexLock lock(&mutex_);
  const auto [begin, end] = watchers_.equal_range(job_id);
  for (auto it = begin; it != end; ++it) {
    absl::MutexLock watcher_lock(&it->second->mutex_);
    it->second->changes_.documents.insert(ordinal);
  }
}

void JobWatchers::Close() {
  absl::MutexLock lock(&mutex_);
  closed_ = true;
  for (const auto& [job_id, watcher] : watchers_) {
    absl::MutexLock watcher_lock(&watcher->mutex_);
    watcher->closed_ = true;
  }
}

}  // namespace ragmesh::pipeline
