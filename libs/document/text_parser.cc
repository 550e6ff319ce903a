// Plain text: blank lines separate paragraphs; nothing else is read into it.
#include <algorithm>

#include "absl/strings/ascii.h"
#include "libs/base/status_macros.h"
#include "libs/document/document_parser.h"

namespace ragmesh::document {

absl::Status ParsePlainText(const ParseInput& input, BlockWriter& writer, ParsedFacts* facts) {
  facts->parser = "text 1";
  const absl::string_view text = input.bytes;
  std::size_t begin = 0;
  std::size_t line = 0;
  while (line < text.size()) {
    const std::size_t end = std::min(text.find('\n', line), text.size());
    if (absl::StripAsciiWhitespace(text.substr(line, end - line)).empty()) {
      RAGMESH_RETURN_IF_ERROR(writer.Paragraph(text.substr(begin, line - begin)));
      begin = end;
    }
    line = end + 1;
  }
  return writer.Paragraph(text.substr(std::min(begin, text.size())));
}

}  // namespace ragmesh::document
