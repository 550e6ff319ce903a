// Finds the spellings of a vocabulary's special tokens in text.
#ifndef RAGMESH_LIBS_TEXT_SPECIAL_TOKENS_H_
#define RAGMESH_LIBS_TEXT_SPECIAL_TOKENS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace ragmesh::text {

enum class TokenKind : std::uint8_t {
  kNormal,
  kControl,      // structure of the conversation, or unknown, or unused; prints nothing
  kUserDefined,  // a fixed string added by the model's makers; prints as itself
  kByte,         // one byte of a character that has no piece of its own
};

// Control and user-defined tokens are special. Those of them whose spelling may be structure are
// found in trusted text only; a user-defined one of nothing but letters, digits and white space, as
// the runs of spaces of some models, cannot be structure and is found anywhere. Immutable and
// thread-safe.
class SpecialTokens {
 public:
  struct Match {
    std::uint32_t id;
    std::size_t size;  // bytes

    bool operator==(const Match&) const = default;
  };

  // Longer spellings are not found in text, so that looking for them takes a bounded time.
  static constexpr std::size_t kMaxSpelling = 256;

  // `spellings` must outlive this object, and `kinds` is as long.
  SpecialTokens(const std::vector<std::string>& spellings, const std::vector<TokenKind>& kinds);

  // The longest special token that text[at..] begins with; `at` is below text.size(). `foreign` is
  // empty (nothing is) or has one byte per byte of `text`, not 0 where special tokens that may be
  // structure must not be found; `all_foreign` says so of all of it.
  std::optional<Match> MatchAt(absl::string_view text, std::size_t at, absl::string_view foreign,
                               bool all_foreign) const;

  // The id of the special token spelled `text`, the lowest of several; -1 when there is none.
  std::int64_t Find(absl::string_view text) const;

 private:
  struct Special {
    absl::string_view text;
    std::uint32_t id;
    bool anywhere;  // cannot be structure
  };

  std::vector<Special> specials_;            // sorted by text, then by id
  std::array<std::uint32_t, 257> begins_{};  // where those of a first byte begin
};

}  // namespace ragmesh::text

#endif  // RAGMESH_LIBS_TEXT_SPECIAL_TOKENS_H_
