// The tokenizers that SentencePiece makes, as GGUF files hold them: pieces with scores, in which
// U+2581 stands for a space.
#ifndef RAGMESH_LIBS_TEXT_SENTENCEPIECE_TOKENIZER_H_
#define RAGMESH_LIBS_TEXT_SENTENCEPIECE_TOKENIZER_H_

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/text/character_map.h"
#include "libs/text/decoder_tokenizer.h"
#include "libs/text/unigram_lattice.h"

namespace ragmesh::text {

struct SentencePieceVocabulary {
  enum class Model {
    kMerges,   // neighbours are merged while their union is a piece, the best score first
    kUnigram,  // the pieces whose scores have the largest sum
  };

  Model model = Model::kMerges;
  std::vector<absl::string_view> tokens;
  std::vector<TokenKind> kinds;   // as many; of kByte are those spelled <0x00> to <0xFF>
  std::vector<float> scores;      // as many; one that is not finite counts as the lowest
  std::vector<bool> eats_spaces;  // see DecoderTokenizer
  std::optional<std::uint32_t>
      unknown;                      // the token of characters that have neither piece nor bytes
  bool adds_space_prefix = true;    // text begins with a space that it does not have
  bool joins_spaces = false;        // spaces at the ends go, and several count as one
  absl::string_view character_map;  // "precompiled_charsmap"; see CharacterMap
};

// What is special is cut out first; each text between is then rewritten by the character map, gets
// its space prefix, as llama.cpp does it after every special token too, and is cut into pieces.
// Control, unknown and unused tokens and spellings of bytes are never pieces of a text, so no user
// can write them. A character without a piece becomes its UTF-8 bytes; where the vocabulary has
// none, those in a row are one unknown token. A token's range covers the characters it came from;
// that of a space prefix is empty.
//
// Bytes() of a piece has spaces for U+2581, so most words begin with one. What a model writes after
// a special token begins with the space prefix, which is no part of the answer (AddsSpaceAfter).
class SentencePieceTokenizer final : public DecoderTokenizer {
 public:
  // INVALID_ARGUMENT when lists disagree in length or the character map makes no sense.
  static absl::StatusOr<std::unique_ptr<SentencePieceTokenizer>> Create(
      const SentencePieceVocabulary& vocabulary);

  bool AddsSpaceAfter(std::optional<std::uint32_t> last) const override;

 private:
  struct Piece {
    std::uint32_t id;
    float score;
  };

  SentencePieceTokenizer(std::vector<std::string> bytes, const SentencePieceVocabulary& vocabulary,
                         CharacterMap characters);
  void AddPieces(const std::vector<float>& scores);
  void EncodePlain(absl::string_view text, std::vector<Token>* tokens) const override;
  TracedText Rewrite(absl::string_view text) const;
  const Piece* FindPiece(absl::string_view bytes) const;
  void EncodeMerges(const TracedText& text, std::vector<Token>* tokens) const;
  void EncodeUnigram(const TracedText& text, std::vector<Token>* tokens) const;
  void PushFallback(const TracedText& text, std::size_t begin, std::size_t end, bool after_unknown,
                    std::vector<Token>* tokens) const;

  const SentencePieceVocabulary::Model model_;
  const std::optional<std::uint32_t> unknown_;
  const bool adds_space_prefix_, joins_spaces_;
  const CharacterMap characters_;
  std::array<std::int64_t, 256> byte_ids_{};              // -1: none
  absl::flat_hash_map<absl::string_view, Piece> pieces_;  // of kMerges; views into Bytes()
  std::size_t longest_bytes_ = 0;                         // of pieces_
  // No piece has a space behind another character, so no merge does, and words can be merged one
  // by one.
  bool words_are_apart_ = true;
  UnigramLattice lattice_;  // of kUnigram
};

}  // namespace ragmesh::text

#endif  // RAGMESH_LIBS_TEXT_SENTENCEPIECE_TOKENIZER_H_
