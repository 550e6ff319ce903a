#include "libs/grammar/json_schema.h"

#include <algorithm>
#include <cmath>
#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/grammar/json_rules.h"
#include "libs/grammar/schema_parts.h"
#include "libs/grammar/string_pattern.h"

namespace ragmesh::grammar {
namespace {

using Use = SchemaKeywords::Use;

constexpr std::uint32_t kMaxCount = 100'000;  // of characters and elements
constexpr std::size_t kMaxReferences = 256;   // one to the other

enum Type : unsigned {
  kNull = 1,
  kBoolean = 2,
  kInteger = 4,
  kNumber = 8,
  kString = 16,
  kArray = 32,
  kObject = 64,
  kAnyType = 127
};

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

struct Format {
  absl::string_view name;
  absl::string_view pattern;
};
// A leap day is left out, since whether there is one depends on the year; years have four digits.
#define RAGMESH_DATE                                          \
  "[1-9][0-9]{3}-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|" \
  "(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|1[0-9]|2[0-8]))"
#define RAGMESH_TIME                                         \
  "([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,9})?" \
  "(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])"
#define RAGMESH_OCTET "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
constexpr Format kFormats[] = {{"date", "^" RAGMESH_DATE "$"},
                               {"time", "^" RAGMESH_TIME "$"},
                               {"date-time", "^" RAGMESH_DATE "T" RAGMESH_TIME "$"},
                               {"uuid", "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"},
                               {"ipv4", "^" RAGMESH_OCTET "(\\." RAGMESH_OCTET "){3}$"}};

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

// Each place of the schema becomes a rule. Those found on the way wait in a queue, so that depth
// costs no stack.
class Compiler {
 public:
  Compiler(const SchemaJson& root, const Limits& limits, Rules* rules)
      : root_(root), limits_(limits), rules_(*rules), json_(rules) {}

  absl::StatusOr<RuleId> Compile() {
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

 private:
  struct Work {
    RuleId rule;
    std::vector<SchemaPart> parts;
    const SchemaJson* skipped = nullptr;  // the anyOf whose branches are being compiled
  };
  struct Property {
    std::string name;
    std::vector<SchemaPart> parts;
    bool required = false;
  };

  absl::Status Bad(PlaceId place, absl::string_view problem) const {
    return BadSchema(places_.Pointer(place), problem);
  }
  absl::Status Unsupported(const Use& use, absl::string_view keyword, absl::string_view why) const {
    return UnsupportedSchema(places_.Pointer(use.place), keyword, why);
  }
  NodeId Nothing() { return rules_.Choice({}); }
  NodeId Text(const SchemaJson& value) {
    return rules_.Literal(value.dump(-1, ' ', false, SchemaJson::error_handler_t::replace));
  }

  absl::StatusOr<NodeId> Value(SchemaPart part);
  absl::StatusOr<NodeId> Value(std::vector<SchemaPart> parts);
  absl::StatusOr<NodeId> Body(const Work& work);
  absl::StatusOr<NodeId> Branches(const Work& work, const SchemaKeywords& keywords);
  absl::StatusOr<NodeId> Listed(const SchemaKeywords& keywords);
  absl::StatusOr<unsigned> Types(const SchemaKeywords& keywords) const;
  absl::StatusOr<NodeId> Object(const SchemaKeywords& keywords);
  absl::StatusOr<std::vector<Property>> Properties(const SchemaKeywords& keywords,
                                                   const Use* additional);
  NodeId Members(const std::vector<NodeId>& members, const std::vector<Property>& properties,
                 std::optional<NodeId> additional);
  absl::StatusOr<NodeId> Array(const SchemaKeywords& keywords);
  absl::StatusOr<NodeId> String(const SchemaKeywords& keywords);
  absl::StatusOr<NodeId> Numeric(const SchemaKeywords& keywords, bool whole);
  absl::StatusOr<std::optional<std::uint32_t>> Count(const SchemaKeywords& keywords,
                                                     absl::string_view keyword) const;
  absl::StatusOr<std::optional<std::int64_t>> Bound(const SchemaKeywords& keywords,
                                                    absl::string_view keyword, bool whole,
                                                    bool upper) const;

  const SchemaJson& root_;
  const Limits& limits_;
  Rules& rules_;
  JsonRules json_;
  SchemaPlaces places_;
  std::deque<Work> queue_;
  absl::flat_hash_map<const SchemaJson*, RuleId> rule_of_schema_;
};

absl::StatusOr<NodeId> Compiler::Value(SchemaPart part) {
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

absl::StatusOr<NodeId> Compiler::Value(std::vector<SchemaPart> parts) {
  if (parts.size() == 1) return Value(parts[0]);
  const RuleId rule = rules_.Declare(places_.Pointer(parts[0].place));
  queue_.push_back({rule, std::move(parts)});
  return rules_.Ref(rule);
}

absl::StatusOr<NodeId> Compiler::Body(const Work& work) {
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
absl::StatusOr<NodeId> Compiler::Branches(const Work& work, const SchemaKeywords& keywords) {
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

absl::StatusOr<unsigned> Compiler::Types(const SchemaKeywords& keywords) const {
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

absl::StatusOr<NodeId> Compiler::Listed(const SchemaKeywords& keywords) {
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

absl::StatusOr<std::optional<std::uint32_t>> Compiler::Count(const SchemaKeywords& keywords,
                                                             absl::string_view keyword) const {
  RAGMESH_ASSIGN_OR_RETURN(const Use* const use, keywords.One(keyword));
  if (use == nullptr) return std::optional<std::uint32_t>();
  if (!use->value->is_number() || TypeOf(*use->value) != kInteger || use->value->get<double>() < 0)
    return Bad(use->place, "must be a whole number from 0 up");
  const double value = use->value->get<double>();
  if (value > kMaxCount) {
    return LimitExceeded(
        absl::StrCat("schema at ", places_.Pointer(use->place)),
        value > 1e18 ? std::int64_t{1'000'000'000'000'000'000} : static_cast<long long>(value),
        kMaxCount, "characters or elements", "Leave the bound out.");
  }
  return std::optional<std::uint32_t>(static_cast<std::uint32_t>(value));
}

// --- objects ----------------------------------------------------------------------------------

// In the order of the schema, then those that are only required.
absl::StatusOr<std::vector<Compiler::Property>> Compiler::Properties(const SchemaKeywords& keywords,
                                                                     const Use* additional) {
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
NodeId Compiler::Members(const std::vector<NodeId>& members,
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

absl::StatusOr<NodeId> Compiler::Object(const SchemaKeywords& keywords) {
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

// --- arrays -----------------------------------------------------------------------------------

absl::StatusOr<NodeId> Compiler::Array(const SchemaKeywords& keywords) {
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

// --- strings and numbers ------------------------------------------------------------------------

absl::StatusOr<NodeId> Compiler::String(const SchemaKeywords& keywords) {
  RAGMESH_ASSIGN_OR_RETURN(const Use* const pattern, keywords.One("pattern"));
  RAGMESH_ASSIGN_OR_RETURN(const Use* const format, keywords.One("format"));
  RAGMESH_ASSIGN_OR_RETURN(const auto min_length, Count(keywords, "minLength"));
  RAGMESH_ASSIGN_OR_RETURN(const auto max_length, Count(keywords, "maxLength"));
  const bool sized = min_length.has_value() || max_length.has_value();
  if ((pattern != nullptr) + (format != nullptr) + sized > 1) {
    return Unsupported(pattern != nullptr ? *pattern : *format,
                       pattern != nullptr ? "pattern" : "format",
                       "holds together with another bound of the string");
  }
  absl::string_view expression;
  const Use* const use = pattern != nullptr ? pattern : format;
  if (use != nullptr && !use->value->is_string()) return Bad(use->place, "must be a string");
  if (pattern != nullptr) expression = pattern->value->get_ref<const std::string&>();
  if (format != nullptr) {
    const std::string& name = format->value->get_ref<const std::string&>();
    const auto known = std::find_if(std::begin(kFormats), std::end(kFormats),
                                    [&](const Format& entry) { return entry.name == name; });
    if (known == std::end(kFormats)) {
      return Unsupported(*format, "format",
                         "may be date, time, date-time, uuid or ipv4; others are not supported");
    }
    expression = known->pattern;
  }
  if (use != nullptr) {
    const absl::StatusOr<NodeId> content = ReadStringPattern(expression, limits_, &rules_, &json_);
    if (!content.ok())
      return Annotate(content.status(), absl::StrCat("schema at ", places_.Pointer(use->place)));
    return json_.Quoted(*content);
  }
  if (!sized) return json_.String();
  const std::uint32_t min = min_length.value_or(0), max = max_length.value_or(kUnbounded);
  if (min > max) return Nothing();
  return json_.Quoted(rules_.Repeat(json_.Character(), min, max));
}

// The bound as a whole number, rounded inwards for integers; beyond kMaxInteger, just beyond.
absl::StatusOr<std::optional<std::int64_t>> Compiler::Bound(const SchemaKeywords& keywords,
                                                            absl::string_view keyword, bool whole,
                                                            bool upper) const {
  RAGMESH_ASSIGN_OR_RETURN(const Use* const use, keywords.One(keyword));
  if (use == nullptr) return std::optional<std::int64_t>();
  if (!use->value->is_number()) return Bad(use->place, "must be a number");
  const bool exclusive = keyword[0] == 'e';
  constexpr std::int64_t kBeyond = JsonRules::kMaxInteger + 1;
  std::int64_t bound = 0;
  if (use->value->is_number_integer()) {
    bound = use->value->is_number_unsigned() && use->value->get<std::uint64_t>() > kBeyond
                ? kBeyond
                : std::clamp(use->value->get<std::int64_t>(), -kBeyond, kBeyond);
  } else {
    const double value = use->value->get<double>();
    const double inwards = upper ? std::floor(value) : std::ceil(value);
    if (!whole && inwards != value)
      return Unsupported(*use, keyword, "must be a whole number where \"type\" is number");
    bound = static_cast<std::int64_t>(
        std::clamp(inwards, -static_cast<double>(kBeyond), static_cast<double>(kBeyond)));
    if (inwards != value) return std::optional<std::int64_t>(bound);  // exclusive or not
  }
  if (exclusive && !whole)
    return Unsupported(*use, keyword, "is supported for integers only; use minimum and maximum");
  if (exclusive) bound += upper ? -1 : 1;
  return std::optional<std::int64_t>(bound);
}

absl::StatusOr<NodeId> Compiler::Numeric(const SchemaKeywords& keywords, bool whole) {
  RAGMESH_ASSIGN_OR_RETURN(const auto low, Bound(keywords, "minimum", whole, false));
  RAGMESH_ASSIGN_OR_RETURN(const auto above, Bound(keywords, "exclusiveMinimum", whole, false));
  RAGMESH_ASSIGN_OR_RETURN(const auto high, Bound(keywords, "maximum", whole, true));
  RAGMESH_ASSIGN_OR_RETURN(const auto below, Bound(keywords, "exclusiveMaximum", whole, true));
  if (!low && !above && !high && !below) return whole ? json_.Integer() : json_.Number();
  constexpr std::int64_t kMax = JsonRules::kMaxInteger;
  const std::int64_t min = std::max({low.value_or(-kMax), above.value_or(-kMax), -kMax});
  const std::int64_t max = std::min({high.value_or(kMax), below.value_or(kMax), kMax});
  return whole ? json_.IntegerBetween(min, max) : json_.NumberBetween(min, max);
}

}  // namespace

absl::StatusOr<RuleId> ReadJsonSchema(const nlohmann::ordered_json& schema, const Limits& limits,
                                      Rules* rules) {
  return Compiler(schema, limits, rules).Compile();
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
