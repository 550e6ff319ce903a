// Tokens -> statements. Recursive descent with a bound on nesting.
#ifndef RAGMESH_LIBS_CHAT_TEMPLATE_PARSER_H_
#define RAGMESH_LIBS_CHAT_TEMPLATE_PARSER_H_

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/chat_template/ast.h"

namespace ragmesh::chat_template {

// INVALID_ARGUMENT / BAD_TEMPLATE, naming the line, for what is not in the subset.
absl::StatusOr<Body> ParseTemplate(absl::string_view source);

}  // namespace ragmesh::chat_template

#endif  // RAGMESH_LIBS_CHAT_TEMPLATE_PARSER_H_
