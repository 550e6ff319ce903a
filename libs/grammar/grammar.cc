#include "libs/grammar/grammar.h"

#include <nlohmann/json.hpp>

#include "libs/base/check.h"
#include "libs/base/status_macros.h"
#include "libs/grammar/gbnf.h"
#include "libs/grammar/json_rules.h"
#include "libs/grammar/json_schema.h"

namespace ragmesh::grammar {

absl::StatusOr<Grammar::Ptr> Grammar::FromRules(const Rules& rules, RuleId root,
                                                const Limits& limits) {
  RAGMESH_ASSIGN_OR_RETURN(Automaton automaton, CompileAutomaton(rules, root, limits));
  return Ptr(new Grammar(std::move(automaton)));
}

absl::StatusOr<Grammar::Ptr> Grammar::ParseGbnf(absl::string_view text, const Limits& limits) {
  Rules rules(limits.max_nodes);
  RAGMESH_ASSIGN_OR_RETURN(const RuleId root, ReadGbnf(text, limits, &rules));
  return FromRules(rules, root, limits);
}

absl::StatusOr<Grammar::Ptr> Grammar::FromJsonSchema(absl::string_view schema,
                                                     const Limits& limits) {
  RAGMESH_ASSIGN_OR_RETURN(const nlohmann::ordered_json parsed, ParseSchemaText(schema, limits));
  Rules rules(limits.max_nodes);
  RAGMESH_ASSIGN_OR_RETURN(const RuleId root, ReadJsonSchema(parsed, limits, &rules));
  return FromRules(rules, root, limits);
}

Grammar::Ptr Grammar::AnyJson() {
  const Limits limits;
  Rules rules(limits.max_nodes);
  JsonRules json(&rules);
  const RuleId root = rules.Add("JSON", json.Object());
  absl::StatusOr<Ptr> grammar = FromRules(rules, root, limits);
  RAGMESH_CHECK(grammar.ok(), "the rules of JSON compile");
  return *std::move(grammar);
}

}  // namespace ragmesh::grammar
