// The definition of truth: short loops, sums in double so that the others can be measured against
// them. Built for the baseline of the architecture, so it is also what runs where nothing better
// does.
#include <algorithm>
#include <cmath>
#include <cstring>
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

void AddScaled(float scale, const float* x, float* y, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) y[i] += scale * x[i];
}

void Scale(float scale, float* x, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) x[i] *= scale;
}

void Gelu(float* x, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) {
    const double value = x[i];
    x[i] = static_cast<float>(0.5 * value * std::erfc(-value * 0.70710678118654752440));
  }
}

void AddLayerNorm(const float* update, const float* gain, const float* offset, float epsilon,
                  float* x, std::size_t n) {
  if (update != nullptr) AddScaled(1, update, x, n);
  double mean = 0, variance = 0;
  for (std::size_t i = 0; i < n; ++i) mean += x[i];
  mean /= static_cast<double>(n);
  for (std::size_t i = 0; i < n; ++i) variance += (x[i] - mean) * (x[i] - mean);
  const double inverse = 1 / std::sqrt(variance / static_cast<double>(n) + epsilon);
  for (std::size_t i = 0; i < n; ++i)
    x[i] = static_cast<float>((x[i] - mean) * inverse * gain[i] + offset[i]);
}

float FromBf16(std::uint16_t value) {
  const std::uint32_t bits = std::uint32_t{value} << 16;
  float result;
  std::memcpy(&result, &bits, sizeof(result));
  return result;
}

constexpr std::size_t kPanelWidth = 16;

template <typename Operand>
Operand Load(const char* from, std::size_t i) {
  Operand value;
  std::memcpy(&value, from + i * sizeof(Operand), sizeof(Operand));  // at any byte
  return value;
}

// `add` adds a product of operands to a sum; `finish` makes the result of row r and column c of
// one.
template <typename Operand, std::size_t group, typename Sum, typename Add, typename Finish>
void MultiplyPanel(const PanelProduct& p, const Add& add, const Finish& finish) {
  const auto* panel = static_cast<const char*>(p.panel);
  for (std::size_t r = 0; r < p.rows; ++r) {
    const char* row = static_cast<const char*>(p.a) + r * p.a_stride_bytes;
    for (std::size_t c = 0; c < p.columns; ++c) {
      Sum sum = 0;
      for (std::size_t i = 0; i < p.groups * group; ++i) {
        const std::size_t weight = (i / group * kPanelWidth + c) * group + i % group;
        add(Load<Operand>(row, i), Load<Operand>(panel, weight), &sum);
      }
      p.out[r * p.out_stride + c] = finish(r, c, sum);
    }
  }
}

void MultiplyBf16(const PanelProduct& p) {
  MultiplyPanel<std::uint16_t, 2, double>(
      p,
      [](std::uint16_t a, std::uint16_t w, double* sum) {
        *sum += double{FromBf16(a)} * FromBf16(w);
      },
      [&](std::size_t, std::size_t c, double sum) {
        return static_cast<float>(sum + (p.bias == nullptr ? 0 : p.bias[c]));
      });
}

void MultiplyInt8(const PanelProduct& p) {
  MultiplyPanel<std::int8_t, 4, std::int32_t>(
      p, [](std::int8_t a, std::int8_t w, std::int32_t* sum) { *sum += a * w; },
      [&](std::size_t r, std::size_t c, std::int32_t sum) {
        const QuantizedRow& row = p.quantized_rows[r];
        const float bias = p.bias == nullptr ? 0.0f : p.bias[c];
        return std::fma(static_cast<float>(sum) * row.scale, p.column_scales[c],
                        std::fma(row.offset, p.column_sums[c], bias));
      });
}

}  // namespace

namespace scalar {

void Quantize(const float* x, const float* factors, std::size_t n, std::int8_t* out,
              QuantizedRow* row) {
  const auto value = [&](std::size_t i) { return factors == nullptr ? x[i] : x[i] * factors[i]; };
  float lowest = n == 0 ? 0 : std::numeric_limits<float>::infinity(), highest = -lowest;
  bool no_nan = true;
  for (std::size_t i = 0; i < n; ++i) {
    lowest = std::min(lowest, value(i));
    highest = std::max(highest, value(i));
    no_nan = no_nan && !std::isnan(value(i));
  }
  const QuantizeRange range(lowest, highest, no_nan);
  *row = {.scale = range.scale, .offset = range.offset};
  for (std::size_t i = 0; i < n; ++i) {
    out[i] =
        range.factor == 0
            ? 0
            : static_cast<std::int8_t>(std::lrint(std::fma(value(i), range.factor, range.shift)));
    row->sum += out[i];
  }
}

void ToBf16(const float* x, std::size_t n, std::uint16_t* out) {
  for (std::size_t i = 0; i < n; ++i) {
    std::uint32_t bits;
    std::memcpy(&bits, &x[i], sizeof(bits));
    out[i] = std::isnan(x[i])
                 ? 0x7FC0
                 : static_cast<std::uint16_t>((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
  }
}

std::size_t AttentionBytes(std::size_t tokens, std::size_t) { return tokens * sizeof(double); }

void Attend(const Attention& head) {
  auto* const weights = static_cast<double*>(head.scratch);
  for (std::size_t t = 0; t < head.tokens; ++t) {
    double max = -std::numeric_limits<double>::infinity(), sum = 0;
    for (std::size_t u = 0; u < head.tokens; ++u) {
      weights[u] = double{head.scale} *
                   Dot(head.queries + t * head.stride, head.keys + u * head.stride, head.width);
      max = std::max(max, weights[u]);
    }
    for (std::size_t u = 0; u < head.tokens; ++u) sum += weights[u] = std::exp(weights[u] - max);
    for (std::size_t i = 0; i < head.width; ++i) {
      double value = 0;
      for (std::size_t u = 0; u < head.tokens; ++u)
        value += weights[u] * head.values[u * head.stride + i];
      head.out[t * head.out_stride + i] = static_cast<float>(value / sum);
    }
  }
}

}  // namespace scalar

const Kernels kScalarKernels = {
    .name = "scalar",
    .dot = Dot,
    .dot_rows = DotRows,
    .dot_i8 = scalar::DotInt8,
    .dot_listed_i8 = scalar::DotListed,
    .scan_signs = scalar::ScanSigns,
    .above = scalar::Above,
    .add_scaled = AddScaled,
    .scale = Scale,
    .gelu = Gelu,
    .add_layer_norm = AddLayerNorm,
    .quantize = scalar::Quantize,
    .to_bf16 = scalar::ToBf16,
    .bf16 = {.width = kPanelWidth, .group = 2, .multiply = ThenGelu<MultiplyBf16, Gelu>},
    .int8 = {.width = kPanelWidth, .group = 4, .multiply = ThenGelu<MultiplyInt8, Gelu>},
    .f32_attention = {scalar::AttentionBytes, scalar::Attend}};

}  // namespace ragmesh::linalg
