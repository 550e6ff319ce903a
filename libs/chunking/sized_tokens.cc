#include "libs/chunking/sized_tokens.h"

#include <algorithm>
#include <utility>

#include "libs/text/utf8.h"

namespace ragmesh::chunking {

void SizedTokens::Encode(absl::string_view text, std::vector<text::Token>* tokens) const {
  const std::size_t first = tokens->size();
  tokenizer_.Encode(text, tokens);
  const auto is_long = [](const text::Token& token) {
    return token.end - token.begin > kMaxTokenBytes;
  };
  const auto begin = tokens->begin() + static_cast<std::ptrdiff_t>(first);
  if (std::none_of(begin, tokens->end(), is_long)) return;
  std::vector<text::Token> cut(tokens->begin(), begin);
  for (auto it = begin; it != tokens->end(); ++it) {
    text::Token piece = *it;
    while (is_long(piece)) {
      const auto end =
          static_cast<std::uint32_t>(text::FloorCodePoint(text, piece.begin + kMaxTokenBytes));
      cut.push_back({piece.id, piece.begin, end});
      piece.begin = end;
    }
    cut.push_back(piece);
  }
  *tokens = std::move(cut);
}

}  // namespace ragmesh::chunking
