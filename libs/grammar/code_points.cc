#include "libs/grammar/code_points.h"

#include <algorithm>
#include <array>

namespace ragmesh::grammar {
namespace {

constexpr CodePointRange kSurrogates = {0xD800, 0xDFFF};
constexpr char32_t kBefore = kSurrogates.first - 1, kBehind = kSurrogates.last + 1;

// The largest code point that UTF-8 spells in 1, 2, 3 and 4 bytes.
constexpr std::array<char32_t, 4> kLastOfSize = {0x7F, 0x7FF, 0xFFFF, kLastCodePoint};

std::vector<CodePointRange> Normalise(std::vector<CodePointRange> ranges) {
  std::vector<CodePointRange> kept;
  for (const CodePointRange& range : ranges) {
    if (range.first > range.last) continue;
    if (range.first < kSurrogates.first)
      kept.push_back({range.first, std::min(range.last, kBefore)});
    if (range.last > kSurrogates.last)
      kept.push_back({std::max(range.first, kBehind), std::min(range.last, kLastCodePoint)});
  }
  std::sort(kept.begin(), kept.end(),
            [](const CodePointRange& a, const CodePointRange& b) { return a.first < b.first; });
  std::vector<CodePointRange> joined;
  for (const CodePointRange& range : kept) {
    if (range.first > range.last) continue;
    if (!joined.empty() && range.first <= joined.back().last + 1) {
      joined.back().last = std::max(joined.back().last, range.last);
    } else {
      joined.push_back(range);
    }
  }
  return joined;
}

// Both code points have the same size in UTF-8. A range is cut until its continuation bytes are
// either equal or run over all 64 values, so that one sequence of byte ranges spells it.
void AppendSequences(char32_t first, char32_t last, std::vector<std::vector<ByteRange>>* out) {
  for (int bits = 6; bits <= 18; bits += 6) {
    const char32_t low = (char32_t{1} << bits) - 1;
    if ((first & ~low) == (last & ~low)) continue;
    if ((first & low) != 0) {
      AppendSequences(first, first | low, out);
      AppendSequences((first | low) + 1, last, out);
      return;
    }
    if ((last & low) != low) {
      AppendSequences(first, (last & ~low) - 1, out);
      AppendSequences(last & ~low, last, out);
      return;
    }
  }
  std::string from, to;
  AppendCodePoint(first, &from);
  AppendCodePoint(last, &to);
  std::vector<ByteRange> sequence;
  for (std::size_t i = 0; i < from.size(); ++i) {
    sequence.push_back({static_cast<std::uint8_t>(from[i]), static_cast<std::uint8_t>(to[i])});
  }
  out->push_back(std::move(sequence));
}

}  // namespace

CodePoints::CodePoints(std::initializer_list<CodePointRange> ranges) : ranges_(Normalise(ranges)) {}

CodePoints::CodePoints(std::vector<CodePointRange> ranges)
    : ranges_(Normalise(std::move(ranges))) {}

CodePoints CodePoints::Complement() const {
  std::vector<CodePointRange> gaps;
  char32_t next = 0;
  for (const CodePointRange& range : ranges_) {
    if (range.first > next) gaps.push_back({next, range.first - 1});
    next = range.last + 1;
  }
  if (next <= kLastCodePoint) gaps.push_back({next, kLastCodePoint});
  return CodePoints(std::move(gaps));
}

CodePoints CodePoints::And(const CodePoints& other) const {
  std::vector<CodePointRange> common;
  for (std::size_t i = 0, j = 0; i < ranges_.size() && j < other.ranges_.size();) {
    const CodePointRange &a = ranges_[i], &b = other.ranges_[j];
    common.push_back({std::max(a.first, b.first), std::min(a.last, b.last)});
    a.last < b.last ? ++i : ++j;
  }
  return CodePoints(std::move(common));
}

CodePoints CodePoints::Or(const CodePoints& other) const {
  std::vector<CodePointRange> all = ranges_;
  all.insert(all.end(), other.ranges_.begin(), other.ranges_.end());
  return CodePoints(std::move(all));
}

bool CodePoints::Contains(char32_t point) const {
  const auto after = std::upper_bound(
      ranges_.begin(), ranges_.end(), point,
      [](char32_t value, const CodePointRange& range) { return value < range.first; });
  return after != ranges_.begin() && point <= (after - 1)->last;
}

CodePoints CodePoints::Of(std::vector<CodePointRange> ranges) {
  return CodePoints(std::move(ranges));
}

std::vector<std::vector<ByteRange>> ToByteSequences(const CodePoints& points) {
  std::vector<std::vector<ByteRange>> sequences;
  for (const CodePointRange& range : points.ranges()) {
    char32_t first = range.first;
    for (const char32_t last_of_size : kLastOfSize) {
      if (first > last_of_size || first > range.last) continue;
      AppendSequences(first, std::min(range.last, last_of_size), &sequences);
      first = last_of_size + 1;
    }
  }
  return sequences;
}

bool DecodeCodePoint(absl::string_view text, std::size_t* position, char32_t* point) {
  const auto lead = static_cast<unsigned char>(text[*position]);
  const std::size_t size = lead < 0x80   ? 1
                           : lead < 0xC0 ? 0
                           : lead < 0xE0 ? 2
                           : lead < 0xF0 ? 3
                                         : 4;
  if (size == 0 || lead > 0xF4 || *position + size > text.size()) return false;
  char32_t value = size == 1 ? lead : lead & (0x7F >> size);
  for (std::size_t i = 1; i < size; ++i) {
    const auto byte = static_cast<unsigned char>(text[*position + i]);
    if ((byte & 0xC0) != 0x80) return false;
    value = value << 6 | (byte & 0x3F);
  }
  const bool overlong = size > 1 && value <= kLastOfSize[size - 2];
  const bool surrogate = value >= kSurrogates.first && value <= kSurrogates.last;
  if (overlong || surrogate || value > kLastCodePoint) return false;
  *position += size;
  *point = value;
  return true;
}

void AppendCodePoint(char32_t point, std::string* out) {
  const auto add = [out](char32_t byte) { out->push_back(static_cast<char>(byte)); };
  if (point < 0x80) return add(point);
  if (point < 0x800) {
    add(0xC0 | point >> 6);
  } else if (point < 0x10000) {
    add(0xE0 | point >> 12);
    add(0x80 | (point >> 6 & 0x3F));
  } else {
    add(0xF0 | point >> 18);
    add(0x80 | (point >> 12 & 0x3F));
    add(0x80 | (point >> 6 & 0x3F));
  }
  add(0x80 | (point & 0x3F));
}

}  // namespace ragmesh::grammar
