// What lexical search sees of a chunk.
#ifndef RAGMESH_LIBS_VECTOR_STORE_INDEXED_TEXT_H_
#define RAGMESH_LIBS_VECTOR_STORE_INDEXED_TEXT_H_

#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "libs/lexical/analyzer.h"
#include "libs/stages/document.h"

namespace ragmesh::vector_store {

// The document's title, the chunk's context as heading, and its text; no title where context or
// text begins with it, so that its words do not count twice.
inline lexical::ChunkTerms IndexedTerms(const lexical::Analyzer& analyzer, absl::string_view title,
                                        const stages::Chunk& chunk) {
  const bool has_title =
      absl::StartsWith(chunk.context, title) || absl::StartsWith(chunk.text, title);
  return analyzer.Analyze(has_title ? absl::string_view() : title, chunk.context, chunk.text);
}

}  // namespace ragmesh::vector_store

#endif  // RAGMESH_LIBS_VECTOR_STORE_INDEXED_TEXT_H_
