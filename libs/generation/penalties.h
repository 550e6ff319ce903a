// Penalties on tokens that stand in the text already.
#ifndef RAGMESH_LIBS_GENERATION_PENALTIES_H_
#define RAGMESH_LIBS_GENERATION_PENALTIES_H_

#include <cstdint>

#include "absl/container/flat_hash_map.h"
#include "absl/types/span.h"
#include "libs/stages/sampling.h"

namespace ragmesh::generation {

// Repeat, frequency and presence penalty as in llama.cpp: the logit of a token that stands `count`
// times among the last `repeat_last_n` of the text is divided by `repeat_penalty` (multiplied by it
// when it is not positive, so that it always sinks), and then count * frequency_penalty +
// presence_penalty is taken off. Keeps its counts from one text to the next, which usually is the
// same with a token more. One thread.
class Penalties {
 public:
  explicit Penalties(const stages::Sampling& sampling);

  bool active() const { return active_; }
  // Tokens of `context` past the end of `logits` are passed over.
  void Apply(absl::Span<const std::uint32_t> context, absl::Span<float> logits);

 private:
  void Count(absl::Span<const std::uint32_t> context);

  const double repeat_, frequency_, presence_;
  const std::size_t last_n_;
  const bool active_;
  absl::flat_hash_map<std::uint32_t, std::uint32_t> counts_;  // of context[begin_, end_)
  std::size_t begin_ = 0, end_ = 0;
};

}  // namespace ragmesh::generation

#endif  // RAGMESH_LIBS_GENERATION_PENALTIES_H_
