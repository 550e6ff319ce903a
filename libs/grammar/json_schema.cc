#include "libs/grammar/json_schema.h"

#include "libs/grammar/schema_compiler.h"
#include "libs/text/bounded_json.h"

namespace ragmesh::grammar {

absl::StatusOr<RuleId> ReadJsonSchema(const nlohmann::ordered_json& schema, const Limits& limits,
                                      Rules* rules) {
  return SchemaCompiler(schema, limits, rules).Compile();
}

absl::StatusOr<nlohmann::ordered_json> ParseSchemaText(absl::string_view text,
                                                       const Limits& limits) {
  // A schema in a schema is one or two levels of JSON below it.
  const text::JsonLimits bounds = {.max_bytes = limits.max_text_bytes,
                                   .max_depth = 2 * static_cast<int>(limits.max_nesting)};
  auto schema = text::ParseOrderedJson(text, "schema", bounds);
  if (absl::IsInvalidArgument(schema.status())) return BadSchema("#", schema.status().message());
  return schema;
}

}  // namespace ragmesh::grammar
