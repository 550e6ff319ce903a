// How far next-token distributions are from those of a reference.
#ifndef RAGMESH_BENCH_DATASETS_DIVERGENCE_H_
#define RAGMESH_BENCH_DATASETS_DIVERGENCE_H_

#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"

namespace ragmesh::bench {

// Sums over the tokens that were added.
struct Divergence {
  std::size_t tokens = 0;
  double reference_loss =
      0;  // -log of the probability of the token that came; exp(mean): perplexity
  double loss = 0;
  double kl = 0;  // of the reference to the other: sum of p log(p / q)
  std::size_t same_best = 0;

  // Logits of one place in a text, and the token that came next there.
  void Add(absl::Span<const float> reference, absl::Span<const float> other, std::uint32_t next);
};

}  // namespace ragmesh::bench

#endif  // RAGMESH_BENCH_DATASETS_DIVERGENCE_H_
