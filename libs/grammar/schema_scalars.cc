// Strings, numbers and counts.
#include <algorithm>
#include <cmath>
#include <iterator>

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/grammar/schema_compiler.h"
#include "libs/grammar/string_pattern.h"

namespace ragmesh::grammar {
namespace {

constexpr std::uint32_t kMaxCount = 100'000;  // of characters and elements

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

}  // namespace

absl::StatusOr<std::optional<std::uint32_t>> SchemaCompiler::Count(
    const SchemaKeywords& keywords, absl::string_view keyword) const {
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

absl::StatusOr<NodeId> SchemaCompiler::String(const SchemaKeywords& keywords) {
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
absl::StatusOr<std::optional<std::int64_t>> SchemaCompiler::Bound(const SchemaKeywords& keywords,
                                                                  absl::string_view keyword,
                                                                  bool whole, bool upper) const {
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

absl::StatusOr<NodeId> SchemaCompiler::Numeric(const SchemaKeywords& keywords, bool whole) {
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

}  // namespace ragmesh::grammar
