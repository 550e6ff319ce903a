// AVX-512 with VNNI: products of 16 rows at a time, four bytes of each in one instruction. The rest
// is that of the AVX2 table.
#include "libs/linalg/quant_kernels.h"

#if defined(__x86_64__)

// gcc 12 takes the undefined registers of its own intrinsics for uninitialised variables.
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"

#include <immintrin.h>

#include <cstring>

#include "libs/linalg/cpu_features.h"

#define RAGMESH_VNNI \
  __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,fma,f16c")))
#define RAGMESH_VNNI_INLINE RAGMESH_VNNI __attribute__((always_inline)) inline
#define RAGMESH_SIMD_TARGET RAGMESH_VNNI
#include "libs/linalg/quant_attention.h"
#include "libs/linalg/quant_products.h"

namespace ragmesh::linalg {
namespace {

// Sixteen lanes for quant_products.h and quant_attention.h.
struct Simd {
  static constexpr std::size_t kWidth = 16, kTokens = kMaxTileTokens, kQueries = kMaxTileQueries;
  static constexpr bool kSignedBytes = false;
  using Ints = __m512i;
  using Floats = __m512;

  static RAGMESH_VNNI_INLINE Ints LoadInts(const std::uint8_t* bytes) {
    return _mm512_loadu_si512(bytes);
  }
  static RAGMESH_VNNI_INLINE Ints AddInts(Ints a, Ints b) { return _mm512_add_epi32(a, b); }
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
  template <std::size_t kBits>
  static RAGMESH_VNNI_INLINE Ints Dot(std::int32_t start, const Ints* u, const std::int8_t* x) {
    Ints total = _mm512_set1_epi32(start);
#pragma GCC unroll 4
    for (int g = 0; g < 4; ++g) {
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

}  // namespace

const QuantKernels* Avx512QuantKernels() {
  static const QuantKernels* const kernels = []() -> const QuantKernels* {
    const QuantKernels* avx2 = Avx2QuantKernels();
    if (avx2 == nullptr || !GetCpuFeatures().avx512_vnni) return nullptr;
    static QuantKernels table = *avx2;
    table.name = "avx512-vnni";
    table.mul_f32 = quant::MulF32<Simd>;
    table.mul_q8 = quant::MulQ8<Simd>;
    table.attend = quant::Attend<Simd>;
    table.store_kv = quant::StoreKv<Simd>;
    table.load_kv = quant::LoadKv<Simd>;
    return &table;
  }();
  return kernels;
}

}  // namespace ragmesh::linalg

#else

namespace ragmesh::linalg {
const QuantKernels* Avx512QuantKernels() { return nullptr; }
}  // namespace ragmesh::linalg

#endif
