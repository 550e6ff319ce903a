// An Executor with a fixed number of threads and a bounded queue.
#ifndef RAGMESH_LIBS_CONCURRENCY_THREAD_POOL_H_
#define RAGMESH_LIBS_CONCURRENCY_THREAD_POOL_H_

#include <deque>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "libs/concurrency/executor.h"

namespace ragmesh {

// Never more than `threads` pieces of work run at a time, wherever they run. Thread-safe. The
// destructor refuses new work, runs what was accepted, and joins.
class ThreadPool final : public Executor {
 public:
  // `name` is shown by debuggers and `top -H`, cut to 15 characters. `threads` and `max_queued` are
  // at least 1.
  ThreadPool(std::string name, int threads, std::size_t max_queued);
  ~ThreadPool() override;

  bool TrySubmit(absl::AnyInvocable<void() &&> work) override;
  bool TryRunHere(absl::FunctionRef<void()> work) override;
  std::size_t queue_depth() const override;

 private:
  void Run();
  bool HasTurnOrStops() const ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
    return queue_.empty() ? stopping_ : busy_ < max_busy_;
  }

  const std::size_t max_queued_;
  const int max_busy_;
  mutable absl::Mutex mutex_;
  std::deque<absl::AnyInvocable<void() &&>> queue_ ABSL_GUARDED_BY(mutex_);
  int busy_ ABSL_GUARDED_BY(mutex_) = 0;  // threads with work, callers of TryRunHere among them
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_;
};

// Processors this process may use: the CPU quota of its cgroup, its affinity mask, at least 1.
int AvailableCpus();

}  // namespace ragmesh

#endif  // RAGMESH_LIBS_CONCURRENCY_THREAD_POOL_H_
