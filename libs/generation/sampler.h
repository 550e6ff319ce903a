// Choosing the next token from its logits.
#ifndef RAGMESH_LIBS_GENERATION_SAMPLER_H_
#define RAGMESH_LIBS_GENERATION_SAMPLER_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/types/span.h"
#include "libs/stages/generator.h"

namespace ragmesh::generation {

// At temperature 0 the largest logit wins, the lower id among equals. Otherwise, in this order, as
// in llama.cpp: keep the `top_k` largest; keep the most likely until their sum reaches `top_p`;
// drop what is less likely than `min_p` times the best; divide logits by the temperature; draw.
// top_p and min_p thus judge the model's own probabilities, before the temperature bends them.
// Equal seeds and logits give equal draws on every machine with the same kernels.
class Sampler {
 public:
  Sampler(const stages::Sampling& sampling, std::uint64_t seed);

  // `forbidden` ids are never chosen. nullopt when no logit is a number.
  std::optional<std::uint32_t> Pick(absl::Span<const float> logits,
                                    absl::Span<const std::uint32_t> forbidden);

 private:
  struct Candidate {
    float logit;
    std::uint32_t id;
  };

  double NextUniform();  // [0, 1)
  void KeepTopK();
  void KeepLikely();
  std::uint32_t Draw();

  const stages::Sampling sampling_;
  std::uint64_t state_;
  std::vector<Candidate> candidates_;
};

}  // namespace ragmesh::generation

#endif  // RAGMESH_LIBS_GENERATION_SAMPLER_H_
