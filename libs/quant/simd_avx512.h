// Vectors of AVX-512 for products.h, attention.h and kv_rows.h.
#ifndef RAGMESH_LIBS_QUANT_SIMD_AVX512_H_
#define RAGMESH_LIBS_QUANT_SIMD_AVX512_H_

#if !defined(__x86_64__)
#error "for x86-64 alone"
#endif

// gcc 12 takes the undefined registers of its own intrinsics for uninitialised variables.
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"

#include <immintrin.h>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "libs/quant/kernels.h"
#include "libs/quant/kv_block.h"

#define RAGMESH_VNNI_FEATURES "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,fma,f16c"
#define RAGMESH_VNNI_INLINE __attribute__((target(RAGMESH_VNNI_FEATURES), always_inline)) inline

namespace ragmesh::quant {

// Sixteen lanes; products of bytes with VNNI.
struct Avx512Simd {
  static constexpr std::size_t kWidth = 16, kTokens = kVectorRows, kQueries = kMaxTileQueries,
                               kSums = 24;
  static constexpr bool kSignedBytes = false;
  using Ints = __m512i;
  using Floats = __m512;

  static RAGMESH_VNNI_INLINE Ints LoadInts(const std::uint8_t* bytes) {
    return _mm512_loadu_si512(bytes);
  }
  static RAGMESH_VNNI_INLINE Ints SubInts(Ints a, Ints b) { return _mm512_sub_epi32(a, b); }
  static RAGMESH_VNNI_INLINE Ints And(Ints a, int byte) {
    return _mm512_and_si512(a, _mm512_set1_epi8(static_cast<char>(byte)));
  }
  static RAGMESH_VNNI_INLINE Ints Or(Ints a, Ints b) { return _mm512_or_si512(a, b); }
  template <int kBits>
  static RAGMESH_VNNI_INLINE Ints ShiftRight(Ints a) {
    if constexpr (kBits >= 0) return _mm512_srli_epi16(a, kBits);
    return _mm512_slli_epi16(a, -kBits);
  }
  static RAGMESH_VNNI_INLINE Ints Levels(Ints numbers) {
    const __m128i levels = _mm_add_epi8(
        _mm_loadu_si128(reinterpret_cast<const __m128i*>(kIq4Levels)), _mm_set1_epi8(-128));
    return _mm512_shuffle_epi8(_mm512_broadcast_i32x4(levels), numbers);
  }
  template <int kFactor>
  static RAGMESH_VNNI_INLINE Ints Multiple(std::int32_t number) {
    if constexpr (kFactor == 0) return _mm512_setzero_si512();
    constexpr unsigned kShift = std::countr_zero(static_cast<unsigned>(kFactor));
    return _mm512_slli_epi32(_mm512_set1_epi32(number), kShift);
  }
  template <std::size_t kBits, int kGroups>
  static RAGMESH_VNNI_INLINE Ints Dot(Ints total, const Ints* u, const std::int8_t* x) {
#pragma GCC unroll 8
    for (int g = 0; g < kGroups; ++g) {
      std::int32_t four;
      std::memcpy(&four, x + 4 * g, sizeof(four));
      total = _mm512_dpbusd_epi32(total, u[g], _mm512_set1_epi32(four));
    }
    return total;
  }
  template <int kByte, bool kSigned>
  static RAGMESH_VNNI_INLINE Ints ByteOf(Ints a) {
    return _mm512_and_si512(_mm512_srli_epi32(a, 8 * kByte), _mm512_set1_epi32(255));
  }
  static RAGMESH_VNNI_INLINE Floats ToFloats(Ints a) { return _mm512_cvtepi32_ps(a); }

  static RAGMESH_VNNI_INLINE Floats Zero() { return _mm512_setzero_ps(); }
  static RAGMESH_VNNI_INLINE Floats Set(float x) { return _mm512_set1_ps(x); }
  static RAGMESH_VNNI_INLINE Floats Load(const float* x) { return _mm512_loadu_ps(x); }
  static RAGMESH_VNNI_INLINE void Store(float* to, Floats v, std::size_t lanes) {
    if (lanes >= kWidth) return _mm512_storeu_ps(to, v);
    _mm512_mask_storeu_ps(to, static_cast<__mmask16>((1u << lanes) - 1), v);
  }
  static RAGMESH_VNNI_INLINE Floats Add(Floats a, Floats b) { return _mm512_add_ps(a, b); }
  static RAGMESH_VNNI_INLINE Floats Sub(Floats a, Floats b) { return _mm512_sub_ps(a, b); }
  static RAGMESH_VNNI_INLINE Floats Mul(Floats a, Floats b) { return _mm512_mul_ps(a, b); }
  static RAGMESH_VNNI_INLINE Floats Fma(Floats a, Floats b, Floats c) {
    return _mm512_fmadd_ps(a, b, c);
  }

  static RAGMESH_VNNI_INLINE Floats LoadTwice(const float* x) {
    return _mm512_permutexvar_ps(_mm512_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7),
                                 _mm512_castps256_ps512(_mm256_loadu_ps(x)));
  }
  static RAGMESH_VNNI_INLINE Floats SwapPairs(Floats v) { return _mm512_permute_ps(v, 0xB1); }
  static RAGMESH_VNNI_INLINE Floats SubAdd(Floats a, Floats b) {
    return _mm512_mask_sub_ps(_mm512_add_ps(a, b), 0x5555, a, b);
  }

  static RAGMESH_VNNI_INLINE Floats Div(Floats a, Floats b) { return _mm512_div_ps(a, b); }
  static RAGMESH_VNNI_INLINE Floats Max(Floats a, Floats b) { return _mm512_max_ps(a, b); }
  static RAGMESH_VNNI_INLINE float SumOf(Floats v) { return _mm512_reduce_add_ps(v); }
  static RAGMESH_VNNI_INLINE float MaxOf(Floats v) { return _mm512_reduce_max_ps(v); }
  // To about 2 units in the last place: 2^n times a polynomial on [-ln2/2, ln2/2]. Saturates
  // outside
  // [-87, 88].
  static RAGMESH_VNNI_INLINE Floats Exp(Floats x) {
    x = _mm512_min_ps(_mm512_max_ps(x, Set(-87.0f)), Set(88.0f));
    const __m512 n = _mm512_roundscale_ps(_mm512_mul_ps(x, Set(1.44269504088896341f)),
                                          _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    __m512 r = _mm512_fnmadd_ps(n, Set(0.693359375f), x);
    r = _mm512_fnmadd_ps(n, Set(-2.12194440e-4f), r);
    __m512 p = Set(1.0f / 5040);
    p = _mm512_fmadd_ps(p, r, Set(1.0f / 720));
    p = _mm512_fmadd_ps(p, r, Set(1.0f / 120));
    p = _mm512_fmadd_ps(p, r, Set(1.0f / 24));
    p = _mm512_fmadd_ps(p, r, Set(1.0f / 6));
    p = _mm512_fmadd_ps(p, r, Set(0.5f));
    p = _mm512_fmadd_ps(p, r, Set(1.0f));
    p = _mm512_fmadd_ps(p, r, Set(1.0f));
    return _mm512_scalef_ps(p, n);
  }
  // 2^n times a polynomial on [-1/2, 1/2] in powers of two, for weights that are rounded anyway.
  static RAGMESH_VNNI_INLINE Floats ExpNear(Floats x) {
    const __m512 t = _mm512_max_ps(_mm512_mul_ps(x, Set(1.44269504088896341f)), Set(-126.0f));
    const __m512 n = _mm512_roundscale_ps(t, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    const __m512 r = _mm512_sub_ps(t, n);
    __m512 p = Set(9.6663684e-3f);
    p = _mm512_fmadd_ps(p, r, Set(5.5921976e-2f));
    p = _mm512_fmadd_ps(p, r, Set(2.4022349e-1f));
    p = _mm512_fmadd_ps(p, r, Set(6.9312105e-1f));
    p = _mm512_fmadd_ps(p, r, Set(1.0f));
    return _mm512_scalef_ps(p, n);
  }
  static RAGMESH_VNNI_INLINE Floats Within(Floats v, int first, int end, Floats other) {
    const __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    const __mmask16 within = _mm512_cmpge_epi32_mask(lane, _mm512_set1_epi32(first)) &
                             _mm512_cmplt_epi32_mask(lane, _mm512_set1_epi32(end));
    return _mm512_mask_mov_ps(other, within, v);
  }
  static RAGMESH_VNNI_INLINE float HalfOf(std::uint16_t half) { return _cvtsh_ss(half); }
  static RAGMESH_VNNI_INLINE void StoreHalves(std::uint16_t* to, Floats v) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to),
                        _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
  }
  static RAGMESH_VNNI_INLINE void StoreBFloats(std::uint16_t* to, Floats v) {
    const __m512i bits = _mm512_castps_si512(v);
    const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    const __m512i rounded =
        _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
    const __mmask16 nan = _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q);
    const __m512i words = _mm512_srli_epi32(
        _mm512_mask_or_epi32(rounded, nan, bits, _mm512_set1_epi32(0x400000)), 16);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), _mm512_cvtepi32_epi16(words));
  }
  static RAGMESH_VNNI_INLINE Ints FirstOfPairs(Ints a) {
    return _mm512_and_si512(a, _mm512_set1_epi32(0xffff));
  }
  static RAGMESH_VNNI_INLINE Floats DotPairs(Floats sum, Ints a, std::uint32_t b) {
    const __m512i second = _mm512_set1_epi32(static_cast<int>(0xffff0000u));
    sum = _mm512_fmadd_ps(_mm512_castsi512_ps(_mm512_and_si512(a, second)),
                          Set(std::bit_cast<float>(b & 0xffff0000u)), sum);
    return _mm512_fmadd_ps(_mm512_castsi512_ps(_mm512_slli_epi32(a, 16)),
                           Set(std::bit_cast<float>(b << 16)), sum);
  }

  static RAGMESH_VNNI_INLINE __m128i Sixteen(const std::uint8_t* bytes) {
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes));
  }
  static RAGMESH_VNNI_INLINE __m256i SixteenWords(const std::uint8_t* bytes) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(bytes));
  }
  static RAGMESH_VNNI_INLINE Floats Halves(const std::uint8_t* bytes) {
    return _mm512_cvtph_ps(SixteenWords(bytes));
  }
  static RAGMESH_VNNI_INLINE Floats BFloats(const std::uint8_t* bytes) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(SixteenWords(bytes)), 16));
  }
  static RAGMESH_VNNI_INLINE Floats UnsignedBytes(const std::uint8_t* bytes) {
    return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(Sixteen(bytes)));
  }
  static RAGMESH_VNNI_INLINE Floats SignedBytes(const std::uint8_t* bytes) {
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(Sixteen(bytes)));
  }
};

}  // namespace ragmesh::quant

#endif  // RAGMESH_LIBS_QUANT_SIMD_AVX512_H_
