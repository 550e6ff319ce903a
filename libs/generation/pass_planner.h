// What the next pass of the decoder reads.
#ifndef RAGMESH_LIBS_GENERATION_PASS_PLANNER_H_
#define RAGMESH_LIBS_GENERATION_PASS_PLANNER_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "libs/generation/decoder.h"
#include "libs/generation/engine.h"
#include "libs/generation/kv_memory.h"
#include "libs/generation/schedule.h"
#include "libs/generation/stream_state.h"

namespace ragmesh::generation {

struct Pass {
  // What a stream brings into a pass: `rows` tokens from where it stands, the last `guessed` of
  // them guesses.
  struct Share {
    StreamPtr stream;
    std::size_t rows = 0;
    std::size_t guessed = 0;
    bool from_grammar = false;           // the guesses
    std::optional<std::size_t> passage;  // whose own keys the rows are for, instead
    std::size_t read = 0;                // positions that are valid afterwards
  };
  // A passage that is taken over before the pass.
  struct Copy {
    StreamPtr stream;
    std::size_t passage = 0;  // its number
  };
  std::vector<Copy> copies;
  std::vector<Share> shares;
  std::vector<BatchRow> rows;
};

// One token of every stream that is writing, with guesses where there is room in a tile; then the
// next piece of prompts in order of admission. Used by the engine thread, under the engine's mutex.
// What it is given outlives it.
class PassPlanner {
 public:
  // `wake` is called by other threads once a passage has been read from disk, so that there is more
  // to plan.
  PassPlanner(const Engine::Options& options, KvMemory* memory, Schedule* schedule,
              std::function<void()> wake)
      : options_(options), memory_(*memory), schedule_(*schedule), wake_(std::move(wake)) {}

  // Has room in memory for all that the pass reads, at the cost of what is kept and of streams
  // admitted late. Without rows when every stream waits.
  Pass Plan();

 private:
  struct Guess {
    std::vector<std::uint32_t> tokens;
    bool from_grammar = false;
  };

  std::size_t PromptRoom(bool others_write) const;
  // Makes room for `positions` of a stream, at the cost of kept prompts and of streams admitted
  // after it. False when it has to wait, or had to give up its own.
  bool Reserve(const StreamPtr& stream, KvCache* cache, std::size_t positions);
  void PlanWriting(const StreamPtr& stream, std::size_t writers, Pass* pass);
  // What may follow, from the grammar or from the context.
  Guess GuessFor(StreamState* stream, std::size_t max) const;
  bool FitsWithPassages(const StreamState& stream) const;
  // Ends a stream whose prompt cannot be read before its call ends, behind `rows_ahead` of others.
  // False when it may go on.
  bool RefuseLate(StreamState* stream, std::size_t rows_ahead) const;
  // Finds out what of a prompt need not be read.
  void Begin(StreamState* stream);
  void FindPassages(StreamState* stream);
  // Plans what of a prompt fits `room` rows; returns how many.
  std::size_t PlanPrompt(const StreamPtr& stream, std::size_t room, Pass* pass);
  std::size_t PlanPassage(const StreamPtr& stream, std::size_t index, std::size_t room, Pass* pass);
  // Takes what has come from disk. False while it is on its way.
  bool TakeReading(const StreamPtr& stream, std::size_t index);

  const Engine::Options options_;
  KvMemory& memory_;
  Schedule& schedule_;
  const std::function<void()> wake_;
};

}  // namespace ragmesh::generation

#endif  // RAGMESH_LIBS_GENERATION_PASS_PLANNER_H_
