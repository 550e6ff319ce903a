// What the fuzz targets of decoders' tokenizers share.
#ifndef RAGMESH_TESTS_FUZZ_TEXT_DECODER_CHECKS_H_
#define RAGMESH_TESTS_FUZZ_TEXT_DECODER_CHECKS_H_

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/text/decoder_tokenizer.h"
#include "libs/text/utf8.h"

namespace ragmesh::text {

// Bytes taken from the front; 0 and nothing once they are used up.
class FuzzInput {
 public:
  struct Piece {
    absl::string_view text;
    TokenKind kind;
    float score;
  };

  FuzzInput(const char* data, std::size_t size) : rest_(data, size) {}

  std::uint8_t Byte() {
    if (rest_.empty()) return 0;
    const auto byte = static_cast<std::uint8_t>(rest_[0]);
    rest_.remove_prefix(1);
    return byte;
  }

  absl::string_view Bytes(std::size_t size) {
    const absl::string_view bytes = rest_.substr(0, size);
    rest_.remove_prefix(bytes.size());
    return bytes;
  }

  // At most 31 pieces of at most 15 bytes: a count, and for each its size and kind, a score, and
  // bytes.
  std::vector<Piece> Pieces() {
    std::vector<Piece> pieces(Byte() % 32);
    for (Piece& piece : pieces) {
      const std::uint8_t head = Byte();
      piece.kind = static_cast<TokenKind>(head / 16 % 4);
      piece.score = -static_cast<float>(Byte());
      piece.text = Bytes(head % 16);
    }
    return pieces;
  }

  absl::string_view Rest() const { return rest_; }

 private:
  absl::string_view rest_;
};

// The bytes that a vocabulary needs to print `text`, or what stands for its invalid parts, behind a
// space.
inline std::vector<std::uint8_t> BytesToPrint(absl::string_view text) {
  std::array<bool, 256> used{};
  for (const absl::string_view part : {text, absl::string_view(" \xEF\xBF\xBD")}) {
    for (const char byte : part) used[static_cast<std::uint8_t>(byte)] = true;
  }
  std::vector<std::uint8_t> bytes;
  for (std::size_t byte = 0; byte < used.size(); ++byte) {
    if (used[byte]) bytes.push_back(static_cast<std::uint8_t>(byte));
  }
  return bytes;
}

enum class Prints { kTheText, kLess };

inline void CheckTokens(const DecoderTokenizer& tokenizer, absl::string_view text,
                        const std::vector<Token>& tokens) {
  std::uint32_t begin = 0;
  for (const Token& token : tokens) {
    if (token.id >= tokenizer.size() || token.begin > token.end || token.end > text.size() ||
        token.begin < begin) {
      __builtin_trap();
    }
    begin = token.begin;
  }
}

// Ids and ranges; that foreign text holds no control token other than `unknown`; and, with
// kTheText, that the tokens of `text` print it behind its space prefix.
inline void CheckDecoder(const DecoderTokenizer& tokenizer, absl::string_view text, Prints prints,
                         std::int64_t unknown = -1) {
  std::vector<Token> tokens;
  tokenizer.Encode(text, &tokens);
  CheckTokens(tokenizer, text, tokens);
  std::string printed;
  for (const Token& token : tokens) {
    if (tokenizer.kind(token.id) == TokenKind::kControl && token.id != unknown) __builtin_trap();
    absl::StrAppend(&printed, tokenizer.Bytes(token.id));
  }
  // After a token of the makers' there are further spaces.
  const bool prefix = tokenizer.AddsSpaceAfter(std::nullopt);
  const bool has_special = std::any_of(tokens.begin(), tokens.end(), [&](const Token& token) {
    return tokenizer.kind(token.id) == TokenKind::kUserDefined;
  });
  if (prints == Prints::kTheText && !(prefix && has_special)) {
    const std::string valid = ReplaceInvalidUtf8(text);
    if (printed != (prefix && !valid.empty() ? " " + valid : valid)) __builtin_trap();
  }
  // The second half of the text is foreign: no token of structure may reach into it.
  std::string foreign(text.size(), '\0');
  std::fill(foreign.begin() + static_cast<std::ptrdiff_t>(text.size() / 2), foreign.end(), '\1');
  std::vector<Token> half;
  tokenizer.EncodeWithSpecials(text, foreign, &half);
  CheckTokens(tokenizer, text, half);
  for (const Token& token : half) {
    if (token.end > text.size() / 2 && tokenizer.kind(token.id) == TokenKind::kControl &&
        token.id != unknown) {
      __builtin_trap();
    }
  }
}

}  // namespace ragmesh::text

#endif  // RAGMESH_TESTS_FUZZ_TEXT_DECODER_CHECKS_H_
