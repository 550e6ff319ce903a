// 256-bit kernels for x86-64 with AVX2 and FMA. Every function carries its target, so the file
// builds with the baseline flags and nothing inline from elsewhere is compiled for AVX2 by
// accident.
#if defined(__x86_64__)

#include <immintrin.h>

#include "libs/linalg/kernel_tables.h"
#include "libs/linalg/math_avx2.h"

namespace ragmesh::linalg {
namespace {

using avx2::Lanes;
using avx2::Sum;

// Four sums hide the latency of the multiply-add.
RAGMESH_AVX2 inline float DotInline(const float* a, const float* b, std::size_t n) {
  __m256 s0 = _mm256_setzero_ps(), s1 = s0, s2 = s0, s3 = s0;
  std::size_t i = 0;
  for (; i + 32 <= n; i += 32) {
    s0 = _mm256_fmadd_ps(_mm256_loadu_ps(a + i), _mm256_loadu_ps(b + i), s0);
    s1 = _mm256_fmadd_ps(_mm256_loadu_ps(a + i + 8), _mm256_loadu_ps(b + i + 8), s1);
    s2 = _mm256_fmadd_ps(_mm256_loadu_ps(a + i + 16), _mm256_loadu_ps(b + i + 16), s2);
    s3 = _mm256_fmadd_ps(_mm256_loadu_ps(a + i + 24), _mm256_loadu_ps(b + i + 24), s3);
  }
  for (; i + 8 <= n; i += 8)
    s0 = _mm256_fmadd_ps(_mm256_loadu_ps(a + i), _mm256_loadu_ps(b + i), s0);
  if (i < n) {
    const __m256i mask = Lanes(n - i);
    s1 = _mm256_fmadd_ps(_mm256_maskload_ps(a + i, mask), _mm256_maskload_ps(b + i, mask), s1);
  }
  return Sum(_mm256_add_ps(_mm256_add_ps(s0, s1), _mm256_add_ps(s2, s3)));
}

RAGMESH_AVX2 float Dot(const float* a, const float* b, std::size_t n) { return DotInline(a, b, n); }

RAGMESH_AVX2 void DotRows(const float* query, const float* rows, std::size_t stride,
                          std::size_t count, std::size_t n, float* out) {
  constexpr std::size_t kAhead =
      4;  // rows: about 6 KB at 384 dimensions, enough to cover the latency of DRAM
  for (std::size_t r = 0; r < count; ++r) {
    const float* row = rows + r * stride;
    if (r + kAhead < count) {
      const char* next = reinterpret_cast<const char*>(row + kAhead * stride);
      for (std::size_t byte = 0; byte < n * sizeof(float); byte += 64)
        _mm_prefetch(next + byte, _MM_HINT_T0);
    }
    out[r] = DotInline(query, row, n);
  }
}

RAGMESH_AVX2 void AddScaled(float scale, const float* x, float* y, std::size_t n) {
  const __m256 s = _mm256_set1_ps(scale);
  std::size_t i = 0;
  for (; i + 8 <= n; i += 8) {
    _mm256_storeu_ps(y + i, _mm256_fmadd_ps(s, _mm256_loadu_ps(x + i), _mm256_loadu_ps(y + i)));
  }
  if (i < n) {
    const __m256i mask = Lanes(n - i);
    const __m256 sum =
        _mm256_fmadd_ps(s, _mm256_maskload_ps(x + i, mask), _mm256_maskload_ps(y + i, mask));
    _mm256_maskstore_ps(y + i, mask, sum);
  }
}

RAGMESH_AVX2 void Scale(float scale, float* x, std::size_t n) {
  const __m256 s = _mm256_set1_ps(scale);
  std::size_t i = 0;
  for (; i + 8 <= n; i += 8) _mm256_storeu_ps(x + i, _mm256_mul_ps(s, _mm256_loadu_ps(x + i)));
  for (; i < n; ++i) x[i] *= scale;
}

constexpr Kernels MakeTable(const char* name, int weight_offset,
                            void (*multiply_int8)(const PanelProduct&)) {
  return {.name = name,
          .dot = Dot,
          .dot_rows = DotRows,
          .dot_i8 = avx2::DotInt8,
          .dot_listed_i8 = avx2::DotListed,
          .scan_signs = avx2::ScanSigns,
          .above = avx2::Above,
          .add_scaled = AddScaled,
          .scale = Scale,
          .gelu = avx2::Gelu,
          .add_layer_norm = avx2::AddLayerNorm,
          .quantize = avx2::Quantize,
          .to_bf16 = avx2::ToBf16,
          .f32 = {.width = avx2::kPanelWidth,
                  .group = 1,
                  .multiply = ThenGelu<avx2::MultiplyF32, avx2::Gelu>},
          .int8 = {.width = avx2::kPanelWidth,
                   .group = 4,
                   .weight_offset = weight_offset,
                   .multiply = multiply_int8},
          .f32_attention = {avx2::AttentionBytes, avx2::Attend}};
}

}  // namespace

const Kernels kAvx2Kernels = MakeTable("avx2", 0, ThenGelu<avx2::MultiplyInt8, avx2::Gelu>);
const Kernels kAvx2VnniKernels =
    MakeTable("avx2-vnni", avx2::kVnniWeightOffset, ThenGelu<avx2::MultiplyInt8Vnni, avx2::Gelu>);

}  // namespace ragmesh::linalg

#endif  // defined(__x86_64__)
