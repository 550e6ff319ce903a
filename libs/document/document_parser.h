// The seam between formats: one function per format, all alike.
#ifndef RAGMESH_LIBS_DOCUMENT_DOCUMENT_PARSER_H_
#define RAGMESH_LIBS_DOCUMENT_DOCUMENT_PARSER_H_

#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "libs/document/block_writer.h"

namespace ragmesh::document {

class PdfiumLibrary;

struct ParseInput {
  absl::string_view bytes;                // of the whole document; for text formats UTF-8
  absl::string_view password;             // for encrypted PDF
  const PdfiumLibrary* pdfium = nullptr;  // null when PDFium is not installed
};

// What a parser learns besides blocks.
struct ParsedFacts {
  std::string title;   // as the document states it, empty when it does not
  std::string parser;  // "md4c 0.4.8"
  std::map<std::string, std::string> properties;
};

// Errors: MALFORMED_DOCUMENT, LIMIT_EXCEEDED, PASSWORD_REQUIRED, WRONG_PASSWORD,
// PARSER_NOT_INSTALLED, and those of `writer`. Parsers trust nothing in the bytes; they run in a
// child process all the same.
absl::Status ParsePlainText(const ParseInput& input, BlockWriter& writer, ParsedFacts* facts);
absl::Status ParseMarkdown(const ParseInput& input, BlockWriter& writer, ParsedFacts* facts);
absl::Status ParseHtml(const ParseInput& input, BlockWriter& writer, ParsedFacts* facts);
absl::Status ParseCsv(const ParseInput& input, BlockWriter& writer, ParsedFacts* facts);
absl::Status ParseJson(const ParseInput& input, BlockWriter& writer,
                       ParsedFacts* facts);  // and JSON lines
absl::Status ParseDocx(const ParseInput& input, BlockWriter& writer, ParsedFacts* facts);
absl::Status ParsePptx(const ParseInput& input, BlockWriter& writer, ParsedFacts* facts);
absl::Status ParseXlsx(const ParseInput& input, BlockWriter& writer, ParsedFacts* facts);
absl::Status ParsePdf(const ParseInput& input, BlockWriter& writer, ParsedFacts* facts);

// INVALID_ARGUMENT / MALFORMED_DOCUMENT: "the XML of word/document.xml is not well-formed (line
// 3)".
absl::Status Malformed(absl::string_view problem);
// RESOURCE_EXHAUSTED / LIMIT_EXCEEDED for nesting.
absl::Status TooDeep(absl::string_view what, std::uint32_t limit);

}  // namespace ragmesh::document

#endif  // RAGMESH_LIBS_DOCUMENT_DOCUMENT_PARSER_H_
