// Stage 2: blocks -> chunks that fit the embedder.
#ifndef RAGMESH_LIBS_STAGES_SPLITTER_H_
#define RAGMESH_LIBS_STAGES_SPLITTER_H_

#include <cstdint>
#include <optional>
#include <variant>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "libs/base/call_context.h"
#include "libs/stages/document.h"
#include "libs/stages/stage_info.h"

namespace ragmesh::stages {

// What a token is when a budget is counted.
enum class TokenCounter {
  kEmbedder,  // as the embedder's own tokenizer has it: the budget holds for the model
  kEstimate   // about four characters; needs no model. For text that no embedder reads
};

// Splits at the largest structure that fits: section, block, sentence, word, code point.
struct RecursiveSplit {
  std::uint32_t max_tokens =
      0;  // budget of EmbeddingText(chunk); 0: the embedder's own limit, at most 200
  std::uint32_t overlap_tokens =
      0;  // whole sentences repeated from the chunk before, at most this many tokens
  bool carry_headings =
      true;  // put the heading path into Chunk::context, cut to a quarter of the budget
  TokenCounter counter = TokenCounter::kEmbedder;
};

struct SplitOptions {
  std::variant<RecursiveSplit> strategy;
};

class Splitter {
 public:
  virtual ~Splitter() = default;

  // Reads blocks from `next_block` until it returns nullopt, and calls `on_chunk` in document
  // order, as soon as each chunk is complete. Equal input gives equal chunks. A non-OK status from
  // either callback ends the split with that status.
  virtual absl::Status Split(const SplitOptions& options,
                             absl::FunctionRef<absl::StatusOr<std::optional<Block>>()> next_block,
                             absl::FunctionRef<absl::Status(Chunk)> on_chunk,
                             const CallContext& call) = 0;

  virtual absl::StatusOr<StageInfo> Info(const CallContext& call) = 0;
};

}  // namespace ragmesh::stages

#endif  // RAGMESH_LIBS_STAGES_SPLITTER_H_
