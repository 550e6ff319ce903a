#include "libs/text/character_map.h"

#include <utf8proc.h>

#include "libs/text/tokenizer_json.h"
#include "libs/text/utf8.h"

namespace ragmesh::text {
namespace {

constexpr std::size_t kMaxMapped = 6;  // bytes from which a grapheme is mapped one by one only
// Bytes of a sequence and of what it becomes, far above any real one: a bad trie may have loops,
// and the end of a string may be far away.
constexpr std::size_t kMaxSequence = 64;

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

// The shortest beginning of `characters` that is known, or the longest.
std::optional<CharacterMap::Match> CharacterMap::FindBeginning(absl::string_view characters,
                                                               bool longest) const {
  std::optional<Match> found;
  if (units_.empty()) return found;
  std::size_t at = Offset(units_[0]);
  for (std::size_t i = 0; i < characters.size(); ++i) {
    const std::uint32_t label = static_cast<unsigned char>(characters[i]);
    at ^= label;
    if (label == 0 || at >= units_.size() || Label(units_[at]) != label) break;
    const std::uint32_t unit = units_[at];
    at ^= Offset(unit);
    if (!HasValue(unit)) continue;
    if (at >= units_.size() || Value(units_[at]) > strings_.size()) break;
    const absl::string_view rest =
        absl::string_view(strings_).substr(Value(units_[at]), kMaxSequence);
    found = Match{rest.substr(0, rest.find('\0')), i + 1};
    if (!longest) break;
  }
  return found;
}

std::optional<absl::string_view> CharacterMap::Find(absl::string_view characters) const {
  const std::optional<Match> match = FindBeginning(characters, /*longest=*/false);
  if (!match.has_value()) return std::nullopt;
  return match->mapped;
}

TracedText CharacterMap::RewriteLongest(absl::string_view text) const {
  TracedText out;
  out.bytes.reserve(text.size());
  out.origins.reserve(text.size());
  std::string character;
  for (std::size_t at = 0; at < text.size();) {
    const auto begin = static_cast<std::uint32_t>(at);
    const auto match = FindBeginning(text.substr(at, kMaxSequence), /*longest=*/true);
    if (match.has_value()) {
      at += match->size;
      out.Append(match->mapped, {begin, static_cast<std::uint32_t>(at)});
      continue;
    }
    const CodePoint c = DecodeUtf8(text, at);
    at += c.size;
    character.clear();
    AppendUtf8(c.value, &character);
    out.Append(character, {begin, static_cast<std::uint32_t>(at)});
  }
  return out;
}

TracedText CharacterMap::Rewrite(absl::string_view text) const {
  struct Character {
    utf8proc_int32_t value;
    std::uint32_t at,
        source;  // in `valid`, and in `text`, whose invalid bytes are U+FFFD in `valid`
  };
  std::string valid;
  std::vector<Character> characters;
  const auto add = [&](char32_t value, std::size_t source) {
    characters.push_back({static_cast<utf8proc_int32_t>(value),
                          static_cast<std::uint32_t>(valid.size()),
                          static_cast<std::uint32_t>(source)});
  };
  for (std::size_t at = 0; at < text.size();) {
    const CodePoint c = DecodeUtf8(text, at);
    add(c.value, at);
    AppendUtf8(c.value, &valid);
    at += c.size;
  }
  const std::size_t count = characters.size();
  add(0, text.size());
  TracedText out;
  out.bytes.reserve(valid.size());
  out.origins.reserve(valid.size());
  const auto append = [&](std::size_t from, std::size_t to) {
    const absl::string_view bytes = absl::string_view(valid).substr(
        characters[from].at, characters[to].at - characters[from].at);
    const bool small = to - from == 1 || bytes.size() < kMaxMapped;
    const std::optional<absl::string_view> mapped = small ? Find(bytes) : std::nullopt;
    if (!mapped.has_value() && to - from > 1) return false;
    out.Append(mapped.value_or(bytes), {characters[from].source, characters[to].source});
    return true;
  };
  std::int32_t state = 0;
  for (std::size_t begin = 0, end = 0; begin < count; begin = end) {
    end = begin + 1;
    while (end < count && !utf8proc_grapheme_break_stateful(characters[end - 1].value,
                                                            characters[end].value, &state))
      ++end;
    if (append(begin, end)) continue;
    for (std::size_t i = begin; i < end; ++i) append(i, i + 1);
  }
  return out;
}

}  // namespace ragmesh::text
