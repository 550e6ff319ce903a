// Guesses what a stream will write from what stands in its context already: answers quote their
// passages. (Saxena 2023, "Prompt Lookup Decoding".)
#ifndef RAGMESH_LIBS_GENERATION_PROMPT_LOOKUP_H_
#define RAGMESH_LIBS_GENERATION_PROMPT_LOOKUP_H_

#include <cstddef>
#include <cstdint>

#include "absl/container/flat_hash_map.h"
#include "absl/types/span.h"

namespace ragmesh::generation {

// Of one stream. A guess is what followed the latest earlier place with the last three tokens, or
// else two. How much is guessed follows from how often guesses have come true: a pass over k more
// tokens costs about k / 16 of a pass over one, and where guessing would cost more than it brings,
// nothing is guessed but for a trial now and then. Not thread-safe.
class PromptLookup {
 public:
  static constexpr std::size_t kMostGuessed = 7;  // with the token itself, a tile of the kernels

  // What is likely to follow `tokens`, all that the stream has so far: a view into it. Each call
  // sees the tokens of the last one and those that came since.
  absl::Span<const std::uint32_t> Guess(absl::Span<const std::uint32_t> tokens);

  // `right` tokens at the beginning of the last guess, of `guessed`, came true.
  void Learn(std::size_t guessed, std::size_t right);

 private:
  std::size_t Length() const;

  absl::flat_hash_map<std::uint64_t, std::uint32_t> twos_, threes_;  // -> what follows
  std::size_t seen_ = 0;
  double rate_ = 0.7;  // of guessed tokens that come true where all before them did
  std::size_t since_trial_ = 0;
};

}  // namespace ragmesh::generation

#endif  // RAGMESH_LIBS_GENERATION_PROMPT_LOOKUP_H_
