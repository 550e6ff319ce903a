// The bounded halves of a stream: what the network reaction and the blocking worker share.
#ifndef RAGMESH_LIBS_RPC_STREAM_BUFFERS_H_
#define RAGMESH_LIBS_RPC_STREAM_BUFFERS_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "libs/base/call_context.h"
#include "libs/base/error.h"

namespace ragmesh::rpc {

// Messages on their way out: one write in flight, a few waiting behind it. Thread-safe; one
// producer.
template <typename Message>
class WriteBuffer {
 public:
  // Waiting messages hide a round trip; more would only hide a slow reader.
  static constexpr std::size_t kMaxMessages = 16;
  static constexpr std::size_t kMaxBytes = 4 << 20;

  // Takes `message`, waiting while the buffer is full. `start` begins a write; it is called without
  // the lock and only when no write is in flight.
  absl::Status Push(Message message, const CallContext& call, absl::Duration max_stall,
                    absl::FunctionRef<void(const Message*)> start) {
    const std::size_t bytes = message.ByteSizeLong();
    const Message* first = nullptr;
    {
      absl::MutexLock lock(&mutex_);
      const auto ready = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
        return broken_ || queue_.empty() || (queue_.size() < kMaxMessages && bytes_ < kMaxBytes);
      };
      const bool room = mutex_.AwaitWithDeadline(
          absl::Condition(&ready), std::min(call.deadline(), absl::Now() + max_stall));
      if (absl::Status status = call.Check(); !status.ok()) return status;
      if (broken_) return absl::CancelledError("the caller closed the stream");
      if (!room) {
        return MakeError(absl::StatusCode::kResourceExhausted,
                         "the caller does not read its stream",
                         {.reason = "SLOW_READER",
                          .next_step = "Read messages as they come, or cancel the call."});
      }
      queue_.emplace_back(std::move(message), bytes);
      bytes_ += bytes;
      ++taken_;
      if (!std::exchange(writing_, true)) first = &queue_.front().first;
    }
    if (first != nullptr) start(first);
    return absl::OkStatus();
  }

  // After a write: the next message to write, if any. `*finish` is set when the producer is done
  // and all is written.
  const Message* OnWritten(bool ok, bool* finish) {
    absl::MutexLock lock(&mutex_);
    bytes_ -= queue_.front().second;
    queue_.pop_front();
    if (!ok) {
      broken_ = true;
      queue_.clear();
    }
    writing_ = !queue_.empty();
    *finish = closed_ && !writing_;
    return writing_ ? &queue_.front().first : nullptr;
  }

  // No more messages. True when nothing is left to write.
  bool Close() {
    absl::MutexLock lock(&mutex_);
    closed_ = true;
    return !writing_;
  }

  // Wakes the producer; nothing more is taken.
  void Break() {
    absl::MutexLock lock(&mutex_);
    broken_ = true;
  }

  std::uint64_t taken() const {
    absl::MutexLock lock(&mutex_);
    return taken_;
  }

 private:
  mutable absl::Mutex mutex_;
  std::deque<std::pair<Message, std::size_t>> queue_
      ABSL_GUARDED_BY(mutex_);  // front is being written
  std::size_t bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  std::uint64_t taken_ ABSL_GUARDED_BY(mutex_) = 0;
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  bool broken_ ABSL_GUARDED_BY(mutex_) = false;
};

// Messages on their way in: one read in flight, one message ahead. Thread-safe; one consumer.
template <typename Message>
class ReadBuffer {
 public:
  // The next message, waiting for it; nothing at the end of the stream. `start` begins a read into
  // its argument; it is called without the lock and only when no read is in flight.
  absl::StatusOr<std::optional<Message>> Pop(const CallContext& call,
                                             absl::FunctionRef<void(Message*)> start) {
    if (MayRead()) start(&slot_);
    std::optional<Message> message;
    {
      absl::MutexLock lock(&mutex_);
      const auto ready = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
        return broken_ || ended_ || ready_.has_value();
      };
      mutex_.AwaitWithDeadline(absl::Condition(&ready), call.deadline());
      if (absl::Status status = call.Check(); !status.ok()) return status;
      if (broken_) return absl::CancelledError("the caller closed the stream");
      message.swap(ready_);
      if (message.has_value()) ++given_;
    }
    if (message.has_value() && MayRead()) start(&slot_);
    return message;
  }

  void OnRead(bool ok) {
    absl::MutexLock lock(&mutex_);
    reading_ = false;
    if (ok) {
      ready_ = std::move(slot_);
      slot_ = Message();
    } else {
      ended_ = true;
    }
  }

  void Break() {
    absl::MutexLock lock(&mutex_);
    broken_ = true;
  }

  std::uint64_t given() const {
    absl::MutexLock lock(&mutex_);
    return given_;
  }

 private:
  // Claims the right to start a read.
  bool MayRead() {
    absl::MutexLock lock(&mutex_);
    if (reading_ || ended_ || broken_ || ready_.has_value()) return false;
    return reading_ = true;
  }

  mutable absl::Mutex mutex_;
  Message slot_;  // owned by the read in flight, else by OnRead
  std::optional<Message> ready_ ABSL_GUARDED_BY(mutex_);
  std::uint64_t given_ ABSL_GUARDED_BY(mutex_) = 0;
  bool reading_ ABSL_GUARDED_BY(mutex_) = false;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  bool broken_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace ragmesh::rpc

#endif  // RAGMESH_LIBS_RPC_STREAM_BUFFERS_H_
