// What happens to a row of activations between two products, 512 bits wide: GELU, layer norm,
// rounding to fewer bits.
#if defined(__x86_64__)

// gcc 12 takes the undefined registers of its own intrinsics for uninitialised variables.
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"

#include <immintrin.h>

#include <cmath>
#include <limits>

#include "libs/linalg/kernel_tables.h"
#include "libs/linalg/math_avx512.h"

namespace ragmesh::linalg::avx512 {
namespace {

// The normal distribution's upper tail, Phi(-y), in 32 pieces of equal width from 0 to kEnd: a
// cubic each, in the distance from the piece's start counted in widths. The last one is 0. A
// piece's coefficients are looked up in two registers by one instruction, which makes this half the
// price of a formula with an exponential.
struct TailPieces {
  static constexpr float kEnd = 5.6f;
  static constexpr int kPieces = 32;

  TailPieces() {
    for (int piece = 0; piece + 1 < kPieces; ++piece) {
      // Through four Chebyshev points: error below 2e-7.
      double at[4], value[4];
      for (int i = 0; i < 4; ++i) {
        at[i] = 0.5 - 0.5 * std::cos((2 * i + 1) * 3.14159265358979323846 / 8);
        value[i] = 0.5 * std::erfc((piece + at[i]) * kEnd / kPieces * 0.70710678118654752440);
      }
      // Newton's divided differences, then the powers of the distance.
      double d[4] = {value[0], value[1], value[2], value[3]};
      for (int level = 1; level < 4; ++level) {
        for (int i = 3; i >= level; --i) d[i] = (d[i] - d[i - 1]) / (at[i] - at[i - level]);
      }
      double power[4] = {d[3], 0, 0, 0};
      for (int i = 2; i >= 0; --i) {
        for (int k = 3; k > 0; --k) power[k] = power[k - 1] - at[i] * power[k];
        power[0] = d[i] - at[i] * power[0];
      }
      for (int k = 0; k < 4; ++k) coefficients[k][piece] = static_cast<float>(power[k]);
    }
  }

  alignas(64) float coefficients[4][kPieces] = {};
};

}  // namespace

// x * Phi(x).
RAGMESH_AVX512 void Gelu(float* x, std::size_t n) {
  static const TailPieces pieces;
  __m512 low[4], high[4];
  for (int k = 0; k < 4; ++k) {
    low[k] = _mm512_load_ps(pieces.coefficients[k]);
    high[k] = _mm512_load_ps(pieces.coefficients[k] + 16);
  }
  const __m512 scale = _mm512_set1_ps(TailPieces::kPieces / TailPieces::kEnd);
  const __m512 last = _mm512_set1_ps(TailPieces::kPieces - 0.5f);
  for (std::size_t i = 0; i < n; i += 16) {
    const __mmask16 lanes = Lanes(n - i);
    const __m512 value = _mm512_maskz_loadu_ps(lanes, x + i);
    // The second operand is returned when it is NaN, and goes on through the distance.
    const __m512 at = _mm512_min_ps(last, _mm512_mul_ps(_mm512_abs_ps(value), scale));
    const __m512i piece = _mm512_cvttps_epi32(at);
    const __m512 distance = _mm512_reduce_ps(at, 0x09);  // what is left of it, rounding down
    __m512 tail = _mm512_permutex2var_ps(low[3], piece, high[3]);
    for (int k = 2; k >= 0; --k)
      tail = _mm512_fmadd_ps(tail, distance, _mm512_permutex2var_ps(low[k], piece, high[k]));
    const __mmask16 positive =
        static_cast<__mmask16>(~_mm512_movepi32_mask(_mm512_castps_si512(value)));
    const __m512 phi = _mm512_mask_sub_ps(tail, positive, _mm512_set1_ps(1.0f), tail);
    _mm512_mask_storeu_ps(x + i, lanes, _mm512_mul_ps(value, phi));
  }
}

RAGMESH_AVX512 void AddLayerNorm(const float* update, const float* gain, const float* offset,
                                 float epsilon, float* x, std::size_t n) {
  __m512 sum = _mm512_setzero_ps();
  for (std::size_t i = 0; i < n; i += 16) {
    const __mmask16 lanes = Lanes(n - i);
    __m512 value = _mm512_maskz_loadu_ps(lanes, x + i);
    if (update != nullptr) {
      value = _mm512_add_ps(value, _mm512_maskz_loadu_ps(lanes, update + i));
      _mm512_mask_storeu_ps(x + i, lanes, value);
    }
    sum = _mm512_add_ps(sum, value);
  }
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

namespace {

// 16 values that are to be rounded, and their extremes as far as they are known.
template <bool has_factors>
struct QuantizeInput {
  RAGMESH_AVX512 inline __m512 Value(std::size_t i, __mmask16 lanes) const {
    const __m512 v = _mm512_maskz_loadu_ps(lanes, x + i);
    if constexpr (!has_factors) return v;
    return _mm512_mul_ps(v, _mm512_maskz_loadu_ps(lanes, factors + i));
  }
  const float* x;
  const float* factors;
};

struct Extremes {
  RAGMESH_AVX512 inline void Add(__m512 v, __mmask16 lanes) {
    lowest = _mm512_mask_min_ps(lowest, lanes, lowest, v);
    highest = _mm512_mask_max_ps(highest, lanes, highest, v);
    nan = static_cast<__mmask16>(nan | _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q));
  }
  __m512 lowest;
  __m512 highest;
  __mmask16 nan;
};

template <bool has_factors>
RAGMESH_AVX512 void QuantizeWith(const QuantizeInput<has_factors>& input, std::size_t n,
                                 std::int8_t* out, QuantizedRow* row) {
  constexpr __mmask16 kAll = 0xFFFF;
  const __m512 infinity = _mm512_set1_ps(std::numeric_limits<float>::infinity());
  const Extremes none{infinity, _mm512_sub_ps(_mm512_setzero_ps(), infinity), 0};
  Extremes even = none, odd = none;  // two, so that one need not wait for the other
  std::size_t i = 0;
  for (; i + 32 <= n; i += 32) {
    even.Add(input.Value(i, kAll), kAll);
    odd.Add(input.Value(i + 16, kAll), kAll);
  }
  for (; i < n; i += 16) even.Add(input.Value(i, Lanes(n - i)), Lanes(n - i));
  const QuantizeRange range(
      n == 0 ? 0 : _mm512_reduce_min_ps(_mm512_min_ps(even.lowest, odd.lowest)),
      n == 0 ? 0 : _mm512_reduce_max_ps(_mm512_max_ps(even.highest, odd.highest)),
      (even.nan | odd.nan) == 0);
  const __m512 offset = _mm512_set1_ps(range.offset), factor = _mm512_set1_ps(range.factor);
  const __mmask16 any = range.factor == 0 ? __mmask16{0} : kAll;
  __m512i total = _mm512_setzero_si512();
  for (i = 0; i < n; i += 16) {
    const __mmask16 lanes = Lanes(n - i);
    const __m512i rounded = _mm512_maskz_cvtps_epi32(
        static_cast<__mmask16>(any & lanes),
        _mm512_mul_ps(_mm512_sub_ps(input.Value(i, lanes), offset), factor));
    total = _mm512_add_epi32(total, rounded);
    _mm_mask_storeu_epi8(out + i, lanes, _mm512_cvtepi32_epi8(rounded));
  }
  *row = {.scale = range.scale, .offset = range.offset, .sum = _mm512_reduce_add_epi32(total)};
}

}  // namespace

RAGMESH_AVX512 void Quantize(const float* x, const float* factors, std::size_t n, std::int8_t* out,
                             QuantizedRow* row) {
  if (factors == nullptr) {
    QuantizeWith<false>({x, factors}, n, out, row);
  } else {
    QuantizeWith<true>({x, factors}, n, out, row);
  }
}

// In integers rather than by vcvtneps2bf16, which processors without bf16 products lack.
RAGMESH_AVX512 void ToBf16(const float* x, std::size_t n, std::uint16_t* out) {
  for (std::size_t i = 0; i < n; i += 16) {
    const __mmask16 lanes = Lanes(n - i);
    const __m512i bits = _mm512_maskz_loadu_epi32(lanes, x + i);
    const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    __m512i rounded = _mm512_srli_epi32(
        _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7FFF))), 16);
    const __mmask16 nan =
        _mm512_cmp_ps_mask(_mm512_castsi512_ps(bits), _mm512_castsi512_ps(bits), _CMP_UNORD_Q);
    rounded = _mm512_mask_mov_epi32(rounded, nan, _mm512_set1_epi32(0x7FC0));
    _mm256_mask_storeu_epi16(out + i, lanes, _mm512_cvtepi32_epi16(rounded));
  }
}

}  // namespace ragmesh::linalg::avx512

#endif  // defined(__x86_64__)
