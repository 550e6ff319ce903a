#include "libs/embedding/encoder_input.h"

#include <algorithm>

namespace ragmesh::embedding {

EncoderInput Frame(const text::EncoderTokenizer& tokenizer, absl::string_view text,
                   std::size_t max_tokens) {
  std::vector<text::Token> tokens;
  tokenizer.Encode(text, &tokens);
  EncoderInput input;
  const std::size_t room = std::max<std::size_t>(max_tokens, 2) - 2;
  input.full_size = tokens.size() + 2;
  tokens.resize(std::min(tokens.size(), room));
  input.ids.reserve(tokens.size() + 2);
  input.ids.push_back(tokenizer.cls_id());
  for (const text::Token& token : tokens) input.ids.push_back(token.id);
  input.ids.push_back(tokenizer.sep_id());
  return input;
}

}  // namespace ragmesh::embedding
