// The tokenizer of XLM-R and its descendants: SentencePiece's unigram model, read from
// tokenizer.json.
//
// Debian's libsentencepiece would do this, but it exports a copy of protobuf of another version
// than the one gRPC links, which one process cannot hold.
#ifndef RAGMESH_LIBS_TEXT_UNIGRAM_TOKENIZER_H_
#define RAGMESH_LIBS_TEXT_UNIGRAM_TOKENIZER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/text/character_map.h"
#include "libs/text/tokenizer.h"
#include "libs/text/traced_text.h"
#include "libs/text/unigram_lattice.h"

namespace ragmesh::text {

// Characters are rewritten by the model's map, words begin with U+2581, and each word is cut into
// the pieces whose scores have the largest sum; characters without a piece are one unknown token in
// a row. A token's byte range covers the characters its piece came from. Immutable and thread-safe;
// about 25 MB for 250 thousand pieces.
class UnigramTokenizer final : public EncoderTokenizer {
 public:
  // Reads a parsed tokenizer.json, version 1.0: model Unigram; normalizer null, Precompiled, or a
  // Sequence of that and a Replace of " {2,}" by " "; pre_tokenizer Metaspace, or a Sequence of
  // WhitespaceSplit and that. INVALID_ARGUMENT naming the field when something is missing, of the
  // wrong type or of a kind this reader does not do.
  static absl::StatusOr<std::unique_ptr<UnigramTokenizer>> FromJson(const nlohmann::json& root);

  void Encode(absl::string_view text, std::vector<Token>* tokens) const override;

  std::uint32_t cls_id() const override { return cls_id_; }
  std::uint32_t sep_id() const override { return sep_id_; }
  std::uint32_t max_id() const override { return max_id_; }

 private:
  UnigramTokenizer() = default;
  absl::Status ReadNormalizer(const nlohmann::json& normalizer);
  absl::Status ReadPreTokenizer(const nlohmann::json& pre_tokenizer);
  absl::Status ReadModel(const nlohmann::json& root);

  TracedText Rewrite(absl::string_view text) const;
  void EncodeWord(const TracedText& word, std::vector<Token>* tokens) const;

  CharacterMap characters_;
  bool join_spaces_ = false;         // several spaces count as one
  bool split_at_any_space_ = false;  // else at U+0020 alone, each of which begins a word
  UnigramLattice pieces_;            // without special tokens
  std::uint32_t unknown_id_ = 0, cls_id_ = 0, sep_id_ = 0, max_id_ = 0;
};

}  // namespace ragmesh::text

#endif  // RAGMESH_LIBS_TEXT_UNIGRAM_TOKENIZER_H_
