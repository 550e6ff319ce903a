// The readable definition of what every other table computes.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "libs/linalg/quant_kernels.h"

namespace ragmesh::linalg {
namespace {

void Dequantize(QuantType type, const std::uint8_t* row, std::size_t columns, float* out) {
  if (type == QuantType::kF32) {
    std::memcpy(out, row, columns * sizeof(float));
  } else if (!IsQuantised(type)) {
    for (std::size_t i = 0; i < columns; ++i) {
      std::uint16_t bits;
      std::memcpy(&bits, row + 2 * i, sizeof(bits));
      out[i] = type == QuantType::kF16 ? HalfToFloat(bits)
                                       : std::bit_cast<float>(std::uint32_t{bits} << 16);
    }
  } else {
    Run run;
    for (std::size_t r = 0; r < columns / kRunValues; ++r) {
      ReadRun(type, row, r, &run);
      for (std::size_t i = 0; i < kRunValues; ++i) {
        const float scale = run.scale * static_cast<float>(run.sub_scale[i / 16]);
        out[r * kRunValues + i] = scale * static_cast<float>(run.q[i]) + run.offset;
      }
    }
  }
}

void QuantizeQ8(const float* x, std::size_t columns, std::int8_t* q, float* scale, float* sum) {
  for (std::size_t r = 0; r < columns / kRunValues; ++r, x += kRunValues, q += kRunValues) {
    float largest = 0;
    for (std::size_t i = 0; i < kRunValues; ++i) largest = std::max(largest, std::fabs(x[i]));
    const float inverse = largest > 0 ? 127.0f / largest : 0.0f;
    int total = 0;
    for (std::size_t i = 0; i < kRunValues; ++i) {
      // Values that are not finite come only from broken weights; they round to something in range.
      const float rounded = std::nearbyint(x[i] * inverse);
      q[i] = static_cast<std::int8_t>(rounded >= -127.0f ? (rounded <= 127.0f ? rounded : 127.0f)
                                                         : -127.0f);
      total += q[i];
    }
    scale[r] = largest / 127.0f;
    sum[r] = scale[r] * static_cast<float>(total);
  }
}

void MulF32(const WeightRows& weights, const float* x, std::size_t count, float* out,
            std::size_t out_stride, void* scratch) {
  auto* expanded = static_cast<float*>(scratch);
  const std::size_t row_bytes = RowBytes(weights.type, weights.columns);
  for (std::size_t r = 0; r < weights.rows; ++r) {
    Dequantize(weights.type, weights.data + r * row_bytes, weights.columns, expanded);
    for (std::size_t a = 0; a < count; ++a) {
      const float* activations = x + a * weights.columns;
      float total = 0;
      for (std::size_t i = 0; i < weights.columns; ++i) total += expanded[i] * activations[i];
      out[a * out_stride + r] = total;
    }
  }
}

void MulQ8(const WeightRows& weights, const Q8Rows& x, float* out, std::size_t out_stride,
           void* scratch) {
  auto* runs = static_cast<Run*>(scratch);
  constexpr std::size_t kRunsAtOnce = 32;  // fits the scratch of any row
  const std::size_t row_bytes = RowBytes(weights.type, weights.columns);
  const std::size_t run_count = weights.columns / kRunValues;
  for (std::size_t r = 0; r < weights.rows; ++r) {
    for (std::size_t a = 0; a < x.rows; ++a) out[a * out_stride + r] = 0;
    for (std::size_t begin = 0; begin < run_count; begin += kRunsAtOnce) {
      const std::size_t end = std::min(run_count, begin + kRunsAtOnce);
      for (std::size_t i = begin; i < end; ++i) {
        ReadRun(weights.type, weights.data + r * row_bytes, i, &runs[i - begin]);
      }
      for (std::size_t a = 0; a < x.rows; ++a) {
        float total = out[a * out_stride + r];
        for (std::size_t i = begin; i < end; ++i) {
          const Run& run = runs[i - begin];
          const std::int8_t* q = x.q + a * weights.columns + i * kRunValues;
          std::int32_t product = 0;
          for (std::size_t j = 0; j < kRunValues; ++j)
            product += run.sub_scale[j / 16] * run.q[j] * q[j];
          const float scale = x.scale[a * run_count + i];
          total = std::fma(static_cast<float>(product), run.scale * scale, total);
          total = std::fma(run.offset, x.sum[a * run_count + i], total);
        }
        out[a * out_stride + r] = total;
      }
    }
  }
}

float KeyOrValue(const void* rows, bool half, std::size_t index) {
  return half ? HalfToFloat(static_cast<const std::uint16_t*>(rows)[index])
              : static_cast<const float*>(rows)[index];
}

void Attend(const AttentionHead& head) {
  float largest = -INFINITY;
  for (std::size_t p = 0; p < head.positions; ++p) {
    float score = 0;
    for (std::size_t i = 0; i < head.head_dim; ++i) {
      score += head.query[i] * KeyOrValue(head.keys, head.half, p * head.head_dim + i);
    }
    head.scores[p] = score * head.scale;
    largest = std::max(largest, head.scores[p]);
  }
  float total = 0;
  for (std::size_t p = 0; p < head.positions; ++p) {
    head.scores[p] = std::exp(head.scores[p] - largest);
    total += head.scores[p];
  }
  for (std::size_t i = 0; i < head.head_dim; ++i) {
    float sum = 0;
    for (std::size_t p = 0; p < head.positions; ++p) {
      sum += head.scores[p] * KeyOrValue(head.values, head.half, p * head.head_dim + i);
    }
    head.out[i] = sum / total;
  }
}

void RmsNorm(const float* x, const float* weight, std::size_t n, float epsilon, float* out) {
  double squares = 0;
  for (std::size_t i = 0; i < n; ++i) squares += static_cast<double>(x[i]) * x[i];
  const auto scale =
      static_cast<float>(1.0 / std::sqrt(squares / static_cast<double>(n) + epsilon));
  for (std::size_t i = 0; i < n; ++i) out[i] = x[i] * scale * weight[i];
}

void SiluMul(float* gate, const float* up, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) gate[i] = gate[i] / (1.0f + std::exp(-gate[i])) * up[i];
}

void ToHalf(const float* x, std::size_t n, std::uint16_t* out) {
  for (std::size_t i = 0; i < n; ++i) out[i] = FloatToHalf(x[i]);
}

}  // namespace

const QuantKernels& ScalarQuantKernels() {
  static constexpr QuantKernels kKernels = {"scalar", Dequantize, QuantizeQ8, MulF32, MulQ8,
                                            Attend,   RmsNorm,    SiluMul,    ToHalf};
  return kKernels;
}

}  // namespace ragmesh::linalg
