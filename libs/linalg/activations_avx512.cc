// Activations, 512 bits wide: exp by range reduction and a polynomial, erf by Abramowitz and
// Stegun 7.1.26 (1.5e-7).
#if defined(__x86_64__)

// gcc 12 takes the undefined registers of its own intrinsics for uninitialised variables.
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"

#include <immintrin.h>

#include <cmath>

#include "libs/linalg/kernel_tables.h"

#define RAGMESH_AVX512 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,fma")))

namespace ragmesh::linalg::avx512 {
namespace {

// The first `left` lanes, all 16 of them when there are more.
RAGMESH_AVX512 inline __mmask16 Lanes(std::size_t left) {
  return left >= 16 ? __mmask16{0xFFFF} : static_cast<__mmask16>((1u << left) - 1);
}

RAGMESH_AVX512 inline float Sum(__m512 v) {
  const __m256 half = _mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
  __m128 quarter = _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
  quarter = _mm_add_ps(quarter, _mm_movehl_ps(quarter, quarter));
  return _mm_cvtss_f32(_mm_add_ss(quarter, _mm_movehdup_ps(quarter)));
}

// e^x for x in [-87, 88], error 2^-22; lower values give e^-87, about 1.6e-38. NaN stays NaN.
RAGMESH_AVX512 inline __m512 Exp(__m512 x) {
  x = _mm512_max_ps(_mm512_set1_ps(-87.0f), x);  // the second operand is returned when it is NaN
  const __m512 n = _mm512_roundscale_ps(_mm512_mul_ps(x, _mm512_set1_ps(1.44269504f)), 0x08);
  // ln 2 in two parts, the first exact in few bits, so that r keeps its precision.
  __m512 r = _mm512_fnmadd_ps(n, _mm512_set1_ps(0.693359375f), x);
  r = _mm512_fnmadd_ps(n, _mm512_set1_ps(-2.12194440e-4f), r);
  __m512 p = _mm512_set1_ps(1.0f / 5040);
  for (const float c : {1.0f / 720, 1.0f / 120, 1.0f / 24, 1.0f / 6, 0.5f, 1.0f, 1.0f}) {
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(c));
  }
  const __m512i exponent =
      _mm512_slli_epi32(_mm512_add_epi32(_mm512_cvtps_epi32(n), _mm512_set1_epi32(127)), 23);
  return _mm512_mul_ps(p, _mm512_castsi512_ps(exponent));
}

// x * Phi(x) with Phi(x) = erfc(-x / sqrt 2) / 2, and erfc(z) = t * (a1 + t * (...)) * e^(-z^2), t
// = 1 / (1 + p z).
RAGMESH_AVX512 inline __m512 GeluOf(__m512 x) {
  const __m512 z = _mm512_mul_ps(_mm512_abs_ps(x), _mm512_set1_ps(0.70710678f));
  const __m512 t = _mm512_div_ps(
      _mm512_set1_ps(1.0f), _mm512_fmadd_ps(_mm512_set1_ps(0.3275911f), z, _mm512_set1_ps(1.0f)));
  __m512 p = _mm512_set1_ps(1.061405429f);
  for (const float a : {-1.453152027f, 1.421413741f, -0.284496736f, 0.254829592f}) {
    p = _mm512_fmadd_ps(p, t, _mm512_set1_ps(a));
  }
  // From x*x rather than z*z: one rounding fewer in the exponent.
  const __m512 power = Exp(_mm512_mul_ps(_mm512_mul_ps(x, x), _mm512_set1_ps(-0.5f)));
  const __m512 tail = _mm512_mul_ps(_mm512_mul_ps(p, t), power);  // erfc(|x| / sqrt 2)
  const __m512 twice_phi =
      _mm512_mask_blend_ps(_mm512_cmp_ps_mask(x, _mm512_setzero_ps(), _CMP_LT_OQ),
                           _mm512_sub_ps(_mm512_set1_ps(2.0f), tail), tail);
  return _mm512_mul_ps(_mm512_mul_ps(x, _mm512_set1_ps(0.5f)), twice_phi);
}

}  // namespace

RAGMESH_AVX512 void Softmax(float* x, std::size_t n) {
  const __m512 lowest = _mm512_set1_ps(-INFINITY);
  __m512 max = lowest;
  for (std::size_t i = 0; i < n; i += 16)
    max = _mm512_max_ps(_mm512_mask_loadu_ps(lowest, Lanes(n - i), x + i), max);
  const __m512 top = _mm512_set1_ps(_mm512_reduce_max_ps(max));
  __m512 sum = _mm512_setzero_ps();
  for (std::size_t i = 0; i < n; i += 16) {
    const __mmask16 lanes = Lanes(n - i);
    const __m512 power = Exp(_mm512_sub_ps(_mm512_maskz_loadu_ps(lanes, x + i), top));
    _mm512_mask_storeu_ps(x + i, lanes, power);
    sum = _mm512_mask_add_ps(sum, lanes, sum, power);
  }
  const __m512 inverse = _mm512_set1_ps(1.0f / Sum(sum));
  for (std::size_t i = 0; i < n; i += 16) {
    const __mmask16 lanes = Lanes(n - i);
    _mm512_mask_storeu_ps(x + i, lanes,
                          _mm512_mul_ps(_mm512_maskz_loadu_ps(lanes, x + i), inverse));
  }
}

RAGMESH_AVX512 void Gelu(float* x, std::size_t n) {
  for (std::size_t i = 0; i < n; i += 16) {
    const __mmask16 lanes = Lanes(n - i);
    _mm512_mask_storeu_ps(x + i, lanes, GeluOf(_mm512_maskz_loadu_ps(lanes, x + i)));
  }
}

RAGMESH_AVX512 void LayerNorm(const float* gain, const float* offset, float epsilon, float* x,
                              std::size_t n) {
  __m512 sum = _mm512_setzero_ps();
  for (std::size_t i = 0; i < n; i += 16)
    sum = _mm512_add_ps(sum, _mm512_maskz_loadu_ps(Lanes(n - i), x + i));
  const __m512 mean = _mm512_set1_ps(Sum(sum) / static_cast<float>(n));
  __m512 squares = _mm512_setzero_ps();
  for (std::size_t i = 0; i < n; i += 16) {
    const __mmask16 lanes = Lanes(n - i);
    const __m512 centred = _mm512_maskz_sub_ps(lanes, _mm512_maskz_loadu_ps(lanes, x + i), mean);
    squares = _mm512_fmadd_ps(centred, centred, squares);
  }
  const __m512 inverse =
      _mm512_set1_ps(1.0f / std::sqrt(Sum(squares) / static_cast<float>(n) + epsilon));
  for (std::size_t i = 0; i < n; i += 16) {
    const __mmask16 lanes = Lanes(n - i);
    const __m512 scaled =
        _mm512_mul_ps(_mm512_sub_ps(_mm512_maskz_loadu_ps(lanes, x + i), mean), inverse);
    const __m512 result = _mm512_fmadd_ps(scaled, _mm512_maskz_loadu_ps(lanes, gain + i),
                                          _mm512_maskz_loadu_ps(lanes, offset + i));
    _mm512_mask_storeu_ps(x + i, lanes, result);
  }
}

}  // namespace ragmesh::linalg::avx512

#endif  // defined(__x86_64__)
