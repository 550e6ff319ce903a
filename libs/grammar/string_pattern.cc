#include "libs/grammar/string_pattern.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"

namespace ragmesh::grammar {
namespace {

constexpr std::size_t kMaxDigits = 6;  // of a count

CodePoints DecimalDigits() { return {{'0', '9'}}; }
CodePoints WordCharacters() { return {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}}; }
CodePoints LineEnds() { return {{'\n', '\n'}, {'\r', '\r'}, {0x2028, 0x2029}}; }
CodePoints Spaces() {
  return {{'\t', '\r'},     {' ', ' '},       {0xA0, 0xA0},     {0x1680, 0x1680}, {0x2000, 0x200A},
          {0x2028, 0x2029}, {0x202F, 0x202F}, {0x205F, 0x205F}, {0x3000, 0x3000}, {0xFEFF, 0xFEFF}};
}

class Parser {
 public:
  Parser(absl::string_view pattern, const Limits& limits, Rules* rules, JsonRules* json)
      : text_(pattern), limits_(limits), rules_(*rules), json_(*json) {}

  // An alternative of the whole that is not anchored may have anything around it.
  absl::StatusOr<NodeId> Parse() {
    const NodeId anything = rules_.Repeat(json_.Plainly(CodePoints::All()), 0, kUnbounded);
    std::vector<NodeId> choices;
    do {
      const bool from_start = Take('^');
      RAGMESH_ASSIGN_OR_RETURN(const NodeId middle, Sequence(0));
      const bool to_end = Take('$');
      if (!AtEnd() && !At('|')) {
        return At(')') ? Bad("has a ) without a (")
                       : Bad("goes on after $, which nothing can follow");
      }
      std::vector<NodeId> parts;
      if (!from_start) parts.push_back(anything);
      parts.push_back(middle);
      if (!to_end) parts.push_back(anything);
      choices.push_back(rules_.Sequence(parts));
      RAGMESH_RETURN_IF_ERROR(rules_.Check());
    } while (Take('|'));
    return rules_.Choice(choices);
  }

 private:
  absl::Status Bad(absl::string_view problem) const {
    return MakeError(absl::StatusCode::kInvalidArgument,
                     absl::StrCat("pattern ", problem, ", at byte ", position_),
                     {.reason = "UNSUPPORTED_SCHEMA",
                      .field = "pattern",
                      .next_step = "docs/formats/grammars.md lists what a pattern may use."});
  }

  bool AtEnd() const { return position_ == text_.size(); }
  bool At(char c) const { return !AtEnd() && text_[position_] == c; }
  bool Take(char c) {
    if (!At(c)) return false;
    ++position_;
    return true;
  }
  bool Take(absl::string_view word) {
    if (text_.substr(position_, word.size()) != word) return false;
    position_ += word.size();
    return true;
  }

  absl::StatusOr<NodeId> Group(std::size_t depth) {
    if (depth > limits_.max_nesting)
      return Bad(absl::StrCat("nests groups deeper than ", limits_.max_nesting, " levels"));
    if (At('?') && !Take("?:")) return Bad("uses (?, which is only supported as (?:");
    std::vector<NodeId> choices;
    do {
      RAGMESH_ASSIGN_OR_RETURN(const NodeId choice, Sequence(depth));
      choices.push_back(choice);
    } while (Take('|'));
    if (!Take(')')) return Bad(At('$') ? "has $ inside a group" : "has a ( without a )");
    return rules_.Choice(choices);
  }

  absl::StatusOr<NodeId> Sequence(std::size_t depth) {
    std::vector<NodeId> items;
    while (!AtEnd() && !At('|') && !At(')') && !At('$')) {
      RAGMESH_ASSIGN_OR_RETURN(const NodeId atom, Atom(depth));
      RAGMESH_ASSIGN_OR_RETURN(const NodeId item, Repeated(atom));
      items.push_back(item);
    }
    return rules_.Sequence(items);
  }

  absl::StatusOr<NodeId> Atom(std::size_t depth) {
    if (Take('(')) return Group(depth + 1);
    if (Take('[')) {
      RAGMESH_ASSIGN_OR_RETURN(const CodePoints points, Class());
      return json_.Plainly(points);
    }
    if (Take('.')) return json_.Plainly(LineEnds().Complement());
    if (At('*') || At('+') || At('?') || At('{')) return Bad("has nothing to repeat");
    if (At('^')) return Bad("has ^ where it is not the beginning");
    RAGMESH_ASSIGN_OR_RETURN(const CodePoints points, Characters());
    return json_.Plainly(points);
  }

  absl::StatusOr<NodeId> Repeated(NodeId atom) {
    std::uint32_t min = 0, max = kUnbounded;
    if (Take('*')) {
    } else if (Take('+')) {
      min = 1;
    } else if (Take('?')) {
      max = 1;
    } else if (Take('{')) {
      RAGMESH_ASSIGN_OR_RETURN(min, Count());
      max = min;
      if (Take(',')) {
        max = kUnbounded;
        if (!At('}')) {
          RAGMESH_ASSIGN_OR_RETURN(max, Count());
        }
      }
      if (!Take('}')) return Bad("has a { that is not a count of repetitions");
      if (max < min) return Bad("repeats with a maximum below the minimum");
    } else {
      return atom;
    }
    Take('?');  // lazy: which texts match is the same
    if (At('*') || At('+') || At('?') || At('{')) return Bad("has two repetition marks in a row");
    return rules_.Repeat(atom, min, max);
  }

  absl::StatusOr<std::uint32_t> Count() {
    const std::size_t begin = position_;
    std::uint32_t value = 0;
    for (; !AtEnd() && absl::ascii_isdigit(text_[position_]); ++position_) {
      if (position_ - begin == kMaxDigits) return Bad("repeats too often");
      value = 10 * value + static_cast<std::uint32_t>(text_[position_] - '0');
    }
    if (position_ == begin) return Bad("has a { that is not a count of repetitions");
    return value;
  }

  absl::StatusOr<CodePoints> Class() {
    const bool negated = Take('^');
    std::vector<CodePointRange> ranges;
    while (!Take(']')) {
      if (AtEnd()) return Bad("has a [ without a ]");
      RAGMESH_ASSIGN_OR_RETURN(const CodePoints first, Characters());
      std::vector<CodePointRange> some = first.ranges();
      if (At('-') && text_.substr(position_, 2) != "-]") {
        ++position_;
        if (AtEnd()) return Bad("has a [ without a ]");
        RAGMESH_ASSIGN_OR_RETURN(const CodePoints last, Characters());
        if (!IsOne(first) || !IsOne(last)) return Bad("has a range between classes");
        const char32_t end = last.ranges()[0].first;
        if (end < some[0].first) return Bad("has a range that ends before it begins");
        some[0].last = end;
      }
      ranges.insert(ranges.end(), some.begin(), some.end());
    }
    const CodePoints named = CodePoints::Of(std::move(ranges));
    const CodePoints points = negated ? named.Complement() : named;
    if (points.empty()) return Bad("has a class that holds no character");
    return points;
  }

  static bool IsOne(const CodePoints& points) {
    return points.ranges().size() == 1 && points.ranges()[0].first == points.ranges()[0].last;
  }

  // One character, or the class that an escape stands for.
  absl::StatusOr<CodePoints> Characters() {
    char32_t point = 0;
    if (!Take('\\')) {
      if (!DecodeCodePoint(text_, &position_, &point)) return Bad("is not valid UTF-8");
      return CodePoints{{point, point}};
    }
    if (AtEnd()) return Bad("ends in a \\");
    const char kind = text_[position_++];
    switch (kind) {
      case 'd':
        return DecimalDigits();
      case 'D':
        return DecimalDigits().Complement();
      case 'w':
        return WordCharacters();
      case 'W':
        return WordCharacters().Complement();
      case 's':
        return Spaces();
      case 'S':
        return Spaces().Complement();
      case 'n':
        return CodePoints{{'\n', '\n'}};
      case 'r':
        return CodePoints{{'\r', '\r'}};
      case 't':
        return CodePoints{{'\t', '\t'}};
      case 'f':
        return CodePoints{{'\f', '\f'}};
      case 'v':
        return CodePoints{{'\v', '\v'}};
      case 'x':
        return Hexadecimal(2);
      case 'u':
        return Hexadecimal(4);
      default:
        break;
    }
    --position_;
    if (static_cast<unsigned char>(kind) >= 0x80 || absl::ascii_isalnum(kind))
      return Bad(absl::StrCat("uses \\", absl::CHexEscape(absl::string_view(&kind, 1)),
                              ", which is not supported"));
    ++position_;
    const auto same = static_cast<char32_t>(kind);
    return CodePoints{{same, same}};
  }

  absl::StatusOr<CodePoints> Hexadecimal(std::size_t digits) {
    char32_t value = 0;
    for (std::size_t i = 0; i < digits; ++i, ++position_) {
      if (AtEnd() || !absl::ascii_isxdigit(static_cast<unsigned char>(text_[position_])))
        return Bad(absl::StrCat("has an escape without its ", digits, " hexadecimal digits"));
      const char c = text_[position_];
      value = 16 * value +
              static_cast<char32_t>(absl::ascii_isdigit(c) ? c - '0' : (c | 0x20) - 'a' + 10);
    }
    const CodePoints points{{value, value}};
    if (points.empty()) return Bad("has an escape that names half of a surrogate pair");
    return points;
  }

  const absl::string_view text_;
  const Limits& limits_;
  Rules& rules_;
  JsonRules& json_;
  std::size_t position_ = 0;
};

}  // namespace

absl::StatusOr<NodeId> ReadStringPattern(absl::string_view pattern, const Limits& limits,
                                         Rules* rules, JsonRules* json) {
  return Parser(pattern, limits, rules, json).Parse();
}

}  // namespace ragmesh::grammar
