// What the 256-bit kernels share: masks, sums, powers of two. Only the files of those tables
// include this.
#ifndef RAGMESH_LIBS_LINALG_MATH_AVX2_H_
#define RAGMESH_LIBS_LINALG_MATH_AVX2_H_

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#define RAGMESH_AVX2 __attribute__((target("avx2,fma")))

namespace ragmesh::linalg::avx2 {

// The first `left` lanes, all 8 of them when there are more.
RAGMESH_AVX2 inline __m256i Lanes(std::size_t left) {
  alignas(32) static constexpr std::int32_t kMask[16] = {-1, -1, -1, -1, -1, -1, -1, -1,
                                                         0,  0,  0,  0,  0,  0,  0,  0};
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(kMask + 8 - (left < 8 ? left : 8)));
}

// Pairwise, always in the same order.
RAGMESH_AVX2 inline float Sum(__m256 v) {
  __m128 half = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  half = _mm_add_ps(half, _mm_movehl_ps(half, half));
  return _mm_cvtss_f32(_mm_add_ss(half, _mm_movehdup_ps(half)));
}

RAGMESH_AVX2 inline std::int32_t Sum(__m256i v) {
  __m128i half = _mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
  half = _mm_add_epi32(half, _mm_shuffle_epi32(half, 0x4E));
  return _mm_cvtsi128_si32(_mm_add_epi32(half, _mm_shuffle_epi32(half, 0xB1)));
}

// NaN counts as less than everything.
RAGMESH_AVX2 inline float Max(__m256 v) {
  __m128 half = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  half = _mm_max_ps(half, _mm_movehl_ps(half, half));
  return _mm_cvtss_f32(_mm_max_ss(half, _mm_movehdup_ps(half)));
}

// 2^x for x up to 127, error 2^-22; below -126 it gives 2^-126, about 1e-38. NaN stays NaN.
RAGMESH_AVX2 inline __m256 Exp2(__m256 x) {
  x = _mm256_max_ps(_mm256_set1_ps(-126.0f), x);  // the second operand is returned when it is NaN
  const __m256 n = _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  const __m256 r = _mm256_sub_ps(x, n);
  // The Taylor series of e^(r ln 2) to the sixth power: |r| is at most 1/2.
  __m256 p = _mm256_set1_ps(1.5403530e-4f);
  for (const float c :
       {1.3333558e-3f, 9.6181291e-3f, 5.5504109e-2f, 2.4022651e-1f, 6.9314718e-1f, 1.0f}) {
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(c));
  }
  const __m256i exponent = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
  return _mm256_mul_ps(p, _mm256_castsi256_ps(_mm256_slli_epi32(exponent, 23)));
}

// Lane l of vector v goes to lane v of vector l.
RAGMESH_AVX2 inline void Transpose(__m256 (&v)[8]) {
  __m256 t[8];
  for (int i = 0; i < 8; i += 2) {
    t[i] = _mm256_unpacklo_ps(v[i], v[i + 1]);
    t[i + 1] = _mm256_unpackhi_ps(v[i], v[i + 1]);
  }
  for (int i = 0; i < 8; i += 4) {
    v[i] = _mm256_shuffle_ps(t[i], t[i + 2], 0x44);
    v[i + 1] = _mm256_shuffle_ps(t[i], t[i + 2], 0xEE);
    v[i + 2] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0x44);
    v[i + 3] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0xEE);
  }
  // v[4q + i] now holds, in its half k, lane 4k + i of vectors 4q to 4q + 3.
  for (int i = 0; i < 4; ++i) {
    t[i] = _mm256_permute2f128_ps(v[i], v[i + 4], 0x20);
    t[i + 4] = _mm256_permute2f128_ps(v[i], v[i + 4], 0x31);
  }
  for (int i = 0; i < 8; ++i) v[i] = t[i];
}

}  // namespace ragmesh::linalg::avx2

#endif  // RAGMESH_LIBS_LINALG_MATH_AVX2_H_
