// The tokenizer inside a GGUF file, and the tokens that frame a text.
#ifndef RAGMESH_LIBS_GENERATION_VOCABULARY_H_
#define RAGMESH_LIBS_GENERATION_VOCABULARY_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/gguf/gguf.h"
#include "libs/text/decoder_tokenizer.h"

namespace ragmesh::generation {

// Immutable.
struct Vocabulary {
  std::unique_ptr<const text::DecoderTokenizer> tokenizer;
  std::optional<std::uint32_t> bos, eos;
  bool adds_bos = false;               // a raw prompt begins with bos
  std::vector<std::uint32_t> end_ids;  // any of these ends a generation
};

// By tokenizer.ggml.model: "gpt2" is byte-level BPE with the word rule that tokenizer.ggml.pre
// names, "llama" SentencePiece's merges, "t5" its unigram model. What a file leaves out is as
// llama.cpp has it. UNIMPLEMENTED / UNSUPPORTED_TOKENIZER for another kind or word rule, DATA_LOSS
// / CORRUPT_DATA for lists that are absent or disagree.
absl::StatusOr<Vocabulary> ReadVocabulary(const gguf::File& file);

}  // namespace ragmesh::generation

#endif  // RAGMESH_LIBS_GENERATION_VOCABULARY_H_
