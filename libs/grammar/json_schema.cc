#include "libs/grammar/json_schema.h"

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/grammar/schema_compiler.h"

namespace ragmesh::grammar {

absl::StatusOr<RuleId> ReadJsonSchema(const nlohmann::ordered_json& schema, const Limits& limits,
                                      Rules* rules) {
  return SchemaCompiler(schema, limits, rules).Compile();
}

absl::StatusOr<nlohmann::ordered_json> ParseSchemaText(absl::string_view text,
                                                       const Limits& limits) {
  if (text.size() > limits.max_text_bytes) {
    return LimitExceeded("schema", static_cast<long long>(text.size()),
                         static_cast<long long>(limits.max_text_bytes), "bytes");
  }
  // A schema in a schema is one or two levels of JSON below it.
  const std::size_t max_depth = 2 * limits.max_nesting;
  bool too_deep = false;
  const auto watch = [&](int depth, nlohmann::json::parse_event_t, nlohmann::ordered_json&) {
    too_deep = too_deep || static_cast<std::size_t>(depth) > max_depth;
    return !too_deep;
  };
  nlohmann::ordered_json schema =
      nlohmann::ordered_json::parse(text.begin(), text.end(), watch, /*allow_exceptions=*/false);
  if (too_deep)
    return BadSchema("#", absl::StrCat("is nested deeper than ", max_depth, " levels of JSON"));
  if (schema.is_discarded()) return BadSchema("#", "is not valid JSON in UTF-8");
  return schema;
}

}  // namespace ragmesh::grammar
