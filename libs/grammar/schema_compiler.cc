#include "libs/grammar/schema_compiler.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"

namespace ragmesh::grammar {
namespace {

constexpr std::size_t kMaxReferences = 256;  // one to the other

struct TypeName {
  absl::string_view name;
  unsigned types;
};
constexpr TypeName kTypeNames[] = {{"null", kNull},       {"boolean", kBoolean},
                                   {"integer", kInteger}, {"number", kNumber | kInteger},
                                   {"string", kString},   {"array", kArray},
                                   {"object", kObject}};

// What a schema without "type" is about, by the keywords it has.
constexpr TypeName kTypesOfKeywords[] = {{"properties", kObject},
                                         {"required", kObject},
                                         {"additionalProperties", kObject},
                                         {"items", kArray},
                                         {"prefixItems", kArray},
                                         {"minItems", kArray},
                                         {"maxItems", kArray},
                                         {"pattern", kString},
                                         {"format", kString},
                                         {"minLength", kString},
                                         {"maxLength", kString},
                                         {"minimum", kNumber | kInteger},
                                         {"maximum", kNumber | kInteger},
                                         {"exclusiveMinimum", kNumber | kInteger},
                                         {"exclusiveMaximum", kNumber | kInteger}};

}  // namespace

unsigned TypeOf(const SchemaJson& value) {
  if (value.is_null()) return kNull;
  if (value.is_boolean()) return kBoolean;
  if (value.is_string()) return kString;
  if (value.is_array()) return kArray;
  if (value.is_object()) return kObject;
  const bool whole =
      value.is_number_integer() || std::trunc(value.get<double>()) == value.get<double>();
  return whole ? kInteger : kNumber;
}

absl::StatusOr<RuleId> SchemaCompiler::Compile() {
  RAGMESH_ASSIGN_OR_RETURN(const NodeId whole, Value({&root_, SchemaPlaces::kRoot}));
  while (!queue_.empty()) {
    const Work work = std::move(queue_.front());
    queue_.pop_front();
    RAGMESH_ASSIGN_OR_RETURN(const NodeId body, Body(work));
    rules_.Define(work.rule, body);
    RAGMESH_RETURN_IF_ERROR(rules_.Check());
  }
  return rules_.Add("the schema", whole);
}

absl::StatusOr<NodeId> SchemaCompiler::Value(SchemaPart part) {
  // A reference has the rule of what it refers to, which is what makes recursion end.
  std::size_t references = 0;
  while (const SchemaJson* reference = ReferenceAlone(*part.schema)) {
    if (++references > kMaxReferences) return Bad(part.place, "refers to itself without end");
    RAGMESH_ASSIGN_OR_RETURN(
        part, FindReference(root_, *reference, places_.Add(part.place, "$ref"), &places_));
  }
  const auto [entry, added] = rule_of_schema_.emplace(part.schema, 0);
  if (added) {
    entry->second = rules_.Declare(places_.Pointer(part.place));
    queue_.push_back({entry->second, {part}});
  }
  return rules_.Ref(entry->second);
}

absl::StatusOr<NodeId> SchemaCompiler::Value(std::vector<SchemaPart> parts) {
  if (parts.size() == 1) return Value(parts[0]);
  const RuleId rule = rules_.Declare(places_.Pointer(parts[0].place));
  queue_.push_back({rule, std::move(parts)});
  return rules_.Ref(rule);
}

absl::StatusOr<NodeId> SchemaCompiler::Body(const Work& work) {
  RAGMESH_ASSIGN_OR_RETURN(const SchemaKeywords keywords,
                           SchemaKeywords::Gather(root_, work.parts, work.skipped, &places_));
  if (keywords.matches_nothing()) return Nothing();
  if (keywords.Has("anyOf") || keywords.Has("oneOf")) return Branches(work, keywords);
  if (keywords.Has("enum") || keywords.Has("const")) return Listed(keywords);
  if (keywords.uses().empty()) return json_.Value();
  RAGMESH_ASSIGN_OR_RETURN(const unsigned types, Types(keywords));
  std::vector<NodeId> choices;
  const auto add = [&](absl::StatusOr<NodeId> node) {
    if (node.ok()) choices.push_back(*node);
    return node.status();
  };
  if ((types & kObject) != 0) RAGMESH_RETURN_IF_ERROR(add(Object(keywords)));
  if ((types & kArray) != 0) RAGMESH_RETURN_IF_ERROR(add(Array(keywords)));
  if ((types & kString) != 0) RAGMESH_RETURN_IF_ERROR(add(String(keywords)));
  if ((types & (kInteger | kNumber)) != 0)
    RAGMESH_RETURN_IF_ERROR(add(Numeric(keywords, (types & kNumber) == 0)));
  std::vector<std::string> words;
  if ((types & kBoolean) != 0) words = {"true", "false"};
  if ((types & kNull) != 0) words.push_back("null");
  if (!words.empty()) choices.push_back(rules_.AnyOf(std::move(words)));
  return rules_.Choice(choices);
}

// Every branch holds together with what stands beside the anyOf.
absl::StatusOr<NodeId> SchemaCompiler::Branches(const Work& work, const SchemaKeywords& keywords) {
  const absl::string_view keyword = keywords.Has("anyOf") ? "anyOf" : "oneOf";
  if (keywords.Has("anyOf") && keywords.Has("oneOf"))
    return Unsupported(keywords.All("oneOf")[0], "oneOf", "holds together with an anyOf");
  if (keywords.All(keyword).size() > 1)
    return Unsupported(keywords.All(keyword)[1], keyword, "holds together with another one");
  const Use use = keywords.All(keyword)[0];
  if (!use.value->is_array() || use.value->empty())
    return Bad(use.place, "must be a list of schemas");
  const bool alone = keywords.uses().size() == 1 && work.parts.size() == 1;
  std::vector<NodeId> choices;
  for (std::size_t i = 0; i < use.value->size(); ++i) {
    const SchemaPart branch = {&(*use.value)[i], places_.Add(use.place, absl::StrCat(i))};
    if (alone) {
      RAGMESH_ASSIGN_OR_RETURN(const NodeId choice, Value(branch));
      choices.push_back(choice);
      continue;
    }
    std::vector<SchemaPart> parts = work.parts;
    parts.push_back(branch);
    const RuleId rule = rules_.Declare(places_.Pointer(branch.place));
    queue_.push_back({rule, std::move(parts), use.value});
    choices.push_back(rules_.Ref(rule));
    RAGMESH_RETURN_IF_ERROR(rules_.Check());
  }
  return rules_.Choice(choices);
}

absl::StatusOr<unsigned> SchemaCompiler::Types(const SchemaKeywords& keywords) const {
  unsigned types = kAnyType;
  for (const Use& use : keywords.All("type")) {
    unsigned named = 0;
    const std::vector<SchemaJson> names = use.value->is_array()
                                              ? use.value->get<std::vector<SchemaJson>>()
                                              : std::vector<SchemaJson>{*use.value};
    for (const SchemaJson& name : names) {
      const auto known =
          std::find_if(std::begin(kTypeNames), std::end(kTypeNames), [&](const TypeName& type) {
            return name.is_string() && name.get_ref<const std::string&>() == type.name;
          });
      if (known == std::end(kTypeNames))
        return Bad(use.place,
                   "must name types: null, boolean, integer, number, string, array, object");
      named |= known->types;
    }
    types &= named;
  }
  if (keywords.Has("type")) return types;
  unsigned implied = 0;
  for (const TypeName& keyword : kTypesOfKeywords) {
    if (keywords.Has(keyword.name)) implied |= keyword.types;
  }
  return implied;
}

absl::StatusOr<NodeId> SchemaCompiler::Listed(const SchemaKeywords& keywords) {
  for (const auto& [keyword, uses] : keywords.uses()) {
    if (keyword != "enum" && keyword != "const" && keyword != "type")
      return Unsupported(uses[0], keyword, "stands beside an enum or const");
  }
  RAGMESH_ASSIGN_OR_RETURN(const Use* const fixed, keywords.One("const"));
  RAGMESH_ASSIGN_OR_RETURN(const Use* const listed, keywords.One("enum"));
  if (listed != nullptr && !listed->value->is_array())
    return Bad(listed->place, "must be a list of values");
  RAGMESH_ASSIGN_OR_RETURN(const unsigned types, Types(keywords));
  const auto may = [&](const SchemaJson& value) {
    return (!keywords.Has("type") || (types & TypeOf(value)) != 0) &&
           (fixed == nullptr || *fixed->value == value);
  };
  std::vector<std::string> words;
  const auto add = [&](const SchemaJson& value) {
    if (may(value))
      words.push_back(value.dump(-1, ' ', false, SchemaJson::error_handler_t::replace));
  };
  if (listed == nullptr) {
    add(*fixed->value);
  } else {
    for (const SchemaJson& value : *listed->value) add(value);
  }
  return rules_.AnyOf(std::move(words));
}

}  // namespace ragmesh::grammar
