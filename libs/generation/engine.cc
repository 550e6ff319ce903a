#include "libs/generation/engine.h"

#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"

namespace ragmesh::generation {

// Shared by the reader and the engine thread. Fields marked (engine) belong to the engine thread
// alone once the stream runs; the rest is guarded by the engine's mutex.
struct Engine::Stream::State {
  State(Request asked, const CallContext& call, KvPool* pool)
      : request(std::move(asked)),
        sampler(request.sampling, request.seed),
        call(call),
        tokens(request.prompt),
        cache(pool) {}

  bool GivenUp() const { return abandoned.load(std::memory_order_relaxed) || !call.Check().ok(); }
  // Of `tokens`, not yet in the cache. One, and something written: the stream is writing.
  std::size_t ToRead() const { return tokens.size() - read; }
  bool Writing() const { return written > 0 && ToRead() == 1; }

  const Request request;
  Sampler sampler;  // (engine)
  const CallContext call;
  std::atomic<bool> abandoned{false};

  std::vector<std::uint32_t> tokens;  // (engine) prompt and what was written
  std::size_t read = 0;               // (engine) positions in the cache that are valid
  KvCache cache;                      // (engine)
  PromptLookup lookup;                // (engine)
  std::size_t written = 0;            // tokens chosen

  std::deque<std::uint32_t> unread;
  bool ended = false;
  absl::Status status;
  Outcome outcome;
  absl::Time submitted, admitted, first;
};

std::size_t Engine::MaxRows(const Options& options) {
  return options.prompt_rows + options.max_streams + PromptLookup::kMostGuessed;
}

absl::StatusOr<std::unique_ptr<Engine>> Engine::Create(const Options& options,
                                                       std::unique_ptr<Decoder> decoder) {
  RAGMESH_ASSIGN_OR_RETURN(auto pool, KvPool::Create(decoder->kv_shape(), options.kv_bytes));
  return std::unique_ptr<Engine>(new Engine(options, std::move(decoder), std::move(pool)));
}

Engine::Engine(const Options& options, std::unique_ptr<Decoder> decoder,
               std::unique_ptr<KvPool> pool)
    : options_(options),
      decoder_(std::move(decoder)),
      pool_(std::move(pool)),
      kept_(pool_.get()),
      thread_([this] { Loop(); }) {
  pthread_setname_np(thread_.native_handle(), "gen-engine");
}

std::size_t Engine::context() const {
  return std::min(decoder_->config().context, pool_->blocks() * linalg::kBlockPositions);
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
  auto state = std::make_shared<Stream::State>(std::move(request), call, pool_.get());
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
  const auto given_up = [](const StatePtr& stream) {
    if (!stream->ended && !stream->GivenUp()) return false;
    stream->cache.Clear();
    return true;
  };
  waiting_.erase(std::remove_if(waiting_.begin(), waiting_.end(), given_up), waiting_.end());
  running_.erase(std::remove_if(running_.begin(), running_.end(), given_up), running_.end());
}

// The tenant with the fewest running streams is next; among equals, and within one, the call that
// must end first.
std::deque<Engine::StatePtr>::iterator Engine::NextToAdmit() {
  absl::flat_hash_map<absl::string_view, std::size_t> running;
  for (const StatePtr& stream : running_) ++running[stream->request.tenant];
  const auto rank = [&](const StatePtr& stream) {
    const auto tenant = running.find(stream->request.tenant);
    return std::pair(tenant == running.end() ? 0 : tenant->second, stream->call.deadline());
  };
  return std::min_element(waiting_.begin(), waiting_.end(),
                          [&](const StatePtr& a, const StatePtr& b) { return rank(a) < rank(b); });
}

void Engine::Admit() {
  while (!waiting_.empty() && running_.size() < options_.max_streams) {
    const auto next = NextToAdmit();
    // One that runs alone gets everything. Others begin when all that they have to read fits beside
    // what the running ones hold; how long their answers get shows later.
    const std::size_t blocks = (*next)->tokens.size() / linalg::kBlockPositions + 1;
    if (!running_.empty() && pool_->free_blocks() + kept_.blocks() < blocks) return;
    const StatePtr stream = *next;
    waiting_.erase(next);
    if (stream->outcome.preemptions == 0) stream->admitted = absl::Now();
    running_.push_back(stream);
  }
}

void Engine::Preempt(const StatePtr& stream) {
  stream->cache.Clear();
  stream->read = 0;
  ++stream->outcome.preemptions;
  running_.erase(std::find(running_.begin(), running_.end(), stream));
  waiting_.push_front(stream);
}

bool Engine::Reserve(const StatePtr& stream, std::size_t positions) {
  while (!stream->cache.Reserve(positions)) {
    if (kept_.Evict(1) > 0) continue;
    const StatePtr last = running_.back();
    Preempt(last);
    if (last == stream) return false;
  }
  return true;
}

std::size_t Engine::PromptRoom(bool others_write) const {
  if (!others_write || seconds_per_row_ <= 0) return options_.prompt_rows;
  const double rows = absl::ToDoubleSeconds(options_.prompt_pass) / seconds_per_row_;
  return static_cast<std::size_t>(
      std::clamp(rows, 1.0, static_cast<double>(options_.prompt_rows)));
}

void Engine::AddRows(const StatePtr& stream, std::size_t count,
                     absl::Span<const std::uint32_t> guess, Pass* pass) {
  Stream::State& state = *stream;
  for (std::size_t i = state.read; i < state.read + count; ++i) {
    pass->rows.push_back({state.tokens[i], static_cast<std::uint32_t>(i), &state.cache,
                          i + 1 == state.tokens.size()});
  }
  for (std::size_t i = 0; i < guess.size(); ++i) {
    pass->rows.push_back(
        {guess[i], static_cast<std::uint32_t>(state.tokens.size() + i), &state.cache, true});
  }
  pass->shares.push_back({stream, count + guess.size(), guess.size()});
}

Engine::Pass Engine::PlanPass() {
  Pass pass;
  const std::vector<StatePtr> running = running_;  // some may be preempted on the way
  const auto still_runs = [this](const StatePtr& stream) ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
    return std::find(running_.begin(), running_.end(), stream) != running_.end();
  };
  const auto writers = static_cast<std::size_t>(
      std::count_if(running.begin(), running.end(), [](const auto& s) { return s->Writing(); }));
  for (const StatePtr& stream : running) {
    Stream::State& state = *stream;
    if (!state.Writing() || state.unread.size() >= options_.max_unread || !still_runs(stream))
      continue;
    absl::Span<const std::uint32_t> guess;
    if (options_.guess && writers <= PromptLookup::kMostGuessed) {
      guess = state.lookup.Guess(state.tokens);
      // What lies past the end of the answer need not be known.
      const std::size_t left = state.request.max_tokens - state.written - 1;
      guess = guess.first(std::min({guess.size(), left, PromptLookup::kMostGuessed / writers}));
    }
    if (Reserve(stream, state.tokens.size() + guess.size())) AddRows(stream, 1, guess, &pass);
  }
  std::size_t room = PromptRoom(!pass.rows.empty());
  for (const StatePtr& stream : running) {
    Stream::State& state = *stream;
    if (state.Writing() || room == 0 || !still_runs(stream)) continue;
    if (state.read == 0 && state.cache.capacity() == 0 && options_.keep_prompts) {
      // The last token is read in any case: what follows it is asked for.
      state.read = kept_.Find(state.request.tenant,
                              absl::MakeConstSpan(state.tokens).first(state.tokens.size() - 1),
                              &state.cache);
      if (state.written == 0) state.outcome.cached_tokens = state.read;
    }
    const std::size_t count = std::min(room, state.ToRead());
    if (!Reserve(stream, state.read + count)) continue;
    AddRows(stream, count, {}, &pass);
    room -= count;
  }
  // A stream that was preempted for the sake of one before it has no rows any more.
  const auto gone = [&](const Share& share) { return !still_runs(share.stream); };
  if (std::any_of(pass.shares.begin(), pass.shares.end(), gone)) return {};
  return pass;
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
  stream.tokens.push_back(*token);
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
    Pass pass;
    {
      absl::MutexLock lock(&mutex_);
      // Looks up now and then by itself, since a passing deadline wakes nobody.
      mutex_.AwaitWithTimeout(
          absl::Condition(this, &Engine::HasWork),
          running_.empty() && waiting_.empty() ? absl::InfiniteDuration() : absl::Milliseconds(50));
      DropGivenUp();
      if (stopping_) return EndAll();
      Admit();
      pass = PlanPass();
      if (pass.rows.empty()) {
        // All that runs is paused by slow readers, and what waits does not fit beside it.
        mutex_.AwaitWithTimeout(absl::Condition(this, &Engine::CanWrite), absl::Milliseconds(50));
        continue;
      }
    }
    const auto someone_waits = [&pass] {
      return std::any_of(pass.shares.begin(), pass.shares.end(),
                         [](const Share& share) { return !share.stream->GivenUp(); });
    };
    const absl::Time begin = absl::Now();
    if (!decoder_->Forward(pass.rows, someone_waits)) continue;
    const double seconds = absl::ToDoubleSeconds(absl::Now() - begin);
    if (pass.rows.size() >= options_.prompt_rows / 2) {
      const double per_row = seconds / static_cast<double>(pass.rows.size());
      seconds_per_row_ = seconds_per_row_ > 0 ? 0.75 * seconds_per_row_ + 0.25 * per_row : per_row;
    }
    Take(pass);
  }
}

// What the pass has brought: positions that are valid now, and tokens.
void Engine::Take(const Pass& pass) {
  std::size_t row = 0, logits = 0;
  for (const Share& share : pass.shares) {
    Stream::State& stream = *share.stream;
    const std::size_t own = share.rows - share.guessed;  // tokens of the stream itself
    stream.read += own;
    if (options_.keep_prompts && !stream.Writing()) {
      kept_.Keep(stream.request.tenant, absl::MakeConstSpan(stream.tokens).first(stream.read),
                 stream.cache);
    }
    const bool chooses = pass.rows[row + own - 1].wants_logits;
    const absl::Span<const BatchRow> guesses =
        absl::MakeConstSpan(pass.rows).subspan(row + own, share.guessed);
    row += share.rows;
    if (!chooses) continue;
    std::size_t right = 0;
    for (std::size_t i = 0; i <= share.guessed; ++i) {
      const std::optional<std::uint32_t> token =
          stream.sampler.Pick(decoder_->Logits(logits + i), stream.request.forbidden);
      const bool goes_on = i < share.guessed && token == guesses[i].token;
      absl::MutexLock lock(&mutex_);
      Deliver(stream, token);
      if (!goes_on || stream.ended) break;
      ++stream.read;  // the guess is in the cache already
      ++right;
    }
    logits += share.guessed + 1;
    if (share.guessed == 0) continue;
    stream.lookup.Learn(share.guessed, right);
    absl::MutexLock lock(&mutex_);
    stream.outcome.guessed += share.guessed;
    stream.outcome.guessed_right += right;
  }
}

}  // namespace ragmesh::generation
