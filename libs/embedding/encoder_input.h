// A text as token ids, the way the encoder reads it.
#ifndef RAGMESH_LIBS_EMBEDDING_ENCODER_INPUT_H_
#define RAGMESH_LIBS_EMBEDDING_ENCODER_INPUT_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "libs/text/tokenizer.h"

namespace ragmesh::embedding {

using TokenIds = std::vector<std::uint32_t>;

// What goes through the model for one text or pair.
struct EncoderInput {
  TokenIds ids;                     // special tokens included
  std::vector<std::uint8_t> types;  // empty: all 0
  std::size_t full_size = 0;        // of ids before the text was cut to fit
  bool truncated() const { return full_size > ids.size(); }
};

// Of a whole text, without special tokens.
TokenIds Tokenize(const text::EncoderTokenizer& tokenizer, absl::string_view text);

// [CLS] text [SEP], `max_tokens` in all, at least 2.
EncoderInput Frame(const text::EncoderTokenizer& tokenizer, absl::Span<const std::uint32_t> text,
                   std::size_t max_tokens);

}  // namespace ragmesh::embedding

#endif  // RAGMESH_LIBS_EMBEDDING_ENCODER_INPUT_H_
