// What is left of a query with operators for a model that reads sentences.
#ifndef RAGMESH_LIBS_PIPELINE_QUERY_WORDS_H_
#define RAGMESH_LIBS_PIPELINE_QUERY_WORDS_H_

#include <string>

#include "absl/strings/string_view.h"

namespace ragmesh::pipeline {

// The words of `query` in their order, with one space between them: without signs, quotes and the
// '*' of prefixes, and without what is excluded. A query that only excludes, or nothing, stays as
// it is; the vector store says what is wrong with it.
std::string WordsOf(absl::string_view query);

}  // namespace ragmesh::pipeline

#endif  // RAGMESH_LIBS_PIPELINE_QUERY_WORDS_H_
