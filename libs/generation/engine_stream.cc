// The reader's end of a generation.
#include <algorithm>
#include <utility>

#include "libs/generation/engine.h"
#include "libs/generation/stream_state.h"

namespace ragmesh::generation {

Engine::Stream::~Stream() {
  absl::MutexLock lock(&engine_->mutex_);  // wakes the engine, which then lets go of the stream
  state_->abandoned.store(true, std::memory_order_relaxed);
}

absl::StatusOr<std::optional<Engine::Written>> Engine::Stream::Next() {
  StreamState& state = *state_;
  absl::Mutex& mutex = engine_->mutex_;
  // Taking the lock makes waiters look at their conditions again.
  const auto wake = state.call.OnCancel([&mutex] { absl::MutexLock lock(&mutex); });
  absl::MutexLock lock(&mutex);
  const auto ready = [&state] {
    return !state.unread.empty() || state.ended || state.call.cancelled();
  };
  mutex.AwaitWithDeadline(absl::Condition(&ready), state.call.deadline());
  if (absl::Status check = state.call.Check(); !check.ok()) return check;
  if (!state.unread.empty()) {
    Written written = std::move(state.unread.front());
    state.unread.pop_front();
    state.paused = absl::InfiniteFuture();
    return written;
  }
  if (!state.ended) return absl::DeadlineExceededError("the deadline of the call has passed");
  if (!state.status.ok()) return state.status;
  return std::nullopt;
}

absl::StatusOr<std::size_t> Engine::AwaitAny(absl::Span<Stream* const> streams) {
  const CallContext& call = streams[0]->state_->call;
  const auto wake = call.OnCancel([this] { absl::MutexLock lock(&mutex_); });
  absl::MutexLock lock(&mutex_);
  const auto ready = [&streams, &call] {
    return call.cancelled() ||
           std::any_of(streams.begin(), streams.end(), [](const Stream* stream) {
             return !stream->state_->unread.empty() || stream->state_->ended;
           });
  };
  mutex_.AwaitWithDeadline(absl::Condition(&ready), call.deadline());
  if (absl::Status check = call.Check(); !check.ok()) return check;
  if (!ready()) return absl::DeadlineExceededError("the deadline of the call has passed");
  const auto fullest =
      std::max_element(streams.begin(), streams.end(), [](const Stream* a, const Stream* b) {
        const StreamState &first = *a->state_, &second = *b->state_;
        return std::pair(first.unread.size(), first.ended) <
               std::pair(second.unread.size(), second.ended);
      });
  return static_cast<std::size_t>(fullest - streams.begin());
}

Engine::Outcome Engine::Stream::outcome() const {
  absl::MutexLock lock(&engine_->mutex_);
  return state_->outcome;
}

}  // namespace ragmesh::generation
