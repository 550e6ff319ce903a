// Reads GBNF, the grammar format of llama.cpp (grammars/README.md there).
#ifndef RAGMESH_LIBS_GRAMMAR_GBNF_H_
#define RAGMESH_LIBS_GRAMMAR_GBNF_H_

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/grammar/limits.h"
#include "libs/grammar/rules.h"

namespace ragmesh::grammar {

// Adds the rules of `text`, and returns the one named root. All of the format but terminals that
// stand for tokens (<think>, <[1000]>). Stricter in two ways: a rule is defined once, and a class
// of characters is not empty. INVALID_ARGUMENT / BAD_GRAMMAR with line and column.
absl::StatusOr<RuleId> ReadGbnf(absl::string_view text, const Limits& limits, Rules* rules);

}  // namespace ragmesh::grammar

#endif  // RAGMESH_LIBS_GRAMMAR_GBNF_H_
