#include "libs/grammar/gbnf.h"

#include <algorithm>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"

namespace ragmesh::grammar {
namespace {

constexpr std::size_t kMaxDigits = 9;     // of a count
constexpr std::size_t kMaxOperators = 8;  // one behind the other, as in x*?+

bool IsWord(char c) { return absl::ascii_isalnum(c) || c == '-' || c == '_'; }

// Recursive descent, one method for each construct. Between tokens, `lines` says whether line ends
// are blanks: they are inside parentheses and behind ::= and |, and end a rule elsewhere.
class Parser {
 public:
  Parser(absl::string_view text, const Limits& limits, Rules* rules)
      : text_(text), limits_(limits), rules_(*rules) {}

  absl::StatusOr<RuleId> Parse() {
    for (SkipBlanks(true); position_ < text_.size(); SkipBlanks(true))
      RAGMESH_RETURN_IF_ERROR(Rule());
    for (const auto& [rule, at] : first_use_) {
      if (rules_.body(rule).has_value()) continue;
      position_ = at;
      return Bad(absl::StrCat("rule \"", rules_.name(rule), "\" is used and not defined"));
    }
    const auto root = by_name_.find("root");
    if (root == by_name_.end()) return Bad("has no rule \"root\", which is where a text begins");
    return root->second;
  }

 private:
  absl::Status Bad(absl::string_view problem) const {
    const absl::string_view before = text_.substr(0, position_);
    const std::size_t line = 1 + std::count(before.begin(), before.end(), '\n');
    const std::size_t newline = before.rfind('\n');
    const std::size_t column =
        1 + position_ - (newline == absl::string_view::npos ? 0 : newline + 1);
    return MakeError(
        absl::StatusCode::kInvalidArgument,
        absl::StrCat("grammar, line ", line, ", column ", column, ": ", problem),
        {.reason = "BAD_GRAMMAR",
         .field = "grammar",
         .next_step = "Correct the grammar; docs/formats/grammars.md has the format.",
         .metadata = {{"line", absl::StrCat(line)}, {"column", absl::StrCat(column)}}});
  }

  char Peek() const { return position_ < text_.size() ? text_[position_] : '\0'; }
  bool At(char c) const { return position_ < text_.size() && text_[position_] == c; }
  bool Take(char c) {
    if (!At(c)) return false;
    ++position_;
    return true;
  }
  bool AtLineEnd() const { return At('\n') || At('\r'); }

  void SkipBlanks(bool lines) {
    for (; position_ < text_.size(); ++position_) {
      if (At('#')) {
        while (position_ < text_.size() && !AtLineEnd()) ++position_;
      }
      if (!At(' ') && !At('\t') && !(lines && AtLineEnd())) return;
    }
  }

  absl::StatusOr<RuleId> Name() {
    const std::size_t begin = position_;
    while (position_ < text_.size() && IsWord(text_[position_])) ++position_;
    if (position_ == begin) return Bad("expected the name of a rule");
    const absl::string_view name = text_.substr(begin, position_ - begin);
    const auto [entry, added] = by_name_.emplace(name, 0);
    if (added) {
      entry->second = rules_.Declare(name);
      first_use_.push_back({entry->second, begin});
    }
    return entry->second;
  }

  absl::Status Rule() {
    RAGMESH_ASSIGN_OR_RETURN(const RuleId rule, Name());
    if (rules_.body(rule).has_value())
      return Bad(absl::StrCat("rule \"", rules_.name(rule), "\" is defined twice"));
    SkipBlanks(false);
    if (text_.substr(position_, 3) != "::=") return Bad("expected ::= after the name of a rule");
    position_ += 3;
    SkipBlanks(true);
    RAGMESH_ASSIGN_OR_RETURN(const NodeId body, Alternatives(0));
    if (position_ < text_.size() && !AtLineEnd())
      return Bad("expected the end of the line or another part of the rule");
    rules_.Define(rule, body);
    return rules_.Check();
  }

  absl::StatusOr<NodeId> Alternatives(std::size_t depth) {
    if (depth > limits_.max_nesting)
      return Bad(absl::StrCat("groups are nested deeper than ", limits_.max_nesting, " levels"));
    std::vector<NodeId> choices;
    do {
      SkipBlanks(depth > 0 || !choices.empty());
      RAGMESH_ASSIGN_OR_RETURN(const NodeId choice, Sequence(depth));
      choices.push_back(choice);
    } while (Take('|'));
    return rules_.Choice(choices);
  }

  absl::StatusOr<NodeId> Sequence(std::size_t depth) {
    std::vector<NodeId> items;
    while (position_ < text_.size()) {
      const char c = Peek();
      if (c == '|' || c == ')' || AtLineEnd()) break;
      RAGMESH_ASSIGN_OR_RETURN(NodeId item, Item(depth));
      SkipBlanks(depth > 0);
      for (std::size_t count = 0; At('*') || At('+') || At('?') || At('{'); ++count) {
        if (count == kMaxOperators) return Bad("too many repetition marks in a row");
        RAGMESH_ASSIGN_OR_RETURN(item, Repetition(item));
        SkipBlanks(depth > 0);
      }
      items.push_back(item);
    }
    return rules_.Sequence(items);
  }

  absl::StatusOr<NodeId> Item(std::size_t depth) {
    if (IsWord(Peek())) {
      RAGMESH_ASSIGN_OR_RETURN(const RuleId rule, Name());
      return rules_.Ref(rule);
    }
    if (Take('"')) return Literal();
    if (Take('[')) return Class();
    if (Take('.')) return rules_.Class(CodePoints::All());
    if (Take('(')) {
      RAGMESH_ASSIGN_OR_RETURN(const NodeId group, Alternatives(depth + 1));
      if (!Take(')')) return Bad("expected ) at the end of a group");
      return group;
    }
    if (At('<') || At('!'))
      return Bad("terminals that stand for tokens (<...>) are not supported; write their text");
    if (At('*') || At('+') || At('?') || At('{')) return Bad("there is nothing here to repeat");
    return Bad("expected a literal, a class of characters, a group or the name of a rule");
  }

  absl::StatusOr<std::uint32_t> Count() {
    const std::size_t begin = position_;
    std::uint32_t value = 0;
    for (; absl::ascii_isdigit(Peek()); ++position_) {
      if (position_ - begin == kMaxDigits) return Bad("a count of repetitions has too many digits");
      value = 10 * value + static_cast<std::uint32_t>(Peek() - '0');
    }
    if (position_ == begin) return Bad("expected a count of repetitions");
    SkipBlanks(false);
    return value;
  }

  absl::StatusOr<NodeId> Repetition(NodeId item) {
    if (Take('*')) return rules_.Repeat(item, 0, kUnbounded);
    if (Take('+')) return rules_.Repeat(item, 1, kUnbounded);
    if (Take('?')) return rules_.Optional(item);
    Take('{');
    SkipBlanks(false);
    RAGMESH_ASSIGN_OR_RETURN(const std::uint32_t min, Count());
    std::uint32_t max = min;
    if (Take(',')) {
      SkipBlanks(false);
      max = kUnbounded;
      if (!At('}')) {
        RAGMESH_ASSIGN_OR_RETURN(max, Count());
      }
    }
    if (!Take('}')) return Bad("expected } after the counts of a repetition");
    if (max < min) return Bad("a repetition has a maximum below its minimum");
    return rules_.Repeat(item, min, max);
  }

  absl::StatusOr<NodeId> Literal() {
    std::string bytes;
    while (!Take('"')) {
      if (position_ == text_.size() || AtLineEnd())
        return Bad("expected \" at the end of a literal");
      RAGMESH_ASSIGN_OR_RETURN(const char32_t point, Character());
      AppendCodePoint(point, &bytes);
    }
    return rules_.Literal(bytes);
  }

  absl::StatusOr<NodeId> Class() {
    const bool negated = Take('^');
    std::vector<CodePointRange> ranges;
    while (!Take(']')) {
      if (position_ == text_.size()) return Bad("expected ] at the end of a class of characters");
      RAGMESH_ASSIGN_OR_RETURN(const char32_t first, Character());
      char32_t last = first;
      if (At('-') && text_.substr(position_, 2) != "-]") {
        ++position_;
        if (position_ == text_.size()) return Bad("a range of characters has no end");
        RAGMESH_ASSIGN_OR_RETURN(last, Character());
        if (last < first) return Bad("a range of characters ends before it begins");
      }
      ranges.push_back({first, last});
    }
    const CodePoints named = CodePoints::Of(std::move(ranges));
    const CodePoints points = negated ? named.Complement() : named;
    if (points.empty()) return Bad("a class of characters is empty");
    return rules_.Class(points);
  }

  absl::StatusOr<char32_t> Character() {
    char32_t point = 0;
    if (!Take('\\')) {
      if (!DecodeCodePoint(text_, &position_, &point)) return Bad("is not valid UTF-8");
      return point;
    }
    const char kind = Peek();
    if (position_ < text_.size()) ++position_;
    switch (kind) {
      case 'x':
        return Hexadecimal(2);
      case 'u':
        return Hexadecimal(4);
      case 'U':
        return Hexadecimal(8);
      case 't':
        return U'\t';
      case 'r':
        return U'\r';
      case 'n':
        return U'\n';
      case '\\':
      case '"':
      case '[':
      case ']':
        return static_cast<char32_t>(kind);
      default:
        --position_;
        return Bad(
            "unknown escape; known are \\n \\r \\t \\\\ \\\" \\[ \\] \\xXX \\uXXXX \\UXXXXXXXX");
    }
  }

  absl::StatusOr<char32_t> Hexadecimal(int digits) {
    char32_t value = 0;
    for (int i = 0; i < digits; ++i, ++position_) {
      const char c = Peek();
      if (!absl::ascii_isxdigit(static_cast<unsigned char>(c)))
        return Bad(absl::StrCat("expected ", digits, " hexadecimal digits"));
      value = 16 * value +
              static_cast<char32_t>(absl::ascii_isdigit(c) ? c - '0' : (c | 0x20) - 'a' + 10);
    }
    if (value > kLastCodePoint || (value >= 0xD800 && value <= 0xDFFF))
      return Bad("an escape names no Unicode character");
    return value;
  }

  const absl::string_view text_;
  const Limits& limits_;
  Rules& rules_;
  std::size_t position_ = 0;
  absl::flat_hash_map<absl::string_view, RuleId> by_name_;
  std::vector<std::pair<RuleId, std::size_t>> first_use_;
};

}  // namespace

absl::StatusOr<RuleId> ReadGbnf(absl::string_view text, const Limits& limits, Rules* rules) {
  if (text.size() > limits.max_text_bytes) {
    return LimitExceeded("grammar", static_cast<long long>(text.size()),
                         static_cast<long long>(limits.max_text_bytes), "bytes");
  }
  return Parser(text, limits, rules).Parse();
}

}  // namespace ragmesh::grammar
