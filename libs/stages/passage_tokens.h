// What an encoder has read of a passage, kept with it so that no later stage reads it again.
#ifndef RAGMESH_LIBS_STAGES_PASSAGE_TOKENS_H_
#define RAGMESH_LIBS_STAGES_PASSAGE_TOKENS_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace ragmesh::stages {

// How much of it is wanted, each with all before it.
enum class TokenDetail { kNone, kIds, kVectors };

// Each part names what made it. A stage uses a part only where it would have made the very same
// itself, and else reads the text: so the parts save time and change no result.
struct PassageTokens {
  // SHA-256 of the tokenizer's file, lower-case hexadecimal; empty: no ids.
  std::string tokenizer;
  std::vector<std::uint32_t> ids;  // of the whole passage, without special tokens
  // SHA-256 of all that decides the vectors: weights, tokenizer, tokens read at most, arithmetic;
  // empty: no vectors.
  std::string encoder;
  // One row of int8 for each token read, special tokens included, as many bytes as the model is
  // wide: the direction of the token's vector.
  std::string vectors;

  bool operator==(const PassageTokens&) const = default;
  bool empty() const { return *this == PassageTokens(); }
  std::size_t size_bytes() const { return ids.size() * sizeof(ids[0]) + vectors.size(); }
};

// Of one passage. What is larger is not kept.
inline constexpr std::size_t kMaxPassageIds = 16'384;
inline constexpr std::size_t kMaxPassageVectorBytes = 2u << 20;  // 512 tokens of width 4,096

}  // namespace ragmesh::stages

#endif  // RAGMESH_LIBS_STAGES_PASSAGE_TOKENS_H_
