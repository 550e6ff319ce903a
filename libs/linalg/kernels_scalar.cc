// The definition of truth: short loops, sums in double so that the others can be measured against
// them. Built for the baseline of the architecture, so it is also what runs where nothing better
// does.
#include <algorithm>
#include <cmath>
#include <limits>

#include "libs/linalg/kernel_tables.h"

namespace ragmesh::linalg {
namespace {

float Dot(const float* a, const float* b, std::size_t n) {
  double sum = 0;
  for (std::size_t i = 0; i < n; ++i) sum += static_cast<double>(a[i]) * b[i];
  return static_cast<float>(sum);
}

void DotRows(const float* query, const float* rows, std::size_t stride, std::size_t count,
             std::size_t n, float* out) {
  for (std::size_t r = 0; r < count; ++r) out[r] = Dot(query, rows + r * stride, n);
}

std::int32_t DotInt8(const std::int8_t* a, const std::int8_t* b, std::size_t n) {
  std::int32_t sum = 0;
  for (std::size_t i = 0; i < n; ++i) sum += static_cast<std::int32_t>(a[i]) * b[i];
  return sum;
}

void AddScaled(float scale, const float* x, float* y, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) y[i] += scale * x[i];
}

void Scale(float scale, float* x, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) x[i] *= scale;
}

void Softmax(float* x, std::size_t n) {
  float max = -std::numeric_limits<float>::infinity();
  for (std::size_t i = 0; i < n; ++i) max = std::max(max, x[i]);
  double sum = 0;
  for (std::size_t i = 0; i < n; ++i) sum += std::exp(static_cast<double>(x[i]) - max);
  for (std::size_t i = 0; i < n; ++i)
    x[i] = static_cast<float>(std::exp(static_cast<double>(x[i]) - max) / sum);
}

void Gelu(float* x, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) {
    const double value = x[i];
    x[i] = static_cast<float>(0.5 * value * std::erfc(-value * 0.70710678118654752440));
  }
}

void LayerNorm(const float* gain, const float* offset, float epsilon, float* x, std::size_t n) {
  double mean = 0, variance = 0;
  for (std::size_t i = 0; i < n; ++i) mean += x[i];
  mean /= static_cast<double>(n);
  for (std::size_t i = 0; i < n; ++i) variance += (x[i] - mean) * (x[i] - mean);
  const double inverse = 1 / std::sqrt(variance / static_cast<double>(n) + epsilon);
  for (std::size_t i = 0; i < n; ++i)
    x[i] = static_cast<float>((x[i] - mean) * inverse * gain[i] + offset[i]);
}

}  // namespace

const Kernels kScalarKernels = {.name = "scalar",
                                .dot = Dot,
                                .dot_rows = DotRows,
                                .dot_i8 = DotInt8,
                                .add_scaled = AddScaled,
                                .scale = Scale,
                                .softmax = Softmax,
                                .gelu = Gelu,
                                .layer_norm = LayerNorm,
                                .multiply_panel = nullptr,
                                .panel_width = 0};

}  // namespace ragmesh::linalg
