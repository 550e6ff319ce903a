// Runs several generations at once on one decoder: continuous batching.
#ifndef RAGMESH_LIBS_GENERATION_ENGINE_H_
#define RAGMESH_LIBS_GENERATION_ENGINE_H_

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "libs/base/call_context.h"
#include "libs/generation/decoder.h"
#include "libs/generation/sampler.h"
#include "libs/stages/generator.h"

namespace ragmesh::generation {

// One thread drives the decoder. Each pass reads one token of every stream that is writing and, in
// the room that is left, the next piece of prompts still being read, in order of arrival. A
// stream's tokens do not depend on the others. A stream holds its whole KV budget from admission
// on, so nothing that has begun fails for want of memory; what does not fit waits in a bounded
// queue, first come, first served.
class Engine {
 public:
  struct Options {
    std::size_t max_streams = 4;
    std::size_t max_waiting = 64;
    std::size_t kv_bytes = std::size_t{1} << 30;  // of all streams together
    std::size_t prompt_rows =
        64;  // prompt tokens in a pass; a pass over them ends within 100 ms or is cut
    std::size_t max_unread = 256;  // tokens a slow reader may lag before its stream pauses
  };

  struct Request {
    std::vector<std::uint32_t> prompt;  // at least one token
    stages::Sampling sampling;
    std::uint64_t seed = 0;
    std::size_t max_tokens = 1;            // prompt and these fit the context
    std::vector<std::uint32_t> end_ids;    // ends the stream, and is its last token
    std::vector<std::uint32_t> forbidden;  // never chosen
  };

  struct Outcome {
    stages::FinishReason reason = stages::FinishReason::kStop;
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
    // weights give no numbers.
    absl::StatusOr<std::optional<std::uint32_t>> Next();

    // Complete after Next() gave nullopt.
    Outcome outcome() const;

   private:
    friend class Engine;
    struct State;
    Stream(Engine* engine, std::shared_ptr<State> state)
        : engine_(engine), state_(std::move(state)) {}
    Engine* const engine_;
    const std::shared_ptr<State> state_;
  };

  // `decoder` has room for prompt_rows + max_streams rows. The engine outlives its streams.
  Engine(const Options& options, std::unique_ptr<Decoder> decoder);
  ~Engine();

  const Decoder& decoder() const { return *decoder_; }

  // RESOURCE_EXHAUSTED / QUEUE_FULL when the queue is full.
  absl::StatusOr<std::unique_ptr<Stream>> Submit(Request request, const CallContext& call);

  std::size_t waiting() const;
  std::size_t running() const;

 private:
  using StatePtr = std::shared_ptr<Stream::State>;

  void Loop();
  bool CanWrite() const ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  bool HasWork() const ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  void EndAll() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void DropGivenUp() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Admit() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Streams that can use a pass now, with the rows they bring.
  std::vector<BatchRow> PlanPass(std::vector<std::pair<StatePtr, std::size_t>>* shares)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Deliver(Stream::State& stream, std::optional<std::uint32_t> token)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void End(Stream::State& stream, absl::Status status, stages::FinishReason reason)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Options options_;
  const std::unique_ptr<Decoder> decoder_;

  mutable absl::Mutex mutex_;
  std::deque<StatePtr> waiting_ ABSL_GUARDED_BY(mutex_);
  std::vector<StatePtr> running_ ABSL_GUARDED_BY(mutex_);
  std::size_t kv_in_use_ ABSL_GUARDED_BY(mutex_) = 0;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace ragmesh::generation

#endif  // RAGMESH_LIBS_GENERATION_ENGINE_H_
