// What happens to a row of activations between two products, 512 bits wide: GELU, layer norm,
// rounding to fewer bits.
#if defined(__x86_64__)

// gcc 12 takes the undefined registers of its own intrinsics for uninitialised variables.
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"

#include <immintrin.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "libs/linalg/gelu_avx512.h"
#include "libs/linalg/kernel_tables.h"
#include "libs/linalg/math_avx512.h"

namespace ragmesh::linalg::avx512 {
RAGMESH_AVX512 void Gelu(float* x, std::size_t n) {
  const GeluPieces pieces;
  ForVectors<1>(n, [&](std::size_t i, auto lanes, int)
                       RAGMESH_AVX512 { lanes.Store(x + i, pieces.Gelu(lanes.Load(x + i))); });
}

namespace {

RAGMESH_AVX512 inline float Sum4(const __m512 (&sums)[4]) {
  return Sum(_mm512_add_ps(_mm512_add_ps(sums[0], sums[1]), _mm512_add_ps(sums[2], sums[3])));
}

}  // namespace

RAGMESH_AVX512 void AddLayerNorm(const float* update, const float* gain, const float* offset,
                                 float epsilon, float* x, std::size_t n) {
  const __m512 zero = _mm512_setzero_ps();
  __m512 sums[4] = {zero, zero, zero, zero}, squares[4] = {zero, zero, zero, zero};
  ForVectors<4>(n, [&](std::size_t i, auto lanes, int way) RAGMESH_AVX512 {
    __m512 value = lanes.Load(x + i);
    if (update != nullptr) {
      value = _mm512_add_ps(value, lanes.Load(update + i));
      lanes.Store(x + i, value);
    }
    sums[way] = _mm512_add_ps(sums[way], value);
  });
  const __m512 mean = _mm512_set1_ps(Sum4(sums) / static_cast<float>(n));
  ForVectors<4>(n, [&](std::size_t i, auto lanes, int way) RAGMESH_AVX512 {
    const __m512 centred = lanes.Select(_mm512_sub_ps(lanes.Load(x + i), mean), zero);
    squares[way] = _mm512_fmadd_ps(centred, centred, squares[way]);
  });
  const __m512 inverse =
      _mm512_set1_ps(1.0f / std::sqrt(Sum4(squares) / static_cast<float>(n) + epsilon));
  ForVectors<4>(n, [&](std::size_t i, auto lanes, int) RAGMESH_AVX512 {
    const __m512 scaled = _mm512_mul_ps(_mm512_sub_ps(lanes.Load(x + i), mean), inverse);
    lanes.Store(x + i, _mm512_fmadd_ps(scaled, lanes.Load(gain + i), lanes.Load(offset + i)));
  });
}

namespace {

// Values that are to be rounded.
template <bool has_factors>
struct QuantizeInput {
  template <typename Lanes>
  RAGMESH_AVX512 inline __m512 Value(std::size_t i, Lanes lanes) const {
    const __m512 v = lanes.Load(x + i);
    if constexpr (!has_factors) return v;
    return _mm512_mul_ps(v, lanes.Load(factors + i));
  }
  const float* x;
  const float* factors;
};

template <bool has_factors>
RAGMESH_AVX512 bool HasNan(const QuantizeInput<has_factors>& input, std::size_t n) {
  __mmask16 nan = 0;
  ForVectors<1>(n, [&](std::size_t i, auto lanes, int) RAGMESH_AVX512 {
    const __m512 v = input.Value(i, lanes);
    nan = static_cast<__mmask16>(nan | _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q));
  });
  return nan != 0;
}

// A NaN may go unnoticed.
template <bool has_factors>
RAGMESH_AVX512 QuantizeRange RangeOf(const QuantizeInput<has_factors>& input, std::size_t n) {
  if (n == 0) return {0, 0, true};
  const __m512 infinity = _mm512_set1_ps(std::numeric_limits<float>::infinity());
  const __m512 below = _mm512_sub_ps(_mm512_setzero_ps(), infinity);
  __m512 lowest[2] = {infinity, infinity}, highest[2] = {below, below};
  ForVectors<2>(n, [&](std::size_t i, auto lanes, int way) RAGMESH_AVX512 {
    const __m512 v = input.Value(i, lanes);
    lowest[way] = _mm512_min_ps(lowest[way], lanes.Select(v, infinity));
    highest[way] = _mm512_max_ps(highest[way], lanes.Select(v, below));
  });
  return {_mm512_reduce_min_ps(_mm512_min_ps(lowest[0], lowest[1])),
          _mm512_reduce_max_ps(_mm512_max_ps(highest[0], highest[1])), true};
}

template <bool has_factors>
RAGMESH_AVX512 void QuantizeWith(const QuantizeInput<has_factors>& input, std::size_t n,
                                 std::int8_t* out, QuantizedRow* row) {
  const QuantizeRange range = RangeOf(input, n);
  const __m512 shift = _mm512_set1_ps(range.shift), factor = _mm512_set1_ps(range.factor);
  const auto rounded = [=](std::size_t i) RAGMESH_AVX512 {
    return _mm512_cvtps_epi32(_mm512_fmadd_ps(input.Value(i, AllLanes()), factor, shift));
  };
  const __m512i zero = _mm512_setzero_si512(), sign = _mm512_set1_epi8(-128);
  // Packing works in quarters, and leaves in each four bytes of every vector.
  const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  __m512i total = zero;   // of bytes that were made positive, eight at a time
  __m512i lowest = zero;  // -128 where a value is NaN, and never otherwise
  std::size_t i = 0;
  for (; i + 64 <= n; i += 64) {
    const __m512i low = _mm512_packs_epi32(rounded(i), rounded(i + 16));
    const __m512i high = _mm512_packs_epi32(rounded(i + 32), rounded(i + 48));
    const __m512i bytes = _mm512_permutexvar_epi32(order, _mm512_packs_epi16(low, high));
    _mm512_storeu_si512(out + i, bytes);
    total = _mm512_add_epi64(total, _mm512_sad_epu8(_mm512_xor_si512(bytes, sign), zero));
    lowest = _mm512_min_epi8(lowest, bytes);
  }
  std::int32_t sum = static_cast<std::int32_t>(_mm512_reduce_add_epi64(total)) -
                     128 * static_cast<std::int32_t>(i);
  for (; i < n; i += 16) {
    const SomeLanes lanes{Lanes(n - i)};
    const __m512i last =
        _mm512_maskz_cvtps_epi32(lanes.mask, _mm512_fmadd_ps(input.Value(i, lanes), factor, shift));
    const __m128i bytes = _mm512_cvtsepi32_epi8(last);
    _mm_mask_storeu_epi8(out + i, lanes.mask, bytes);
    sum += _mm512_reduce_add_epi32(last);
    lowest = _mm512_min_epi8(lowest, _mm512_zextsi128_si512(bytes));
  }
  *row = {.scale = range.scale, .offset = range.offset, .sum = sum};
  if (range.factor == 0 || _mm512_cmpeq_epi8_mask(lowest, sign) != 0) {
    const bool nan = std::isnan(range.scale) || HasNan(input, n);
    const float constant = std::numeric_limits<float>::quiet_NaN();
    *row = {.scale = nan ? constant : 0, .offset = nan ? constant : range.offset};
    std::memset(out, 0, n);
  }
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
