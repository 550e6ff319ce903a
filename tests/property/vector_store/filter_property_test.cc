// Filters equal an evaluator that shares no code with them: values become texts of their kind that
// sort as the values do, and conditions are recursion over those.
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <cstdio>
#include <optional>
#include <string>
#include <vector>

#include "libs/vector_store/filter.h"

namespace ragmesh::vector_store {
namespace {

using stages::Filter;
using stages::MetadataValue;

const char* const kFields[] = {"a", "b", "c", "document_name"};
const char* const kTexts[] = {"", "P", "P-1", "P-17", "P-2", "Q", "\xC3\xA9"};

std::string Text() { return kTexts[*rc::gen::inRange(0, 7)]; }

MetadataValue Scalar() {
  switch (*rc::gen::inRange(0, 5)) {
    case 0:
      return Text();
    case 1:
      return std::int64_t{*rc::gen::inRange(-3, 4)};
    case 2:
      return 0.5 * *rc::gen::inRange(-6, 7);
    case 3:
      return *rc::gen::inRange(0, 2) == 1;
    default:
      return absl::FromUnixSeconds(*rc::gen::inRange(0, 4));
  }
}

MetadataValue Stored() {
  if (*rc::gen::inRange(0, 5) > 0) return Scalar();
  std::vector<std::string> list;
  for (int i = *rc::gen::inRange(0, 3); i > 0; --i) list.push_back(Text());
  return list;
}

Filter Condition(int depth);

std::vector<Filter> Conditions(int depth) {
  std::vector<Filter> filters;
  for (int i = *rc::gen::inRange(0, 3); i > 0; --i) filters.push_back(Condition(depth));
  return filters;
}

stages::FilterRange RandomRange() {
  stages::FilterRange range{.field = kFields[*rc::gen::inRange(0, 4)]};
  const int kind = *rc::gen::inRange(0, 3);
  const auto bound = [kind]() -> std::optional<MetadataValue> {
    if (*rc::gen::inRange(0, 2) == 0) return std::nullopt;
    if (kind == 0) return Text();
    if (kind == 1) return 0.5 * *rc::gen::inRange(-6, 7);
    return absl::FromUnixSeconds(*rc::gen::inRange(0, 4));
  };
  range.greater_than = bound();
  range.greater_or_equal = bound();
  range.less_than = bound();
  range.less_or_equal = bound();
  return range;
}

Filter Condition(int depth) {
  switch (*rc::gen::inRange(0, depth > 0 ? 7 : 4)) {
    case 0:
      return {stages::FilterEquals{kFields[*rc::gen::inRange(0, 4)], Scalar()}};
    case 1: {
      stages::FilterIn in{kFields[*rc::gen::inRange(0, 4)], {}};
      for (int i = *rc::gen::inRange(1, 4); i > 0; --i) in.values.push_back(Scalar());
      return {in};
    }
    case 2:
      return {RandomRange()};
    case 3:
      return {stages::FilterPrefix{kFields[*rc::gen::inRange(0, 4)], Text()}};
    case 4:
      return {stages::FilterAnd{Conditions(depth - 1)}};
    case 5:
      return {stages::FilterOr{Conditions(depth - 1)}};
    default:
      return {stages::FilterNot{std::make_shared<const Filter>(Condition(depth - 1))}};
  }
}

// A text that begins with the kind, and sorts within it as the value does.
std::string Key(const MetadataValue& value) {
  char text[64] = "";
  if (const auto* string = std::get_if<std::string>(&value)) return "string " + *string;
  if (const auto* whole = std::get_if<std::int64_t>(&value))
    std::snprintf(text, sizeof text, "number %08.2f", 100.0 + static_cast<double>(*whole));
  if (const auto* number = std::get_if<double>(&value))
    std::snprintf(text, sizeof text, "number %08.2f", 100.0 + *number);
  if (const auto* flag = std::get_if<bool>(&value)) return *flag ? "bool 1" : "bool 0";
  if (const auto* time = std::get_if<absl::Time>(&value))
    std::snprintf(text, sizeof text, "time %08lld",
                  static_cast<long long>(absl::ToUnixSeconds(*time)));
  return text;
}

std::string KindOf(const std::string& key) { return key.substr(0, key.find(' ')); }

struct Document {
  std::string name;
  stages::Metadata metadata;
};

// Keys of a field: none, one, or those of a list.
std::vector<std::string> Keys(const Document& document, const std::string& field, bool* is_list) {
  *is_list = false;
  if (field == "document_name")
    return document.name.empty() ? std::vector<std::string>()
                                 : std::vector<std::string>{"string " + document.name};
  const auto it = document.metadata.find(field);
  if (it == document.metadata.end()) return {};
  if (const auto* list = std::get_if<std::vector<std::string>>(&it->second)) {
    *is_list = true;
    std::vector<std::string> keys;
    for (const std::string& text : *list) keys.push_back("string " + text);
    return keys;
  }
  return {Key(it->second)};
}

bool Naive(const Filter& filter, const Document& document) {
  bool is_list = false;
  if (const auto* node = std::get_if<stages::FilterEquals>(&filter.node)) {
    for (const std::string& key : Keys(document, node->field, &is_list)) {
      if (key == Key(node->value)) return true;
    }
    return false;
  }
  if (const auto* node = std::get_if<stages::FilterIn>(&filter.node)) {
    for (const MetadataValue& value : node->values) {
      if (Naive({stages::FilterEquals{node->field, value}}, document)) return true;
    }
    return false;
  }
  if (const auto* node = std::get_if<stages::FilterPrefix>(&filter.node)) {
    for (const std::string& key : Keys(document, node->field, &is_list)) {
      if (key.rfind("string " + node->prefix, 0) == 0) return true;
    }
    return false;
  }
  if (const auto* node = std::get_if<stages::FilterRange>(&filter.node)) {
    const auto keys = Keys(document, node->field, &is_list);
    if (keys.size() != 1 || is_list) return false;
    const std::string& key = keys[0];
    const auto holds = [&](const std::optional<MetadataValue>& bound, auto test) {
      return !bound.has_value() || (KindOf(Key(*bound)) == KindOf(key) && test(Key(*bound)));
    };
    return holds(node->greater_than, [&](const std::string& b) { return key > b; }) &&
           holds(node->greater_or_equal, [&](const std::string& b) { return key >= b; }) &&
           holds(node->less_than, [&](const std::string& b) { return key < b; }) &&
           holds(node->less_or_equal, [&](const std::string& b) { return key <= b; });
  }
  if (const auto* node = std::get_if<stages::FilterNot>(&filter.node))
    return !Naive(*node->filter, document);
  if (const auto* node = std::get_if<stages::FilterAnd>(&filter.node)) {
    for (const Filter& part : node->filters) {
      if (!Naive(part, document)) return false;
    }
    return true;
  }
  for (const Filter& part : std::get<stages::FilterOr>(filter.node).filters) {
    if (Naive(part, document)) return true;
  }
  return false;
}

TEST(FilterPropertyTest, MatchesEqualsTheNaiveEvaluator) {
  int valid = 0, matched = 0;
  EXPECT_TRUE(rc::check("filters equal the naive evaluator", [&] {
    for (int round = 0; round < 50; ++round) {
      const Filter filter = Condition(3);
      if (!ValidateFilter(filter).ok()) continue;  // no bound, or a reserved field against a number
      ++valid;
      for (int i = 0; i < 8; ++i) {
        Document document{Text(), {}};
        for (const char* field : {"a", "b", "c"}) {
          if (*rc::gen::inRange(0, 4) > 0) document.metadata[field] = Stored();
        }
        const bool matches =
            Matches(filter, {"d", document.name, "text/plain", "en", &document.metadata});
        matched += matches ? 1 : 0;
        RC_ASSERT(matches == Naive(filter, document));
      }
    }
  }));
  EXPECT_GT(valid, 300);
  EXPECT_GT(matched, 300);
}

}  // namespace
}  // namespace ragmesh::vector_store
