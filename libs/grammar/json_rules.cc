#include "libs/grammar/json_rules.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace ragmesh::grammar {
namespace {

constexpr std::uint32_t kMaxIndent = 32;
constexpr std::size_t kMaxWord = 256;  // code points of a word of StringBut that are told apart

const CodePoints& Unescaped() {
  static const CodePoints* const kPoints =
      new CodePoints(CodePoints{{0x20, kLastCodePoint}}.Without({{'"', '"'}, {'\\', '\\'}}));
  return *kPoints;
}

}  // namespace

template <typename Make>
NodeId JsonRules::Once(std::optional<RuleId>* rule, absl::string_view name, Make make) {
  if (!rule->has_value()) {
    *rule = rules_.Declare(name);  // first, because values hold values
    rules_.Define(**rule, make());
  }
  return rules_.Ref(**rule);
}

NodeId JsonRules::Space() {
  return Once(&space_, "JSON space", [&] {
    const NodeId indent = rules_.Repeat(rules_.Class({{' ', ' '}, {'\t', '\t'}}), 0, kMaxIndent);
    return rules_.Choice(
        {rules_.Literal(""), rules_.Literal(" "), rules_.Sequence({rules_.Literal("\n"), indent})});
  });
}

NodeId JsonRules::Value() {
  return Once(&value_, "JSON value", [&] {
    return rules_.Choice(
        {Object(), Array(), String(), Number(), rules_.AnyOf({"true", "false", "null"})});
  });
}

NodeId JsonRules::Next(NodeId element) {
  return rules_.Sequence({rules_.Literal(","), Space(), element});
}

NodeId JsonRules::Member(NodeId key, NodeId value) {
  return rules_.Sequence({key, rules_.Literal(":"), Space(), value});
}

NodeId JsonRules::Enclosed(absl::string_view open, NodeId content, bool optional,
                           absl::string_view close) {
  const NodeId inside = rules_.Sequence({content, Space()});
  return rules_.Sequence({rules_.Literal(open), Space(),
                          optional ? rules_.Optional(inside) : inside, rules_.Literal(close)});
}

NodeId JsonRules::Object() {
  return Once(&object_, "JSON object", [&] {
    const NodeId member = rules_.Ref(rules_.Add("JSON member", Member(String(), Value())));
    const NodeId more = rules_.Repeat(Next(member), 0, kUnbounded);
    return Enclosed("{", rules_.Sequence({member, more}), /*optional=*/true, "}");
  });
}

NodeId JsonRules::Array() {
  return Once(&array_, "JSON array", [&] {
    const NodeId more = rules_.Repeat(Next(Value()), 0, kUnbounded);
    return Enclosed("[", rules_.Sequence({Value(), more}), /*optional=*/true, "]");
  });
}

NodeId JsonRules::Quoted(NodeId content) {
  return rules_.Sequence({rules_.Literal("\""), content, rules_.Literal("\"")});
}

NodeId JsonRules::String() {
  return Once(&string_, "JSON string",
              [&] { return Quoted(rules_.Repeat(Character(), 0, kUnbounded)); });
}

NodeId JsonRules::Character() {
  const NodeId escape = Once(&escape_, "JSON escape", [&] {
    const CodePoints hex = {{'0', '9'}, {'a', 'f'}, {'A', 'F'}};
    const NodeId d = rules_.Class({{'d', 'd'}, {'D', 'D'}});
    const auto digits = [&](std::uint32_t n) { return rules_.Repeat(rules_.Class(hex), n, n); };
    const NodeId high = rules_.Class({{'8', '9'}, {'a', 'b'}, {'A', 'B'}});
    const NodeId low = rules_.Class({{'c', 'f'}, {'C', 'F'}});
    const NodeId unit = rules_.Choice(
        {rules_.Sequence({rules_.Class(hex.Without({{'d', 'd'}, {'D', 'D'}})), digits(3)}),
         rules_.Sequence({d, rules_.Class({{'0', '7'}}), digits(2)}),
         rules_.Sequence({d, high, digits(2), rules_.Literal("\\u"), d, low, digits(2)})});
    const NodeId kind = rules_.AnyOf({"\"", "\\", "/", "b", "f", "n", "r", "t"});
    return rules_.Sequence({rules_.Literal("\\"),
                            rules_.Choice({kind, rules_.Sequence({rules_.Literal("u"), unit})})});
  });
  return rules_.Choice({rules_.Class(Unescaped()), escape});
}

NodeId JsonRules::Plainly(const CodePoints& points) {
  std::vector<NodeId> choices;
  const CodePoints unescaped = points.And(Unescaped());
  if (!unescaped.empty()) choices.push_back(rules_.Class(unescaped));
  static constexpr struct {
    char32_t point;
    const char* spelling;
  } kShort[] = {{'"', "\\\""}, {'\\', "\\\\"}, {'\b', "\\b"}, {'\f', "\\f"},
                {'\n', "\\n"}, {'\r', "\\r"},  {'\t', "\\t"}};
  std::vector<std::string> spellings;
  for (const auto& known : kShort) {
    if (points.Contains(known.point)) spellings.push_back(known.spelling);
  }
  for (char32_t point = 0; point < 0x20; ++point) {
    const bool is_short = std::any_of(std::begin(kShort), std::end(kShort),
                                      [&](const auto& known) { return known.point == point; });
    if (!is_short && points.Contains(point))
      spellings.push_back(absl::StrFormat("\\u%04x", static_cast<unsigned>(point)));
  }
  if (!spellings.empty()) choices.push_back(rules_.AnyOf(std::move(spellings)));
  return rules_.Choice(choices);
}

NodeId JsonRules::ButWords(absl::Span<const std::u32string> sorted, std::size_t depth) {
  std::vector<NodeId> choices;
  std::vector<CodePointRange> next;
  bool may_end = true;
  for (std::size_t begin = 0; begin < sorted.size();) {
    if (sorted[begin].size() == depth) {
      may_end = false;
      ++begin;
      continue;
    }
    const char32_t point = sorted[begin][depth];
    std::size_t end = begin + 1;
    while (end < sorted.size() && sorted[end][depth] == point) ++end;
    next.push_back({point, point});
    // Along a longer word one cannot go on; nor is a word met that has to be escaped.
    if (depth < kMaxWord && Unescaped().Contains(point)) {
      choices.push_back(rules_.Sequence({rules_.Class({{point, point}}),
                                         ButWords(sorted.subspan(begin, end - begin), depth + 1)}));
    }
    begin = end;
  }
  const NodeId other = rules_.Class(Unescaped().Without(CodePoints::Of(std::move(next))));
  const NodeId rest = Once(&plain_, "JSON characters",
                           [&] { return rules_.Repeat(rules_.Class(Unescaped()), 0, kUnbounded); });
  choices.push_back(rules_.Sequence({other, rest}));
  if (may_end) choices.push_back(rules_.Literal(""));
  return rules_.Choice(choices);
}

NodeId JsonRules::StringBut(std::vector<std::string> words) {
  std::vector<std::u32string> decoded;
  for (const std::string& word : words) {
    std::u32string points;
    char32_t point = 0;
    for (std::size_t i = 0; i < word.size() && DecodeCodePoint(word, &i, &point);) points += point;
    decoded.push_back(std::move(points));
  }
  std::sort(decoded.begin(), decoded.end());
  decoded.erase(std::unique(decoded.begin(), decoded.end()), decoded.end());
  return Quoted(ButWords(decoded, 0));
}

// --- numbers ----------------------------------------------------------------------------------

NodeId JsonRules::Digit(char first, char last) {
  return rules_.Class({{static_cast<char32_t>(first), static_cast<char32_t>(last)}});
}

NodeId JsonRules::Digits(std::uint32_t min, std::uint32_t max) {
  return rules_.Repeat(Digit(), min, max);
}

NodeId JsonRules::Fraction() {
  return rules_.Optional(rules_.Sequence({rules_.Literal("."), Digits(1, kMaxDigits)}));
}

NodeId JsonRules::Integer() {
  return Once(&integer_, "JSON integer", [&] {
    const NodeId natural = rules_.Sequence({Digit('1', '9'), Digits(0, kMaxDigits - 1)});
    return rules_.Sequence(
        {rules_.Optional(rules_.Literal("-")), rules_.Choice({rules_.Literal("0"), natural})});
  });
}

NodeId JsonRules::Number() {
  return Once(&number_, "JSON number", [&] {
    const NodeId exponent =
        rules_.Sequence({rules_.Class({{'e', 'e'}, {'E', 'E'}}),
                         rules_.Optional(rules_.Class({{'+', '+'}, {'-', '-'}})), Digits(1, 2)});
    return rules_.Sequence({Integer(), Fraction(), rules_.Optional(exponent)});
  });
}

// As many digits as `bound`, and a number at least as large (upwards) or as small as it.
NodeId JsonRules::DigitsFrom(absl::string_view bound, bool upwards) {
  const char end = upwards ? '9' : '0';
  const auto size = static_cast<std::uint32_t>(bound.size());
  if (bound.find_first_not_of(upwards ? '0' : '9') == absl::string_view::npos)
    return Digits(size, size);
  const NodeId equal =
      rules_.Sequence({rules_.Literal(bound.substr(0, 1)), DigitsFrom(bound.substr(1), upwards)});
  if (bound[0] == end) return equal;
  const NodeId beyond = upwards ? Digit(static_cast<char>(bound[0] + 1), '9')
                                : Digit('0', static_cast<char>(bound[0] - 1));
  return rules_.Choice({equal, rules_.Sequence({beyond, Digits(size - 1, size - 1)})});
}

NodeId JsonRules::SameLengthBetween(absl::string_view low, absl::string_view high) {
  if (low == high) return rules_.Literal(low);
  if (low[0] == high[0]) {
    return rules_.Sequence(
        {rules_.Literal(low.substr(0, 1)), SameLengthBetween(low.substr(1), high.substr(1))});
  }
  std::vector<NodeId> choices = {
      rules_.Sequence({rules_.Literal(low.substr(0, 1)), DigitsFrom(low.substr(1), true)}),
      rules_.Sequence({rules_.Literal(high.substr(0, 1)), DigitsFrom(high.substr(1), false)})};
  if (low[0] + 1 < high[0]) {
    const auto rest = static_cast<std::uint32_t>(low.size() - 1);
    choices.push_back(
        rules_.Sequence({Digit(static_cast<char>(low[0] + 1), static_cast<char>(high[0] - 1)),
                         Digits(rest, rest)}));
  }
  return rules_.Choice(choices);
}

NodeId JsonRules::NaturalBetween(std::int64_t min, std::int64_t max) {
  std::vector<NodeId> choices;
  std::int64_t first = 0, last = 9;  // of as many digits
  for (std::uint32_t digits = 1; digits <= kMaxDigits && first <= max; ++digits) {
    const std::int64_t low = std::max(first, min), high = std::min(last, max);
    if (low <= high) choices.push_back(SameLengthBetween(absl::StrCat(low), absl::StrCat(high)));
    if (digits == kMaxDigits) break;
    first = last + 1;
    last = 10 * last + 9;
  }
  return rules_.Choice(choices);
}

NodeId JsonRules::IntegerBetween(std::int64_t min, std::int64_t max) {
  std::vector<NodeId> choices;
  if (min <= max && max >= 0)
    choices.push_back(NaturalBetween(std::max<std::int64_t>(min, 0), max));
  if (min <= max && min < 0) {
    choices.push_back(rules_.Sequence(
        {rules_.Literal("-"), NaturalBetween(std::max<std::int64_t>(1, -max), -min)}));
  }
  return rules_.Choice(choices);
}

// What lies between two naturals: a smaller natural with any fraction, or the upper one itself.
NodeId JsonRules::FractionalBetween(std::int64_t min, std::int64_t max) {
  const NodeId zeros = rules_.Optional(
      rules_.Sequence({rules_.Literal("."), rules_.Repeat(rules_.Literal("0"), 1, kMaxDigits)}));
  std::vector<NodeId> choices = {rules_.Sequence(
      {rules_.Literal(absl::StrCat(max)), max == kMaxInteger ? Fraction() : zeros})};
  if (min < max) choices.push_back(rules_.Sequence({NaturalBetween(min, max - 1), Fraction()}));
  return rules_.Choice(choices);
}

NodeId JsonRules::NumberBetween(std::int64_t min, std::int64_t max) {
  std::vector<NodeId> choices;
  if (min <= max && max >= 0)
    choices.push_back(FractionalBetween(std::max<std::int64_t>(min, 0), max));
  if (min <= max && min < 0) {
    choices.push_back(rules_.Sequence(
        {rules_.Literal("-"), FractionalBetween(std::max<std::int64_t>(0, -max), -min)}));
  }
  return rules_.Choice(choices);
}

}  // namespace ragmesh::grammar
