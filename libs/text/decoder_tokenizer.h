// The tokenizer of a decoder: text and the tokens of structure that a chat template writes -> ids,
// and ids -> the bytes they print.
#ifndef RAGMESH_LIBS_TEXT_DECODER_TOKENIZER_H_
#define RAGMESH_LIBS_TEXT_DECODER_TOKENIZER_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "libs/text/special_tokens.h"
#include "libs/text/tokenizer.h"

namespace ragmesh::text {

// Immutable and thread-safe. Time is linear in the text, times the logarithm of its length where
// pieces are merged, whatever the text holds.
class DecoderTokenizer : public Tokenizer {
 public:
  // All of `text` is foreign, see EncodeWithSpecials. Invalid UTF-8 is read as U+FFFD, one for each
  // maximal bad part.
  void Encode(absl::string_view text, std::vector<Token>* tokens) const final;

  // Appends the tokens of `text`, in which spellings of special tokens become these tokens, the
  // longest first, unless any of their bytes is foreign. `foreign` is empty (nothing is) or has one
  // byte per byte of `text`, not 0 where the text came from outside, such as a user's message. So
  // no user can forge the structure of a conversation. Special tokens that cannot be structure (see
  // SpecialTokens) are found in any text, as the model saw them in training.
  void EncodeWithSpecials(absl::string_view text, absl::string_view foreign,
                          std::vector<Token>* tokens) const;

  std::size_t size() const { return bytes_.size(); }
  TokenKind kind(std::uint32_t id) const { return kinds_[id]; }

  // What the token prints; may be part of a UTF-8 character. `id` is below size(). Of a control
  // token it is the spelling, which no answer shows.
  absl::string_view Bytes(std::uint32_t id) const { return bytes_[id]; }

  // The special token spelled `text`; -1 when there is none.
  std::int64_t FindSpecial(absl::string_view text) const { return specials_.Find(text); }

  // Whether encoding puts a space before text that follows `last`, or before all text when there is
  // none. Text that a model writes after `last` has that space too, so one at its front is to be
  // dropped; after a token of text it parts two words and must stay.
  virtual bool AddsSpaceAfter(std::optional<std::uint32_t> /*last*/) const { return false; }

 protected:
  // `bytes` and `kinds` have one entry per id. `eats_spaces` is empty, or as long, and true for
  // special tokens after which white space vanishes from trusted and from foreign text.
  DecoderTokenizer(std::vector<std::string> bytes, std::vector<TokenKind> kinds,
                   std::vector<bool> eats_spaces);

  // Appends the tokens of a text without special tokens, which is not empty and stands between two
  // of them or at an end. Ranges are within `text`.
  virtual void EncodePlain(absl::string_view text, std::vector<Token>* tokens) const = 0;

 private:
  void EncodeParts(absl::string_view text, absl::string_view foreign, bool all_foreign,
                   std::vector<Token>* tokens) const;

  const std::vector<std::string> bytes_;
  const std::vector<TokenKind> kinds_;
  const std::vector<bool> eats_spaces_;
  const SpecialTokens specials_;  // views into bytes_
};

}  // namespace ragmesh::text

#endif  // RAGMESH_LIBS_TEXT_DECODER_TOKENIZER_H_
