// Regular expressions of JSON Schema's `pattern`, as grammars of string contents.
#ifndef RAGMESH_LIBS_GRAMMAR_STRING_PATTERN_H_
#define RAGMESH_LIBS_GRAMMAR_STRING_PATTERN_H_

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/grammar/json_rules.h"
#include "libs/grammar/limits.h"
#include "libs/grammar/rules.h"

namespace ragmesh::grammar {

// The contents of JSON strings in which `pattern` is found, each character in its usual spelling.
// Of ECMA-262: characters and their escapes (\n \t \xXX \uXXXX ...), . and classes, \d \w \s and
// their opposites, (groups), (?:groups), |, * + ? {m,n} also with a lazy ?, ^ at the beginning and
// $ at the end of an alternative of the whole. INVALID_ARGUMENT / UNSUPPORTED_SCHEMA names anything
// else (look-around, back-references, \b, \p), and where it stands.
absl::StatusOr<NodeId> ReadStringPattern(absl::string_view pattern, const Limits& limits,
                                         Rules* rules, JsonRules* json);

}  // namespace ragmesh::grammar

#endif  // RAGMESH_LIBS_GRAMMAR_STRING_PATTERN_H_
