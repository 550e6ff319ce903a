#include "libs/text/utf8.h"

#include <cstdint>
#include <cstring>

namespace ragmesh::text {
namespace {

bool IsContinuation(unsigned char byte) { return (byte & 0xC0) == 0x80; }

// What may follow a lead byte: how many bytes, and the range of the first of them, which is where
// overlong forms, surrogates and values above U+10FFFF show.
struct Lead {
  unsigned continuations;
  unsigned char first_low;
  unsigned char first_high;
};

Lead Classify(unsigned char byte) {
  if (byte >= 0xC2 && byte <= 0xDF) return {1, 0x80, 0xBF};
  if (byte == 0xE0) return {2, 0xA0, 0xBF};
  if (byte == 0xED) return {2, 0x80, 0x9F};
  if (byte >= 0xE1 && byte <= 0xEF) return {2, 0x80, 0xBF};
  if (byte == 0xF0) return {3, 0x90, 0xBF};
  if (byte >= 0xF1 && byte <= 0xF3) return {3, 0x80, 0xBF};
  if (byte == 0xF4) return {3, 0x80, 0x8F};
  return {0, 0, 0};
}

// First position at or after `position` whose byte is not ASCII, eight at a time.
std::size_t SkipAscii(absl::string_view text, std::size_t position) {
  while (position + 8 <= text.size()) {
    std::uint64_t word;
    std::memcpy(&word, text.data() + position, 8);
    if (word & 0x8080808080808080ull) break;
    position += 8;
  }
  while (position < text.size() && static_cast<unsigned char>(text[position]) < 0x80) ++position;
  return position;
}

}  // namespace

CodePoint DecodeUtf8(absl::string_view text, std::size_t position) {
  const auto byte = [text](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(position);
  if (first < 0x80) return {first, 1, true};
  const Lead lead = Classify(first);
  if (lead.continuations == 0) return {kReplacementCharacter, 1, false};
  char32_t value = first & (0x3F >> lead.continuations);
  for (unsigned i = 1; i <= lead.continuations; ++i) {
    const std::size_t at = position + i;
    const bool fits =
        at < text.size() && (i == 1 ? byte(at) >= lead.first_low && byte(at) <= lead.first_high
                                    : IsContinuation(byte(at)));
    if (!fits) return {kReplacementCharacter, i, false};
    value = value << 6 | (byte(at) & 0x3F);
  }
  return {value, lead.continuations + 1, true};
}

void AppendUtf8(char32_t value, std::string* out) {
  if (value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF)) value = kReplacementCharacter;
  const auto add = [out](char32_t byte) { out->push_back(static_cast<char>(byte)); };
  if (value < 0x80) {
    add(value);
  } else if (value < 0x800) {
    add(0xC0 | value >> 6);
    add(0x80 | (value & 0x3F));
  } else if (value < 0x10000) {
    add(0xE0 | value >> 12);
    add(0x80 | (value >> 6 & 0x3F));
    add(0x80 | (value & 0x3F));
  } else {
    add(0xF0 | value >> 18);
    add(0x80 | (value >> 12 & 0x3F));
    add(0x80 | (value >> 6 & 0x3F));
    add(0x80 | (value & 0x3F));
  }
}

bool IsValidUtf8(absl::string_view text) {
  return FindInvalidUtf8(text) == absl::string_view::npos;
}

std::size_t FindInvalidUtf8(absl::string_view text) {
  for (std::size_t i = SkipAscii(text, 0); i < text.size(); i = SkipAscii(text, i)) {
    const CodePoint point = DecodeUtf8(text, i);
    if (!point.valid) return i;
    i += point.size;
  }
  return absl::string_view::npos;
}

std::string ReplaceInvalidUtf8(absl::string_view text) {
  std::string out;
  out.reserve(text.size());
  std::size_t copied = 0;
  for (std::size_t i = SkipAscii(text, 0); i < text.size(); i = SkipAscii(text, i)) {
    const CodePoint point = DecodeUtf8(text, i);
    if (!point.valid) {
      out.append(text.data() + copied, i - copied);
      AppendUtf8(kReplacementCharacter, &out);
      copied = i + point.size;
    }
    i += point.size;
  }
  out.append(text.data() + copied, text.size() - copied);
  return out;
}

std::size_t CountCodePoints(absl::string_view text) {
  std::size_t count = 0;
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t ascii_end = SkipAscii(text, i);
    count += ascii_end - i;
    i = ascii_end;
    if (i == text.size()) break;
    i += DecodeUtf8(text, i).size;
    ++count;
  }
  return count;
}

std::size_t FloorCodePoint(absl::string_view text, std::size_t position) {
  if (position >= text.size()) return text.size();
  // A code point is at most 4 bytes; further back nothing can reach over `position`.
  for (std::size_t back = 1; back <= 3 && back <= position; ++back) {
    const std::size_t begin = position - back;
    if (IsContinuation(static_cast<unsigned char>(text[begin]))) continue;
    return begin + DecodeUtf8(text, begin).size > position ? begin : position;
  }
  return position;
}

}  // namespace ragmesh::text
