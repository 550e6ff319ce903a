// Sets of Unicode code points, and the byte sequences of UTF-8 that spell them.
#ifndef RAGMESH_LIBS_GRAMMAR_CODE_POINTS_H_
#define RAGMESH_LIBS_GRAMMAR_CODE_POINTS_H_

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace ragmesh::grammar {

inline constexpr char32_t kLastCodePoint = 0x10FFFF;

struct CodePointRange {
  char32_t first, last;  // both included
};

// Sorted ranges that neither touch nor overlap, without surrogates, which UTF-8 cannot spell.
class CodePoints {
 public:
  CodePoints() = default;
  CodePoints(std::initializer_list<CodePointRange> ranges);

  // Ranges in any order, of any values; an empty one (first > last) adds nothing.
  static CodePoints Of(std::vector<CodePointRange> ranges);
  static CodePoints All() { return {{0, kLastCodePoint}}; }

  CodePoints Complement() const;
  CodePoints And(const CodePoints& other) const;
  CodePoints Or(const CodePoints& other) const;
  CodePoints Without(const CodePoints& other) const { return And(other.Complement()); }

  bool Contains(char32_t point) const;
  bool empty() const { return ranges_.empty(); }
  const std::vector<CodePointRange>& ranges() const { return ranges_; }

 private:
  explicit CodePoints(std::vector<CodePointRange> ranges);

  std::vector<CodePointRange> ranges_;
};

struct ByteRange {
  std::uint8_t first, last;  // both included
};

// The byte sequences, 1 to 4 ranges each, that together match the UTF-8 spelling of every code
// point of `points` and nothing else; in order, and disjoint.
std::vector<std::vector<ByteRange>> ToByteSequences(const CodePoints& points);

// The code point that begins at text[*position], moving past it; false when it is not valid UTF-8.
bool DecodeCodePoint(absl::string_view text, std::size_t* position, char32_t* point);

// `point` is no surrogate and at most kLastCodePoint.
void AppendCodePoint(char32_t point, std::string* out);

}  // namespace ragmesh::grammar

#endif  // RAGMESH_LIBS_GRAMMAR_CODE_POINTS_H_
