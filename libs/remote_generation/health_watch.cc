#include "libs/remote_generation/health_watch.h"

#include <algorithm>
#include <utility>

#include "absl/time/clock.h"
#include "libs/base/error.h"

namespace ragmesh::remote_generation {

HealthWatch::HealthWatch(const Options& options, Probe probe, OnProbe on_probe)
    : options_(options),
      probe_(std::move(probe)),
      on_probe_(std::move(on_probe)),
      status_(Unavailable("REMOTE_NOT_PROBED", "the model server has not been asked yet")),
      backoff_(options.min_backoff) {}

HealthWatch::~HealthWatch() {
  life_.Cancel();
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  if (thread_.joinable()) thread_.join();
}

absl::Status HealthWatch::Start(const CallContext& call) {
  const absl::Status status = RunProbe(call.Child(absl::Now() + options_.timeout));
  thread_ = std::thread([this] { Loop(); });
  return status;
}

absl::Status HealthWatch::status() const {
  absl::MutexLock lock(&mutex_);
  return status_;
}

void HealthWatch::ReportSuccess() {
  absl::MutexLock lock(&mutex_);
  last_success_ = absl::Now();
}

void HealthWatch::ReportFailure(const absl::Status& why) {
  absl::MutexLock lock(&mutex_);
  last_success_ = absl::InfinitePast();
  if (!status_.ok()) return;  // probes are on their way
  status_ = why;
  backoff_ = options_.min_backoff;
  probe_now_ = true;
}

absl::Status HealthWatch::RunProbe(const CallContext& call) {
  absl::Status status = probe_(call);
  if (absl::IsCancelled(status)) return status;  // by our own end; says nothing of the server
  if (absl::IsDeadlineExceeded(status)) {
    status = Unavailable("REMOTE_SLOW", "the model server did not write a token in time",
                         "Check its load.");
  }
  {
    absl::MutexLock lock(&mutex_);
    status_ = status;
    if (status.ok()) {
      backoff_ = options_.min_backoff;
      next_probe_ = absl::Now() + options_.interval;
    } else {
      next_probe_ = absl::Now() + backoff_;
      backoff_ = std::min(backoff_ * 2, options_.max_backoff);
    }
  }
  if (on_probe_) on_probe_(status);
  return status;
}

void HealthWatch::Loop() {
  while (true) {
    {
      absl::MutexLock lock(&mutex_);
      mutex_.AwaitWithDeadline(absl::Condition(this, &HealthWatch::WantsToWake), next_probe_);
      if (stopping_) return;
      const absl::Time enough = last_success_ + options_.interval;
      if (!probe_now_ && status_.ok() && enough > absl::Now()) {
        next_probe_ = enough;
        continue;
      }
      probe_now_ = false;
    }
    (void)RunProbe(life_.Child(absl::Now() + options_.timeout));
  }
}

}  // namespace ragmesh::remote_generation
