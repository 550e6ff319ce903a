// DRY, "don't repeat yourself": a penalty on tokens that would go on a repetition.
#ifndef RAGMESH_LIBS_GENERATION_DRY_H_
#define RAGMESH_LIBS_GENERATION_DRY_H_

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "libs/stages/sampling.h"

namespace ragmesh::generation {

// The sequences of tokens in which a text that breaks repetitions may stand: every token that holds
// it, and every token whose end begins it, followed by the tokens of the rest. Immutable.
class SequenceBreakers {
 public:
  // `bytes` of each id below `size` are its text, empty when it has none; `encode` are the tokens
  // of a text. Takes one look at each token for each text.
  static std::shared_ptr<const SequenceBreakers> Create(
      absl::Span<const std::string> texts, std::size_t size,
      absl::FunctionRef<absl::string_view(std::uint32_t)> bytes,
      absl::FunctionRef<std::vector<std::uint32_t>(absl::string_view)> encode);

  // How many tokens the longest sequence has that begins `tokens`; 0: none does.
  std::size_t Match(absl::Span<const std::uint32_t> tokens) const;
  // Whether the token by itself breaks.
  bool Breaks(std::uint32_t id) const;

 private:
  using Tail = std::vector<std::uint32_t>;
  void Add(std::uint32_t head, Tail tail);

  absl::flat_hash_map<std::uint32_t, std::vector<Tail>> tails_;  // by first token
};

// As in llama.cpp (after p-e-w 2024): where the end of the text, back to the last breaker, stands
// once more in the last `dry_penalty_last_n` tokens, over a length of at least
// `dry_allowed_length`, the token that followed there loses
// multiplier * base^(length - allowed_length), with the longest length counting. Tokens that break
// lose nothing. Linear in the tokens looked back on. One thread.
class Dry {
 public:
  // Without breakers (null) a repetition may have any length.
  Dry(const stages::Sampling& sampling, std::shared_ptr<const SequenceBreakers> breakers);

  bool active() const { return multiplier_ > 0 && last_n_ > 0; }
  void Apply(absl::Span<const std::uint32_t> context, absl::Span<float> logits);

 private:
  std::size_t LongestRepetition(absl::Span<const std::uint32_t> text) const;
  void MeasureRepetitions(absl::Span<const std::uint32_t> text);

  const double multiplier_, base_;
  const std::size_t allowed_length_, last_n_;
  const std::shared_ptr<const SequenceBreakers> breakers_;
  std::vector<std::uint32_t> lengths_;                           // scratch
  std::vector<std::pair<std::uint32_t, std::uint32_t>> follow_;  // scratch: token, length
};

}  // namespace ragmesh::generation

#endif  // RAGMESH_LIBS_GENERATION_DRY_H_
