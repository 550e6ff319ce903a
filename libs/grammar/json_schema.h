// JSON Schema, the subset that a grammar can hold to.
#ifndef RAGMESH_LIBS_GRAMMAR_JSON_SCHEMA_H_
#define RAGMESH_LIBS_GRAMMAR_JSON_SCHEMA_H_

#include <nlohmann/json.hpp>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/grammar/limits.h"
#include "libs/grammar/rules.h"

namespace ragmesh::grammar {

// Adds rules for the JSON texts that are valid under `schema` (docs/formats/grammars.md says which
// of them), and returns the one for the whole. Every text of the grammar is valid, not every valid
// text is one of the grammar. Errors as Grammar::FromJsonSchema.
absl::StatusOr<RuleId> ReadJsonSchema(const nlohmann::ordered_json& schema, const Limits& limits,
                                      Rules* rules);

// The text as JSON, bounded in size and depth. INVALID_ARGUMENT / BAD_SCHEMA.
absl::StatusOr<nlohmann::ordered_json> ParseSchemaText(absl::string_view text,
                                                       const Limits& limits);

}  // namespace ragmesh::grammar

#endif  // RAGMESH_LIBS_GRAMMAR_JSON_SCHEMA_H_
