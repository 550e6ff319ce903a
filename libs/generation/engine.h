// Runs several generations at once on one decoder: continuous batching.
#ifndef RAGMESH_LIBS_GENERATION_ENGINE_H_
#define RAGMESH_LIBS_GENERATION_ENGINE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "libs/base/call_context.h"
#include "libs/generation/decoder.h"
#include "libs/generation/passage_folder.h"
#include "libs/generation/sampler.h"
#include "libs/grammar/constraint.h"
#include "libs/stages/generator.h"

namespace ragmesh::generation {

struct KvMemory;
struct Pass;
class PassPlanner;
class Schedule;
struct StreamState;

// One thread drives the decoder. Each pass reads one token of every stream that is writing, with
// guesses of what follows where there is room in a tile, and then the next piece of prompts still
// being read, in order of admission. A stream's tokens do not depend on the others, nor on what was
// guessed or found in a cache.
//
// Prompts may say where passages stand in them. Unless `passages` is exact, what was computed for a
// passage elsewhere is taken over, which makes the first token come sooner and the text a little
// different; it still depends on the prompt alone, not on what was asked before.
//
// Keys and values take memory as streams grow. When it is used up, beginnings of earlier prompts
// that were kept go first; then the stream that was admitted last gives up its own and starts again
// when there is room, with the same result. What is not admitted waits in a bounded queue: tenants
// take turns, and within one the call that must end first goes first.
class Engine {
 public:
  struct Options {
    std::size_t max_streams = 4;
    std::size_t max_waiting = 64;
    std::size_t kv_bytes = std::size_t{1} << 30;  // of all streams and what is kept of prompts
    std::size_t prompt_rows = 128;                // prompt tokens in a pass
    std::size_t max_unread = 256;  // tokens a slow reader may lag before its stream pauses
    // After which a paused stream is ended and its memory goes to others.
    absl::Duration longest_pause = absl::Seconds(30);
    bool keep_prompts = true;     // beginnings of prompts, for those that begin alike
    bool guess = true;            // tokens from the context, checked many at a time
    bool blend_passages = false;  // take over the keys and values of passages read elsewhere
    // Of a passage that is taken over, from its beginning: what is read anew.
    double repeated_share = 0.15;
    std::size_t least_passage = 64;  // tokens; shorter ones are read like other text
    // Of kv_bytes: the most that kept passages take.
    double passage_share = 0.5;
    // While others write, a pass over prompt tokens is kept this short.
    absl::Duration prompt_pass = absl::Milliseconds(60);
  };

  struct TokenRange {
    std::size_t begin = 0;
    std::size_t end = 0;
  };

  struct Request {
    std::vector<std::uint32_t> prompt;  // at least one token
    std::vector<TokenRange> passages;   // in the prompt, in order, apart from each other
    std::string tenant;  // takes turns with others, and shares nothing that is kept with them
    stages::Sampling sampling;
    std::uint64_t seed = 0;
    std::size_t max_tokens = 1;                        // prompt and these fit the context
    std::vector<std::uint32_t> end_ids;                // ends the stream, and is its last token
    std::vector<std::uint32_t> forbidden;              // never chosen
    std::shared_ptr<const SequenceBreakers> breakers;  // of sampling.dry_sequence_breakers
    std::optional<std::uint32_t> top_logprobs;         // set: each token comes with logprobs
    std::shared_ptr<grammar::Constraint> constraint;   // what may be written; null: anything
  };

  struct Written {
    std::uint32_t token = 0;
    std::optional<stages::TokenLogprobs> logprobs;  // without bytes
  };

  struct Outcome {
    stages::FinishReason reason = stages::FinishReason::kStop;
    std::size_t cached_tokens = 0;   // of the prompt, at its beginning, that need not be read
    std::size_t blended_tokens = 0;  // taken over from passages read elsewhere
    std::size_t guessed = 0, guessed_right = 0;
    std::size_t preemptions = 0;
    double queue_seconds = 0;
    double prefill_seconds = 0;
    double decode_seconds = 0;
  };

  // The reader's end of one generation. Destroying it gives the generation up. Used by one thread.
  class Stream {
   public:
    ~Stream();
    Stream(const Stream&) = delete;
    Stream& operator=(const Stream&) = delete;

    // The next token; nullopt once the generation has ended by itself. CANCELLED or
    // DEADLINE_EXCEEDED at once when the call says so; INTERNAL / MODEL_OUTPUT_NOT_FINITE when the
    // weights give no numbers; RESOURCE_EXHAUSTED / DEADLINE_TOO_SHORT when the prompt cannot be
    // read in time, / SLOW_READER after Options::longest_pause, behind the tokens that waited.
    absl::StatusOr<std::optional<Written>> Next();

    // Complete after Next() gave nullopt.
    Outcome outcome() const;

   private:
    friend class Engine;
    Stream(Engine* engine, std::shared_ptr<StreamState> state)
        : engine_(engine), state_(std::move(state)) {}
    Engine* const engine_;
    const std::shared_ptr<StreamState> state_;
  };

  // Rows of a pass that an engine with these options makes at most.
  static std::size_t MaxRows(const Options& options);

  // `decoder` has room for MaxRows(options) rows. `folder` keeps passages on disk; null: nothing
  // does. RESOURCE_EXHAUSTED or INVALID_ARGUMENT when there is no memory for keys and values. The
  // engine outlives its streams.
  static absl::StatusOr<std::unique_ptr<Engine>> Create(
      const Options& options, std::unique_ptr<Decoder> decoder,
      std::unique_ptr<PassageFolder> folder = nullptr);
  ~Engine();

  const Decoder& decoder() const { return *decoder_; }
  // The most tokens that prompt and answer of a stream may have together.
  std::size_t context() const;

  // RESOURCE_EXHAUSTED / QUEUE_FULL when the queue is full, / DEADLINE_TOO_SHORT when the call
  // would end while it waits; with the time after which to retry, as streams have ended lately.
  // Prompt and max_tokens together are at most context().
  absl::StatusOr<std::unique_ptr<Stream>> Submit(Request request, const CallContext& call);

  // Waits until Next() of one of these streams has an answer, and says of which: the one with the
  // most unread tokens. All belong to one call, whose end is reported as by Next().
  absl::StatusOr<std::size_t> AwaitAny(absl::Span<Stream* const> streams);

  std::size_t waiting() const;
  std::size_t running() const;

 private:
  Engine(const Options& options, std::unique_ptr<Decoder> decoder,
         std::unique_ptr<KvMemory> memory);

  // engine.cc: the thread.
  void Loop();
  bool CanWrite() const ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  bool HasWork() const ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  void EndAll() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void DropGivenUp() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool PrepareMemory();
  bool Run(const Pass& pass);
  void Keep(const StreamState& stream);

  // engine_delivery.cc: what a pass has brought.
  void Take(const Pass& pass);
  void TakePassage(StreamState* stream, std::size_t index, std::size_t read);
  void TakeTokens(StreamState* stream, absl::Span<const BatchRow> guesses, bool from_grammar,
                  std::size_t logits);
  absl::StatusOr<Written> Choose(StreamState& stream, absl::Span<const float> logits, bool* ended);
  void Deliver(StreamState& stream, Written written) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Options options_;
  const std::unique_ptr<Decoder> decoder_;
  mutable absl::Mutex mutex_;               // outlives the folder, which wakes the engine
  const std::unique_ptr<KvMemory> memory_;  // (engine thread)
  std::vector<std::uint32_t> mask_;         // (engine thread) of the token being chosen

  const std::unique_ptr<Schedule> schedule_ ABSL_PT_GUARDED_BY(mutex_);
  const std::unique_ptr<PassPlanner> planner_ ABSL_PT_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace ragmesh::generation

#endif  // RAGMESH_LIBS_GENERATION_ENGINE_H_
