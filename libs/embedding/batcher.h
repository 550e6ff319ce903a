// Puts the work of concurrent calls onto the compute threads: fairly, bounded, queries before
// passages.
#ifndef RAGMESH_LIBS_EMBEDDING_BATCHER_H_
#define RAGMESH_LIBS_EMBEDDING_BATCHER_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "libs/base/call_context.h"
#include "libs/concurrency/executor.h"

namespace ragmesh::embedding {

// A query has a person waiting for it; passages come by the thousand.
enum class Priority { kQuery, kPassage };

// Takes items, each one text to run through the model, and runs them on `compute` in batches of a
// bounded number of tokens. A batch holds texts of one priority, oldest first, from as many calls
// as there are; between two batches a waiting query goes before any passage. An item whose call was
// cancelled or is late is dropped when its turn comes. At most `max_parallel` batches run at a
// time. Thread-safe. The destructor waits for accepted items to end.
class Batcher {
 public:
  struct Options {
    std::size_t max_queued_items = 4096;
    std::size_t max_batch_tokens =
        512;  // about 50 ms of one core with a 6-layer encoder: how long a query may wait
    int max_parallel = 1;  // threads of `compute` to keep busy
  };

  struct Item {
    std::size_t tokens = 0;
    Priority priority = Priority::kPassage;
    CallContext call;
    // Called once: with OK to do the work, on a compute thread, or with why the item is dropped. It
    // must not submit to this batcher and wait.
    absl::AnyInvocable<void(absl::Status) &&> run;
  };

  struct Stats {
    std::size_t queued_items = 0;
    std::uint64_t batches = 0;
    std::uint64_t items = 0;    // run
    std::uint64_t dropped = 0;  // cancelled or late before their turn
    std::uint64_t tokens = 0;   // of the items run
  };

  // `compute` is borrowed and must outlive the batcher.
  Batcher(const Options& options, Executor& compute);
  ~Batcher();

  // Takes all of `items` or none. RESOURCE_EXHAUSTED / QUEUE_FULL when they do not fit;
  // LIMIT_EXCEEDED when they never could.
  absl::Status Submit(std::vector<Item> items);

  Stats stats() const;

 private:
  // Runs batches until there is nothing left.
  void Pump();
  std::vector<Item> TakeBatch() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool Idle() const ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return pumps_ == 0; }

  const Options options_;
  Executor& compute_;
  mutable absl::Mutex mutex_;
  std::deque<Item> queues_[2] ABSL_GUARDED_BY(mutex_);  // by Priority
  int pumps_ ABSL_GUARDED_BY(mutex_) = 0;  // Pump calls accepted by `compute_` and not ended
  Stats stats_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace ragmesh::embedding

#endif  // RAGMESH_LIBS_EMBEDDING_BATCHER_H_
