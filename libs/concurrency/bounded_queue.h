// A queue with a bound, between one stage of a pipeline and the next.
#ifndef RAGMESH_LIBS_CONCURRENCY_BOUNDED_QUEUE_H_
#define RAGMESH_LIBS_CONCURRENCY_BOUNDED_QUEUE_H_

#include <cstddef>
#include <deque>
#include <optional>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "libs/base/call_context.h"

namespace ragmesh {

// Thread-safe, any number of producers and consumers. Close() wakes everyone: producers are
// refused, consumers drain what is left and then get nothing.
template <typename T>
class BoundedQueue {
 public:
  explicit BoundedQueue(std::size_t capacity) : capacity_(capacity) {}

  // False, at once, when full or closed; `item` is then untouched.
  bool TryPush(T& item) {
    absl::MutexLock lock(&mutex_);
    if (closed_ || items_.size() >= capacity_) return false;
    items_.push_back(std::move(item));
    return true;
  }

  // Waits for room. False when the queue is closed or `call` is cancelled or late.
  bool Push(T item, const CallContext& call) {
    const auto wake = call.OnCancel([this] {
      absl::MutexLock lock(&mutex_);
      ++wakes_;
    });
    absl::MutexLock lock(&mutex_);
    const auto ready = [this, &call]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
      return closed_ || call.cancelled() || items_.size() < capacity_;
    };
    mutex_.AwaitWithDeadline(absl::Condition(&ready), call.deadline());
    if (closed_ || !call.Check().ok() || items_.size() >= capacity_) return false;
    items_.push_back(std::move(item));
    return true;
  }

  // Waits for an item. Nothing when the queue is closed and empty, or `call` is cancelled or late.
  std::optional<T> Pop(const CallContext& call) {
    const auto wake = call.OnCancel([this] {
      absl::MutexLock lock(&mutex_);
      ++wakes_;
    });
    absl::MutexLock lock(&mutex_);
    const auto ready = [this, &call]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
      return closed_ || call.cancelled() || !items_.empty();
    };
    mutex_.AwaitWithDeadline(absl::Condition(&ready), call.deadline());
    if (items_.empty() || call.cancelled()) return std::nullopt;
    std::optional<T> item(std::move(items_.front()));
    items_.pop_front();
    return item;
  }

  void Close() {
    absl::MutexLock lock(&mutex_);
    closed_ = true;
  }

  std::size_t size() const {
    absl::MutexLock lock(&mutex_);
    return items_.size();
  }

 private:
  const std::size_t capacity_;
  mutable absl::Mutex mutex_;
  std::deque<T> items_ ABSL_GUARDED_BY(mutex_);
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  int wakes_ ABSL_GUARDED_BY(mutex_) = 0;  // changed under the lock so that waiters look again
};

}  // namespace ragmesh

#endif  // RAGMESH_LIBS_CONCURRENCY_BOUNDED_QUEUE_H_
