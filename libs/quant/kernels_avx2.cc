// AVX2 + FMA + F16C. Each function carries its own target attribute, so the rest of the program
// stays baseline.
#include "libs/quant/kernels.h"

#if defined(__x86_64__)

#include <immintrin.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "libs/linalg/cpu_features.h"

#define RAGMESH_AVX2 __attribute__((target("avx2,fma,f16c,bmi2")))
#define RAGMESH_AVX2_INLINE __attribute__((target("avx2,fma,f16c,bmi2"), always_inline)) inline
#define RAGMESH_SIMD_TARGET RAGMESH_AVX2
#include "libs/quant/attention.h"
#include "libs/quant/kv_rows.h"
#include "libs/quant/products.h"
#include "libs/quant/vectors.h"

namespace ragmesh::quant {
namespace {

// exp(x) to about 2 units in the last place: 2^n times a polynomial on [-ln2/2, ln2/2]. Saturates
// outside [-87, 88].
RAGMESH_AVX2_INLINE __m256 Exp(__m256 x) {
  x = _mm256_min_ps(_mm256_max_ps(x, _mm256_set1_ps(-87.0f)), _mm256_set1_ps(88.0f));
  const __m256 n = _mm256_round_ps(_mm256_mul_ps(x, _mm256_set1_ps(1.44269504088896341f)),
                                   _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  __m256 r = _mm256_fnmadd_ps(n, _mm256_set1_ps(0.693359375f), x);
  r = _mm256_fnmadd_ps(n, _mm256_set1_ps(-2.12194440e-4f), r);
  __m256 p = _mm256_set1_ps(1.0f / 5040);
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0f / 720));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0f / 120));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0f / 24));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0f / 6));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(0.5f));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0f));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0f));
  const __m256i power =
      _mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127)), 23);
  return _mm256_mul_ps(p, _mm256_castsi256_ps(power));
}

RAGMESH_AVX2_INLINE float SumLanes(__m256 v) {
  const __m128 half = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  const __m128 quarter = _mm_add_ps(half, _mm_movehl_ps(half, half));
  return _mm_cvtss_f32(_mm_add_ss(quarter, _mm_movehdup_ps(quarter)));
}

// Eight lanes for products.h and attention.h.
struct Simd {
  static constexpr std::size_t kWidth = 8, kTokens = 4, kQueries = 3, kSums = 12;
  static constexpr bool kSignedBytes = true;
  using Ints = __m256i;
  using Floats = __m256;

  static RAGMESH_AVX2_INLINE Ints LoadInts(const std::uint8_t* bytes) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(bytes));
  }
  static RAGMESH_AVX2_INLINE Ints SubInts(Ints a, Ints b) { return _mm256_sub_epi32(a, b); }
  static RAGMESH_AVX2_INLINE Ints And(Ints a, int byte) {
    return _mm256_and_si256(a, _mm256_set1_epi8(static_cast<char>(byte)));
  }
  static RAGMESH_AVX2_INLINE Ints Xor(Ints a, int byte) {
    return _mm256_xor_si256(a, _mm256_set1_epi8(static_cast<char>(byte)));
  }
  static RAGMESH_AVX2_INLINE Ints Or(Ints a, Ints b) { return _mm256_or_si256(a, b); }
  template <int kBits>
  static RAGMESH_AVX2_INLINE Ints ShiftRight(Ints a) {
    if constexpr (kBits >= 0) return _mm256_srli_epi16(a, kBits);
    return _mm256_slli_epi16(a, -kBits);
  }
  static RAGMESH_AVX2_INLINE Ints Levels(Ints numbers) {
    const __m128i levels = _mm_loadu_si128(reinterpret_cast<const __m128i*>(kIq4Levels));
    return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(levels), numbers);
  }

  // Pairs of byte products as 16-bit sums. |q| <= 128 and |x| <= 127 keep a pair below 32,768.
  template <std::size_t kBits>
  static RAGMESH_AVX2_INLINE Ints Pairs(Ints u, const std::int8_t* x) {
    std::int32_t four;
    std::memcpy(&four, x, sizeof(four));
    const Ints v = _mm256_set1_epi32(four);
    if constexpr (kBits == 8)
      return _mm256_maddubs_epi16(_mm256_abs_epi8(u), _mm256_sign_epi8(v, u));
    return _mm256_maddubs_epi16(u, v);
  }
  template <int kFactor>
  static RAGMESH_AVX2_INLINE Ints Multiple(std::int32_t number) {
    if constexpr (kFactor == 0) return _mm256_setzero_si256();
    constexpr int kShift = std::countr_zero(static_cast<unsigned>(kFactor));
    return _mm256_slli_epi32(_mm256_set1_epi32(number), kShift);
  }
  template <std::size_t kBits, int kGroups>
  static RAGMESH_AVX2_INLINE Ints Dot(Ints total, const Ints* u, const std::int8_t* x) {
    if constexpr (kGroups == 8) return Dot<kBits, 4>(Dot<kBits, 4>(total, u, x), u + 4, x + 16);
    const Ints ones = _mm256_set1_epi16(1);
    if constexpr (kBits <= 5) {  // four groups fit 16 bits
      const Ints a = _mm256_add_epi16(Pairs<kBits>(u[0], x), Pairs<kBits>(u[1], x + 4));
      const Ints b = _mm256_add_epi16(Pairs<kBits>(u[2], x + 8), Pairs<kBits>(u[3], x + 12));
      return _mm256_add_epi32(total, _mm256_madd_epi16(_mm256_add_epi16(a, b), ones));
    } else {
#pragma GCC unroll 2
      for (int i = 0; i < 4; i += 2) {
        const Ints a = Pairs<kBits>(u[i], x + 4 * i), b = Pairs<kBits>(u[i + 1], x + 4 * i + 4);
        if constexpr (kBits == 6) {  // two
          total = _mm256_add_epi32(total, _mm256_madd_epi16(_mm256_add_epi16(a, b), ones));
        } else {
          total = _mm256_add_epi32(total, _mm256_madd_epi16(a, ones));
          total = _mm256_add_epi32(total, _mm256_madd_epi16(b, ones));
        }
      }
      return total;
    }
  }
  template <int kByte, bool kSigned>
  static RAGMESH_AVX2_INLINE Ints ByteOf(Ints a) {
    if constexpr (kSigned) return _mm256_srai_epi32(_mm256_slli_epi32(a, 24 - 8 * kByte), 24);
    return _mm256_and_si256(_mm256_srli_epi32(a, 8 * kByte), _mm256_set1_epi32(255));
  }
  static RAGMESH_AVX2_INLINE Floats ToFloats(Ints a) { return _mm256_cvtepi32_ps(a); }

  static RAGMESH_AVX2_INLINE Floats Zero() { return _mm256_setzero_ps(); }
  static RAGMESH_AVX2_INLINE Floats Set(float x) { return _mm256_set1_ps(x); }
  static RAGMESH_AVX2_INLINE Floats Load(const float* x) { return _mm256_loadu_ps(x); }
  static RAGMESH_AVX2_INLINE void Store(float* to, Floats v, std::size_t lanes) {
    if (lanes >= kWidth) return _mm256_storeu_ps(to, v);
    alignas(32) float values[kWidth];
    _mm256_store_ps(values, v);
    std::memcpy(to, values, lanes * sizeof(float));
  }
  static RAGMESH_AVX2_INLINE Floats Add(Floats a, Floats b) { return _mm256_add_ps(a, b); }
  static RAGMESH_AVX2_INLINE Floats Sub(Floats a, Floats b) { return _mm256_sub_ps(a, b); }
  static RAGMESH_AVX2_INLINE Floats Mul(Floats a, Floats b) { return _mm256_mul_ps(a, b); }
  static RAGMESH_AVX2_INLINE Floats Fma(Floats a, Floats b, Floats c) {
    return _mm256_fmadd_ps(a, b, c);
  }

  static RAGMESH_AVX2_INLINE Floats LoadTwice(const float* x) {
    return _mm256_permutevar8x32_ps(_mm256_castps128_ps256(_mm_loadu_ps(x)),
                                    _mm256_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3));
  }
  static RAGMESH_AVX2_INLINE Floats SwapPairs(Floats v) { return _mm256_permute_ps(v, 0xB1); }
  static RAGMESH_AVX2_INLINE Floats SubAdd(Floats a, Floats b) { return _mm256_addsub_ps(a, b); }

  static RAGMESH_AVX2_INLINE Floats Div(Floats a, Floats b) { return _mm256_div_ps(a, b); }
  static RAGMESH_AVX2_INLINE Floats Max(Floats a, Floats b) { return _mm256_max_ps(a, b); }
  static RAGMESH_AVX2_INLINE Floats Exp(Floats x) { return quant::Exp(x); }
  static RAGMESH_AVX2_INLINE Floats ExpNear(Floats x) { return quant::Exp(x); }
  static RAGMESH_AVX2_INLINE float SumOf(Floats v) { return SumLanes(v); }
  static RAGMESH_AVX2_INLINE float MaxOf(Floats v) {
    const __m128 half = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    const __m128 quarter = _mm_max_ps(half, _mm_movehl_ps(half, half));
    return _mm_cvtss_f32(_mm_max_ss(quarter, _mm_movehdup_ps(quarter)));
  }
  static RAGMESH_AVX2_INLINE Floats Within(Floats v, int first, int end, Floats other) {
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    const __m256i below = _mm256_cmpgt_epi32(_mm256_set1_epi32(first), lane);
    const __m256i within =
        _mm256_andnot_si256(below, _mm256_cmpgt_epi32(_mm256_set1_epi32(end), lane));
    return _mm256_blendv_ps(other, v, _mm256_castsi256_ps(within));
  }
  static RAGMESH_AVX2_INLINE float HalfOf(std::uint16_t half) { return _cvtsh_ss(half); }
  static RAGMESH_AVX2_INLINE void StoreHalves(std::uint16_t* to, Floats v) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
  }
  static RAGMESH_AVX2_INLINE void StoreBFloats(std::uint16_t* to, Floats v) {
    alignas(32) float values[kWidth];
    _mm256_store_ps(values, v);
    for (std::size_t i = 0; i < kWidth; ++i) to[i] = FloatToBFloat(values[i]);
  }
  static RAGMESH_AVX2_INLINE Ints FirstOfPairs(Ints a) {
    return _mm256_and_si256(a, _mm256_set1_epi32(0xffff));
  }
  static RAGMESH_AVX2_INLINE Floats DotPairs(Floats sum, Ints a, std::uint32_t b) {
    const Ints second = _mm256_set1_epi32(static_cast<int>(0xffff0000u));
    sum = _mm256_fmadd_ps(_mm256_castsi256_ps(_mm256_and_si256(a, second)),
                          Set(std::bit_cast<float>(b & 0xffff0000u)), sum);
    return _mm256_fmadd_ps(_mm256_castsi256_ps(_mm256_slli_epi32(a, 16)),
                           Set(std::bit_cast<float>(b << 16)), sum);
  }

  static RAGMESH_AVX2_INLINE __m128i Eight(const std::uint8_t* bytes) {
    return _mm_loadl_epi64(reinterpret_cast<const __m128i*>(bytes));
  }
  static RAGMESH_AVX2_INLINE Floats Halves(const std::uint8_t* bytes) {
    return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes)));
  }
  static RAGMESH_AVX2_INLINE Floats BFloats(const std::uint8_t* bytes) {
    const __m128i raw = _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes));
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(raw), 16));
  }
  static RAGMESH_AVX2_INLINE Floats UnsignedBytes(const std::uint8_t* bytes) {
    return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(Eight(bytes)));
  }
  static RAGMESH_AVX2_INLINE Floats SignedBytes(const std::uint8_t* bytes) {
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(Eight(bytes)));
  }
};

// Eight values as whole numbers within 127 of 0.
RAGMESH_AVX2_INLINE __m256 RoundQ8(__m256 x, __m256 inverse) {
  __m256 scaled = _mm256_mul_ps(x, inverse);
  scaled = _mm256_max_ps(scaled, _mm256_set1_ps(-127));  // also replaces NaN
  scaled = _mm256_min_ps(scaled, _mm256_set1_ps(127));
  return _mm256_round_ps(scaled, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

// As the scalar table adds it up.
RAGMESH_AVX2_INLINE float ErrorOfRun(const __m256 (&v)[4], float scale, __m256 inverse) {
  const __m256 s = _mm256_set1_ps(scale);
  __m256 left[4];
  for (int i = 0; i < 4; ++i) left[i] = _mm256_fnmadd_ps(s, RoundQ8(v[i], inverse), v[i]);
  __m256 quarters[2];
  for (int i = 0; i < 2; ++i) {
    const __m256 lanes = _mm256_fmadd_ps(left[i + 2], left[i + 2], _mm256_mul_ps(left[i], left[i]));
    const __m256 halves = _mm256_add_ps(lanes, _mm256_permute_ps(lanes, 0x4E));
    quarters[i] = _mm256_add_ps(halves, _mm256_permute_ps(halves, 0xB1));
  }
  const __m256 both = _mm256_add_ps(quarters[0], quarters[1]);
  return _mm_cvtss_f32(_mm_add_ss(_mm256_castps256_ps128(both), _mm256_extractf128_ps(both, 1)));
}

RAGMESH_AVX2 void QuantizeQ8(const float* x, std::size_t columns, std::size_t slot, Q8Tile* tiles) {
  const __m256 magnitude = _mm256_castsi256_ps(_mm256_set1_epi32(0x7fffffff));
  for (std::size_t run = 0; run < columns / kRunValues; ++run, x += kRunValues) {
    __m256 v[4];
    __m256 largest = _mm256_setzero_ps();
    for (int i = 0; i < 4; ++i) {
      v[i] = _mm256_loadu_ps(x + 8 * i);
      largest = _mm256_max_ps(_mm256_and_ps(v[i], magnitude), largest);
    }
    __m128 half = _mm_max_ps(_mm256_castps256_ps128(largest), _mm256_extractf128_ps(largest, 1));
    half = _mm_max_ps(half, _mm_movehl_ps(half, half));
    const float top = _mm_cvtss_f32(_mm_max_ss(half, _mm_movehdup_ps(half)));
    __m256 inverse[2];
    float scale[2], error[2];
    for (int t = 0; t < 2; ++t) {
      scale[t] = top / kQ8Tops[t];
      inverse[t] = _mm256_set1_ps(top > 0 ? kQ8Tops[t] / top : 0.0f);
      error[t] = ErrorOfRun(v, scale[t], inverse[t]);
    }
    const int best = error[1] < error[0] ? 1 : 0;
    __m256i n[4];
    for (int i = 0; i < 4; ++i) n[i] = _mm256_cvtps_epi32(RoundQ8(v[i], inverse[best]));
    // Packing works within 128-bit halves; the permutation puts the bytes back in order.
    const __m256i bytes =
        _mm256_packs_epi16(_mm256_packs_epi32(n[0], n[1]), _mm256_packs_epi32(n[2], n[3]));
    _mm256_storeu_si256(
        reinterpret_cast<__m256i*>(tiles[run].q[slot]),
        _mm256_permutevar8x32_epi32(bytes, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7)));
    const __m256i sums =
        _mm256_hadd_epi32(_mm256_add_epi32(n[0], n[1]), _mm256_add_epi32(n[2], n[3]));
    const __m256i both = _mm256_hadd_epi32(sums, sums);
    const int first = _mm256_extract_epi32(both, 0) + _mm256_extract_epi32(both, 4),
              second = _mm256_extract_epi32(both, 1) + _mm256_extract_epi32(both, 5);
    tiles[run].of[slot] = {scale[best], scale[best] * static_cast<float>(first + second),
                           -(first + second), -first};
  }
}

RAGMESH_AVX2 void RmsNorm(const float* x, const float* weight, std::size_t n, float epsilon,
                          float* out) {
  __m256d low = _mm256_setzero_pd(), high = _mm256_setzero_pd();
  std::size_t i = 0;
  for (; i + 8 <= n; i += 8) {
    const __m256d a = _mm256_cvtps_pd(_mm_loadu_ps(x + i)),
                  b = _mm256_cvtps_pd(_mm_loadu_ps(x + i + 4));
    low = _mm256_fmadd_pd(a, a, low);
    high = _mm256_fmadd_pd(b, b, high);
  }
  alignas(32) double lanes[4];
  _mm256_store_pd(lanes, _mm256_add_pd(low, high));
  double squares = (lanes[0] + lanes[1]) + (lanes[2] + lanes[3]);
  for (std::size_t j = i; j < n; ++j) squares += static_cast<double>(x[j]) * x[j];
  const auto scale =
      static_cast<float>(1.0 / std::sqrt(squares / static_cast<double>(n) + epsilon));
  for (i = 0; i + 8 <= n; i += 8) {
    const __m256 scaled = _mm256_mul_ps(_mm256_loadu_ps(x + i), _mm256_set1_ps(scale));
    _mm256_storeu_ps(out + i, _mm256_mul_ps(scaled, _mm256_loadu_ps(weight + i)));
  }
  for (; i < n; ++i) out[i] = x[i] * scale * weight[i];
}

}  // namespace

const QuantKernels* Avx2QuantKernels() {
  static constexpr QuantKernels kKernels = {"avx2",
                                            QuantizeQ8,
                                            simd::MulF32<Simd>,
                                            simd::MulQ8<Simd>,
                                            simd::Attend<Simd>,
                                            simd::StoreKv<Simd>,
                                            simd::LoadKv<Simd>,
                                            simd::Add<Simd>,
                                            simd::Rotate<Simd>,
                                            RmsNorm,
                                            simd::SiluMul<Simd>,
                                            simd::GeluMul<Simd>};
  return linalg::GetCpuFeatures().avx2 ? &kKernels : nullptr;
}

}  // namespace ragmesh::quant

#else

namespace ragmesh::quant {
const QuantKernels* Avx2QuantKernels() { return nullptr; }
}  // namespace ragmesh::quant

#endif
