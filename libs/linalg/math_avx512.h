// What the 512-bit kernels share: masks, sums, powers of two. Only the files of those tables
// include this.
#ifndef RAGMESH_LIBS_LINALG_MATH_AVX512_H_
#define RAGMESH_LIBS_LINALG_MATH_AVX512_H_

#include <immintrin.h>

#include <cstddef>

#include "libs/linalg/tile_avx512.h"

namespace ragmesh::linalg::avx512 {

// The first `left` lanes, all 16 of them when there are more.
RAGMESH_AVX512 inline __mmask16 Lanes(std::size_t left) {
  return left >= 16 ? __mmask16{0xFFFF} : static_cast<__mmask16>((1u << left) - 1);
}

// Pairwise, always in the same order.
RAGMESH_AVX512 inline float Sum(__m512 v) {
  const __m256 half = _mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
  __m128 quarter = _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
  quarter = _mm_add_ps(quarter, _mm_movehl_ps(quarter, quarter));
  return _mm_cvtss_f32(_mm_add_ss(quarter, _mm_movehdup_ps(quarter)));
}

// 2^x for x up to 127; below -126 it gives 2^-126, about 1e-38. NaN stays NaN. Error: 2^-22 with
// six terms, 2^-14 with four.
template <int terms>
RAGMESH_AVX512 inline __m512 Exp2(__m512 x) {
  x = _mm512_max_ps(_mm512_set1_ps(-126.0f), x);  // the second operand is returned when it is NaN
  const __m512 n = _mm512_roundscale_ps(x, 0x08);
  const __m512 r = _mm512_sub_ps(x, n);
  // The Taylor series of e^(r ln 2): |r| is at most 1/2.
  constexpr float kTerms[] = {1.0f,          6.9314718e-1f, 2.4022651e-1f, 5.5504109e-2f,
                              9.6181291e-3f, 1.3333558e-3f, 1.5403530e-4f};
  __m512 p = _mm512_set1_ps(kTerms[terms]);
  for (int k = terms - 1; k >= 0; --k) p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(kTerms[k]));
  return _mm512_scalef_ps(p, n);
}

// Lane l of vector v goes to lane v of vector l.
RAGMESH_AVX512 inline void Transpose(__m512i (&v)[16]) {
  __m512i t[16];
  for (int i = 0; i < 16; i += 2) {
    t[i] = _mm512_unpacklo_epi32(v[i], v[i + 1]);
    t[i + 1] = _mm512_unpackhi_epi32(v[i], v[i + 1]);
  }
  for (int i = 0; i < 16; i += 4) {
    v[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
    v[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
    v[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
    v[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
  }
  // v[4q + i] now holds, in its quarter k, lane 4k + i of vectors 4q to 4q + 3.
  for (int i = 0; i < 4; ++i) {
    t[i] = _mm512_shuffle_i32x4(v[i], v[i + 4], 0x88);
    t[i + 4] = _mm512_shuffle_i32x4(v[i], v[i + 4], 0xdd);
    t[i + 8] = _mm512_shuffle_i32x4(v[i + 8], v[i + 12], 0x88);
    t[i + 12] = _mm512_shuffle_i32x4(v[i + 8], v[i + 12], 0xdd);
  }
  for (int i = 0; i < 4; ++i) {
    v[i] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0x88);
    v[i + 4] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0x88);
    v[i + 8] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0xdd);
    v[i + 12] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0xdd);
  }
}

}  // namespace ragmesh::linalg::avx512

#endif  // RAGMESH_LIBS_LINALG_MATH_AVX512_H_
