// Text -> token ids, with the place each token came from.
#ifndef RAGMESH_LIBS_TEXT_TOKENIZER_H_
#define RAGMESH_LIBS_TEXT_TOKENIZER_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/strings/string_view.h"

namespace ragmesh::text {

struct Token {
  std::uint32_t id = 0;
  std::uint32_t begin = 0;  // byte range in the input, half-open
  std::uint32_t end = 0;

  bool operator==(const Token&) const = default;
};

// Immutable after construction; all methods are thread-safe. Inputs are at most 1 GiB; invalid
// UTF-8 is read as U+FFFD.
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  // Appends the tokens of `text` to `tokens`. Special tokens are neither added nor recognised.
  virtual void Encode(absl::string_view text, std::vector<Token>* tokens) const = 0;

  // Tokens of `text`, without special tokens.
  virtual std::size_t Count(absl::string_view text) const {
    std::vector<Token> tokens;
    Encode(text, &tokens);
    return tokens.size();
  }
};

// The tokenizer of an encoder, with the ids that frame a text.
class EncoderTokenizer : public Tokenizer {
 public:
  virtual std::uint32_t cls_id() const = 0;  // before every text: [CLS] or <s>
  virtual std::uint32_t sep_id() const = 0;  // after every text: [SEP] or </s>
  virtual std::uint32_t max_id() const = 0;  // the largest id in the vocabulary
};

}  // namespace ragmesh::text

#endif  // RAGMESH_LIBS_TEXT_TOKENIZER_H_
