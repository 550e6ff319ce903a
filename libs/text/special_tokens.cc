#include "libs/text/special_tokens.h"

#include <utf8proc.h>

#include <algorithm>
#include <tuple>

#include "libs/text/utf8.h"

namespace ragmesh::text {
namespace {

bool IsLetterDigitOrSpace(char32_t c) {
  // U+2581 is how SentencePiece spells a space.
  if (c == ' ' || (c >= '\t' && c <= '\r') || c == 0x2581) return true;
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(c))) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO:
    case UTF8PROC_CATEGORY_ZS:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
      return true;
    default:
      return false;
  }
}

bool CannotBeStructure(absl::string_view spelling) {
  for (std::size_t at = 0; at < spelling.size();) {
    const CodePoint c = DecodeUtf8(spelling, at);
    if (!c.valid || !IsLetterDigitOrSpace(c.value)) return false;
    at += c.size;
  }
  return true;
}

}  // namespace

SpecialTokens::SpecialTokens(const std::vector<std::string>& spellings,
                             const std::vector<TokenKind>& kinds) {
  for (std::uint32_t id = 0; id < spellings.size(); ++id) {
    const TokenKind kind = kinds[id];
    if (kind != TokenKind::kControl && kind != TokenKind::kUserDefined) continue;
    const std::string& text = spellings[id];
    if (text.empty() || text.size() > kMaxSpelling) continue;
    specials_.push_back({text, id, kind == TokenKind::kUserDefined && CannotBeStructure(text)});
  }
  std::sort(specials_.begin(), specials_.end(), [](const Special& a, const Special& b) {
    return std::tie(a.text, a.id) < std::tie(b.text, b.id);
  });
  for (const Special& special : specials_)
    ++begins_[static_cast<std::uint8_t>(special.text[0]) + std::size_t{1}];
  for (std::size_t byte = 1; byte < begins_.size(); ++byte) begins_[byte] += begins_[byte - 1];
}

// Narrows the sorted list byte by byte: of those that agree with the text so far, one that ends
// here stands first.
std::optional<SpecialTokens::Match> SpecialTokens::MatchAt(absl::string_view text, std::size_t at,
                                                           absl::string_view foreign,
                                                           bool all_foreign) const {
  const auto byte = static_cast<std::uint8_t>(text[at]);
  auto low = specials_.begin() + begins_[byte], high = specials_.begin() + begins_[byte + 1];
  std::optional<Match> longest;
  bool trusted = !all_foreign;
  for (std::size_t size = 1; low < high; ++size) {
    trusted = trusted && (foreign.empty() || foreign[at + size - 1] == 0);
    if (low->text.size() == size && (trusted || low->anywhere)) longest = Match{low->id, size};
    if (at + size == text.size()) break;
    const auto next = static_cast<std::uint8_t>(text[at + size]);
    const auto byte_of = [size](const Special& special) {  // -1 where the spelling has ended
      return special.text.size() > size ? static_cast<std::uint8_t>(special.text[size]) : -1;
    };
    low = std::partition_point(low, high, [&](const Special& s) { return byte_of(s) < next; });
    high = std::partition_point(low, high, [&](const Special& s) { return byte_of(s) == next; });
  }
  return longest;
}

std::int64_t SpecialTokens::Find(absl::string_view text) const {
  const auto found = std::partition_point(specials_.begin(), specials_.end(),
                                          [&](const Special& s) { return s.text < text; });
  return found != specials_.end() && found->text == text ? std::int64_t{found->id} : -1;
}

}  // namespace ragmesh::text
