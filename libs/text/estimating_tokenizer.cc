#include "libs/text/estimating_tokenizer.h"

#include <unicode/uchar.h>

#include <cstdint>

#include "libs/text/scripts.h"
#include "libs/text/utf8.h"

namespace ragmesh::text {
namespace {

constexpr int kWordCharactersPerToken = 4;

bool IsOfAWord(UChar32 character) {
  constexpr std::uint32_t kMarks = U_GC_M_MASK;
  return u_isalnum(character) || (U_MASK(u_charType(character)) & kMarks) != 0;
}

}  // namespace

void EstimatingTokenizer::Encode(absl::string_view text, std::vector<Token>* tokens) const {
  int room = 0;  // characters that the last token can still take
  for (std::size_t at = 0; at < text.size();) {
    const CodePoint read = DecodeUtf8(text, at);
    const auto character = static_cast<UChar32>(read.value);
    const auto begin = static_cast<std::uint32_t>(at);
    at += read.size;
    const auto end = static_cast<std::uint32_t>(at);
    if (u_isUWhiteSpace(character)) {
      room = 0;
    } else if (IsIdeographic(read.value) || !IsOfAWord(character)) {
      tokens->push_back({0, begin, end});
      room = 0;
    } else if (room > 0) {
      tokens->back().end = end;
      --room;
    } else {
      tokens->push_back({0, begin, end});
      room = kWordCharactersPerToken - 1;
    }
  }
}

}  // namespace ragmesh::text
