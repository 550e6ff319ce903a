// Grammar of JSON texts, in pieces that schemas are put together from.
#ifndef RAGMESH_LIBS_GRAMMAR_JSON_RULES_H_
#define RAGMESH_LIBS_GRAMMAR_JSON_RULES_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "libs/grammar/rules.h"

namespace ragmesh::grammar {

// A model writes these texts, so they are a little less than RFC 8259 allows, and never endless
// without content: between tokens at most one blank, or a line end and an indentation of up to 32;
// none before a colon or a comma, nor around the whole. Numbers have up to 18 digits before the
// point, 18 behind it and 2 in the exponent, and so fit a double. Surrogates are escaped in pairs.
//
// Makes each rule once, when it is first asked for. `rules` outlives this.
class JsonRules {
 public:
  static constexpr std::uint32_t kMaxDigits = 18;
  static constexpr std::int64_t kMaxInteger = 999'999'999'999'999'999;

  explicit JsonRules(Rules* rules) : rules_(*rules) {}

  NodeId Space();
  NodeId Value();
  NodeId Object();  // any object
  NodeId Array();   // any array
  NodeId String();  // any string
  NodeId Number();
  NodeId Integer();

  // From `min` to `max`, which are at most kMaxInteger from 0; matches nothing when min > max.
  NodeId IntegerBetween(std::int64_t min, std::int64_t max);
  // Likewise with fractions and without exponents.
  NodeId NumberBetween(std::int64_t min, std::int64_t max);

  // One code point of a string: as it is, or escaped.
  NodeId Character();
  // One code point of `points` in its one usual spelling: escaped only where it must be.
  NodeId Plainly(const CodePoints& points);
  NodeId Quoted(NodeId content);
  // A string without escapes that is none of `words` (UTF-8).
  NodeId StringBut(std::vector<std::string> words);

  // `first`, then a colon and `value`.
  NodeId Member(NodeId key, NodeId value);
  // { and } or [ and ], and between them `content` or, when that is optional, nothing.
  NodeId Enclosed(absl::string_view open, NodeId content, bool optional, absl::string_view close);
  // A comma, then `element`.
  NodeId Next(NodeId element);

 private:
  NodeId Digit(char first = '0', char last = '9');
  NodeId Digits(std::uint32_t min, std::uint32_t max);
  NodeId Fraction();
  NodeId NaturalBetween(std::int64_t min, std::int64_t max);
  NodeId SameLengthBetween(absl::string_view low, absl::string_view high);
  NodeId DigitsFrom(absl::string_view bound, bool upwards);
  NodeId FractionalBetween(std::int64_t min, std::int64_t max);
  NodeId ButWords(absl::Span<const std::u32string> sorted, std::size_t depth);
  template <typename Make>
  NodeId Once(std::optional<RuleId>* rule, absl::string_view name, Make make);

  Rules& rules_;
  std::optional<RuleId> space_, value_, object_, array_, string_, number_, integer_, escape_,
      plain_;
};

}  // namespace ragmesh::grammar

#endif  // RAGMESH_LIBS_GRAMMAR_JSON_RULES_H_
