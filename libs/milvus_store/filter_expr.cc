#include "libs/milvus_store/filter_expr.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <utility>
#include <variant>

#include "absl/numeric/int128.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/time/time.h"
#include "libs/vector_store/filter.h"

namespace ragmesh::milvus_store {
namespace {

using stages::MetadataValue;

constexpr char kNothing[] = "(live == -1)";
constexpr char kEverything[] = "(live == 1)";

// Sign, exponent and the 64 bits of a mantissa that holds every int64 and every double.
std::string NumberText(const MetadataValue& value) {
  const auto* whole = std::get_if<std::int64_t>(&value);
  const long double number = whole != nullptr ? static_cast<long double>(*whole)
                                              : static_cast<long double>(std::get<double>(value));
  if (number == 0) return "p000000000000000000000";
  const bool negative = number < 0;
  unsigned exponent = 0xFFFFF;  // infinity
  std::uint64_t mantissa = 0;
  if (!std::isinf(number)) {
    int power = 0;
    const long double fraction = std::frexp(std::abs(number), &power);
    exponent = static_cast<unsigned>(power + 0x40000);
    mantissa = static_cast<std::uint64_t>(std::ldexp(fraction, 64));
  }
  if (negative) {
    exponent = ~exponent & 0xFFFFF;
    mantissa = ~mantissa;
  }
  char text[32];
  std::snprintf(text, sizeof(text), "%c%05x%016llx", negative ? 'n' : 'p', exponent,
                static_cast<unsigned long long>(mantissa));
  return text;
}

// Quarters of a nanosecond since 1970, moved so that none is negative.
std::string TimeText(absl::Time time) {
  if (time == absl::InfiniteFuture()) return "z";
  if (time == absl::InfinitePast()) return "";
  absl::Duration rest;
  const std::int64_t seconds =
      absl::IDivDuration(time - absl::UnixEpoch(), absl::Seconds(1), &rest);
  const std::int64_t ticks = absl::IDivDuration(rest, absl::Nanoseconds(1) / 4, &rest);
  const absl::uint128 moved =
      absl::uint128(absl::int128(seconds) * 4'000'000'000 + ticks) + (absl::uint128(1) << 127);
  char text[40];
  std::snprintf(text, sizeof(text), "%016llx%016llx",
                static_cast<unsigned long long>(absl::Uint128High64(moved)),
                static_cast<unsigned long long>(absl::Uint128Low64(moved)));
  return text;
}

// The letter that kinds of values have in names of meta, and the text of a value.
char KindOf(const MetadataValue& value) {
  return std::holds_alternative<std::string>(value)                ? 's'
         : std::holds_alternative<bool>(value)                     ? 'b'
         : std::holds_alternative<absl::Time>(value)               ? 't'
         : std::holds_alternative<std::vector<std::string>>(value) ? 'l'
                                                                   : 'n';
}

std::string TextOf(const MetadataValue& value) {
  if (const auto* text = std::get_if<std::string>(&value)) return Hex(*text);
  if (const auto* truth = std::get_if<bool>(&value)) return *truth ? "1" : "0";
  if (const auto* time = std::get_if<absl::Time>(&value)) return TimeText(*time);
  return NumberText(value);
}

std::string Quoted(absl::string_view text) { return absl::StrCat("\"", text, "\""); }

std::string QuotedList(std::vector<std::string> texts) {
  for (std::string& text : texts) text = Quoted(text);
  return absl::StrCat("[", absl::StrJoin(texts, ","), "]");
}

// meta["s_6162"]
std::string Place(char kind, absl::string_view field) {
  return absl::StrCat("meta[\"", absl::string_view(&kind, 1), "_", Hex(field), "\"]");
}

// Reserved fields stand beside the others under a kind of their own.
char StringKind(const std::string& field) {
  return vector_store::IsReservedField(field) ? 'r' : 's';
}

struct Writer {
  std::string operator()(const stages::FilterEquals& node) const {
    return Any(node.field, {node.value});
  }
  std::string operator()(const stages::FilterIn& node) const {
    return Any(node.field, node.values);
  }
  std::string operator()(const stages::FilterPrefix& node) const {
    const std::string place = Place(StringKind(node.field), node.field);
    const std::string prefix = Hex(node.prefix);
    // All texts that begin so: 'g' comes after every hexadecimal digit.
    return absl::StrCat("(", place, " >= ", Quoted(prefix), " && ", place, " < ",
                        Quoted(prefix + "g"), ")");
  }
  std::string operator()(const stages::FilterRange& node) const {
    std::vector<std::string> bounds;
    const auto bound = [&](const std::optional<MetadataValue>& value, const char* sign) {
      if (!value.has_value()) return;
      const char kind = KindOf(*value) == 's' ? StringKind(node.field) : KindOf(*value);
      bounds.push_back(absl::StrCat(Place(kind, node.field), sign, Quoted(TextOf(*value))));
    };
    bound(node.greater_than, " > ");
    bound(node.greater_or_equal, " >= ");
    bound(node.less_than, " < ");
    bound(node.less_or_equal, " <= ");
    return absl::StrCat("(", absl::StrJoin(bounds, " && "), ")");
  }
  std::string operator()(const stages::FilterAnd& node) const {
    return Joined(node.filters, " && ", kEverything);
  }
  std::string operator()(const stages::FilterOr& node) const {
    return Joined(node.filters, " || ", kNothing);
  }
  std::string operator()(const stages::FilterNot& node) const {
    return absl::StrCat("(not ", FilterExpression(*node.filter), ")");
  }

 private:
  static std::string Any(const std::string& field, const std::vector<MetadataValue>& values) {
    std::vector<std::string> parts, strings;
    for (const char kind : {'n', 'b', 't'}) {
      std::vector<std::string> texts;
      for (const MetadataValue& value : values) {
        if (KindOf(value) == kind) texts.push_back(TextOf(value));
      }
      if (!texts.empty())
        parts.push_back(absl::StrCat(Place(kind, field), " in ", QuotedList(texts)));
    }
    for (const MetadataValue& value : values) {
      if (KindOf(value) == 's') strings.push_back(TextOf(value));
    }
    if (!strings.empty()) {
      parts.push_back(absl::StrCat(Place(StringKind(field), field), " in ", QuotedList(strings)));
      if (!vector_store::IsReservedField(field)) {
        parts.push_back(
            absl::StrCat("json_contains_any(", Place('l', field), ", ", QuotedList(strings), ")"));
      }
    }
    return parts.empty() ? kNothing : absl::StrCat("(", absl::StrJoin(parts, " || "), ")");
  }

  static std::string Joined(const std::vector<stages::Filter>& filters, const char* word,
                            const char* none) {
    std::vector<std::string> parts;
    for (const stages::Filter& filter : filters) parts.push_back(FilterExpression(filter));
    return parts.empty() ? none : absl::StrCat("(", absl::StrJoin(parts, word), ")");
  }
};

struct PrefixCollector {
  std::set<std::string>* fields;

  void operator()(const stages::FilterPrefix& node) const {
    if (!vector_store::IsReservedField(node.field)) fields->insert(node.field);
  }
  void operator()(const stages::FilterAnd& node) const { All(node.filters); }
  void operator()(const stages::FilterOr& node) const { All(node.filters); }
  void operator()(const stages::FilterNot& node) const { std::visit(*this, node.filter->node); }
  template <typename Leaf>
  void operator()(const Leaf&) const {}
  void All(const std::vector<stages::Filter>& filters) const {
    for (const stages::Filter& filter : filters) std::visit(*this, filter.node);
  }
};

}  // namespace

std::string Hex(absl::string_view bytes) { return absl::BytesToHexString(bytes); }
std::string FromHex(absl::string_view hex) { return absl::HexStringToBytes(hex); }

std::string LabelsJson(const std::vector<std::string>& labels) {
  std::vector<std::string> texts;
  for (const std::string& label : labels) texts.push_back(Hex(label));
  return absl::StrCat("{\"l\":", QuotedList(texts), "}");
}

std::string MetaJson(const stages::StoredDocument& document) {
  std::vector<std::string> parts;
  const auto add = [&](char kind, absl::string_view field, const std::string& json) {
    parts.push_back(absl::StrCat("\"", absl::string_view(&kind, 1), "_", Hex(field), "\":", json));
  };
  const std::vector<std::pair<const char*, const std::string*>> reserved = {
      {"document_id", &document.id},
      {"document_name", &document.name},
      {"media_type", &document.info.media_type},
      {"language", &document.info.language}};
  for (const auto& [field, text] : reserved) {
    if (!text->empty()) add('r', field, Quoted(Hex(*text)));
  }
  std::vector<std::string> fields, lists;
  for (const auto& [field, value] : document.metadata) {
    fields.push_back(Hex(field));
    if (const auto* list = std::get_if<std::vector<std::string>>(&value)) {
      std::vector<std::string> texts;
      for (const std::string& text : *list) texts.push_back(Hex(text));
      add('l', field, QuotedList(texts));
      lists.push_back(Hex(field));
    } else {
      add(KindOf(value), field, Quoted(TextOf(value)));
    }
  }
  parts.push_back(absl::StrCat("\"fields\":", QuotedList(fields)));
  parts.push_back(absl::StrCat("\"lists\":", QuotedList(lists)));
  return absl::StrCat("{", absl::StrJoin(parts, ","), "}");
}

std::string LiveExpression(const std::string& tenant) {
  return absl::StrCat("live == 1 && tenant == ", Quoted(tenant));
}

std::string VisibleExpression(std::int64_t kind, const std::string& tenant,
                              const std::vector<std::string>& labels) {
  std::string expression = absl::StrCat("kind == ", kind, " && ", LiveExpression(tenant));
  if (std::find(labels.begin(), labels.end(), stages::kAllLabels) != labels.end())
    return expression;
  if (labels.empty()) return absl::StrCat(expression, " && ", kNothing);
  std::vector<std::string> texts;
  for (const std::string& label : labels) texts.push_back(Hex(label));
  absl::StrAppend(&expression, " && json_contains_any(labels[\"l\"], ", QuotedList(texts), ")");
  return expression;
}

std::string FilterExpression(const stages::Filter& filter) {
  return std::visit(Writer{}, filter.node);
}

// Milvus 2.3 takes no "exists" inside other expressions, so meta lists the names of its fields.
std::string HasField(absl::string_view field) {
  return absl::StrCat("json_contains(meta[\"fields\"], ", Quoted(Hex(field)), ")");
}

std::string HasListField(absl::string_view field) {
  return absl::StrCat("json_contains(meta[\"lists\"], ", Quoted(Hex(field)), ")");
}

std::set<std::string> PrefixFields(const stages::Filter& filter) {
  std::set<std::string> fields;
  std::visit(PrefixCollector{&fields}, filter.node);
  return fields;
}

std::set<std::string> FieldNames(absl::string_view meta_json) {
  // The store writes no quote but around names and texts of its own alphabet, so names are what
  // stands between quotes and holds a '_'.
  std::set<std::string> names;
  for (const absl::string_view part : absl::StrSplit(meta_json, '"')) {
    if (part.size() > 2 && part[1] == '_' && part[0] != 'r') names.insert(FromHex(part.substr(2)));
  }
  return names;
}

}  // namespace ragmesh::milvus_store
