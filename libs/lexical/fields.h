// The parts of a chunk that lexical search tells apart, and how often a term occurs in each.
#ifndef RAGMESH_LIBS_LEXICAL_FIELDS_H_
#define RAGMESH_LIBS_LEXICAL_FIELDS_H_

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

namespace ragmesh::lexical {

enum class Field : std::uint8_t { kTitle, kHeading, kBody };
inline constexpr std::size_t kFields = 3;

// One number for each field, in the order of Field.
template <typename T>
using PerField = std::array<T, kFields>;

// How often a term occurs in a chunk, as indexes keep it. A number that is too large is held at the
// largest; BM25 is flat long before that.
struct Occurrences {
  std::uint16_t count = 0;  // in all fields together
  std::uint8_t title = 0;   // of these
  std::uint8_t heading = 0;

  static Occurrences Of(const PerField<std::uint32_t>& counts) {
    const std::uint64_t all = std::uint64_t{counts[0]} + counts[1] + counts[2];
    Occurrences result;
    result.count = static_cast<std::uint16_t>(std::min<std::uint64_t>(all, 0xFFFF));
    result.title = static_cast<std::uint8_t>(std::min(counts[0], 0xFFu));
    result.heading = static_cast<std::uint8_t>(std::min(counts[1], 0xFFu));
    return result;
  }
  bool operator==(const Occurrences&) const = default;
};

// Occurrences of all terms of a chunk together.
struct Lengths {
  std::uint32_t total = 0;    // in all fields together
  std::uint16_t title = 0;    // of these
  std::uint16_t heading = 0;  // of these

  static Lengths Of(const PerField<std::uint32_t>& lengths) {
    const std::uint64_t all = std::uint64_t{lengths[0]} + lengths[1] + lengths[2];
    Lengths result;
    result.total = static_cast<std::uint32_t>(std::min<std::uint64_t>(all, 0xFFFFFFFF));
    result.title = static_cast<std::uint16_t>(std::min(lengths[0], 0xFFFFu));
    result.heading = static_cast<std::uint16_t>(std::min(lengths[1], 0xFFFFu));
    return result;
  }
  bool operator==(const Lengths&) const = default;
};

}  // namespace ragmesh::lexical

#endif  // RAGMESH_LIBS_LEXICAL_FIELDS_H_
