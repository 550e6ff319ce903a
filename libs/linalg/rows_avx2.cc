// What happens to a row of activations between two products, 256 bits wide: GELU, layer norm,
// rounding to fewer bits.
#if defined(__x86_64__)

#include <immintrin.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "libs/linalg/kernel_tables.h"
#include "libs/linalg/math_avx2.h"

namespace ragmesh::linalg::avx2 {
namespace {

// x * Phi(x) with Phi(x) = erfc(-x / sqrt 2) / 2 and, by Abramowitz and Stegun 7.1.26 (1.5e-7),
// erfc(z) = t * (a1 + t * (...)) * e^(-z^2), t = 1 / (1 + p z).
RAGMESH_AVX2 __m256 GeluOf(__m256 x) {
  const __m256 magnitude = _mm256_andnot_ps(_mm256_set1_ps(-0.0f), x);
  const __m256 one = _mm256_set1_ps(1.0f);
  const __m256 t =
      _mm256_div_ps(one, _mm256_fmadd_ps(_mm256_set1_ps(0.3275911f * 0.70710678f), magnitude, one));
  __m256 p = _mm256_set1_ps(0.5f * 1.061405429f);
  for (const float a : {-1.453152027f, 1.421413741f, -0.284496736f, 0.254829592f})
    p = _mm256_fmadd_ps(p, t, _mm256_set1_ps(0.5f * a));
  const __m256 power =
      Exp2(_mm256_mul_ps(_mm256_mul_ps(x, x), _mm256_set1_ps(-0.5f * 1.44269504f)));
  // Phi(-|x|); the other side is 1 less it.
  const __m256 tail = _mm256_mul_ps(_mm256_mul_ps(p, t), power);
  return _mm256_mul_ps(x, _mm256_blendv_ps(_mm256_sub_ps(one, tail), tail, x));
}

// 16 integers from -128 to 127 as bytes.
RAGMESH_AVX2 inline __m128i ToBytes(__m256i low, __m256i high) {
  // Both halves of a vector are packed on their own; the permutation puts them in order.
  const __m256i words = _mm256_permute4x64_epi64(_mm256_packs_epi32(low, high), 0xD8);
  return _mm_packs_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
}

// 8 values rounded to bfloat16, each in the low half of 32 bits.
RAGMESH_AVX2 inline __m256i RoundToBf16(__m256 x) {
  const __m256i bits = _mm256_castps_si256(x);
  const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
  const __m256i rounded = _mm256_srli_epi32(
      _mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7FFF))), 16);
  const __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(x, x, _CMP_UNORD_Q));
  return _mm256_blendv_epi8(rounded, _mm256_set1_epi32(0x7FC0), nan);
}

// The first `left` bytes, all 16 of them when there are more.
RAGMESH_AVX2 inline void StoreBytes(__m128i bytes, std::size_t left, void* to) {
  if (left >= 16) {
    _mm_storeu_si128(static_cast<__m128i*>(to), bytes);
  } else {
    std::memcpy(to, &bytes, left);
  }
}

// The next values of a row that may end within them; zeros behind its end.
RAGMESH_AVX2 inline __m256 Load(const float* x, std::size_t left) {
  return left >= 8 ? _mm256_loadu_ps(x) : _mm256_maskload_ps(x, Lanes(left));
}

}  // namespace

RAGMESH_AVX2 void Gelu(float* x, std::size_t n) {
  std::size_t i = 0;
  for (; i + 8 <= n; i += 8) _mm256_storeu_ps(x + i, GeluOf(_mm256_loadu_ps(x + i)));
  if (i < n) {
    const __m256i mask = Lanes(n - i);
    _mm256_maskstore_ps(x + i, mask, GeluOf(_mm256_maskload_ps(x + i, mask)));
  }
}

RAGMESH_AVX2 void AddLayerNorm(const float* update, const float* gain, const float* offset,
                               float epsilon, float* x, std::size_t n) {
  const std::size_t whole = n & ~std::size_t{7};
  if (update != nullptr) {
    for (std::size_t i = 0; i < whole; i += 8)
      _mm256_storeu_ps(x + i, _mm256_add_ps(_mm256_loadu_ps(x + i), _mm256_loadu_ps(update + i)));
    for (std::size_t i = whole; i < n; ++i) x[i] += update[i];
  }
  const __m256i mask = Lanes(n - whole);
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

RAGMESH_AVX2 void Quantize(const float* x, const float* factors, std::size_t n, std::int8_t* out,
                           QuantizedRow* row) {
  const auto value = [=](std::size_t i) RAGMESH_AVX2 {
    const __m256 v = Load(x + i, n - i);
    return factors == nullptr ? v : _mm256_mul_ps(v, Load(factors + i, n - i));
  };
  // The largest of -v in place of the smallest v: one way to find both.
  __m256 highest = _mm256_set1_ps(-std::numeric_limits<float>::infinity()), opposite = highest;
  __m256 nan = _mm256_setzero_ps();
  for (std::size_t i = 0; i < n; i += 8) {
    const __m256 v = value(i), lanes = _mm256_castsi256_ps(Lanes(n - i));
    const __m256 negative = _mm256_xor_ps(v, _mm256_set1_ps(-0.0f));
    highest = _mm256_max_ps(highest, _mm256_blendv_ps(highest, v, lanes));
    opposite = _mm256_max_ps(opposite, _mm256_blendv_ps(opposite, negative, lanes));
    nan = _mm256_or_ps(nan, _mm256_cmp_ps(v, v, _CMP_UNORD_Q));
  }
  const QuantizeRange range(n == 0 ? 0 : -Max(opposite), n == 0 ? 0 : Max(highest),
                            _mm256_movemask_ps(nan) == 0);
  *row = {.scale = range.scale, .offset = range.offset};
  if (range.factor == 0) {
    std::memset(out, 0, n);
    return;
  }
  const __m256 shift = _mm256_set1_ps(range.shift), factor = _mm256_set1_ps(range.factor);
  const auto rounded = [=](std::size_t i) RAGMESH_AVX2 {
    if (i >= n) return _mm256_setzero_si256();
    const __m256i all = _mm256_cvtps_epi32(_mm256_fmadd_ps(value(i), factor, shift));
    return n - i >= 8 ? all : _mm256_and_si256(all, Lanes(n - i));
  };
  __m256i total = _mm256_setzero_si256();
  for (std::size_t i = 0; i < n; i += 16) {
    const __m256i low = rounded(i), high = rounded(i + 8);
    total = _mm256_add_epi32(total, _mm256_add_epi32(low, high));
    StoreBytes(ToBytes(low, high), n - i, out + i);
  }
  row->sum = Sum(total);
}

RAGMESH_AVX2 void ToBf16(const float* x, std::size_t n, std::uint16_t* out) {
  for (std::size_t i = 0; i < n; i += 8) {
    const __m256i rounded = RoundToBf16(Load(x + i, n - i));
    const __m128i words =
        _mm_packus_epi32(_mm256_castsi256_si128(rounded), _mm256_extracti128_si256(rounded, 1));
    StoreBytes(words, (n - i) * sizeof(std::uint16_t), out + i);
  }
}

}  // namespace ragmesh::linalg::avx2

#endif  // defined(__x86_64__)
