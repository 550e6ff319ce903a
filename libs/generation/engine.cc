#include "libs/generation/engine.h"

#include <pthread.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/generation/kv_memory.h"
#include "libs/generation/pass_planner.h"
#include "libs/generation/prompt_lookup.h"
#include "libs/generation/schedule.h"
#include "libs/generation/stream_state.h"

namespace ragmesh::generation {
namespace {

absl::Status NotRead(const Engine::Options& options) {
  return MakeError(
      absl::StatusCode::kResourceExhausted,
      absl::StrCat("nobody has read the stream for ", absl::FormatDuration(options.longest_pause),
                   " while ", options.max_unread, " tokens waited"),
      {.reason = "SLOW_READER", .next_step = "Read tokens as they come, or give the stream up."});
}

}  // namespace

std::size_t Engine::MaxRows(const Options& options) {
  return options.prompt_rows + options.max_streams + PromptLookup::kMostGuessed;
}

absl::StatusOr<std::unique_ptr<Engine>> Engine::Create(const Options& options,
                                                       std::unique_ptr<Decoder> decoder,
                                                       std::unique_ptr<PassageFolder> folder) {
  RAGMESH_ASSIGN_OR_RETURN(auto pool, KvPool::Create(decoder->kv_shape(), options.kv_bytes));
  auto memory =
      std::make_unique<KvMemory>(std::move(pool), options.passage_share, std::move(folder));
  return std::unique_ptr<Engine>(new Engine(options, std::move(decoder), std::move(memory)));
}

Engine::Engine(const Options& options, std::unique_ptr<Decoder> decoder,
               std::unique_ptr<KvMemory> memory)
    : options_(options),
      decoder_(std::move(decoder)),
      memory_(std::move(memory)),
      schedule_(std::make_unique<Schedule>(options.max_streams, options.max_waiting)),
      planner_(std::make_unique<PassPlanner>(options, memory_.get(), schedule_.get(),
                                             // Who waits looks at its condition again.
                                             [this] { absl::MutexLock lock(&mutex_); })),
      thread_([this] { Loop(); }) {
  pthread_setname_np(thread_.native_handle(), "gen-engine");
}

Engine::~Engine() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  thread_.join();
}

std::size_t Engine::context() const {
  return std::min(decoder_->config().context, memory_->pool->blocks() * quant::kBlockPositions);
}

absl::StatusOr<std::unique_ptr<Engine::Stream>> Engine::Submit(Request request,
                                                               const CallContext& call) {
  auto state = std::make_shared<StreamState>(std::move(request), call, memory_->pool.get());
  state->submitted = absl::Now();
  absl::MutexLock lock(&mutex_);
  if (stopping_) return Unavailable("SHUTTING_DOWN", "the generator is shutting down");
  RAGMESH_RETURN_IF_ERROR(schedule_->Add(state));
  return std::unique_ptr<Stream>(new Stream(this, std::move(state)));
}

std::size_t Engine::waiting() const {
  absl::MutexLock lock(&mutex_);
  return schedule_->waiting().size();
}

std::size_t Engine::running() const {
  absl::MutexLock lock(&mutex_);
  return schedule_->running().size();
}

void Engine::DropGivenUp() {
  const absl::Time now = absl::Now();
  schedule_->Drop([this, now](const StreamPtr& stream) {
    if (!stream->ended && now - stream->paused > options_.longest_pause)
      stream->End(NotRead(options_), stages::FinishReason::kCancelled);
    if (!stream->ended && !stream->GivenUp()) return false;
    Keep(*stream);
    stream->StartAgain();  // lets go of all memory
    return true;
  });
}

bool Engine::CanWrite() const {
  const auto& running = schedule_->running();
  return stopping_ || std::any_of(running.begin(), running.end(), [this](const StreamPtr& stream) {
           const bool may_write =
               stream->unread.size() < options_.max_unread && !stream->AwaitsDisk();
           return may_write || stream->ended || stream->abandoned.load() ||
                  stream->call.cancelled();
         });
}

bool Engine::HasWork() const { return CanWrite() || schedule_->CanAdmit(); }

void Engine::EndAll() {
  schedule_->Drop([](const StreamPtr& stream) {
    if (!stream->ended) {
      stream->End(Unavailable("SHUTTING_DOWN", "the generator is shutting down"),
                  stages::FinishReason::kStop);
    }
    return true;
  });
}

// Between calls, some more once an engine is in use. False when there is nothing to do, or better
// things.
bool Engine::PrepareMemory() {
  constexpr std::size_t kReadyBytes = std::size_t{32} << 20;
  KvPool& pool = *memory_->pool;
  {
    absl::MutexLock lock(&mutex_);
    const bool idle = schedule_->running().empty() && schedule_->waiting().empty();
    if (!idle || stopping_) return false;
  }
  return pool.used() && pool.Prepare(kReadyBytes / pool.shape().BlockBytes());
}

void Engine::Loop() {
  while (true) {
    while (PrepareMemory()) {
    }
    Pass pass;
    {
      absl::MutexLock lock(&mutex_);
      // Looks up now and then by itself, since a passing deadline wakes nobody.
      const bool idle = schedule_->running().empty() && schedule_->waiting().empty();
      mutex_.AwaitWithTimeout(absl::Condition(this, &Engine::HasWork),
                              idle ? absl::InfiniteDuration() : absl::Milliseconds(50));
      DropGivenUp();
      if (stopping_) return EndAll();
      schedule_->Admit(*memory_);
      pass = planner_->Plan();
      if (pass.rows.empty()) {
        if (schedule_->running().empty()) continue;  // the last one has ended just now
        // All that runs is paused by slow readers or waits for the disk, and what waits does not
        // fit beside it.
        const auto changes = [this, waiting = schedule_->waiting().size()]()
                                 ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
                                   return CanWrite() || schedule_->waiting().size() != waiting;
                                 };
        mutex_.AwaitWithTimeout(absl::Condition(&changes), absl::Milliseconds(50));
        continue;
      }
    }
    if (Run(pass)) Take(pass);
  }
}

// False when all who wait for the pass gave up meanwhile.
bool Engine::Run(const Pass& pass) {
  for (const Pass::Copy& copy : pass.copies) {
    StreamState::Passage& passage = copy.stream->passages[copy.passage];
    const std::size_t first = std::max(passage.tail, copy.stream->read);
    decoder_->CopyTurned(*passage.keys, first - passage.begin, passage.end - first, first,
                         &copy.stream->cache);
    passage.keys.reset();
    passage.own.reset();
  }
  const auto someone_waits = [&pass] {
    return std::any_of(pass.shares.begin(), pass.shares.end(),
                       [](const Pass::Share& share) { return !share.stream->GivenUp(); });
  };
  const absl::Time begin = absl::Now();
  if (!decoder_->Forward(pass.rows, someone_waits)) return false;
  const absl::Duration took = absl::Now() - begin;
  absl::MutexLock lock(&mutex_);
  if (pass.rows.size() >= options_.prompt_rows / 2)
    schedule_->pace().LearnPass(pass.rows.size(), took);
  return true;
}

// Prompts are kept as they are read, for those that read the same at this moment; answers when they
// end, for the next turn of the conversation.
void Engine::Keep(const StreamState& stream) {
  if (!options_.keep_prompts) return;
  memory_->kept.Keep(stream.request.tenant, stream.Names(stream.read), stream.cache);
}

}  // namespace ragmesh::generation
