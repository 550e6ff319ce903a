// AVX-512 with VNNI: products of 16 rows at a time, four bytes of each in one instruction. The rest
// is that of the AVX2 table.
#include "libs/quant/kernels.h"

#if defined(__x86_64__)

#include "libs/linalg/cpu_features.h"
#include "libs/quant/simd_avx512.h"

#define RAGMESH_SIMD_TARGET __attribute__((target(RAGMESH_VNNI_FEATURES)))
#include "libs/quant/attention.h"
#include "libs/quant/kv_rows.h"
#include "libs/quant/products.h"
#include "libs/quant/vectors.h"

namespace ragmesh::quant {
namespace {

constexpr std::size_t kRuns = 4;  // that are rounded together

struct Larger {
  static RAGMESH_VNNI_INLINE __m512 Of(__m512 a, __m512 b) { return _mm512_max_ps(a, b); }
};
struct Sum {
  static RAGMESH_VNNI_INLINE __m512 Of(__m512 a, __m512 b) { return _mm512_add_ps(a, b); }
};

// Joins the sixteen lanes of each of four runs, in the order of the scalar table: lanes 0 and 2, 1
// and 3 of every quarter, these two, quarters 0 and 2, 1 and 3, these two. The result has one lane
// for each run in every quarter.
template <typename Join>
RAGMESH_VNNI_INLINE __m512 JoinLanes(const __m512 (&runs)[kRuns]) {
  const __m512d first = _mm512_castps_pd(Join::Of(_mm512_unpacklo_ps(runs[0], runs[1]),
                                                  _mm512_unpackhi_ps(runs[0], runs[1]))),
                second = _mm512_castps_pd(Join::Of(_mm512_unpacklo_ps(runs[2], runs[3]),
                                                   _mm512_unpackhi_ps(runs[2], runs[3])));
  __m512 all = Join::Of(_mm512_castpd_ps(_mm512_unpacklo_pd(first, second)),
                        _mm512_castpd_ps(_mm512_unpackhi_pd(first, second)));
  all = Join::Of(all, _mm512_shuffle_f32x4(all, all, 0x4E));
  return Join::Of(all, _mm512_shuffle_f32x4(all, all, 0xB1));
}

// The largest magnitude of each of four runs, in the lanes of every quarter. What is not a number
// counts as nothing.
RAGMESH_VNNI_INLINE __m512 LargestOfRuns(const float* x) {
  __m512 largest[kRuns];
#pragma GCC unroll 4
  for (std::size_t r = 0; r < kRuns; ++r) {
    const __m512 low = _mm512_abs_ps(_mm512_loadu_ps(x + 32 * r)),
                 high = _mm512_abs_ps(_mm512_loadu_ps(x + 32 * r + 16));
    largest[r] = _mm512_max_ps(high, _mm512_max_ps(low, _mm512_setzero_ps()));
  }
  return JoinLanes<Larger>(largest);
}

// Sixteen values within 127 of 0, still to be rounded.
RAGMESH_VNNI_INLINE __m512 Scaled(__m512 x, __m512 inverse) {
  const __m512 scaled =  // what is not a number becomes -127
      _mm512_max_ps(_mm512_mul_ps(x, inverse), _mm512_set1_ps(-127));
  return _mm512_min_ps(scaled, _mm512_set1_ps(127));
}

RAGMESH_VNNI_INLINE __m128i RoundSixteen(const float* x, __m512 inverse) {
  return _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(Scaled(_mm512_loadu_ps(x), inverse)));
}

// Lane r % 4 of all, in each of them.
RAGMESH_VNNI_INLINE __m512 OfRun(__m512 all, std::size_t r) {
  return _mm512_permutexvar_ps(_mm512_set1_epi32(static_cast<int>(r)), all);
}

// The squares of what rounding leaves of four runs, added up as the scalar table does. `scales` and
// `inverses` have one lane for each in every quarter, as has the result.
RAGMESH_VNNI_INLINE __m512 ErrorsOfRuns(const float* x, __m512 scales, __m512 inverses) {
  __m512 lanes[kRuns];
#pragma GCC unroll 4
  for (std::size_t r = 0; r < kRuns; ++r) {
    __m512 left[2];
#pragma GCC unroll 2
    for (std::size_t h = 0; h < 2; ++h) {
      const __m512 v = _mm512_loadu_ps(x + 32 * r + 16 * h);
      const __m512 rounded = _mm512_roundscale_ps(Scaled(v, OfRun(inverses, r)),
                                                  _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
      left[h] = _mm512_fnmadd_ps(OfRun(scales, r), rounded, v);
    }
    lanes[r] = _mm512_fmadd_ps(left[1], left[1], _mm512_mul_ps(left[0], left[0]));
  }
  return JoinLanes<Sum>(lanes);
}

// As the scalar table does, bit for bit.
__attribute__((target(RAGMESH_VNNI_FEATURES))) void QuantizeQ8(const float* x, std::size_t columns,
                                                               std::size_t slot, Q8Tile* tiles) {
  const std::size_t runs = columns / kRunValues;
  std::size_t run = 0;
  for (; run + kRuns <= runs; run += kRuns) {
    const float* from = x + run * kRunValues;
    const __m512 largest = LargestOfRuns(from);
    const __mmask16 some = _mm512_cmp_ps_mask(largest, _mm512_setzero_ps(), _CMP_GT_OQ);
    __m512 scales[2], inverses[2], errors[2];
#pragma GCC unroll 2
    for (std::size_t t = 0; t < 2; ++t) {
      const __m512 top = _mm512_set1_ps(kQ8Tops[t]);
      scales[t] = _mm512_div_ps(largest, top);
      inverses[t] = _mm512_maskz_div_ps(some, top, largest);
      errors[t] = ErrorsOfRuns(from, scales[t], inverses[t]);
    }
    const __mmask16 better = _mm512_cmp_ps_mask(errors[1], errors[0], _CMP_LT_OQ);
    const __m512 best = _mm512_mask_mov_ps(inverses[0], better, inverses[1]);
    // Sums of four bytes, then of the four lanes that make a half run.
    __m512i sums[2];
#pragma GCC unroll 2
    for (std::size_t i = 0; i < 2; ++i) {
      __m256i bytes[2];
#pragma GCC unroll 2
      for (std::size_t j = 0; j < 2; ++j) {
        const std::size_t r = 2 * i + j;
        const __m512 inverse = OfRun(best, r);
        const float* values = from + r * kRunValues;
        bytes[j] = _mm256_inserti128_si256(_mm256_castsi128_si256(RoundSixteen(values, inverse)),
                                           RoundSixteen(values + 16, inverse), 1);
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(tiles[run + r].q[slot]), bytes[j]);
      }
      const __m512i both = _mm512_inserti64x4(_mm512_castsi256_si512(bytes[0]), bytes[1], 1);
      __m512i lanes = _mm512_dpbusd_epi32(_mm512_setzero_si512(), _mm512_set1_epi8(1), both);
      lanes = _mm512_add_epi32(lanes, _mm512_shuffle_epi32(lanes, _MM_PERM_BADC));
      sums[i] = _mm512_add_epi32(lanes, _mm512_shuffle_epi32(lanes, _MM_PERM_CDAB));
    }
    const __m512i firsts = _mm512_setr_epi32(0, 8, 16, 24, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0),
                  seconds = _mm512_setr_epi32(4, 12, 20, 28, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
    const __m128i first =
                      _mm512_castsi512_si128(_mm512_permutex2var_epi32(sums[0], firsts, sums[1])),
                  second =
                      _mm512_castsi512_si128(_mm512_permutex2var_epi32(sums[0], seconds, sums[1]));
    const __m128i whole = _mm_add_epi32(first, second);
    __m128 scale = _mm512_castps512_ps128(_mm512_mask_mov_ps(scales[0], better, scales[1])),
           sum = _mm_mul_ps(scale, _mm_cvtepi32_ps(whole)),
           minus_whole = _mm_castsi128_ps(_mm_sub_epi32(_mm_setzero_si128(), whole)),
           minus_first = _mm_castsi128_ps(_mm_sub_epi32(_mm_setzero_si128(), first));
    _MM_TRANSPOSE4_PS(scale, sum, minus_whole, minus_first);
    const __m128 of[kRuns] = {scale, sum, minus_whole, minus_first};  // now one for each run
#pragma GCC unroll 4
    for (std::size_t r = 0; r < kRuns; ++r)
      _mm_storeu_ps(reinterpret_cast<float*>(&tiles[run + r].of[slot]), of[r]);
  }
  Avx2QuantKernels()->quantize_q8(x + run * kRunValues, (runs - run) * kRunValues, slot,
                                  tiles + run);
}

}  // namespace

const QuantKernels* Avx512QuantKernels() {
  static const QuantKernels* const kernels = []() -> const QuantKernels* {
    const QuantKernels* avx2 = Avx2QuantKernels();
    if (avx2 == nullptr || !linalg::GetCpuFeatures().avx512_vnni) return nullptr;
    static QuantKernels table = *avx2;
    table.name = "avx512-vnni";
    table.quantize_q8 = QuantizeQ8;
    table.mul_f32 = simd::MulF32<Avx512Simd>;
    table.mul_q8 = simd::MulQ8<Avx512Simd>;
    table.attend = simd::Attend<Avx512Simd>;
    table.store_kv = simd::StoreKv<Avx512Simd>;
    table.load_kv = simd::LoadKv<Avx512Simd>;
    table.add = simd::Add<Avx512Simd>;
    table.rotate = simd::Rotate<Avx512Simd>;
    table.silu_mul = simd::SiluMul<Avx512Simd>;
    table.gelu_mul = simd::GeluMul<Avx512Simd>;
    return &table;
  }();
  return kernels;
}

}  // namespace ragmesh::quant

#else

namespace ragmesh::quant {
const QuantKernels* Avx512QuantKernels() { return nullptr; }
}  // namespace ragmesh::quant

#endif
