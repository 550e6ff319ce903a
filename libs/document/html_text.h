// HTML inside other formats.
#ifndef RAGMESH_LIBS_DOCUMENT_HTML_TEXT_H_
#define RAGMESH_LIBS_DOCUMENT_HTML_TEXT_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "libs/document/block_writer.h"

namespace ragmesh::document {

// Writes the text of a page or a fragment. `title`, which may be null, gets the page's <title>.
absl::Status ReadHtml(absl::string_view html, BlockWriter& writer, std::string* title);

// "&eacute;" -> "é"; what is no entity stays as it is.
std::string DecodeEntity(absl::string_view entity);

}  // namespace ragmesh::document

#endif  // RAGMESH_LIBS_DOCUMENT_HTML_TEXT_H_
