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

// 16 values in memory, or fewer; behind those there are zeros. A masked store is not seen by loads
// that follow until it has left for the cache, so whole vectors do without.
struct AllLanes {
  RAGMESH_AVX512 inline __m512 Load(const float* from) const { return _mm512_loadu_ps(from); }
  RAGMESH_AVX512 inline void Store(float* to, __m512 v) const { _mm512_storeu_ps(to, v); }
  RAGMESH_AVX512 inline __m512 Select(__m512 v, __m512) const { return v; }
};
struct SomeLanes {
  RAGMESH_AVX512 inline __m512 Load(const float* from) const {
    return _mm512_maskz_loadu_ps(mask, from);
  }
  RAGMESH_AVX512 inline void Store(float* to, __m512 v) const {
    _mm512_mask_storeu_ps(to, mask, v);
  }
  // v in these lanes, `other` behind them.
  RAGMESH_AVX512 inline __m512 Select(__m512 v, __m512 other) const {
    return _mm512_mask_mov_ps(other, mask, v);
  }
  __mmask16 mask;
};

// Calls step(i, lanes, way) for the vectors at 0, 16 and so on of n values. `way` goes from 0 to
// ways - 1 over and over: sums that are kept apart by it need not wait for each other.
template <int ways, typename Step>
RAGMESH_AVX512 __attribute__((always_inline)) inline void ForVectors(std::size_t n,
                                                                     const Step& step) {
  std::size_t i = 0;
  for (; i + 16 * ways <= n; i += 16 * ways) {
#pragma GCC unroll 8
    for (int way = 0; way < ways; ++way)
      step(i + 16 * static_cast<std::size_t>(way), AllLanes(), way);
  }
  for (; i + 16 <= n; i += 16) step(i, AllLanes(), 0);
  if (i < n) step(i, SomeLanes{Lanes(n - i)}, 0);
}

// Pairwise, always in the same order.
RAGMESH_AVX512 inline float Sum(__m512 v) {
  const __m256 half = _mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
  __m128 quarter = _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
  quarter = _mm_add_ps(quarter, _mm_movehl_ps(quarter, quarter));
  return _mm_cvtss_f32(_mm_add_ss(quarter, _mm_movehdup_ps(quarter)));
}

struct Add {
  RAGMESH_AVX512 static inline __m512 Of(__m512 a, __m512 b) { return _mm512_add_ps(a, b); }
};
struct Max {
  RAGMESH_AVX512 static inline __m512 Of(__m512 a, __m512 b) { return _mm512_max_ps(a, b); }
};

// Lane r is the sum or largest of the 16 lanes of v[r], always in the same order. Much less work
// than one vector after the other.
template <typename Join>
RAGMESH_AVX512 inline __m512 JoinLanes(const __m512 (&v)[16]) {
  __m512 pairs[8], quads[4], halves[2];
  for (int i = 0; i < 8; ++i) {
    pairs[i] = Join::Of(_mm512_unpacklo_ps(v[2 * i], v[2 * i + 1]),
                        _mm512_unpackhi_ps(v[2 * i], v[2 * i + 1]));
  }
  for (int i = 0; i < 4; ++i) {
    const __m512d low = _mm512_castps_pd(pairs[2 * i]), high = _mm512_castps_pd(pairs[2 * i + 1]);
    quads[i] = Join::Of(_mm512_castpd_ps(_mm512_unpacklo_pd(low, high)),
                        _mm512_castpd_ps(_mm512_unpackhi_pd(low, high)));
  }
  for (int i = 0; i < 2; ++i) {
    halves[i] = Join::Of(_mm512_shuffle_f32x4(quads[2 * i], quads[2 * i + 1], 0x88),
                         _mm512_shuffle_f32x4(quads[2 * i], quads[2 * i + 1], 0xdd));
  }
  return Join::Of(_mm512_shuffle_f32x4(halves[0], halves[1], 0x88),
                  _mm512_shuffle_f32x4(halves[0], halves[1], 0xdd));
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
