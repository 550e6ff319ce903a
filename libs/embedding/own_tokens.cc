#include "libs/embedding/own_tokens.h"

#include <algorithm>

namespace ragmesh::embedding {

bool HasOwnIds(const stages::PassageTokens& tokens, const TextEncoder& encoder) {
  return tokens.tokenizer == encoder.tokenizer_digest() &&
         std::all_of(tokens.ids.begin(), tokens.ids.end(),
                     [&encoder](std::uint32_t id) { return id <= encoder.tokenizer().max_id(); });
}

bool HasOwnVectors(const stages::PassageTokens& tokens, const TextEncoder& encoder) {
  const EncoderConfig& config = encoder.model().config();
  const std::size_t rows = tokens.vectors.size() / config.hidden;
  return tokens.encoder == encoder.states_digest() &&
         tokens.vectors.size() == rows * config.hidden && rows >= 2 && rows <= config.max_tokens;
}

}  // namespace ragmesh::embedding
