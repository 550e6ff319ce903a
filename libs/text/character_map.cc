#include "libs/text/character_map.h"

#include "libs/text/tokenizer_json.h"

namespace ragmesh::text {
namespace {

std::uint32_t ReadUnit(absl::string_view bytes, std::size_t at) {
  std::uint32_t unit = 0;
  for (std::size_t i = 0; i < 4; ++i)
    unit |= std::uint32_t{static_cast<unsigned char>(bytes[at + i])} << (8 * i);
  return unit;
}

// A unit holds a label and where its children are, or the value of the sequence that ends there.
bool HasValue(std::uint32_t unit) { return (unit >> 8 & 1) != 0; }
std::uint32_t Value(std::uint32_t unit) { return unit & 0x7FFFFFFF; }
std::uint32_t Label(std::uint32_t unit) { return unit & 0x800000FF; }
std::uint32_t Offset(std::uint32_t unit) { return unit >> 10 << ((unit & 0x200) >> 6); }

}  // namespace

absl::StatusOr<CharacterMap> CharacterMap::Parse(absl::string_view bytes) {
  CharacterMap map;
  if (bytes.empty()) return map;
  const std::size_t trie = bytes.size() < 4 ? 0 : ReadUnit(bytes, 0);
  if (trie == 0 || trie % 4 != 0 || trie > bytes.size() - 4)
    return BadTokenizer("normalizer.precompiled_charsmap", "has a trie that does not fit");
  for (std::size_t at = 4; at < 4 + trie; at += 4) map.units_.push_back(ReadUnit(bytes, at));
  map.strings_ = std::string(bytes.substr(4 + trie));
  return map;
}

std::optional<absl::string_view> CharacterMap::Find(absl::string_view characters) const {
  if (units_.empty()) return std::nullopt;
  std::size_t at = Offset(units_[0]);
  for (const char c : characters) {
    const std::uint32_t label = static_cast<unsigned char>(c);
    at ^= label;
    if (label == 0 || at >= units_.size() || Label(units_[at]) != label) return std::nullopt;
    const std::uint32_t unit = units_[at];
    at ^= Offset(unit);
    if (!HasValue(unit)) continue;
    if (at >= units_.size() || Value(units_[at]) > strings_.size()) return std::nullopt;
    const absl::string_view rest = absl::string_view(strings_).substr(Value(units_[at]));
    return rest.substr(0, rest.find('\0'));
  }
  return std::nullopt;
}

}  // namespace ragmesh::text
