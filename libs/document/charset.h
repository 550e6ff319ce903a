// Bytes of a text format -> UTF-8.
#ifndef RAGMESH_LIBS_DOCUMENT_CHARSET_H_
#define RAGMESH_LIBS_DOCUMENT_CHARSET_H_

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace ragmesh::document {

struct DecodedText {
  std::string utf8;            // valid, without a byte order mark
  std::string charset;         // as ICU names it: "UTF-8", "windows-1252", "UTF-16LE"
  std::uint64_t replaced = 0;  // byte sequences that became U+FFFD
};

// In this order: byte order mark; `declared` (of an HTML page) when ICU knows it; UTF-8 when the
// bytes are or nearly are; UTF-16 by its zero bytes; the guess of uchardet; windows-1252, which
// reads anything. Thread-safe.
DecodedText DecodeText(absl::string_view bytes, absl::string_view declared = "");

// The charset that an HTML page declares in its first 2 KiB, or "".
std::string DeclaredHtmlCharset(absl::string_view bytes);

}  // namespace ragmesh::document

#endif  // RAGMESH_LIBS_DOCUMENT_CHARSET_H_
