// Byte-level BPE, the tokenizer of GPT-2, Llama 3, Qwen and SmolLM: every byte is a token, and a
// ranked list of merges joins neighbours inside a word, lowest rank first.
#ifndef RAGMESH_LIBS_TEXT_BPE_TOKENIZER_H_
#define RAGMESH_LIBS_TEXT_BPE_TOKENIZER_H_

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "libs/text/bpe_pretokenizer.h"
#include "libs/text/decoder_tokenizer.h"

namespace ragmesh::text {

struct BpeVocabulary {
  // Normal tokens and bytes are spelled in GPT-2's alphabet, where each byte is a printable
  // character; others as themselves.
  std::vector<absl::string_view> tokens;
  std::vector<TokenKind> kinds;           // as many
  std::vector<absl::string_view> merges;  // "left right", best first
  BpePretokenizer pretokenizer = BpePretokenizer::kGpt2;
  bool whole_words_first =
      false;  // a word that is a token is taken whole, without merging (Llama 3)
};

// Immutable and thread-safe; keeps its own copy of what it needs.
class BpeTokenizer final : public DecoderTokenizer {
 public:
  // INVALID_ARGUMENT when lists disagree in length; merges that name no token are left out, as
  // elsewhere.
  static absl::StatusOr<std::unique_ptr<BpeTokenizer>> Create(const BpeVocabulary& vocabulary);

 private:
  BpeTokenizer(std::vector<std::string> bytes, const BpeVocabulary& vocabulary);
  void AddMerges(absl::Span<const absl::string_view> merges);
  void EncodePlain(absl::string_view text, std::vector<Token>* tokens) const override;
  void EncodeValid(absl::string_view text, std::vector<Token>* tokens) const;
  void EncodeWord(absl::string_view word, std::size_t offset, std::vector<Token>* tokens) const;

  struct RankedMerge {
    std::uint32_t rank;
    std::uint32_t result;
  };

  const BpePretokenizer pretokenizer_;
  const bool whole_words_first_;
  std::array<std::int64_t, 256> byte_ids_{};                          // -1: none
  absl::flat_hash_map<absl::string_view, std::uint32_t> normal_ids_;  // views into Bytes()
  absl::flat_hash_map<std::uint64_t, RankedMerge> merges_;            // left << 32 | right
};

}  // namespace ragmesh::text

#endif  // RAGMESH_LIBS_TEXT_BPE_TOKENIZER_H_
