// Whether a server is well: by real work at an interval, and by what happens to calls in between.
#ifndef RAGMESH_LIBS_REMOTE_GENERATION_HEALTH_WATCH_H_
#define RAGMESH_LIBS_REMOTE_GENERATION_HEALTH_WATCH_H_

#include <functional>
#include <optional>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "libs/base/call_context.h"

namespace ragmesh::remote_generation {

// A circuit: it opens with the first failed probe or reported failure, and only a probe that
// succeeds closes it. Probes run at `interval` while it is closed, and are left out while calls
// succeed; they run at once after a reported failure, then at doubling distances. Thread-safe.
class HealthWatch {
 public:
  struct Options {
    absl::Duration interval = absl::Seconds(10);
    absl::Duration timeout = absl::Seconds(10);  // of one probe
    absl::Duration min_backoff = absl::Milliseconds(500);
    absl::Duration max_backoff = absl::Seconds(30);
  };
  using Probe = std::function<absl::Status(const CallContext&)>;
  using OnProbe = std::function<void(const absl::Status&)>;

  // `on_probe` is told of each probe, after status() has changed; it must not call this object.
  HealthWatch(const Options& options, Probe probe, OnProbe on_probe);
  ~HealthWatch();  // cancels a running probe and waits for it
  HealthWatch(const HealthWatch&) = delete;
  HealthWatch& operator=(const HealthWatch&) = delete;

  // Probes on this thread, then goes on on its own. Returns what the probe did. Called once.
  absl::Status Start(const CallContext& call);

  // OK, or why the circuit is open.
  absl::Status status() const;

  void ReportSuccess();
  void ReportFailure(const absl::Status& why);

 private:
  absl::Status RunProbe(const CallContext& call);
  void Loop();
  bool WantsToWake() const ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return stopping_ || probe_now_; }

  const Options options_;
  const Probe probe_;
  const OnProbe on_probe_;
  const CallContext life_{absl::InfiniteFuture()};
  mutable absl::Mutex mutex_;
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
  absl::Time next_probe_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
  absl::Time last_success_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
  absl::Duration backoff_ ABSL_GUARDED_BY(mutex_);
  bool probe_now_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace ragmesh::remote_generation

#endif  // RAGMESH_LIBS_REMOTE_GENERATION_HEALTH_WATCH_H_
