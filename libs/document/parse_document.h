// One document, from bytes to blocks: sniff, decode, parse, report. Runs in the parser process;
// tests and fuzzers call it directly.
#ifndef RAGMESH_LIBS_DOCUMENT_PARSE_DOCUMENT_H_
#define RAGMESH_LIBS_DOCUMENT_PARSE_DOCUMENT_H_

#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/document/parse_limits.h"
#include "libs/document/sniffer.h"
#include "libs/stages/document.h"

namespace ragmesh::document {

class PdfiumLibrary;

struct ParseOptions {
  ParseLimits limits;
  std::string name;  // file name, see stages::LoadRequest
  std::string password;
  const PdfiumLibrary* pdfium =
      nullptr;  // borrowed; null: PDF is answered with PARSER_NOT_INSTALLED
};

// Errors as stages::Loader::Load states them. The result's sha256 is left empty: the caller knows
// the bytes it received.
absl::StatusOr<stages::DocumentInfo> ParseDocument(
    absl::string_view bytes, const ParseOptions& options, Sniffer& sniffer,
    absl::FunctionRef<absl::Status(stages::Block)> on_block);

}  // namespace ragmesh::document

#endif  // RAGMESH_LIBS_DOCUMENT_PARSE_DOCUMENT_H_
