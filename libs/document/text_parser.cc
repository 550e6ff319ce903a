// Plain text: blank lines separate paragraphs, and lines that were wrapped at a width are joined;
// nothing else is read into it.
#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_split.h"
#include "libs/base/status_macros.h"
#include "libs/document/document_parser.h"

namespace ragmesh::document {
namespace {

// Narrower paragraphs are verse, addresses or lists rather than wrapped prose.
constexpr std::size_t kMinWrapWidth = 40;

// The paragraph with a space in place of each line break that a wrapping editor put there: one
// after which the next word would not have fitted the paragraph's width. A break after a hyphen
// stays, since normalisation mends divided words.
std::string Unwrapped(absl::string_view paragraph) {
  const std::vector<absl::string_view> lines = absl::StrSplit(paragraph, '\n');
  std::size_t width = 0;
  for (absl::string_view line : lines) {
    width = std::max(width, absl::StripTrailingAsciiWhitespace(line).size());
  }
  std::string out(lines.front());
  for (std::size_t i = 1; i < lines.size(); ++i) {
    const absl::string_view before = absl::StripTrailingAsciiWhitespace(lines[i - 1]);
    const absl::string_view next = lines[i];
    const std::size_t word = std::min(next.find(' '), next.size());
    const bool wrapped = width >= kMinWrapWidth && !before.empty() && before.back() != '-' &&
                         before.size() + 1 + word > width;
    out += wrapped ? ' ' : '\n';
    out.append(next.data(), next.size());
  }
  return out;
}

}  // namespace

absl::Status ParsePlainText(const ParseInput& input, BlockWriter& writer, ParsedFacts* facts) {
  facts->parser = "text 2";
  const absl::string_view text = input.bytes;
  std::size_t begin = 0;
  std::size_t line = 0;
  while (line < text.size()) {
    const std::size_t end = std::min(text.find('\n', line), text.size());
    if (absl::StripAsciiWhitespace(text.substr(line, end - line)).empty()) {
      RAGMESH_RETURN_IF_ERROR(writer.Paragraph(Unwrapped(text.substr(begin, line - begin))));
      begin = end;
    }
    line = end + 1;
  }
  return writer.Paragraph(Unwrapped(text.substr(std::min(begin, text.size()))));
}

}  // namespace ragmesh::document
