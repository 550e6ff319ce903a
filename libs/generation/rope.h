// Rotary position embedding (RoFormer, arXiv 2104.09864): how far each pair of a head turns per
// position, and the ways to stretch that over longer texts.
#ifndef RAGMESH_LIBS_GENERATION_ROPE_H_
#define RAGMESH_LIBS_GENERATION_ROPE_H_

#include <cstddef>
#include <vector>

#include "absl/types/span.h"

namespace ragmesh::generation {

enum class RopeScaling {
  kNone,
  kLinear,  // positions count 1 / factor each
  kYarn,    // fast pairs turn as before, slow ones as if linear (arXiv 2309.00071)
};

struct RopeConfig {
  double base = 10'000;  // above 1
  RopeScaling scaling = RopeScaling::kNone;
  double factor = 1;     // above 0
  double magnitude = 1;  // of rotated queries and keys
  // Tokens of the text the model first learned, 0 when not stated. A longer context makes models
  // with two tensors of divisors (LongRoPE, arXiv 2402.13753) use the long ones.
  std::size_t original_context = 0;
  // YaRN: pairs that turn more than `beta_fast` times in the original context keep their speed,
  // fewer than `beta_slow` times take the linear one; `extrapolation` is the share of that, 0 to 1.
  double beta_fast = 32;
  double beta_slow = 1;
  double extrapolation = 1;

  bool operator==(const RopeConfig&) const = default;
};

// Radians per position of each of dim / 2 pairs. `divisors` has one number for each pair, or none.
// Not finite where a divisor is 0 or not a number.
std::vector<double> RopeFrequencies(const RopeConfig& config, std::size_t dim,
                                    absl::Span<const float> divisors);

// What rotated queries and keys are multiplied by: `magnitude`, and YaRN's own factor.
double RopeMagnitude(const RopeConfig& config);

}  // namespace ragmesh::generation

#endif  // RAGMESH_LIBS_GENERATION_ROPE_H_
