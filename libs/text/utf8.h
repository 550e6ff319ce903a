// UTF-8, one code point at a time. What is not valid UTF-8 reads as U+FFFD, one per maximal subpart
// (Unicode 15, table 3-8), which is also what browsers and Rust do, so no input stops a reader.
#ifndef RAGMESH_LIBS_TEXT_UTF8_H_
#define RAGMESH_LIBS_TEXT_UTF8_H_

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"

namespace ragmesh::text {

inline constexpr char32_t kReplacementCharacter = 0xFFFD;

struct CodePoint {
  char32_t value = kReplacementCharacter;
  unsigned size = 0;   // bytes read, at least 1
  bool valid = false;  // false: the bytes were not valid and `value` is U+FFFD
};

// The code point that begins at `position`, which must be below text.size().
CodePoint DecodeUtf8(absl::string_view text, std::size_t position);

// Appends `value`; a surrogate or a value above U+10FFFF is written as U+FFFD.
void AppendUtf8(char32_t value, std::string* out);

bool IsValidUtf8(absl::string_view text);

// Position of the first byte that is not valid; npos when there is none.
std::size_t FindInvalidUtf8(absl::string_view text);

// `text` with U+FFFD in place of what is not valid; a plain copy when all of it is.
std::string ReplaceInvalidUtf8(absl::string_view text);

// Code points in `text`, each invalid subpart counting as one.
std::size_t CountCodePoints(absl::string_view text);

// The largest boundary between code points at or below `position`, for cutting text. `position` may
// lie past the end.
std::size_t FloorCodePoint(absl::string_view text, std::size_t position);

}  // namespace ragmesh::text

#endif  // RAGMESH_LIBS_TEXT_UTF8_H_
