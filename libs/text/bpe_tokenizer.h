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
#include "libs/text/tokenizer.h"

namespace ragmesh::text {

enum class TokenKind : std::uint8_t {
  kNormal,
  kControl,      // structure of the conversation; has no text of its own
  kUserDefined,  // a fixed string added by the model's makers; prints as itself
};

struct BpeVocabulary {
  // Normal tokens are spelled in GPT-2's alphabet, where each byte is a printable character; others
  // as themselves.
  std::vector<absl::string_view> tokens;
  std::vector<TokenKind> kinds;           // as many
  std::vector<absl::string_view> merges;  // "left right", best first
  BpePretokenizer pretokenizer = BpePretokenizer::kGpt2;
  bool whole_words_first =
      false;  // a word that is a token is taken whole, without merging (Llama 3)
};

// Immutable and thread-safe; keeps its own copy of what it needs.
class BpeTokenizer final : public Tokenizer {
 public:
  // INVALID_ARGUMENT when lists disagree in length; merges that name no token are left out, as
  // elsewhere.
  static absl::StatusOr<std::unique_ptr<BpeTokenizer>> Create(const BpeVocabulary& vocabulary);

  // Invalid UTF-8 is read as U+FFFD, one for each maximal bad part.
  void Encode(absl::string_view text, std::vector<Token>* tokens) const override;

  // As Encode, but spellings of control and user-defined tokens become these tokens, longest first,
  // unless any of their bytes is foreign. `foreign` is empty (nothing is) or has one byte per byte
  // of `text`, not 0 where the text came from outside, such as a user's message. So no user can
  // forge the structure of a conversation.
  void EncodeWithSpecials(absl::string_view text, absl::string_view foreign,
                          std::vector<Token>* tokens) const;

  std::size_t size() const { return bytes_.size(); }
  TokenKind kind(std::uint32_t id) const { return kinds_[id]; }

  // What the token stands for; may be part of a UTF-8 character. `id` is below size().
  absl::string_view Bytes(std::uint32_t id) const { return bytes_[id]; }

  // The control or user-defined token spelled `text`; -1 when there is none.
  std::int64_t FindSpecial(absl::string_view text) const;

 private:
  struct Merge {
    std::uint32_t rank;
    std::uint32_t result;
  };
  struct Special {
    absl::string_view text;
    std::uint32_t id;
  };

  BpeTokenizer() = default;
  void AddSpecials();
  void AddMerges(absl::Span<const absl::string_view> merges);
  const Special* MatchSpecial(absl::string_view text, absl::string_view foreign,
                              std::size_t at) const;
  void EncodeValid(absl::string_view text, std::size_t offset, std::vector<Token>* tokens) const;
  void EncodeWord(absl::string_view word, std::size_t offset, std::vector<Token>* tokens) const;

  BpePretokenizer pretokenizer_ = BpePretokenizer::kGpt2;
  bool whole_words_first_ = false;
  std::vector<std::string> bytes_;
  std::vector<TokenKind> kinds_;
  std::array<std::int64_t, 256> byte_ids_{};
  absl::flat_hash_map<absl::string_view, std::uint32_t> normal_ids_;  // views into bytes_
  absl::flat_hash_map<std::uint64_t, Merge> merges_;                  // left << 32 | right
  std::array<std::vector<Special>, 256> specials_;  // by first byte, longest first
};

}  // namespace ragmesh::text

#endif  // RAGMESH_LIBS_TEXT_BPE_TOKENIZER_H_
