// 128-bit kernels for arm64. All functions run on every processor of the architecture, except those
// marked RAGMESH_DOTPROD.
#if defined(__aarch64__)

#include <arm_neon.h>

#include <cstring>

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

// The products of 16 pairs, added to the lanes of a sum.
struct Widening {
  // Two products of the lowest values overflow 16 bits, so each goes to 32 before it meets another.
  static int32x4_t Add(int32x4_t sum, int8x16_t a, int8x16_t b) {
    sum = vpadalq_s16(sum, vmull_s8(vget_low_s8(a), vget_low_s8(b)));
    return vpadalq_s16(sum, vmull_high_s8(a, b));
  }
};
struct Dotprod {
  RAGMESH_DOTPROD static int32x4_t Add(int32x4_t sum, int8x16_t a, int8x16_t b) {
    return vdotq_s32(sum, a, b);
  }
};

// Always inlined, so that it has the target of the function around it, which is what Op needs.
template <typename Op>
__attribute__((always_inline)) inline std::int32_t DotBytes(const std::int8_t* a,
                                                            const std::int8_t* b, std::size_t n) {
  int32x4_t sum = vdupq_n_s32(0);
  std::size_t i = 0;
  for (; i + 16 <= n; i += 16) sum = Op::Add(sum, vld1q_s8(a + i), vld1q_s8(b + i));
  if (i < n) {
    std::int8_t last_a[16] = {}, last_b[16] = {};
    std::memcpy(last_a, a + i, n - i);
    std::memcpy(last_b, b + i, n - i);
    sum = Op::Add(sum, vld1q_s8(last_a), vld1q_s8(last_b));
  }
  return vaddvq_s32(sum);
}

std::int32_t DotInt8(const std::int8_t* a, const std::int8_t* b, std::size_t n) {
  return DotBytes<Widening>(a, b, n);
}
RAGMESH_DOTPROD std::int32_t DotInt8Dotprod(const std::int8_t* a, const std::int8_t* b,
                                            std::size_t n) {
  return DotBytes<Dotprod>(a, b, n);
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
          .dot_i8 = dotprod ? DotInt8Dotprod : DotInt8,
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
