// Activations, 256 bits wide: exp by range reduction and a polynomial, erf by Abramowitz and
// Stegun 7.1.26 (1.5e-7).
#if defined(__x86_64__)

#include <immintrin.h>

#include <cmath>

#include "libs/linalg/kernel_tables.h"

#define RAGMESH_AVX2 __attribute__((target("avx2,fma")))

namespace ragmesh::linalg::avx2 {
namespace {

alignas(32) constexpr std::int32_t kTailMask[16] = {-1, -1, -1, -1, -1, -1, -1, -1,
                                                    0,  0,  0,  0,  0,  0,  0,  0};

RAGMESH_AVX2 inline __m256i TailMask(std::size_t left) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(kTailMask + 8 - left));
}

RAGMESH_AVX2 inline float Sum(__m256 v) {
  __m128 half = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  half = _mm_add_ps(half, _mm_movehl_ps(half, half));
  return _mm_cvtss_f32(_mm_add_ss(half, _mm_movehdup_ps(half)));
}

RAGMESH_AVX2 inline float Max(__m256 v) {
  __m128 half = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  half = _mm_max_ps(half, _mm_movehl_ps(half, half));
  return _mm_cvtss_f32(_mm_max_ss(half, _mm_movehdup_ps(half)));
}

// e^x for x in [-87, 88], error 2^-22; lower values give e^-87, about 1.6e-38. NaN stays NaN.
RAGMESH_AVX2 inline __m256 Exp(__m256 x) {
  x = _mm256_max_ps(_mm256_set1_ps(-87.0f), x);  // the second operand is returned when it is NaN
  const __m256 n = _mm256_round_ps(_mm256_mul_ps(x, _mm256_set1_ps(1.44269504f)),
                                   _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  // ln 2 in two parts, the first exact in few bits, so that r keeps its precision.
  __m256 r = _mm256_fnmadd_ps(n, _mm256_set1_ps(0.693359375f), x);
  r = _mm256_fnmadd_ps(n, _mm256_set1_ps(-2.12194440e-4f), r);
  __m256 p = _mm256_set1_ps(1.0f / 5040);
  for (const float c : {1.0f / 720, 1.0f / 120, 1.0f / 24, 1.0f / 6, 0.5f, 1.0f, 1.0f}) {
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(c));
  }
  const __m256i exponent =
      _mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127)), 23);
  return _mm256_mul_ps(p, _mm256_castsi256_ps(exponent));
}

// x * Phi(x) with Phi(x) = erfc(-x / sqrt 2) / 2, and erfc(z) = t * (a1 + t * (...)) * e^(-z^2), t
// = 1 / (1 + p z).
RAGMESH_AVX2 inline __m256 GeluOf(__m256 x) {
  const __m256 z =
      _mm256_mul_ps(_mm256_andnot_ps(_mm256_set1_ps(-0.0f), x), _mm256_set1_ps(0.70710678f));
  const __m256 t = _mm256_div_ps(
      _mm256_set1_ps(1.0f), _mm256_fmadd_ps(_mm256_set1_ps(0.3275911f), z, _mm256_set1_ps(1.0f)));
  __m256 p = _mm256_set1_ps(1.061405429f);
  for (const float a : {-1.453152027f, 1.421413741f, -0.284496736f, 0.254829592f}) {
    p = _mm256_fmadd_ps(p, t, _mm256_set1_ps(a));
  }
  // From x*x rather than z*z: one rounding fewer in the exponent.
  const __m256 power = Exp(_mm256_mul_ps(_mm256_mul_ps(x, x), _mm256_set1_ps(-0.5f)));
  const __m256 tail = _mm256_mul_ps(_mm256_mul_ps(p, t), power);  // erfc(|x| / sqrt 2)
  const __m256 twice_phi = _mm256_blendv_ps(_mm256_sub_ps(_mm256_set1_ps(2.0f), tail), tail, x);
  return _mm256_mul_ps(_mm256_mul_ps(x, _mm256_set1_ps(0.5f)), twice_phi);
}

}  // namespace

RAGMESH_AVX2 void Softmax(float* x, std::size_t n) {
  const __m256 lowest = _mm256_set1_ps(-INFINITY);
  __m256 max = lowest;
  const std::size_t whole = n & ~std::size_t{7};
  const __m256i mask = TailMask(n - whole);
  for (std::size_t i = 0; i < whole; i += 8) max = _mm256_max_ps(_mm256_loadu_ps(x + i), max);
  if (whole < n) {
    const __m256 tail = _mm256_maskload_ps(x + whole, mask);
    max = _mm256_max_ps(_mm256_blendv_ps(lowest, tail, _mm256_castsi256_ps(mask)), max);
  }
  const __m256 top = _mm256_set1_ps(Max(max));
  __m256 sum = _mm256_setzero_ps();
  for (std::size_t i = 0; i < whole; i += 8) {
    const __m256 power = Exp(_mm256_sub_ps(_mm256_loadu_ps(x + i), top));
    _mm256_storeu_ps(x + i, power);
    sum = _mm256_add_ps(sum, power);
  }
  if (whole < n) {
    const __m256 power = _mm256_and_ps(Exp(_mm256_sub_ps(_mm256_maskload_ps(x + whole, mask), top)),
                                       _mm256_castsi256_ps(mask));
    _mm256_maskstore_ps(x + whole, mask, power);
    sum = _mm256_add_ps(sum, power);
  }
  const __m256 inverse = _mm256_set1_ps(1.0f / Sum(sum));
  for (std::size_t i = 0; i < whole; i += 8)
    _mm256_storeu_ps(x + i, _mm256_mul_ps(_mm256_loadu_ps(x + i), inverse));
  if (whole < n)
    _mm256_maskstore_ps(x + whole, mask,
                        _mm256_mul_ps(_mm256_maskload_ps(x + whole, mask), inverse));
}

RAGMESH_AVX2 void Gelu(float* x, std::size_t n) {
  std::size_t i = 0;
  for (; i + 8 <= n; i += 8) _mm256_storeu_ps(x + i, GeluOf(_mm256_loadu_ps(x + i)));
  if (i < n) {
    const __m256i mask = TailMask(n - i);
    _mm256_maskstore_ps(x + i, mask, GeluOf(_mm256_maskload_ps(x + i, mask)));
  }
}

RAGMESH_AVX2 void LayerNorm(const float* gain, const float* offset, float epsilon, float* x,
                            std::size_t n) {
  const std::size_t whole = n & ~std::size_t{7};
  const __m256i mask = TailMask(n - whole);
  __m256 sum = _mm256_setzero_ps();
  for (std::size_t i = 0; i < whole; i += 8) sum = _mm256_add_ps(sum, _mm256_loadu_ps(x + i));
  if (whole < n) sum = _mm256_add_ps(sum, _mm256_maskload_ps(x + whole, mask));
  const __m256 mean = _mm256_set1_ps(Sum(sum) / static_cast<float>(n));
  __m256 squares = _mm256_setzero_ps();
  for (std::size_t i = 0; i < whole; i += 8) {
    const __m256 centred = _mm256_sub_ps(_mm256_loadu_ps(x + i), mean);
    squares = _mm256_fmadd_ps(centred, centred, squares);
  }
  if (whole < n) {
    const __m256 centred = _mm256_and_ps(_mm256_sub_ps(_mm256_maskload_ps(x + whole, mask), mean),
                                         _mm256_castsi256_ps(mask));
    squares = _mm256_fmadd_ps(centred, centred, squares);
  }
  const __m256 inverse =
      _mm256_set1_ps(1.0f / std::sqrt(Sum(squares) / static_cast<float>(n) + epsilon));
  for (std::size_t i = 0; i < whole; i += 8) {
    const __m256 scaled = _mm256_mul_ps(_mm256_sub_ps(_mm256_loadu_ps(x + i), mean), inverse);
    _mm256_storeu_ps(
        x + i, _mm256_fmadd_ps(scaled, _mm256_loadu_ps(gain + i), _mm256_loadu_ps(offset + i)));
  }
  if (whole < n) {
    const __m256 scaled =
        _mm256_mul_ps(_mm256_sub_ps(_mm256_maskload_ps(x + whole, mask), mean), inverse);
    _mm256_maskstore_ps(x + whole, mask,
                        _mm256_fmadd_ps(scaled, _mm256_maskload_ps(gain + whole, mask),
                                        _mm256_maskload_ps(offset + whole, mask)));
  }
}

}  // namespace ragmesh::linalg::avx2

#endif  // defined(__x86_64__)
