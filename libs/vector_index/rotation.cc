#include "libs/vector_index/rotation.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>

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

// Four values in a register of any processor. Two steps of the transform at a time, since each
// value is otherwise loaded and stored again for one addition; every sum is the one that the plain
// loops would make, so that what is coded does not depend on how.
typedef float Four __attribute__((vector_size(16)));

Four Load(const float* from) {
  Four four;
  std::memcpy(&four, from, sizeof(four));
  return four;
}
void Store(Four four, float* to) { std::memcpy(to, &four, sizeof(four)); }

// Without the factor 1 / sqrt(n); n is a power of two, at least 4.
void Hadamard(float* x, std::size_t n) {
  const Four second_minus = {1, -1, 1, -1}, last_minus = {1, 1, -1, -1};
  for (std::size_t i = 0; i < n; i += 4) {
    Four four = Load(x + i);
    four = __builtin_shufflevector(four, four, 0, 0, 2, 2) +
           __builtin_shufflevector(four, four, 1, 1, 3, 3) * second_minus;
    four = __builtin_shufflevector(four, four, 0, 1, 0, 1) +
           __builtin_shufflevector(four, four, 2, 3, 2, 3) * last_minus;
    Store(four, x + i);
  }
  std::size_t half = 4;
  for (; half * 2 < n; half *= 4) {
    for (std::size_t i = 0; i < n; i += 4 * half) {
      for (std::size_t j = i; j < i + half; j += 4) {
        const Four a = Load(x + j), b = Load(x + j + half);
        const Four c = Load(x + j + 2 * half), d = Load(x + j + 3 * half);
        const Four ab = a + b, a_b = a - b, cd = c + d, c_d = c - d;
        Store(ab + cd, x + j);
        Store(a_b + c_d, x + j + half);
        Store(ab - cd, x + j + 2 * half);
        Store(a_b - c_d, x + j + 3 * half);
      }
    }
  }
  if (half < n) {
    for (std::size_t j = 0; j < half; j += 4) {
      const Four a = Load(x + j), b = Load(x + j + half);
      Store(a + b, x + j);
      Store(a - b, x + j + half);
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
