// Fork and join for work of a few microseconds: one caller and its helper threads share the items
// of a loop.
#ifndef RAGMESH_LIBS_CONCURRENCY_COMPUTE_POOL_H_
#define RAGMESH_LIBS_CONCURRENCY_COMPUTE_POOL_H_

#include <sched.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <thread>
#include <vector>

#include "absl/functional/function_ref.h"

namespace ragmesh {

// A model forks about five times per layer, so helpers spin for a moment after each
// loop before they sleep, and the caller waits for items, not for threads: a helper that the system
// has paused delays nobody unless it holds an item. Run() is called by one thread at a time.
class ComputePool {
 public:
  // `threads` counts the caller; 1 runs everything on it.
  explicit ComputePool(int threads);
  ~ComputePool();
  ComputePool(const ComputePool&) = delete;
  ComputePool& operator=(const ComputePool&) = delete;

  int threads() const { return static_cast<int>(helpers_.size()) + 1; }

  // work(item, thread) for every item below `items`, in any order, `thread` below threads().
  // Returns when all are done.
  void Run(std::size_t items, absl::FunctionRef<void(std::size_t item, int thread)> work);

 private:
  using Work = absl::FunctionRef<void(std::size_t, int)>;

  void Help(int thread);
  // A woken thread tends to be put where its waker runs, and a caller may be moved to where a
  // helper spins; they would then take turns on one processor while another one is idle. So helpers
  // are kept off their caller's.
  void KeepHelpersOff(int processor);
  bool RunOneItem(int thread);

  // Loop number in the high half, items not yet taken in the low half. Taking an item is one
  // compare-and-swap, which fails when the loop has changed, so a late helper never touches the
  // next loop with the old work. Helpers that wait read nothing else, so that preparing a loop
  // costs its caller no line of the cache.
  alignas(64) std::atomic<std::uint64_t> state_{0};
  alignas(64) std::atomic<const Work*> work_{nullptr};
  std::atomic<std::size_t> items_{0};
  alignas(64) std::atomic<std::size_t> done_{0};
  alignas(64) std::atomic<std::uint32_t> epoch_{0};  // what sleeping helpers watch
  std::atomic<int> sleepers_{0};                     // helpers that sleep or are about to
  std::atomic<bool> stopping_{false};
  cpu_set_t allowed_;  // processors that the pool may use
  int avoided_ = -1;   // the one that helpers are kept off; of the caller of Run()
  std::vector<std::thread> helpers_;
};

}  // namespace ragmesh

#endif  // RAGMESH_LIBS_CONCURRENCY_COMPUTE_POOL_H_
