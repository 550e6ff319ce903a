// Core of the splitter stage: structure-aware recursive splitting to a token budget.
#ifndef RAGMESH_LIBS_CHUNKING_RECURSIVE_SPLITTER_H_
#define RAGMESH_LIBS_CHUNKING_RECURSIVE_SPLITTER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "libs/stages/splitter.h"
#include "libs/text/estimating_tokenizer.h"
#include "libs/text/tokenizer.h"

namespace ragmesh::chunking {

// How it splits, largest structure first:
//  - a heading starts a new chunk, unless what is held so far is only headings, or is a small start
//  of the same section;
//  - blocks are merged while they fit; table rows are merged only with rows of their table and the
//  headings above it;
//  - a block that does not fit is cut at sentences (code: at lines), a sentence at words, a word at
//  code points;
//  - overlap repeats whole sentences, only between two chunks of the same section's prose.
//
// Guarantees: chunk ranges are ascending and disjoint and cover every non-blank byte of the blocks;
// EmbeddingText of a chunk is within max_tokens unless its text is a single code point; equal input
// gives equal chunks. Memory is bounded by one block plus one chunk. Tokens are counted on the very
// text that will be embedded; a token of more than 64 bytes counts as several (SizedTokens).
//
// Thread-safe: calls share nothing but the tokenizers.
class RecursiveSplitter final : public stages::Splitter {
 public:
  struct Options {
    // Tokens one input of the embedder may have, special tokens excluded: 254 for a model that
    // reads 256.
    std::uint32_t model_max_tokens = 254;
    // Used when a request asks for 0; cut to model_max_tokens.
    std::uint32_t default_max_tokens = 200;
    // Longest block accepted, in bytes. Loaders send far smaller ones.
    std::size_t max_block_bytes = 16 << 20;
    // What Info answers, and what a person recognises the tokenizer by; both empty without one.
    std::string tokenizer_name;
    std::string tokenizer_digest;
    std::string version;
    std::string commit;
  };

  // `tokenizer` is the embedder's, or why there is none: then only estimates can be asked for.
  RecursiveSplitter(absl::StatusOr<std::unique_ptr<const text::Tokenizer>> tokenizer,
                    Options options);

  // UNAVAILABLE / MODEL_NOT_LOADED: the embedder's tokenizer is asked for and there is none.
  // INVALID_ARGUMENT / INVALID_FIELD: max_tokens over the model's, overlap_tokens over half of
  // max_tokens, a block whose range, text or table number breaks the rules of stages/document.h.
  // RESOURCE_EXHAUSTED / LIMIT_EXCEEDED: a block over max_block_bytes. No blocks give no chunks.
  absl::Status Split(const stages::SplitOptions& options,
                     absl::FunctionRef<absl::StatusOr<std::optional<stages::Block>>()> next_block,
                     absl::FunctionRef<absl::Status(stages::Chunk)> on_chunk,
                     const CallContext& call) override;

  absl::StatusOr<stages::StageInfo> Info(const CallContext& call) override;

 private:
  // The one to count with.
  absl::StatusOr<const text::Tokenizer*> TokenizerFor(stages::TokenCounter counter) const;

  const absl::StatusOr<std::unique_ptr<const text::Tokenizer>> tokenizer_;
  const text::EstimatingTokenizer estimate_;
  const Options options_;
};

}  // namespace ragmesh::chunking

#endif  // RAGMESH_LIBS_CHUNKING_RECURSIVE_SPLITTER_H_
