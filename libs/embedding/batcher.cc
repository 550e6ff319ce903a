#include "libs/embedding/batcher.h"

#include <algorithm>
#include <utility>

#include "libs/base/error.h"

namespace ragmesh::embedding {

Batcher::Batcher(const Options& options, Executor& compute)
    : options_(options), compute_(compute) {}

Batcher::~Batcher() {
  absl::MutexLock lock(&mutex_);
  mutex_.Await(absl::Condition(this, &Batcher::Idle));
}

absl::Status Batcher::Submit(std::vector<Item> items) {
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
  // The lock is held while `compute_` takes the pump, so a pump begins only after its items are
  // queued.
  const int wanted = std::min(std::max(1, options_.max_parallel), pumps_ + static_cast<int>(count));
  while (pumps_ < wanted && compute_.TrySubmit([this] { Pump(); })) ++pumps_;
  if (pumps_ == 0) return QueueFull(absl::Milliseconds(100));
  for (Item& item : items)
    queues_[static_cast<std::size_t>(item.priority)].push_back(std::move(item));
  return absl::OkStatus();
}

Batcher::Stats Batcher::stats() const {
  absl::MutexLock lock(&mutex_);
  Stats stats = stats_;
  stats.queued_items = queues_[0].size() + queues_[1].size();
  return stats;
}

std::vector<Batcher::Item> Batcher::TakeBatch() {
  std::vector<Item> batch;
  auto& queue = queues_[0].empty() ? queues_[1] : queues_[0];
  std::size_t tokens = 0;
  // At least one item, however long it is.
  while (!queue.empty() &&
         (batch.empty() || tokens + queue.front().tokens <= options_.max_batch_tokens)) {
    tokens += queue.front().tokens;
    batch.push_back(std::move(queue.front()));
    queue.pop_front();
  }
  return batch;
}

void Batcher::Pump() {
  while (true) {
    std::vector<Item> batch;
    {
      absl::MutexLock lock(&mutex_);
      batch = TakeBatch();
      if (batch.empty()) {
        --pumps_;
        return;
      }
      ++stats_.batches;
    }
    for (Item& item : batch) {
      absl::Status status = item.call.Check();
      {
        absl::MutexLock lock(&mutex_);
        status.ok() ? ++stats_.items : ++stats_.dropped;
        if (status.ok()) stats_.tokens += item.tokens;
      }
      std::move(item.run)(std::move(status));
    }
  }
}

}  // namespace ragmesh::embedding
