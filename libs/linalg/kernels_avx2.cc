// 256-bit kernels for x86-64 with AVX2 and FMA. Every function carries its target, so the file
// builds with the baseline flags and nothing inline from elsewhere is compiled for AVX2 by
// accident.
#if defined(__x86_64__)

#include <immintrin.h>

#include "libs/linalg/kernel_tables.h"

#define RAGMESH_AVX2 __attribute__((target("avx2,fma")))

namespace ragmesh::linalg {
namespace {

// Lane i of the mask for `left` values is set when i < left; left is below 8.
alignas(32) constexpr std::int32_t kTailMask[16] = {-1, -1, -1, -1, -1, -1, -1, -1,
                                                    0,  0,  0,  0,  0,  0,  0,  0};

RAGMESH_AVX2 inline __m256i TailMask(std::size_t left) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(kTailMask + 8 - left));
}

RAGMESH_AVX2 inline float Sum(__m256 v) {
  __m128 half = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  half = _mm_add_ps(half, _mm_movehl_ps(half, half));
  half = _mm_add_ss(half, _mm_movehdup_ps(half));
  return _mm_cvtss_f32(half);
}

RAGMESH_AVX2 inline std::int32_t Sum(__m256i v) {
  __m128i half = _mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
  half = _mm_add_epi32(half, _mm_shuffle_epi32(half, 0x4E));
  half = _mm_add_epi32(half, _mm_shuffle_epi32(half, 0xB1));
  return _mm_cvtsi128_si32(half);
}

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
    const __m256i mask = TailMask(n - i);
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

RAGMESH_AVX2 std::int32_t DotInt8(const std::int8_t* a, const std::int8_t* b, std::size_t n) {
  __m256i s0 = _mm256_setzero_si256(), s1 = s0;
  std::size_t i = 0;
  for (; i + 32 <= n; i += 32) {
    const __m256i a8 = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(a + i));
    const __m256i b8 = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(b + i));
    // Widened to 16 bits first: the 8-bit multiply-add saturates.
    s0 = _mm256_add_epi32(s0, _mm256_madd_epi16(_mm256_cvtepi8_epi16(_mm256_castsi256_si128(a8)),
                                                _mm256_cvtepi8_epi16(_mm256_castsi256_si128(b8))));
    s1 = _mm256_add_epi32(s1,
                          _mm256_madd_epi16(_mm256_cvtepi8_epi16(_mm256_extracti128_si256(a8, 1)),
                                            _mm256_cvtepi8_epi16(_mm256_extracti128_si256(b8, 1))));
  }
  std::int32_t sum = Sum(_mm256_add_epi32(s0, s1));
  for (; i < n; ++i) sum += static_cast<std::int32_t>(a[i]) * b[i];
  return sum;
}

RAGMESH_AVX2 void AddScaled(float scale, const float* x, float* y, std::size_t n) {
  const __m256 s = _mm256_set1_ps(scale);
  std::size_t i = 0;
  for (; i + 8 <= n; i += 8) {
    _mm256_storeu_ps(y + i, _mm256_fmadd_ps(s, _mm256_loadu_ps(x + i), _mm256_loadu_ps(y + i)));
  }
  if (i < n) {
    const __m256i mask = TailMask(n - i);
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

}  // namespace

const Kernels kAvx2Kernels = {.name = "avx2",
                              .dot = Dot,
                              .dot_rows = DotRows,
                              .dot_i8 = DotInt8,
                              .add_scaled = AddScaled,
                              .scale = Scale,
                              .softmax = avx2::Softmax,
                              .gelu = avx2::Gelu,
                              .layer_norm = avx2::LayerNorm,
                              .multiply_panel = avx2::MultiplyPanel,
                              .panel_width = 16};

}  // namespace ragmesh::linalg

#endif  // defined(__x86_64__)
