#include "libs/text/decoder_tokenizer.h"

#include <utility>

#include "absl/strings/ascii.h"

namespace ragmesh::text {

DecoderTokenizer::DecoderTokenizer(std::vector<std::string> bytes, std::vector<TokenKind> kinds,
                                   std::vector<bool> eats_spaces)
    : bytes_(std::move(bytes)),
      kinds_(std::move(kinds)),
      eats_spaces_(std::move(eats_spaces)),
      specials_(bytes_, kinds_) {}

void DecoderTokenizer::Encode(absl::string_view text, std::vector<Token>* tokens) const {
  EncodeParts(text, {}, /*all_foreign=*/true, tokens);
}

void DecoderTokenizer::EncodeWithSpecials(absl::string_view text, absl::string_view foreign,
                                          std::vector<Token>* tokens) const {
  EncodeParts(text, foreign, /*all_foreign=*/false, tokens);
}

void DecoderTokenizer::EncodeParts(absl::string_view text, absl::string_view foreign,
                                   bool all_foreign, std::vector<Token>* tokens) const {
  std::size_t plain = 0;
  const auto flush = [&](std::size_t end) {
    if (plain == end) return;
    const std::size_t first = tokens->size();
    EncodePlain(text.substr(plain, end - plain), tokens);
    for (std::size_t i = first; i < tokens->size(); ++i) {
      (*tokens)[i].begin += static_cast<std::uint32_t>(plain);
      (*tokens)[i].end += static_cast<std::uint32_t>(plain);
    }
  };
  for (std::size_t at = 0; at < text.size();) {
    const std::optional<SpecialTokens::Match> match =
        specials_.MatchAt(text, at, foreign, all_foreign);
    if (!match.has_value()) {
      ++at;
      continue;
    }
    flush(at);
    const std::size_t end = at + match->size;
    tokens->push_back({match->id, static_cast<std::uint32_t>(at), static_cast<std::uint32_t>(end)});
    at = end;
    if (!eats_spaces_.empty() && eats_spaces_[match->id]) {
      while (at < text.size() && absl::ascii_isspace(static_cast<unsigned char>(text[at]))) ++at;
    }
    plain = at;
  }
  flush(text.size());
}

}  // namespace ragmesh::text
