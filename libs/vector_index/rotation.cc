#include "libs/vector_index/rotation.h"

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "libs/base/check.h"
#include "libs/linalg/kernels.h"

namespace ragmesh::vector_index {
namespace {

// Steele, Lea and Flood's SplitMix64: written out, because what it gives is part of the file
// format.
std::uint64_t SplitMix64(std::uint64_t* state) {
  std::uint64_t z = *state += 0x9E3779B97F4A7C15u;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

// Without the factor 1 / sqrt(n); n is a power of two.
void Hadamard(float* x, std::size_t n) {
  for (std::size_t half = 1; half < n; half *= 2) {
    for (std::size_t i = 0; i < n; i += 2 * half) {
      float* const a = x + i;
      float* const b = a + half;
      for (std::size_t j = 0; j < half; ++j) {
        const float sum = a[j] + b[j];
        b[j] = a[j] - b[j];
        a[j] = sum;
      }
    }
  }
}

}  // namespace

Rotation::Rotation(std::size_t dimension)
    : dimension_(dimension),
      size_((dimension + linalg::kSignDimensions - 1) / linalg::kSignDimensions *
            linalg::kSignDimensions) {
  RAGMESH_CHECK(dimension > 0, "vectors have at least one value");
  while (span_ * 2 <= size_) span_ *= 2;
  std::uint64_t state = dimension, bits = 0;
  signs_.resize(kRounds * size_);
  for (std::size_t i = 0; i < signs_.size(); ++i) {
    bits = i % 64 == 0 ? SplitMix64(&state) : bits >> 1;
    signs_[i] = (bits & 1) != 0 ? 1.0f : -1.0f;
  }
}

void Rotation::Apply(const float* in, float* out) const {
  std::copy_n(in, dimension_, out);
  std::fill(out + dimension_, out + size_, 0.0f);
  const auto scale = static_cast<float>(1 / std::sqrt(static_cast<double>(span_)));
  const auto mix = static_cast<float>(std::sqrt(0.5));
  const std::size_t half = size_ / 2;
  for (int round = 0; round < kRounds; ++round) {
    const float* const signs = signs_.data() + round * size_;
    for (std::size_t i = 0; i < size_; ++i) out[i] *= signs[i];
    float* const front = out + (round % 2 == 0 ? 0 : size_ - span_);
    Hadamard(front, span_);
    for (std::size_t i = 0; i < span_; ++i) front[i] *= scale;
    for (std::size_t i = 0; i < half; ++i) {
      const float sum = (out[i] + out[i + half]) * mix;
      out[i + half] = (out[i] - out[i + half]) * mix;
      out[i] = sum;
    }
  }
}

}  // namespace ragmesh::vector_index
