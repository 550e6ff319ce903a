// Cuts a block into the smallest pieces a chunk is normally made of: sentences of prose, lines of
// code, whole table rows.
#ifndef RAGMESH_LIBS_CHUNKING_TEXT_UNITS_H_
#define RAGMESH_LIBS_CHUNKING_TEXT_UNITS_H_

#include <cstddef>
#include <memory>
#include <vector>

#include "absl/strings/string_view.h"
#include "libs/stages/document.h"

namespace ragmesh::chunking {

// A half-open byte range of a block's text, without white space at either end.
struct TextUnit {
  std::size_t begin = 0;
  std::size_t end = 0;

  bool operator==(const TextUnit&) const = default;
};

// Finds sentence, word and line boundaries with ICU. Not thread-safe: each split owns one. Invalid
// UTF-8 is read as U+FFFD and never splits a byte sequence that is valid.
class TextUnits {
 public:
  TextUnits();
  ~TextUnits();
  TextUnits(const TextUnits&) = delete;
  TextUnits& operator=(const TextUnits&) = delete;

  // Ascending and disjoint; every byte of `text` that is not white space is in exactly one unit.
  // Abbreviations
  // ("Dr. Smith") do not end a sentence. A line break ends one unless the line looks wrapped by a
  // fixed width.
  std::vector<TextUnit> Sentences(absl::string_view text);

  // Same guarantees; units are lines.
  static std::vector<TextUnit> Lines(absl::string_view text);

  // The largest offset in (0, limit] of `text` where a word ends, else where a code point ends; at
  // least the end of the first code point. `limit` is at most text.size().
  std::size_t CutBefore(absl::string_view text, std::size_t limit);

 private:
  struct Iterators;
  std::unique_ptr<Iterators> iterators_;
};

// White space as blocks may hold it: blank, tab, line feed.
inline bool IsBlank(char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; }

}  // namespace ragmesh::chunking

#endif  // RAGMESH_LIBS_CHUNKING_TEXT_UNITS_H_
