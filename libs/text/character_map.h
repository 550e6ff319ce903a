// How a SentencePiece model rewrites characters before it looks for pieces.
#ifndef RAGMESH_LIBS_TEXT_CHARACTER_MAP_H_
#define RAGMESH_LIBS_TEXT_CHARACTER_MAP_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/text/traced_text.h"

namespace ragmesh::text {

// "precompiled_charsmap" of a model: a trie of character sequences in the format of Darts-clone,
// and what each becomes. Immutable and thread-safe. Empty, it maps nothing.
class CharacterMap {
 public:
  CharacterMap() = default;

  // Four bytes of the trie's size, its units, then strings that end in a zero byte.
  // INVALID_ARGUMENT when sizes do not fit.
  static absl::StatusOr<CharacterMap> Parse(absl::string_view bytes);

  // What stands for `characters`, or none. As the reference does, the whole of it becomes what the
  // shortest known beginning does.
  std::optional<absl::string_view> Find(absl::string_view characters) const;

  // `text` with every grapheme mapped as a whole where the map knows it, else character by
  // character, as the tokenizers library does. Invalid UTF-8 is read as U+FFFD, one for each
  // maximal bad part.
  TracedText Rewrite(absl::string_view text) const;

  // The same with the longest sequence that is known at each place, as SentencePiece does.
  TracedText RewriteLongest(absl::string_view text) const;

 private:
  struct Match {
    absl::string_view mapped;
    std::size_t size;  // bytes that it stands for
  };
  std::optional<Match> FindBeginning(absl::string_view characters, bool longest) const;

  std::vector<std::uint32_t> units_;
  std::string strings_;
};

}  // namespace ragmesh::text

#endif  // RAGMESH_LIBS_TEXT_CHARACTER_MAP_H_
