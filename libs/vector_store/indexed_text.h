// What lexical search sees of a chunk.
#ifndef RAGMESH_LIBS_VECTOR_STORE_INDEXED_TEXT_H_
#define RAGMESH_LIBS_VECTOR_STORE_INDEXED_TEXT_H_

#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "libs/stages/document.h"

namespace ragmesh::vector_store {

// Context and text, after the document's title unless one of them begins with it, so that the
// title's words do not count twice.
inline std::string IndexedText(absl::string_view title, const stages::Chunk& chunk) {
  const std::string text = stages::EmbeddingText(chunk);
  const bool has_title =
      absl::StartsWith(chunk.context, title) || absl::StartsWith(chunk.text, title);
  return has_title ? text : absl::StrCat(title, "\n", text);
}

}  // namespace ragmesh::vector_store

#endif  // RAGMESH_LIBS_VECTOR_STORE_INDEXED_TEXT_H_
