// Objects and arrays.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/grammar/schema_compiler.h"

namespace ragmesh::grammar {

// In the order of the schema, then those that are only required.
absl::StatusOr<std::vector<SchemaCompiler::Property>> SchemaCompiler::Properties(
    const SchemaKeywords& keywords, const Use* additional) {
  std::vector<Property> properties;
  absl::flat_hash_map<std::string, std::size_t> index;
  for (const Use& use : keywords.All("properties")) {
    if (!use.value->is_object()) return Bad(use.place, "must be an object");
    for (const auto& [name, schema] : use.value->items()) {
      const auto [entry, added] = index.emplace(name, properties.size());
      if (added) properties.push_back({name, {}});
      properties[entry->second].parts.push_back({&schema, places_.Add(use.place, name)});
    }
  }
  for (const Use& use : keywords.All("required")) {
    if (!use.value->is_array()) return Bad(use.place, "must be a list of names");
    for (const SchemaJson& name : *use.value) {
      if (!name.is_string()) return Bad(use.place, "must be a list of names");
      const auto [entry, added] = index.emplace(name.get<std::string>(), properties.size());
      if (added) {
        static const SchemaJson kAnything = true;
        properties.push_back(
            {name.get<std::string>(),
             {additional == nullptr ? SchemaPart{&kAnything, use.place}
                                    : SchemaPart{additional->value, additional->place}}});
      }
      properties[entry->second].required = true;
    }
  }
  return properties;
}

// The members that may or must be there, in order, with commas between those that are. Until the
// first that must be there, what has been written decides about the comma: that part is two chains
// of rules, one for nothing yet and one for something. Matches no empty text.
NodeId SchemaCompiler::Members(const std::vector<NodeId>& members,
                               const std::vector<Property>& properties,
                               std::optional<NodeId> additional) {
  std::size_t first = 0;  // that is required
  while (first < members.size() && !properties[first].required) ++first;
  std::vector<NodeId> behind;
  for (std::size_t i = first + 1; i < members.size(); ++i) {
    const NodeId next = json_.Next(members[i]);
    behind.push_back(properties[i].required ? next : rules_.Optional(next));
  }
  std::optional<NodeId> more;
  if (additional.has_value()) {
    more = rules_.Repeat(json_.Next(*additional), 0, kUnbounded);
    behind.push_back(*more);
  }
  const NodeId tail = rules_.Sequence(behind);
  if (first == 0 && !members.empty()) return rules_.Sequence({members[0], tail});
  const auto rule = [&](NodeId node) { return rules_.Ref(rules_.Add("members", node)); };
  NodeId nothing_yet, something;
  if (first < members.size()) {
    const NodeId rest = rule(tail);
    nothing_yet = rules_.Sequence({members[first], rest});
    something = rule(rules_.Sequence({json_.Next(members[first]), rest}));
  } else {
    nothing_yet = more.has_value() ? rules_.Sequence({*additional, *more}) : Nothing();
    something = rule(tail);
  }
  for (std::size_t i = first; i-- > 0;) {
    nothing_yet = rules_.Choice({rules_.Sequence({members[i], something}), rule(nothing_yet)});
    something = rule(rules_.Sequence({rules_.Optional(json_.Next(members[i])), something}));
  }
  return nothing_yet;
}

absl::StatusOr<NodeId> SchemaCompiler::Object(const SchemaKeywords& keywords) {
  RAGMESH_ASSIGN_OR_RETURN(const Use* const additional, keywords.One("additionalProperties"));
  if (additional != nullptr && keywords.All("properties").size() > 1 &&
      *additional->value != SchemaJson(true)) {
    return Unsupported(*additional, "additionalProperties",
                       "holds together with several lists of properties");
  }
  if (!keywords.Has("properties") && !keywords.Has("required") && additional == nullptr)
    return json_.Object();
  RAGMESH_ASSIGN_OR_RETURN(const std::vector<Property> properties,
                           Properties(keywords, additional));
  std::vector<NodeId> members;
  std::vector<std::string> names;
  for (const Property& property : properties) {
    RAGMESH_ASSIGN_OR_RETURN(const NodeId value, Value(property.parts));
    members.push_back(
        rules_.Ref(rules_.Add(property.name, json_.Member(Text(property.name), value))));
    names.push_back(property.name);
  }
  std::optional<NodeId> other;
  const bool open = additional != nullptr && *additional->value != SchemaJson(false);
  if (open) {
    RAGMESH_ASSIGN_OR_RETURN(const NodeId value, Value({additional->value, additional->place}));
    const NodeId key = names.empty() ? json_.String() : json_.StringBut(std::move(names));
    other = rules_.Ref(rules_.Add("another property", json_.Member(key, value)));
  }
  const bool may_be_empty =
      std::none_of(properties.begin(), properties.end(),
                   [](const Property& property) { return property.required; });
  return json_.Enclosed("{", Members(members, properties, other), may_be_empty, "}");
}

absl::StatusOr<NodeId> SchemaCompiler::Array(const SchemaKeywords& keywords) {
  RAGMESH_ASSIGN_OR_RETURN(const Use* const items, keywords.One("items"));
  RAGMESH_ASSIGN_OR_RETURN(const Use* const prefix, keywords.One("prefixItems"));
  RAGMESH_ASSIGN_OR_RETURN(const auto min_items, Count(keywords, "minItems"));
  RAGMESH_ASSIGN_OR_RETURN(const auto max_items, Count(keywords, "maxItems"));
  const std::uint32_t min = min_items.value_or(0);
  std::uint32_t max = max_items.value_or(kUnbounded);
  std::vector<NodeId> first;  // elements with a schema of their own
  if (prefix != nullptr) {
    if (!prefix->value->is_array()) return Bad(prefix->place, "must be a list of schemas");
    for (std::size_t i = 0; i < prefix->value->size() && i < max; ++i) {
      RAGMESH_ASSIGN_OR_RETURN(
          const NodeId value,
          Value({&(*prefix->value)[i], places_.Add(prefix->place, absl::StrCat(i))}));
      first.push_back(value);
    }
  }
  NodeId element = json_.Value();
  if (items != nullptr) {
    RAGMESH_ASSIGN_OR_RETURN(element, Value({items->value, items->place}));
  } else if (prefix != nullptr && min <= first.size()) {
    max = std::min<std::uint32_t>(max, static_cast<std::uint32_t>(first.size()));
  }
  if (items != nullptr && *items->value == SchemaJson(false))
    max = std::min<std::uint32_t>(max, static_cast<std::uint32_t>(first.size()));
  if (min > max) return Nothing();
  if (max == 0) return json_.Enclosed("[", Nothing(), /*optional=*/true, "]");
  if (first.empty()) first.push_back(element);
  const auto written = static_cast<std::uint32_t>(first.size());
  NodeId rest = rules_.Repeat(json_.Next(element), min > written ? min - written : 0,
                              max == kUnbounded ? kUnbounded : max - written);
  for (std::uint32_t i = written; i-- > 1;) {
    rest = rules_.Sequence({json_.Next(first[i]), rest});
    if (i >= min) rest = rules_.Optional(rest);
    rest = rules_.Ref(rules_.Add("elements", rest));  // a rule each, so that trees stay flat
  }
  return json_.Enclosed("[", rules_.Sequence({first[0], rest}), /*optional=*/min == 0, "]");
}

}  // namespace ragmesh::grammar
