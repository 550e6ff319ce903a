#include "libs/generation/engine.h"

#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/generation/logprobs.h"

namespace ragmesh::generation {

// Shared by the reader and the engine thread. Fields marked (engine) belong to the engine thread
// alone once the stream runs; the rest is guarded by the engine's mutex.
struct Engine::Stream::State {
  State(Request asked, const CallContext& call, KvPool* pool)
      : request(std::move(asked)),
        sampler(request.sampling, request.seed, request.breakers),
        call(call),
        tokens(request.prompt),
        cache(pool) {
    if (request.constraint != nullptr) matcher.emplace(request.constraint);
  }

  bool GivenUp() const { return abandoned.load(std::memory_order_relaxed) || !call.Check().ok(); }
  // A passage that is taken over. Its keys are of it standing by itself; here, or elsewhere, they
  // are computed first.
  struct Passage {
    std::size_t begin = 0, end = 0;  // in the prompt
    std::size_t tail = 0;            // from where on it is taken over
    PassageCache::Keys keys;
    std::shared_ptr<KvCache> own;  // `keys`, while they are computed here
    std::size_t read = 0;          // of its tokens, in `own`
    bool placed = false;

    std::size_t size() const { return end - begin; }
    bool Complete() const { return own == nullptr || read == size(); }
  };

  // Position `at`, or the first behind it that is not taken over.
  std::size_t ToReadFrom(std::size_t at) const {
    for (const Passage& passage : passages)
      if (passage.placed && at >= passage.tail && at < passage.end) return passage.end;
    return at;
  }
  // By what the first `count` positions are kept: their tokens, marked where they are taken over
  // from a passage, since that makes them and all that follows a little different.
  std::vector<std::uint32_t> Names(std::size_t count) const {
    constexpr std::uint32_t kTakenOver = std::uint32_t{1} << 31;
    std::vector<std::uint32_t> names(tokens.begin(),
                                     tokens.begin() + static_cast<std::ptrdiff_t>(count));
    for (const Passage& passage : passages) {
      for (std::size_t i = passage.tail; i < std::min(passage.end, count); ++i)
        names[i] |= kTakenOver;
    }
    return names;
  }

  void StartAgain() {
    cache.Clear();
    passages.clear();
    read = 0;
    begun = false;
  }

  // Of `tokens`, not yet in the cache. One, and something written: the stream is writing.
  std::size_t ToRead() const { return tokens.size() - read; }
  bool Writing() const { return written > 0 && ToRead() == 1; }

  const Request request;
  Sampler sampler;                          // (engine)
  std::optional<grammar::Matcher> matcher;  // (engine)
  const CallContext call;
  std::atomic<bool> abandoned{false};

  std::vector<std::uint32_t> tokens;  // (engine) prompt and what was written
  std::size_t read = 0;               // (engine) positions in the cache that are valid
  bool begun = false;                 // (engine)
  KvCache cache;                      // (engine)
  std::vector<Passage> passages;      // (engine)
  PromptLookup lookup;                // (engine)
  std::size_t written = 0;            // tokens chosen

  std::deque<Written> unread;
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
      passages_(
          static_cast<std::size_t>(options.passage_share * static_cast<double>(pool_->blocks()))),
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

absl::StatusOr<std::optional<Engine::Written>> Engine::Stream::Next() {
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
    Written written = std::move(state.unread.front());
    state.unread.pop_front();
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
        const Stream::State &first = *a->state_, &second = *b->state_;
        return std::pair(first.unread.size(), first.ended) <
               std::pair(second.unread.size(), second.ended);
      });
  return static_cast<std::size_t>(fullest - streams.begin());
}

Engine::Outcome Engine::Stream::outcome() const {
  absl::MutexLock lock(&engine_->mutex_);
  return state_->outcome;
}

void Engine::DropGivenUp() {
  const auto given_up = [this](const StatePtr& stream) {
    if (!stream->ended && !stream->GivenUp()) return false;
    Keep(*stream);
    stream->StartAgain();  // lets go of all memory
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
    const std::size_t room = pool_->free_blocks() + kept_.blocks() + passages_.blocks();
    if (!running_.empty() && room < blocks) return;
    const StatePtr stream = *next;
    waiting_.erase(next);
    if (stream->outcome.preemptions == 0) stream->admitted = absl::Now();
    running_.push_back(stream);
  }
}

void Engine::Preempt(const StatePtr& stream) {
  stream->StartAgain();
  ++stream->outcome.preemptions;
  running_.erase(std::find(running_.begin(), running_.end(), stream));
  waiting_.push_front(stream);
}

bool Engine::StillRuns(const StatePtr& stream) const {
  return std::find(running_.begin(), running_.end(), stream) != running_.end();
}

bool Engine::Reserve(const StatePtr& stream, KvCache* cache, std::size_t positions) {
  while (!cache->Reserve(positions)) {
    if (kept_.Evict(1) > 0 || passages_.Evict()) continue;
    const StatePtr last = running_.back();
    Preempt(last);
    if (last == stream) return false;
  }
  return true;
}

std::size_t Engine::PromptRoom(bool others_write) const {
  if (!others_write || seconds_per_row_ <= 0) return options_.prompt_rows;
  const double rows = absl::ToDoubleSeconds(options_.prompt_pass) / seconds_per_row_;
  return static_cast<std::size_t>(std::clamp(rows, 1.0, static_cast<double>(options_.prompt_rows)));
}

void Engine::AddWriting(const StatePtr& stream, absl::Span<const std::uint32_t> guess, Pass* pass) {
  Stream::State& state = *stream;
  const auto add = [&](std::uint32_t token) {
    const auto position = static_cast<std::uint32_t>(state.read + pass->shares.back().rows++);
    pass->rows.push_back({token, position, &state.cache, true});
  };
  pass->shares.push_back({.stream = stream, .guessed = guess.size(), .read = state.read + 1});
  add(state.tokens.back());
  for (const std::uint32_t token : guess) add(token);
}

// While passages are computed, their keys take memory beside those of the prompt. That must be
// possible at least for a stream that runs alone, or it would start again for ever. It is the same
// for every prompt of these sizes, whatever else runs.
bool Engine::FitsWithPassages(const Stream::State& stream) const {
  const auto blocks = [](std::size_t tokens) {
    return (tokens + linalg::kBlockPositions - 1) / linalg::kBlockPositions;
  };
  std::size_t all = blocks(stream.request.prompt.size() + stream.request.max_tokens);
  for (const Stream::State::Passage& passage : stream.passages) all += blocks(passage.size());
  return all <= pool_->blocks();
}

void Engine::Begin(const StatePtr& stream) {
  Stream::State& state = *stream;
  state.begun = true;
  // The last token is read in any case: what follows it is asked for. A passage never has the last
  // of the prompt, so that a stream that starts again takes over the same.
  const std::size_t most = state.tokens.size() - 1;
  for (const TokenRange& range : state.request.passages) {
    Stream::State::Passage passage{.begin = range.begin,
                                   .end = std::min(range.end, state.request.prompt.size() - 1)};
    if (!options_.blend_passages || passage.begin + options_.least_passage > passage.end) continue;
    const double repeated = options_.repeated_share * static_cast<double>(passage.size());
    passage.tail = passage.begin + static_cast<std::size_t>(std::ceil(repeated));
    if (passage.tail < passage.end) state.passages.push_back(std::move(passage));
  }
  if (!FitsWithPassages(state)) state.passages.clear();
  if (options_.keep_prompts)
    state.read = kept_.Find(state.request.tenant, state.Names(most), &state.cache);
  if (state.written == 0) state.outcome.cached_tokens = state.read;
  for (Stream::State::Passage& passage : state.passages) {
    passage.placed = passage.end <= state.read;
    if (passage.placed) continue;
    passage.keys =
        passages_.Find(state.request.tenant,
                       absl::MakeConstSpan(state.tokens).subspan(passage.begin, passage.size()));
    if (passage.keys == nullptr) {
      passage.own = std::make_shared<KvCache>(pool_.get());
      passage.keys = passage.own;
    }
  }
}

std::size_t Engine::PlanPassage(const StatePtr& stream, std::size_t index, std::size_t room,
                                Pass* pass) {
  Stream::State& state = *stream;
  Stream::State::Passage& passage = state.passages[index];
  const std::size_t count = std::min(room, passage.size() - passage.read);
  const std::shared_ptr<KvCache> own = passage.own;  // may be preempted meanwhile
  if (!Reserve(stream, own.get(), passage.read + count)) return 0;
  for (std::size_t i = passage.read; i < passage.read + count; ++i) {
    pass->rows.push_back(
        {state.tokens[passage.begin + i], static_cast<std::uint32_t>(i), own.get(), false});
  }
  pass->shares.push_back(
      {.stream = stream, .rows = count, .passage = index, .read = passage.read + count});
  return count;
}

std::size_t Engine::PlanPrompt(const StatePtr& stream, std::size_t room, Pass* pass) {
  Stream::State& state = *stream;
  if (!state.begun) Begin(stream);
  std::size_t used = 0;
  for (std::size_t i = 0; i < state.passages.size() && used < room; ++i)
    if (!state.passages[i].Complete()) used += PlanPassage(stream, i, room - used, pass);
  if (used > 0 || !StillRuns(stream)) return used;  // the rest comes when all of them are there
  // All that is taken over gets its place before anything behind it is read.
  std::size_t end = 0;
  std::vector<Copy> copies;
  for (std::size_t i = 0; i < state.passages.size(); ++i) {
    Stream::State::Passage& passage = state.passages[i];
    if (passage.placed) continue;
    passage.placed = true;
    end = passage.end;
    copies.push_back({stream, i});
    if (state.written == 0)
      state.outcome.blended_tokens += passage.end - std::max(passage.tail, state.read);
  }
  std::vector<std::size_t> positions;
  std::size_t at = state.ToReadFrom(state.read);
  for (; positions.size() < room && at < state.tokens.size(); at = state.ToReadFrom(at + 1))
    positions.push_back(at);
  if (!Reserve(stream, &state.cache, std::max(end, positions.back() + 1))) return 0;
  pass->copies.insert(pass->copies.end(), copies.begin(), copies.end());
  for (const std::size_t position : positions) {
    pass->rows.push_back({state.tokens[position], static_cast<std::uint32_t>(position),
                          &state.cache, position + 1 == state.tokens.size()});
  }
  pass->shares.push_back({.stream = stream, .rows = positions.size(), .read = at});
  return positions.size();
}

Engine::Pass Engine::PlanPass() {
  Pass pass;
  const std::vector<StatePtr> running = running_;  // some may be preempted on the way
  const auto writers = static_cast<std::size_t>(
      std::count_if(running.begin(), running.end(), [](const auto& s) { return s->Writing(); }));
  for (const StatePtr& stream : running) {
    Stream::State& state = *stream;
    if (!state.Writing() || state.unread.size() >= options_.max_unread || !StillRuns(stream))
      continue;
    absl::Span<const std::uint32_t> guess;
    if (options_.guess && writers <= PromptLookup::kMostGuessed) {
      guess = state.lookup.Guess(state.tokens);
      // What lies past the end of the answer need not be known.
      const std::size_t left = state.request.max_tokens - state.written - 1;
      guess = guess.first(std::min({guess.size(), left, PromptLookup::kMostGuessed / writers}));
    }
    if (Reserve(stream, &state.cache, state.tokens.size() + guess.size()))
      AddWriting(stream, guess, &pass);
  }
  std::size_t room = PromptRoom(!pass.rows.empty());
  for (const StatePtr& stream : running) {
    if (room == 0) break;
    if (!stream->Writing() && StillRuns(stream)) room -= PlanPrompt(stream, room, &pass);
  }
  // A stream that was preempted for the sake of one before it has no rows any more, and passages
  // that others were to get may have lost their place.
  const auto gone = [this](const auto& part)
                        ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return !StillRuns(part.stream); };
  if (std::none_of(pass.shares.begin(), pass.shares.end(), gone) &&
      std::none_of(pass.copies.begin(), pass.copies.end(), gone)) {
    return pass;
  }
  for (const Copy& copy : pass.copies) {
    if (StillRuns(copy.stream)) copy.stream->passages[copy.passage].placed = false;
  }
  return {};
}

void Engine::End(Stream::State& stream, absl::Status status, stages::FinishReason reason) {
  const absl::Time now = absl::Now();
  stream.ended = true;
  stream.status = std::move(status);
  stream.outcome.reason = reason;
  if (stream.written > 0) stream.outcome.decode_seconds = absl::ToDoubleSeconds(now - stream.first);
}

void Engine::Deliver(Stream::State& stream, Written written) {
  if (stream.written == 0) {
    stream.first = absl::Now();
    stream.outcome.queue_seconds = absl::ToDoubleSeconds(stream.admitted - stream.submitted);
    stream.outcome.prefill_seconds = absl::ToDoubleSeconds(stream.first - stream.admitted);
  }
  const std::uint32_t token = written.token;
  stream.tokens.push_back(token);
  stream.unread.push_back(std::move(written));
  ++stream.written;
  const auto& ends = stream.request.end_ids;
  if (std::find(ends.begin(), ends.end(), token) != ends.end()) {
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
        if (running_.empty()) continue;  // the last one has ended just now
        // All that runs is paused by slow readers, and what waits does not fit beside it.
        const auto changes = [this, waiting = waiting_.size()]() ABSL_SHARED_LOCKS_REQUIRED(
                                 mutex_) { return CanWrite() || waiting_.size() != waiting; };
        mutex_.AwaitWithTimeout(absl::Condition(&changes), absl::Milliseconds(50));
        continue;
      }
    }
    const auto someone_waits = [&pass] {
      return std::any_of(pass.shares.begin(), pass.shares.end(),
                         [](const Share& share) { return !share.stream->GivenUp(); });
    };
    for (const Copy& copy : pass.copies) {
      Stream::State::Passage& passage = copy.stream->passages[copy.passage];
      const std::size_t first = std::max(passage.tail, copy.stream->read);
      decoder_->CopyTurned(*passage.keys, first - passage.begin, passage.end - first, first,
                           &copy.stream->cache);
      passage.keys.reset();
      passage.own.reset();
    }
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

// Prompts are kept as they are read, for those that read the same at this moment; answers when they
// end, for the next turn of the conversation.
void Engine::Keep(const Stream::State& stream) {
  if (!options_.keep_prompts) return;
  kept_.Keep(stream.request.tenant, stream.Names(stream.read), stream.cache);
}

absl::StatusOr<Engine::Written> Engine::Choose(Stream::State& stream,
                                               absl::Span<const float> logits, bool* ended) {
  const Request& request = stream.request;
  Sampler::Step step = {.logits = logits, .context = stream.tokens, .forbidden = request.forbidden};
  if (stream.matcher.has_value()) {
    mask_.assign((logits.size() + 31) / 32, 0);
    RAGMESH_RETURN_IF_ERROR(stream.matcher->Mask(absl::MakeSpan(mask_)));
    if (stream.matcher->CanEnd()) {
      for (const std::uint32_t end : request.end_ids) mask_[end / 32] |= 1u << end % 32;
    }
    *ended = std::all_of(mask_.begin(), mask_.end(), [](std::uint32_t word) { return word == 0; });
    if (*ended) return Written{};
    step.allowed = mask_;
  }
  const std::optional<std::uint32_t> token = stream.sampler.Pick(step);
  if (!token.has_value()) {
    return MakeError(absl::StatusCode::kInternal, "the model's output holds no number",
                     {.reason = "MODEL_OUTPUT_NOT_FINITE",
                      .next_step = "Compare the SHA-256 of the model file with its source."});
  }
  if (stream.matcher.has_value()) stream.matcher->Accept(*token);  // ends of text it does not know
  Written written{.token = *token};
  if (request.top_logprobs.has_value())
    written.logprobs = ReadLogprobs(logits, *token, *request.top_logprobs);
  return written;
}

// What the pass has brought: positions that are valid now, and tokens.
void Engine::Take(const Pass& pass) {
  std::size_t row = 0, logits = 0;
  for (const Share& share : pass.shares) {
    Stream::State& stream = *share.stream;
    if (share.passage.has_value()) {
      Stream::State::Passage& passage = stream.passages[*share.passage];
      passage.read = share.read;
      row += share.rows;
      if (passage.Complete()) {
        const auto tokens =
            absl::MakeConstSpan(stream.tokens).subspan(passage.begin, passage.size());
        passages_.Keep(stream.request.tenant, tokens, passage.keys);
      }
      continue;
    }
    const std::size_t own = share.rows - share.guessed;  // tokens of the stream itself
    const bool wrote = stream.Writing();
    stream.read = share.read;
    if (!wrote) Keep(stream);
    const bool chooses = pass.rows[row + own - 1].wants_logits;
    const absl::Span<const BatchRow> guesses =
        absl::MakeConstSpan(pass.rows).subspan(row + own, share.guessed);
    row += share.rows;
    if (!chooses) continue;
    std::size_t right = 0;
    for (std::size_t i = 0; i <= share.guessed; ++i) {
      bool ended = false;
      absl::StatusOr<Written> written = Choose(stream, decoder_->Logits(logits + i), &ended);
      const bool goes_on = written.ok() && i < share.guessed && written->token == guesses[i].token;
      absl::MutexLock lock(&mutex_);
      if (!written.ok() || ended) {
        End(stream, written.status(), stages::FinishReason::kStop);
        break;
      }
      Deliver(stream, *std::move(written));
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
