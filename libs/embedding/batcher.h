// Puts the work of concurrent calls onto the compute threads: fairly, bounded, queries before
// passages.
#ifndef RAGMESH_LIBS_EMBEDDING_BATCHER_H_
#define RAGMESH_LIBS_EMBEDDING_BATCHER_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "libs/base/call_context.h"
#include "libs/concurrency/executor.h"

namespace ragmesh::embedding {

// A query has a person waiting for it; passages come by the thousand.
enum class Priority { kQuery, kPassage };

// Takes items, each one text to run through the model, and hands them to `compute` in batches of a
// bounded number of tokens. A batch holds texts of one priority, oldest first, from as many calls
// as there are.
//
// A batch never waits for company: it takes what is there when a thread is free, so a lone text
// starts at once, and under load the next batch forms while the last one runs. That costs nothing,
// since products are near their full speed with the rows of one question. Waiting for more, as on
// an accelerator, would only add to every answer.
//
// Queries go before passages, and a batch of passages lets them in between (RunWaitingQueries), so
// a query waits for a part of a batch at most. After kQueryBatchesInARow batches of queries one of
// passages has its turn, if any wait.
//
// At most `max_parallel` batches run at a time, not counting those let in between. Thread-safe. The
// destructor waits for accepted items to end.
class Batcher {
 public:
  struct Options {
    std::size_t max_queued_items = 4096;
    // About 10 ms of one core with a 6-layer encoder in int8. More would not be faster.
    std::size_t max_batch_tokens = 256;
    int max_parallel = 1;  // threads of `compute` to keep busy
  };

  struct Item {
    std::size_t tokens = 0;
    Priority priority = Priority::kPassage;
    CallContext call;
    std::shared_ptr<void> owner;  // what the worker makes of the item, and which part of it
    std::size_t index = 0;
  };

  struct Batch {
    Priority priority = Priority::kPassage;
    std::vector<Item> items;
    // Items whose call was cancelled or late when their turn came, and why they are not run.
    std::vector<std::pair<Item, absl::Status>> dropped;
  };

  // Runs a batch on a compute thread. It must not submit to this batcher and wait.
  using Worker = std::function<void(Batch batch)>;

  struct Stats {
    std::size_t queued_items = 0;
    std::uint64_t batches = 0;
    std::uint64_t items = 0;    // run
    std::uint64_t dropped = 0;  // cancelled or late before their turn
    std::uint64_t tokens = 0;   // of the items run
  };

  static constexpr int kQueryBatchesInARow = 16;
  // A call that is spread over several threads leaves each of them at least this many tokens, if it
  // has them: from so many rows on, a product is near its full speed.
  static constexpr std::size_t kMinBatchTokens = 16;
  // Queries of several calls in one batch all end with the last of them, and are no faster
  // together, so a batch takes this part of a thread's share of them: more than one short query
  // only when so many wait that the cost of a batch is what counts.
  static constexpr std::size_t kQueryShares = 8;
  static constexpr absl::Duration kAloneAfter = absl::Milliseconds(2);

  // `compute` is borrowed and must outlive the batcher.
  Batcher(const Options& options, Executor& compute, Worker worker);
  ~Batcher();

  // Takes all of `items` or none. RESOURCE_EXHAUSTED / QUEUE_FULL when they do not fit;
  // LIMIT_EXCEEDED when they never could.
  absl::Status Submit(std::vector<Item> items);

  // The same for a caller that will wait for the result: while a compute thread is idle and nothing
  // waits, this thread runs the first batch in its place, which saves two changes of threads.
  absl::Status SubmitAndRun(std::vector<Item> items);

  // For a worker in the middle of a batch of passages: runs the batch of queries that is next, if
  // there is one, on this thread.
  void RunWaitingQueries();

  // Whether one thread alone has batches to run, and has for kAloneAfter, so that the others may
  // help it. Under load their help would only be in the way of the batch that comes next.
  bool OneAtWork();

  Stats stats() const;

 private:
  // `pumps`: how many the caller itself is.
  absl::Status Take(std::vector<Item> items, int pumps);
  // Runs batches until there is nothing left.
  void Pump();
  // Runs a batch and returns true, or ends the pump that called this when there is none.
  bool RunNextBatch();
  // What is left goes to a compute thread, since a caller waits for its result, not for those of
  // others. False when there is no room for that.
  bool EndPumpOrPassItOn();
  Priority NextPriority() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // At least one item, if there is one.
  Batch TakeBatch(Priority priority) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool Idle() const ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return pumps_ == 0; }
  std::deque<Item>& queue(Priority priority) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return queues_[static_cast<std::size_t>(priority)];
  }

  const Options options_;
  Executor& compute_;
  const Worker worker_;
  mutable absl::Mutex mutex_;
  std::deque<Item> queues_[2] ABSL_GUARDED_BY(mutex_);  // by Priority
  std::size_t queued_tokens_[2] ABSL_GUARDED_BY(mutex_) = {0, 0};
  int query_batches_ ABSL_GUARDED_BY(mutex_) = 0;  // in a row, while passages wait
  int pumps_ ABSL_GUARDED_BY(mutex_) = 0;  // Pump calls accepted by `compute_` and not ended
  absl::Time several_at_work_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();  // the last time
  Stats stats_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace ragmesh::embedding

#endif  // RAGMESH_LIBS_EMBEDDING_BATCHER_H_
