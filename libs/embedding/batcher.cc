#include "libs/embedding/batcher.h"

#include <algorithm>
#include <utility>

#include "absl/time/clock.h"
#include "libs/base/error.h"

namespace ragmesh::embedding {

Batcher::Batcher(const Options& options, Executor& compute, Worker worker)
    : options_(options), compute_(compute), worker_(std::move(worker)) {}

Batcher::~Batcher() {
  absl::MutexLock lock(&mutex_);
  mutex_.Await(absl::Condition(this, &Batcher::Idle));
}

absl::Status Batcher::Submit(std::vector<Item> items) { return Take(std::move(items), 0); }

absl::Status Batcher::SubmitAndRun(std::vector<Item> items) {
  if (items.empty()) return absl::OkStatus();
  absl::Status status;
  const bool here = compute_.TryRunHere([&] {
    status = Take(std::move(items), 1);
    if (status.ok() && RunNextBatch() && !EndPumpOrPassItOn()) Pump();
  });
  return here ? status : Submit(std::move(items));
}

absl::Status Batcher::Take(std::vector<Item> items, int pumps) {
  const std::size_t count = items.size();
  if (count == 0) return absl::OkStatus();
  if (count > options_.max_queued_items) {
    return LimitExceeded("texts", static_cast<long long>(count),
                         static_cast<long long>(options_.max_queued_items), "texts",
                         "Send fewer texts in one call.");
  }
  absl::MutexLock lock(&mutex_);
  if (queues_[0].size() + queues_[1].size() + count > options_.max_queued_items) {
    return QueueFull(absl::Milliseconds(100));
  }
  // The lock is held while `compute_` takes a pump, so a pump begins only after its items are
  // queued.
  const int wanted = std::min(std::max(1, options_.max_parallel), pumps_ + static_cast<int>(count));
  pumps_ += pumps;
  while (pumps_ < wanted && compute_.TrySubmit([this] { Pump(); })) ++pumps_;
  if (pumps_ == 0) return QueueFull(absl::Milliseconds(100));
  for (Item& item : items) {
    queued_tokens_[static_cast<std::size_t>(item.priority)] += item.tokens;
    queue(item.priority).push_back(std::move(item));
  }
  return absl::OkStatus();
}

Batcher::Stats Batcher::stats() const {
  absl::MutexLock lock(&mutex_);
  Stats stats = stats_;
  stats.queued_items = queues_[0].size() + queues_[1].size();
  return stats;
}

bool Batcher::OneAtWork() {
  const absl::Time now = absl::Now();
  absl::MutexLock lock(&mutex_);
  if (pumps_ > 1) several_at_work_ = now;
  return now - several_at_work_ > kAloneAfter;
}

Priority Batcher::NextPriority() {
  if (queue(Priority::kQuery).empty()) return Priority::kPassage;
  if (queue(Priority::kPassage).empty()) return Priority::kQuery;
  return query_batches_ < kQueryBatchesInARow ? Priority::kQuery : Priority::kPassage;
}

Batcher::Batch Batcher::TakeBatch(Priority priority) {
  Batch batch{.priority = priority};
  auto& waiting = queue(priority);
  std::size_t& waiting_tokens = queued_tokens_[static_cast<std::size_t>(priority)];
  const bool passes_passages = priority == Priority::kQuery && !queue(Priority::kPassage).empty();
  query_batches_ = passes_passages ? query_batches_ + 1 : 0;
  // An equal share for every thread, so that none is left without work at the end of a call.
  const std::size_t share =
      waiting_tokens / static_cast<std::size_t>(std::max(1, options_.max_parallel)) + 1;
  const std::size_t budget = std::min(options_.max_batch_tokens, std::max(share, kMinBatchTokens));
  const std::size_t budget_of_several_calls =
      priority == Priority::kQuery
          ? std::min(budget, std::max(share / kQueryShares, kMinBatchTokens))
          : budget;
  std::size_t tokens = 0;
  const auto fits = [&](const Item& item) {
    if (tokens == 0) return true;
    const bool same_call = item.owner == batch.items.front().owner;
    return tokens + item.tokens <= (same_call ? budget : budget_of_several_calls);
  };
  while (!waiting.empty() && fits(waiting.front())) {
    Item item = std::move(waiting.front());
    waiting.pop_front();
    waiting_tokens -= item.tokens;
    absl::Status status = item.call.Check();
    if (!status.ok()) {
      batch.dropped.emplace_back(std::move(item), std::move(status));
      continue;
    }
    tokens += item.tokens;
    batch.items.push_back(std::move(item));
  }
  ++stats_.batches;
  stats_.items += batch.items.size();
  stats_.dropped += batch.dropped.size();
  stats_.tokens += tokens;
  return batch;
}

void Batcher::Pump() {
  while (RunNextBatch()) {
  }
}

bool Batcher::RunNextBatch() {
  Batch batch;
  {
    absl::MutexLock lock(&mutex_);
    if (queues_[0].empty() && queues_[1].empty()) {
      --pumps_;
      return false;
    }
    batch = TakeBatch(NextPriority());
  }
  worker_(std::move(batch));
  return true;
}

bool Batcher::EndPumpOrPassItOn() {
  absl::MutexLock lock(&mutex_);
  if (!queues_[0].empty() || !queues_[1].empty()) return compute_.TrySubmit([this] { Pump(); });
  --pumps_;
  return true;
}

void Batcher::RunWaitingQueries() {
  Batch batch;
  {
    absl::MutexLock lock(&mutex_);
    if (queue(Priority::kQuery).empty()) return;
    batch = TakeBatch(Priority::kQuery);
  }
  worker_(std::move(batch));
}

}  // namespace ragmesh::embedding
