// GELU, 512 bits wide. Only the files of those tables include this.
#ifndef RAGMESH_LIBS_LINALG_GELU_AVX512_H_
#define RAGMESH_LIBS_LINALG_GELU_AVX512_H_

#include <immintrin.h>

#include <cmath>

#include "libs/linalg/tile_avx512.h"

namespace ragmesh::linalg::avx512 {

// x * Phi(x) is max(x, 0) less the even function t(|x|) = |x| * Phi(-|x|). This knows -t in pieces
// of equal width from 0 to kEnd: a cubic each, in the distance from the piece's middle counted in
// widths; the first begins in its middle, at 0, and the last is 0. A piece's coefficients are
// looked up in two registers by one instruction, so that there is no exponential and no division.
class GeluPieces {
 public:
  RAGMESH_AVX512 GeluPieces() {
    static const Coefficients coefficients;
    for (int k = 0; k <= kDegree; ++k) {
      low_[k] = _mm512_load_ps(coefficients.of[k]);
      high_[k] = _mm512_load_ps(coefficients.of[k] + 16);
    }
  }

  RAGMESH_AVX512 inline __m512 Gelu(__m512 x) const {
    const __m512 at = _mm512_min_ps(_mm512_set1_ps(kCount - 1),  // the second when that is NaN
                                    _mm512_abs_ps(_mm512_mul_ps(x, _mm512_set1_ps(kScale))));
    // So much larger than `at` that the sum is rounded to an integer, in its low bits.
    const __m512 magic = _mm512_set1_ps(0x1.8p23f);
    const __m512 sum = _mm512_add_ps(at, magic);
    const __m512 distance = _mm512_sub_ps(at, _mm512_sub_ps(sum, magic));
    const __m512i piece = _mm512_castps_si512(sum);
    __m512 value = _mm512_permutex2var_ps(low_[kDegree], piece, high_[kDegree]);
    for (int k = kDegree - 1; k >= 0; --k)
      value = _mm512_fmadd_ps(value, distance, _mm512_permutex2var_ps(low_[k], piece, high_[k]));
    return _mm512_add_ps(value, _mm512_max_ps(x, _mm512_setzero_ps()));
  }

 private:
  static constexpr int kCount = 32, kDegree = 3;
  static constexpr float kEnd = 5.4f, kScale = kCount / kEnd;

  struct Coefficients {
    // Through Chebyshev points: error below 2^-21.
    Coefficients() {
      for (int piece = 0; piece + 1 < kCount; ++piece) {
        double at[kDegree + 1], d[kDegree + 1];
        for (int i = 0; i <= kDegree; ++i) {
          at[i] = -0.5 * std::cos((2 * i + 1) * 3.14159265358979323846 / (2 * kDegree + 2));
          const double x = (piece + at[i]) / kScale;
          d[i] = -x * 0.5 * std::erfc(x * 0.70710678118654752440);
        }
        // Newton's divided differences, then the powers of the distance.
        for (int level = 1; level <= kDegree; ++level) {
          for (int i = kDegree; i >= level; --i) d[i] = (d[i] - d[i - 1]) / (at[i] - at[i - level]);
        }
        double power[kDegree + 1] = {d[kDegree]};
        for (int i = kDegree - 1; i >= 0; --i) {
          for (int k = kDegree; k > 0; --k) power[k] = power[k - 1] - at[i] * power[k];
          power[0] = d[i] - at[i] * power[0];
        }
        for (int k = 0; k <= kDegree; ++k) of[k][piece] = static_cast<float>(power[k]);
      }
    }
    alignas(64) float of[kDegree + 1][kCount] = {};
  };

  __m512 low_[kDegree + 1], high_[kDegree + 1];
};

}  // namespace ragmesh::linalg::avx512

#endif  // RAGMESH_LIBS_LINALG_GELU_AVX512_H_
