#include "libs/generation/engine.h"

#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <utility>

#include "absl/time/clock.h"
#include "libs/base/error.h"

namespace ragmesh::generation {

// Shared by the reader and the engine thread. Fields marked (engine) belong to the engine thread
// alone once the stream runs; the rest is guarded by the engine's mutex.
struct Engine::Stream::State {
  State(Request request, const CallContext& call)
      : request(std::move(request)),
        sampler(this->request.sampling, this->request.seed),
        call(call) {}

  bool GivenUp() const { return abandoned.load(std::memory_order_relaxed) || !call.Check().ok(); }

  const Request request;
  Sampler sampler;  // (engine)
  const CallContext call;
  std::atomic<bool> abandoned{false};

  std::unique_ptr<KvCache> cache;  // (engine)
  std::size_t read = 0;            // (engine) positions in the cache that are valid
  std::uint32_t last = 0;          // (engine) token chosen and not yet read
  std::size_t written = 0;         // tokens chosen

  std::deque<std::uint32_t> unread;
  bool ended = false;
  absl::Status status;
  Outcome outcome;
  absl::Time submitted, admitted, first;
};

Engine::Engine(const Options& options, std::unique_ptr<Decoder> decoder)
    : options_(options), decoder_(std::move(decoder)), thread_([this] { Loop(); }) {
  pthread_setname_np(thread_.native_handle(), "gen-engine");
}

Engine::~Engine() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  thread_.join();
}

absl::StatusOr<std::unique_ptr<Engine::Stream>> Engine::Submit(Request request,
                                                               const CallContext& call) {
  auto state = std::make_shared<Stream::State>(std::move(request), call);
  state->submitted = absl::Now();
  absl::MutexLock lock(&mutex_);
  if (stopping_) return Unavailable("SHUTTING_DOWN", "the generator is shutting down");
  // A stream that can begin at once does not count as waiting.
  const bool begins = waiting_.empty() && running_.size() < options_.max_streams;
  if (!begins && waiting_.size() >= options_.max_waiting) return QueueFull(absl::Seconds(1));
  waiting_.push_back(state);
  return std::unique_ptr<Stream>(new Stream(this, std::move(state)));
}

std::size_t Engine::waiting() const {
  absl::MutexLock lock(&mutex_);
  return waiting_.size();
}

std::size_t Engine::running() const {
  absl::MutexLock lock(&mutex_);
  return running_.size();
}

Engine::Stream::~Stream() {
  absl::MutexLock lock(&engine_->mutex_);  // wakes the engine, which then lets go of the stream
  state_->abandoned.store(true, std::memory_order_relaxed);
}

absl::StatusOr<std::optional<std::uint32_t>> Engine::Stream::Next() {
  State& state = *state_;
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
    const std::uint32_t token = state.unread.front();
    state.unread.pop_front();
    return token;
  }
  if (!state.ended) return absl::DeadlineExceededError("the deadline of the call has passed");
  if (!state.status.ok()) return state.status;
  return std::nullopt;
}

Engine::Outcome Engine::Stream::outcome() const {
  absl::MutexLock lock(&engine_->mutex_);
  return state_->outcome;
}

void Engine::DropGivenUp() {
  const auto given_up = [this](const StatePtr& stream) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (!stream->ended && !stream->GivenUp()) return false;
    if (stream->cache != nullptr) kv_in_use_ -= stream->cache->bytes();
    stream->cache.reset();
    return true;
  };
  waiting_.erase(std::remove_if(waiting_.begin(), waiting_.end(), given_up), waiting_.end());
  running_.erase(std::remove_if(running_.begin(), running_.end(), given_up), running_.end());
}

void Engine::Admit() {
  const KvShape shape = decoder_->kv_shape();
  while (!waiting_.empty() && running_.size() < options_.max_streams) {
    StatePtr stream = waiting_.front();
    const std::size_t capacity = stream->request.prompt.size() + stream->request.max_tokens;
    const std::size_t bytes = shape.BytesPerToken() * capacity;
    // With nothing running the budget is free; a request that is over it even so was admitted by
    // the context limit.
    if (!running_.empty() && kv_in_use_ + bytes > options_.kv_bytes) return;
    waiting_.pop_front();
    absl::StatusOr<std::unique_ptr<KvCache>> cache = KvCache::Create(shape, capacity);
    if (!cache.ok()) {
      End(*stream, cache.status(), stages::FinishReason::kLength);
      continue;
    }
    stream->cache = *std::move(cache);
    stream->admitted = absl::Now();
    kv_in_use_ += bytes;
    running_.push_back(std::move(stream));
  }
}

std::vector<BatchRow> Engine::PlanPass(std::vector<std::pair<StatePtr, std::size_t>>* shares) {
  std::vector<BatchRow> rows;
  for (const StatePtr& stream : running_) {
    if (stream->written == 0 || stream->unread.size() >= options_.max_unread) continue;
    rows.push_back(
        {stream->last, static_cast<std::uint32_t>(stream->read), stream->cache.get(), true});
    shares->emplace_back(stream, 1);
  }
  // Streams that write are kept waiting by prompts for half as long.
  std::size_t room =
      rows.empty() ? options_.prompt_rows : std::max<std::size_t>(options_.prompt_rows / 2, 1);
  for (const StatePtr& stream : running_) {
    if (stream->written > 0 || room == 0) continue;
    const std::vector<std::uint32_t>& prompt = stream->request.prompt;
    const std::size_t count = std::min(room, prompt.size() - stream->read);
    for (std::size_t i = stream->read; i < stream->read + count; ++i) {
      rows.push_back(
          {prompt[i], static_cast<std::uint32_t>(i), stream->cache.get(), i + 1 == prompt.size()});
    }
    shares->emplace_back(stream, count);
    room -= count;
  }
  return rows;
}

void Engine::End(Stream::State& stream, absl::Status status, stages::FinishReason reason) {
  const absl::Time now = absl::Now();
  stream.ended = true;
  stream.status = std::move(status);
  stream.outcome.reason = reason;
  if (stream.written > 0) stream.outcome.decode_seconds = absl::ToDoubleSeconds(now - stream.first);
}

void Engine::Deliver(Stream::State& stream, std::optional<std::uint32_t> token) {
  if (!token.has_value()) {
    return End(stream,
               MakeError(absl::StatusCode::kInternal, "the model's output holds no number",
                         {.reason = "MODEL_OUTPUT_NOT_FINITE",
                          .next_step = "Compare the SHA-256 of the model file with its source."}),
               stages::FinishReason::kStop);
  }
  if (stream.written == 0) {
    stream.first = absl::Now();
    stream.outcome.queue_seconds = absl::ToDoubleSeconds(stream.admitted - stream.submitted);
    stream.outcome.prefill_seconds = absl::ToDoubleSeconds(stream.first - stream.admitted);
  }
  stream.last = *token;
  stream.unread.push_back(*token);
  ++stream.written;
  const auto& ends = stream.request.end_ids;
  if (std::find(ends.begin(), ends.end(), *token) != ends.end()) {
    End(stream, absl::OkStatus(), stages::FinishReason::kStop);
  } else if (stream.written >= stream.request.max_tokens) {
    End(stream, absl::OkStatus(), stages::FinishReason::kLength);
  }
}

bool Engine::CanWrite() const {
  return stopping_ || std::any_of(running_.begin(), running_.end(), [this](const StatePtr& stream) {
           return stream->unread.size() < options_.max_unread || stream->abandoned.load() ||
                  stream->call.cancelled();
         });
}

bool Engine::HasWork() const {
  return CanWrite() || (!waiting_.empty() && running_.size() < options_.max_streams);
}

void Engine::EndAll() {
  waiting_.insert(waiting_.end(), running_.begin(), running_.end());
  for (const StatePtr& stream : waiting_) {
    if (stream->ended) continue;
    End(*stream, Unavailable("SHUTTING_DOWN", "the generator is shutting down"),
        stages::FinishReason::kStop);
  }
}

void Engine::Loop() {
  while (true) {
    std::vector<std::pair<StatePtr, std::size_t>> shares;
    std::vector<BatchRow> rows;
    {
      absl::MutexLock lock(&mutex_);
      // Looks up now and then by itself, since a passing deadline wakes nobody.
      mutex_.AwaitWithTimeout(
          absl::Condition(this, &Engine::HasWork),
          running_.empty() && waiting_.empty() ? absl::InfiniteDuration() : absl::Milliseconds(50));
      DropGivenUp();
      if (stopping_) return EndAll();
      Admit();
      rows = PlanPass(&shares);
      if (rows.empty()) {
        // All that runs is paused by slow readers, and what waits does not fit beside it.
        mutex_.AwaitWithTimeout(absl::Condition(this, &Engine::CanWrite), absl::Milliseconds(50));
        continue;
      }
    }
    const auto someone_waits = [&shares] {
      return std::any_of(shares.begin(), shares.end(),
                         [](const auto& share) { return !share.first->GivenUp(); });
    };
    if (!decoder_->Forward(rows, someone_waits)) continue;
    std::size_t row = 0, logits = 0;
    for (const auto& [stream, count] : shares) {
      row += count;
      stream->read += count;
      if (!rows[row - 1].wants_logits) continue;
      const std::optional<std::uint32_t> token =
          stream->sampler.Pick(decoder_->Logits(logits++), stream->request.forbidden);
      absl::MutexLock lock(&mutex_);
      Deliver(*stream, token);
    }
  }
}

}  // namespace ragmesh::generation
