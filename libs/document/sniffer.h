// What kind of document some bytes are. The name never overrules them; it only chooses between text
// formats that bytes cannot tell apart (Markdown, CSV, JSON lines, plain text).
#ifndef RAGMESH_LIBS_DOCUMENT_SNIFFER_H_
#define RAGMESH_LIBS_DOCUMENT_SNIFFER_H_

#include <memory>
#include <string>

#include "absl/strings/string_view.h"

namespace ragmesh::document {

inline constexpr char kPlainTextType[] = "text/plain";
inline constexpr char kMarkdownType[] = "text/markdown";
inline constexpr char kHtmlType[] = "text/html";
inline constexpr char kCsvType[] = "text/csv";
inline constexpr char kJsonType[] = "application/json";
inline constexpr char kJsonLinesType[] = "application/jsonl";
inline constexpr char kPdfType[] = "application/pdf";
inline constexpr char kDocxType[] =
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document";
inline constexpr char kPptxType[] =
    "application/vnd.openxmlformats-officedocument.presentationml.presentation";
inline constexpr char kXlsxType[] =
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";

// The header of a PDF may stand anywhere in its first 1024 bytes.
bool LooksLikePdf(absl::string_view bytes);

// Holds libmagic's database, which is read when it is made; afterwards no file is opened. Not
// thread-safe.
class Sniffer {
 public:
  // Without a database (libmagic's file is absent) our own checks decide alone.
  Sniffer();
  ~Sniffer();

  // A media type: one of the above, or what libmagic says ("image/png"), or
  // "application/octet-stream".
  std::string MediaTypeOf(absl::string_view bytes, absl::string_view name);

 private:
  std::string AskMagic(absl::string_view bytes);

  struct Magic;
  std::unique_ptr<Magic> magic_;
};

}  // namespace ragmesh::document

#endif  // RAGMESH_LIBS_DOCUMENT_SNIFFER_H_
