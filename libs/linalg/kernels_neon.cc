// 128-bit kernels for arm64. All functions run on every processor of the architecture, except those
// marked RAGMESH_DOTPROD.
#if defined(__aarch64__)

#include <arm_neon.h>

#include "libs/linalg/kernel_tables.h"
#include "libs/linalg/math_neon.h"
#include "libs/linalg/tile_neon.h"

namespace ragmesh::linalg {
namespace {

using neon::ForVectors;
using neon::Load;
using neon::Store;

// Four sums hide the latency of the multiply-add.
inline float DotInline(const float* a, const float* b, std::size_t n) {
  float32x4_t s0 = vdupq_n_f32(0), s1 = s0, s2 = s0, s3 = s0;
  const std::size_t whole = n & ~std::size_t{15};
  for (std::size_t i = 0; i < whole; i += 16) {
    s0 = vfmaq_f32(s0, vld1q_f32(a + i), vld1q_f32(b + i));
    s1 = vfmaq_f32(s1, vld1q_f32(a + i + 4), vld1q_f32(b + i + 4));
    s2 = vfmaq_f32(s2, vld1q_f32(a + i + 8), vld1q_f32(b + i + 8));
    s3 = vfmaq_f32(s3, vld1q_f32(a + i + 12), vld1q_f32(b + i + 12));
  }
  ForVectors(n - whole, [&](std::size_t i, auto count) {
    s0 = vfmaq_f32(s0, Load(a + whole + i, count), Load(b + whole + i, count));
  });
  return vaddvq_f32(vaddq_f32(vaddq_f32(s0, s1), vaddq_f32(s2, s3)));
}

float Dot(const float* a, const float* b, std::size_t n) { return DotInline(a, b, n); }

void DotRows(const float* query, const float* rows, std::size_t stride, std::size_t count,
             std::size_t n, float* out) {
  constexpr std::size_t kAhead = 4;  // rows: 6 KB at 384 dimensions, enough to hide DRAM
  for (std::size_t r = 0; r < count; ++r) {
    const float* row = rows + r * stride;
    if (r + kAhead < count) {
      const char* next = reinterpret_cast<const char*>(row + kAhead * stride);
      for (std::size_t byte = 0; byte < n * sizeof(float); byte += 64)
        __builtin_prefetch(next + byte);
    }
    out[r] = DotInline(query, row, n);
  }
}

void AddScaled(float scale, const float* x, float* y, std::size_t n) {
  ForVectors(n, [&](std::size_t i, auto count) {
    Store(y + i, vfmaq_n_f32(Load(y + i, count), Load(x + i, count), scale), count);
  });
}

void Scale(float scale, float* x, std::size_t n) {
  ForVectors(n, [&](std::size_t i, auto count) {
    Store(x + i, vmulq_n_f32(Load(x + i, count), scale), count);
  });
}

constexpr Kernels MakeTable(const char* name, bool dotprod) {
  return {.name = name,
          .dot = Dot,
          .dot_rows = DotRows,
          .dot_i8 = dotprod ? neon::DotInt8Dotprod : neon::DotInt8,
          .dot_listed_i8 = dotprod ? neon::DotListedDotprod : neon::DotListed,
          .scan_signs = neon::ScanSigns,
          .above = neon::Above,
          .add_scaled = AddScaled,
          .scale = Scale,
          .gelu = neon::Gelu,
          .add_layer_norm = neon::AddLayerNorm,
          .quantize = neon::Quantize,
          .to_bf16 = neon::ToBf16,
          .f32 = {.width = neon::kPanelWidth,
                  .group = 1,
                  .multiply = ThenGelu<neon::MultiplyF32, neon::Gelu>},
          .int8 = {.width = neon::kPanelWidth,
                   .group = 4,
                   .multiply = dotprod ? ThenGelu<neon::MultiplyInt8Dotprod, neon::Gelu>
                                       : ThenGelu<neon::MultiplyInt8, neon::Gelu>},
          .f32_attention = {neon::AttentionBytes, neon::Attend}};
}

}  // namespace

const Kernels kNeonKernels = MakeTable("neon", false);
const Kernels kNeonDotprodKernels = MakeTable("neon-dotprod", true);

}  // namespace ragmesh::linalg

#endif  // defined(__aarch64__)
