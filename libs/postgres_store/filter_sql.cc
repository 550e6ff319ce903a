#include "libs/postgres_store/filter_sql.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <variant>

#include "absl/numeric/int128.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "libs/vector_store/filter.h"

namespace ragmesh::postgres_store {
namespace {

using stages::MetadataValue;

std::string NumberText(double number) {
  if (std::isinf(number)) return number > 0 ? "Infinity" : "-Infinity";
  // From 2^53 on a double is whole and is written in full; below, 17 digits keep apart all there
  // are, whole ones included.
  char text[400];
  std::snprintf(text, sizeof(text), std::abs(number) >= 9007199254740992.0 ? "%.0f" : "%.17g",
                number);
  return text;
}

std::string TimeText(absl::Time time) {
  if (time == absl::InfiniteFuture()) return "Infinity";
  if (time == absl::InfinitePast()) return "-Infinity";
  constexpr std::int64_t kTicksPerSecond = 4'000'000'000;
  absl::Duration rest;
  const std::int64_t seconds =
      absl::IDivDuration(time - absl::UnixEpoch(), absl::Seconds(1), &rest);
  const std::int64_t ticks = absl::IDivDuration(rest, absl::Nanoseconds(1) / 4, &rest);
  absl::int128 total = absl::int128(seconds) * kTicksPerSecond + ticks;
  // abseil of this age prints no int128.
  std::string digits;
  const bool negative = total < 0;
  do {
    const int digit = static_cast<int>(total % 10);
    digits.push_back(static_cast<char>('0' + std::abs(digit)));
    total /= 10;
  } while (total != 0);
  if (negative) digits.push_back('-');
  std::reverse(digits.begin(), digits.end());
  return digits;
}

FieldKind KindOf(const MetadataValue& value) {
  switch (value.index()) {
    case 0:
      return kStringField;
    case 1:
    case 2:
      return kNumberField;
    case 3:
      return kBoolField;
    case 4:
      return kTimeField;
    default:
      return kListField;
  }
}

// The column of documents that a reserved field is.
const char* ColumnOf(const std::string& field) {
  return field == "document_id"     ? "d.id"
         : field == "document_name" ? "d.name"
         : field == "media_type"    ? "d.media_type"
                                    : "d.language";
}

constexpr char kStringsAndElements[] = "f.kind IN (0,4)";

struct Writer {
  Statement* statement;

  std::string operator()(const stages::FilterEquals& node) const {
    return Any(node.field, {node.value});
  }
  std::string operator()(const stages::FilterIn& node) const {
    return Any(node.field, node.values);
  }
  std::string operator()(const stages::FilterPrefix& node) const {
    const auto begins = [&](const std::string& column) {
      return absl::StrCat("substring(", column, " FOR ", node.prefix.size(),
                          ") = ", statement->Bytes(node.prefix));
    };
    if (vector_store::IsReservedField(node.field)) return Reserved(node.field, begins);
    return Exists(node.field, absl::StrCat(kStringsAndElements, " AND ", begins("f.string")));
  }
  std::string operator()(const stages::FilterRange& node) const {
    std::vector<std::string> bounds;
    FieldKind kind = kStringField;
    const auto bound = [&](const std::optional<MetadataValue>& value, const char* sign,
                           const std::string& column) {
      if (!value.has_value()) return;
      kind = KindOf(*value);
      const auto* text = std::get_if<std::string>(&*value);
      bounds.push_back(text != nullptr ? absl::StrCat(column, sign, statement->Bytes(*text))
                                       : absl::StrCat("f.number", sign, Numeric(*value)));
    };
    const auto all = [&](const std::string& column) {
      bound(node.greater_than, " > ", column);
      bound(node.greater_or_equal, " >= ", column);
      bound(node.less_than, " < ", column);
      bound(node.less_or_equal, " <= ", column);
      return absl::StrJoin(bounds, " AND ");
    };
    if (vector_store::IsReservedField(node.field)) return Reserved(node.field, all);
    const std::string condition = all("f.string");
    return Exists(node.field,
                  absl::StrCat("f.kind = ", static_cast<int>(kind), " AND ", condition));
  }
  std::string operator()(const stages::FilterAnd& node) const {
    return Joined(node.filters, " AND ", "true");
  }
  std::string operator()(const stages::FilterOr& node) const {
    return Joined(node.filters, " OR ", "false");
  }
  std::string operator()(const stages::FilterNot& node) const {
    return absl::StrCat("NOT ", FilterSql(*node.filter, statement));
  }

 private:
  std::string Numeric(const MetadataValue& value) const {
    return absl::StrCat(statement->Text(NumericText(value)), "::numeric");
  }

  template <typename Condition>
  std::string Reserved(const std::string& field, const Condition& condition) const {
    const std::string column = ColumnOf(field);
    return absl::StrCat("(octet_length(", column, ") > 0 AND ", condition(column), ")");
  }

  std::string Exists(const std::string& field, const std::string& condition) const {
    return absl::StrCat(
        "EXISTS (SELECT 1 FROM fields f WHERE f.collection = d.collection AND f.document = "
        "d.number AND f.field = ",
        statement->Bytes(field), " AND ", condition, ")");
  }

  // That the field equals one of `values`.
  std::string Any(const std::string& field, const std::vector<MetadataValue>& values) const {
    std::vector<std::string> strings;
    std::vector<std::string> others;
    for (const MetadataValue& value : values) {
      if (const auto* text = std::get_if<std::string>(&value)) {
        strings.push_back(*text);
      } else {
        others.push_back(absl::StrCat("f.kind = ", static_cast<int>(KindOf(value)),
                                      " AND f.number = ", Numeric(value)));
      }
    }
    const auto among = [&](const std::string& column) {
      return absl::StrCat(column, " = ANY(", statement->ByteArrays(strings), ")");
    };
    if (vector_store::IsReservedField(field))
      return strings.empty() ? "false" : Reserved(field, among);
    if (!strings.empty())
      others.push_back(absl::StrCat(kStringsAndElements, " AND ", among("f.string")));
    if (others.empty()) return "false";
    return Exists(field, absl::StrCat("(", absl::StrJoin(others, " OR "), ")"));
  }

  std::string Joined(const std::vector<stages::Filter>& filters, const char* word,
                     const char* none) const {
    std::vector<std::string> parts;
    for (const stages::Filter& filter : filters) parts.push_back(FilterSql(filter, statement));
    return parts.empty() ? none : absl::StrCat("(", absl::StrJoin(parts, word), ")");
  }
};

}  // namespace

std::string NumericText(const MetadataValue& value) {
  if (const auto* whole = std::get_if<std::int64_t>(&value)) return absl::StrCat(*whole);
  if (const auto* number = std::get_if<double>(&value)) return NumberText(*number);
  if (const auto* truth = std::get_if<bool>(&value)) return *truth ? "1" : "0";
  return TimeText(std::get<absl::Time>(value));
}

std::string ScopeSql(const Scope& scope, Statement* statement) {
  return absl::StrCat("d.collection = ", statement->Int4(scope.collection),
                      " AND d.tenant = ", statement->Text(scope.tenant));
}

std::string VisibleSql(const Scope& scope, const std::vector<std::string>& labels,
                       Statement* statement) {
  const std::string scoped = ScopeSql(scope, statement);
  if (std::find(labels.begin(), labels.end(), stages::kAllLabels) != labels.end()) return scoped;
  return absl::StrCat(scoped, " AND d.labels && ", statement->ByteArrays(labels));
}

std::string FilterSql(const stages::Filter& filter, Statement* statement) {
  return std::visit(Writer{statement}, filter.node);
}

}  // namespace ragmesh::postgres_store
