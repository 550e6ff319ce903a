#include "libs/embedding/encoder_input.h"

#include <algorithm>

namespace ragmesh::embedding {

TokenIds Tokenize(const text::EncoderTokenizer& tokenizer, absl::string_view text) {
  std::vector<text::Token> tokens;
  tokenizer.Encode(text, &tokens);
  TokenIds ids;
  ids.reserve(tokens.size());
  for (const text::Token& token : tokens) ids.push_back(token.id);
  return ids;
}

EncoderInput Frame(const text::EncoderTokenizer& tokenizer, absl::Span<const std::uint32_t> text,
                   std::size_t max_tokens) {
  EncoderInput input;
  input.full_size = text.size() + 2;
  text = text.subspan(0, std::max<std::size_t>(max_tokens, 2) - 2);
  input.ids.reserve(text.size() + 2);
  input.ids.push_back(tokenizer.cls_id());
  input.ids.insert(input.ids.end(), text.begin(), text.end());
  input.ids.push_back(tokenizer.sep_id());
  return input;
}

}  // namespace ragmesh::embedding
