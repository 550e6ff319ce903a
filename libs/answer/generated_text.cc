#include "libs/answer/generated_text.h"

#include <cstddef>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"

namespace ragmesh::answer {

std::string WithoutMarks(absl::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '[') {
      std::size_t end = i + 1;
      while (end < text.size() && (absl::ascii_isdigit(static_cast<unsigned char>(text[end])) ||
                                   text[end] == ',' || text[end] == ' ')) {
        ++end;
      }
      if (end > i + 1 && end < text.size() && text[end] == ']') {
        i = end;
        continue;
      }
    }
    out.push_back(text[i]);
  }
  return out;
}

Verdict SplitVerdict(absl::string_view text) {
  for (const absl::string_view word : {"Yes", "No"}) {
    if (!absl::StartsWithIgnoreCase(text, word)) continue;
    const absl::string_view rest = text.substr(word.size());
    // "No" may also begin "Nobody", "No one" and "No pump": a stop or a comma tells the verdict.
    const std::size_t stop = rest.find_first_not_of(' ');
    if (stop == absl::string_view::npos) return {word, rest};
    const bool dash = rest[stop] == '-' && stop > 0;  // "No - it is not.", not "No-one"
    if (!dash && !absl::StrContains(",.:;!", rest[stop])) continue;
    return {word, absl::StripLeadingAsciiWhitespace(rest.substr(stop + 1))};
  }
  return {{}, text};
}

}  // namespace ragmesh::answer
