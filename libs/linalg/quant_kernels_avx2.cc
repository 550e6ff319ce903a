// AVX2 + FMA + F16C. Each function carries its own target attribute, so the rest of the program
// stays baseline.
//
// mul_q8 has two shapes with the same arithmetic. For one activation row it unpacks eight weight
// rows run by run and folds their dot products into one register, a lane per row. For more it first
// unpacks the eight rows into a panel whose 32-byte lines hold 4 values of each of 8 rows; a line
// then serves all activation rows without folding.
#include "libs/linalg/quant_kernels.h"

#if defined(__x86_64__)

#include <immintrin.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "libs/linalg/cpu_features.h"

#define RAGMESH_AVX2 __attribute__((target("avx2,fma,f16c,bmi2")))
#define RAGMESH_AVX2_INLINE __attribute__((target("avx2,fma,f16c,bmi2"), always_inline)) inline

namespace ragmesh::linalg {
namespace {

constexpr std::size_t kPanelRows = 8;

template <typename T>
RAGMESH_AVX2_INLINE T Load(const std::uint8_t* bytes) {
  T value;
  std::memcpy(&value, bytes, sizeof(value));
  return value;
}

RAGMESH_AVX2_INLINE float LoadHalf(const std::uint8_t* bytes) {
  return _cvtsh_ss(Load<std::uint16_t>(bytes));
}

// The f16 at `bytes` of each of eight rows.
RAGMESH_AVX2_INLINE __m256 GatherHalves(const std::uint8_t* bytes, std::size_t stride) {
  __m128i halves = _mm_setzero_si128();
  halves = _mm_insert_epi16(halves, Load<std::int16_t>(bytes), 0);
  halves = _mm_insert_epi16(halves, Load<std::int16_t>(bytes + stride), 1);
  halves = _mm_insert_epi16(halves, Load<std::int16_t>(bytes + 2 * stride), 2);
  halves = _mm_insert_epi16(halves, Load<std::int16_t>(bytes + 3 * stride), 3);
  halves = _mm_insert_epi16(halves, Load<std::int16_t>(bytes + 4 * stride), 4);
  halves = _mm_insert_epi16(halves, Load<std::int16_t>(bytes + 5 * stride), 5);
  halves = _mm_insert_epi16(halves, Load<std::int16_t>(bytes + 6 * stride), 6);
  halves = _mm_insert_epi16(halves, Load<std::int16_t>(bytes + 7 * stride), 7);
  return _mm256_cvtph_ps(halves);
}

// 16 bytes -> low nibbles in the low half, high nibbles in the high half.
RAGMESH_AVX2_INLINE __m256i Nibbles(const std::uint8_t* bytes) {
  const __m128i raw = _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes));
  const __m256i both =
      _mm256_inserti128_si256(_mm256_castsi128_si256(raw), _mm_srli_epi16(raw, 4), 1);
  return _mm256_and_si256(both, _mm256_set1_epi8(15));
}

// How each type yields its runs. kSigned: q is signed, otherwise unsigned and below 64 (two halves
// of a run then fit 16-bit sums). kNarrow: below 16, a whole run fits. kOffset, kSubScales: as in
// `Run`.
struct Q4_0 {
  static constexpr bool kSigned = false, kNarrow = true, kOffset = true, kSubScales = false;
  static RAGMESH_AVX2_INLINE const std::uint8_t* Block(const std::uint8_t* row, std::size_t run) {
    return row + run * 18;
  }
  static RAGMESH_AVX2_INLINE __m256i Unpack(const std::uint8_t* row, std::size_t run) {
    return Nibbles(Block(row, run) + 2);
  }
  static RAGMESH_AVX2_INLINE void Scales(const std::uint8_t* row, std::size_t stride,
                                         std::size_t run, __m256* scale, __m256* offset) {
    *scale = GatherHalves(Block(row, run), stride);
    *offset = _mm256_mul_ps(*scale, _mm256_set1_ps(-8));
  }
};

struct Q4_1 {
  static constexpr bool kSigned = false, kNarrow = true, kOffset = true, kSubScales = false;
  static RAGMESH_AVX2_INLINE const std::uint8_t* Block(const std::uint8_t* row, std::size_t run) {
    return row + run * 20;
  }
  static RAGMESH_AVX2_INLINE __m256i Unpack(const std::uint8_t* row, std::size_t run) {
    return Nibbles(Block(row, run) + 4);
  }
  // Scale and offset are neighbours: one 32-bit load per row brings both.
  static RAGMESH_AVX2_INLINE void Scales(const std::uint8_t* row, std::size_t stride,
                                         std::size_t run, __m256* scale, __m256* offset) {
    const std::uint8_t* b = Block(row, run);
    const __m128i low = _mm_setr_epi32(Load<int>(b), Load<int>(b + stride),
                                       Load<int>(b + 2 * stride), Load<int>(b + 3 * stride));
    const __m128i high = _mm_setr_epi32(Load<int>(b + 4 * stride), Load<int>(b + 5 * stride),
                                        Load<int>(b + 6 * stride), Load<int>(b + 7 * stride));
    const __m128i split = _mm_setr_epi8(0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15);
    const __m128i first = _mm_shuffle_epi8(low, split), second = _mm_shuffle_epi8(high, split);
    *scale = _mm256_cvtph_ps(_mm_unpacklo_epi64(first, second));
    *offset = _mm256_cvtph_ps(_mm_unpackhi_epi64(first, second));
  }
};

struct Q5_0 {
  static constexpr bool kSigned = false, kNarrow = false, kOffset = true, kSubScales = false;
  static RAGMESH_AVX2_INLINE const std::uint8_t* Block(const std::uint8_t* row, std::size_t run) {
    return row + run * 22;
  }
  static RAGMESH_AVX2_INLINE __m256i Unpack(const std::uint8_t* row, std::size_t run) {
    const std::uint8_t* block = Block(row, run);
    // Byte j of `spread` holds the mask byte with bit j; then isolate that bit and turn it into 16.
    const __m256i spread =
        _mm256_shuffle_epi8(_mm256_set1_epi32(Load<int>(block + 2)),
                            _mm256_setr_epi8(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2,
                                             2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3));
    const __m256i bit = _mm256_set1_epi64x(static_cast<long long>(0x8040201008040201ull));
    const __m256i set = _mm256_cmpeq_epi8(_mm256_and_si256(spread, bit), bit);
    return _mm256_or_si256(Nibbles(block + 6), _mm256_and_si256(set, _mm256_set1_epi8(16)));
  }
  static RAGMESH_AVX2_INLINE void Scales(const std::uint8_t* row, std::size_t stride,
                                         std::size_t run, __m256* scale, __m256* offset) {
    *scale = GatherHalves(Block(row, run), stride);
    *offset = _mm256_mul_ps(*scale, _mm256_set1_ps(-16));
  }
};

struct Q8_0 {
  static constexpr bool kSigned = true, kNarrow = false, kOffset = false, kSubScales = false;
  static RAGMESH_AVX2_INLINE const std::uint8_t* Block(const std::uint8_t* row, std::size_t run) {
    return row + run * 34;
  }
  static RAGMESH_AVX2_INLINE __m256i Unpack(const std::uint8_t* row, std::size_t run) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(Block(row, run) + 2));
  }
  static RAGMESH_AVX2_INLINE void Scales(const std::uint8_t* row, std::size_t stride,
                                         std::size_t run, __m256* scale, __m256* offset) {
    *scale = GatherHalves(Block(row, run), stride);
    *offset = _mm256_setzero_ps();
  }
};

struct Q4_K {
  static constexpr bool kSigned = false, kNarrow = true, kOffset = true, kSubScales = false;
  static RAGMESH_AVX2_INLINE const std::uint8_t* Block(const std::uint8_t* row, std::size_t run) {
    return row + run / 8 * 144;
  }
  static RAGMESH_AVX2_INLINE __m256i Unpack(const std::uint8_t* row, std::size_t run) {
    const __m256i raw = _mm256_loadu_si256(
        reinterpret_cast<const __m256i*>(Block(row, run) + 16 + 32 * (run % 8 / 2)));
    return _mm256_and_si256(run % 2 == 0 ? raw : _mm256_srli_epi16(raw, 4), _mm256_set1_epi8(15));
  }
  static RAGMESH_AVX2_INLINE void Scales(const std::uint8_t* row, std::size_t stride,
                                         std::size_t run, __m256* scale, __m256* offset) {
    alignas(32) float s[kPanelRows], n[kPanelRows];
    const std::size_t i = run % 8;
    for (std::size_t r = 0; r < kPanelRows; ++r) {
      const std::uint8_t* block = Block(row + r * stride, run);
      const std::uint8_t* six = block + 4;
      const int multiple = i < 4 ? six[i] & 63 : (six[i + 4] & 15) | ((six[i - 4] >> 6) << 4);
      const int minimum = i < 4 ? six[i + 4] & 63 : (six[i + 4] >> 4) | ((six[i] >> 6) << 4);
      s[r] = LoadHalf(block) * static_cast<float>(multiple);
      n[r] = -(LoadHalf(block + 2) * static_cast<float>(minimum));
    }
    *scale = _mm256_load_ps(s);
    *offset = _mm256_load_ps(n);
  }
};

struct Q6_K {
  static constexpr bool kSigned = true, kNarrow = false, kOffset = false, kSubScales = true;
  static RAGMESH_AVX2_INLINE const std::uint8_t* Block(const std::uint8_t* row, std::size_t run) {
    return row + run / 8 * 210;
  }
  static RAGMESH_AVX2_INLINE __m256i Unpack(const std::uint8_t* row, std::size_t run) {
    const std::uint8_t* block = Block(row, run);
    const std::size_t half = run % 8 / 4, part = run % 4;
    __m256i low =
        _mm256_loadu_si256(reinterpret_cast<const __m256i*>(block + 64 * half + 32 * (part & 1)));
    if (part >= 2) low = _mm256_srli_epi16(low, 4);
    const __m256i high = _mm256_srl_epi16(
        _mm256_loadu_si256(reinterpret_cast<const __m256i*>(block + 128 + 32 * half)),
        _mm_cvtsi32_si128(static_cast<int>(2 * part)));
    const __m256i top = _mm256_slli_epi16(_mm256_and_si256(high, _mm256_set1_epi8(3)), 4);
    const __m256i q = _mm256_or_si256(_mm256_and_si256(low, _mm256_set1_epi8(15)), top);
    return _mm256_sub_epi8(q, _mm256_set1_epi8(32));
  }
  static RAGMESH_AVX2_INLINE void Scales(const std::uint8_t* row, std::size_t stride,
                                         std::size_t run, __m256* scale, __m256* offset) {
    *scale = GatherHalves(Block(row, run) + 208, stride);
    *offset = _mm256_setzero_ps();
  }
  // The two sub-scales of a run, each in all 16-bit lanes of its half.
  static RAGMESH_AVX2_INLINE int SubScale(const std::uint8_t* row, std::size_t run,
                                          std::size_t which) {
    return static_cast<std::int8_t>(Block(row, run)[192 + 2 * (run % 8) + which]);
  }
};

template <typename T>
RAGMESH_AVX2_INLINE __m256i SubScaleVector(const std::uint8_t* row, std::size_t run) {
  if constexpr (T::kSubScales) {
    const __m128i first = _mm_set1_epi16(static_cast<short>(T::SubScale(row, run, 0)));
    const __m128i second = _mm_set1_epi16(static_cast<short>(T::SubScale(row, run, 1)));
    return _mm256_inserti128_si256(_mm256_castsi128_si256(first), second, 1);
  } else {
    return _mm256_set1_epi16(1);
  }
}

// Pairs of byte products as 16-bit sums. |q| <= 128 and |a| <= 127 keep a pair below 32,768.
template <typename T>
RAGMESH_AVX2_INLINE __m256i BytePairs(__m256i q, __m256i a) {
  if constexpr (T::kSigned) {
    return _mm256_maddubs_epi16(_mm256_abs_epi8(q), _mm256_sign_epi8(a, q));
  } else {
    return _mm256_maddubs_epi16(q, a);
  }
}

// Lane r of the result is the sum of the lanes of p[r].
RAGMESH_AVX2_INLINE __m256i FoldEight(const __m256i* p) {
  const __m256i a = _mm256_hadd_epi32(_mm256_hadd_epi32(p[0], p[1]), _mm256_hadd_epi32(p[2], p[3]));
  const __m256i b = _mm256_hadd_epi32(_mm256_hadd_epi32(p[4], p[5]), _mm256_hadd_epi32(p[6], p[7]));
  return _mm256_add_epi32(_mm256_permute2x128_si256(a, b, 0x20),
                          _mm256_permute2x128_si256(a, b, 0x31));
}

// One activation row against eight weight rows.
template <typename T>
RAGMESH_AVX2 void MulQ8One(const std::uint8_t* row, std::size_t stride, std::size_t runs,
                           const std::int8_t* q, const float* scale, const float* sum, float* out) {
  __m256 total = _mm256_setzero_ps();
  for (std::size_t run = 0; run < runs; ++run) {
    const __m256i a = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(q + run * kRunValues));
    __m256i p[kPanelRows];
#pragma GCC unroll 8
    for (std::size_t r = 0; r < kPanelRows; ++r) {
      const std::uint8_t* one = row + r * stride;
      p[r] = _mm256_madd_epi16(BytePairs<T>(T::Unpack(one, run), a), SubScaleVector<T>(one, run));
    }
    __m256 s, n;
    T::Scales(row, stride, run, &s, &n);
    const __m256 product = _mm256_cvtepi32_ps(FoldEight(p));
    total = _mm256_fmadd_ps(product, _mm256_mul_ps(s, _mm256_set1_ps(scale[run])), total);
    if constexpr (T::kOffset) total = _mm256_fmadd_ps(n, _mm256_set1_ps(sum[run]), total);
  }
  _mm256_storeu_ps(out, total);
}

// A run of eight rows, unpacked: line g holds values 4g to 4g+3 of each row in turn.
struct alignas(32) PanelRun {
  std::int8_t lines[8][32];
  float scale[kPanelRows];
  float offset[kPanelRows];
  std::int16_t first_sub_scale[16];  // twice per row, for the 16-bit multiply-add
  std::int16_t second_sub_scale[16];
};

RAGMESH_AVX2_INLINE void TransposeDwords(__m256i* v) {
  __m256i t[8];
  for (int i = 0; i < 8; i += 2) {
    t[i] = _mm256_unpacklo_epi32(v[i], v[i + 1]);
    t[i + 1] = _mm256_unpackhi_epi32(v[i], v[i + 1]);
  }
  __m256i u[8];
  for (int i = 0; i < 8; i += 4) {
    u[i] = _mm256_unpacklo_epi64(t[i], t[i + 2]);
    u[i + 1] = _mm256_unpackhi_epi64(t[i], t[i + 2]);
    u[i + 2] = _mm256_unpacklo_epi64(t[i + 1], t[i + 3]);
    u[i + 3] = _mm256_unpackhi_epi64(t[i + 1], t[i + 3]);
  }
  for (int i = 0; i < 4; ++i) {
    v[i] = _mm256_permute2x128_si256(u[i], u[i + 4], 0x20);
    v[i + 4] = _mm256_permute2x128_si256(u[i], u[i + 4], 0x31);
  }
}

template <typename T>
RAGMESH_AVX2 void PackPanel(const std::uint8_t* row, std::size_t stride, std::size_t runs,
                            PanelRun* panel) {
  for (std::size_t run = 0; run < runs; ++run, ++panel) {
    __m256i v[kPanelRows];
#pragma GCC unroll 8
    for (std::size_t r = 0; r < kPanelRows; ++r) v[r] = T::Unpack(row + r * stride, run);
    TransposeDwords(v);
#pragma GCC unroll 8
    for (std::size_t g = 0; g < 8; ++g)
      _mm256_store_si256(reinterpret_cast<__m256i*>(panel->lines[g]), v[g]);
    __m256 s, n;
    T::Scales(row, stride, run, &s, &n);
    _mm256_store_ps(panel->scale, s);
    _mm256_store_ps(panel->offset, n);
    if constexpr (T::kSubScales) {
      for (std::size_t r = 0; r < kPanelRows; ++r) {
        const int first = T::SubScale(row + r * stride, run, 0),
                  second = T::SubScale(row + r * stride, run, 1);
        panel->first_sub_scale[2 * r] = panel->first_sub_scale[2 * r + 1] =
            static_cast<std::int16_t>(first);
        panel->second_sub_scale[2 * r] = panel->second_sub_scale[2 * r + 1] =
            static_cast<std::int16_t>(second);
      }
    }
  }
}

// Dot products of one run: lines[g] with the g-th four activation bytes, summed per row.
template <typename T>
RAGMESH_AVX2_INLINE __m256i RunProduct(const PanelRun& panel, const std::int8_t* q) {
  const __m256i ones = _mm256_set1_epi16(1);
  __m256i part[2] = {_mm256_setzero_si256(), _mm256_setzero_si256()};
#pragma GCC unroll 8
  for (std::size_t g = 0; g < 8; ++g) {
    const __m256i line = _mm256_load_si256(reinterpret_cast<const __m256i*>(panel.lines[g]));
    int four;
    std::memcpy(&four, q + 4 * g, sizeof(four));
    const __m256i pairs = BytePairs<T>(line, _mm256_set1_epi32(four));
    if constexpr (T::kSigned && !T::kSubScales) {
      part[0] = _mm256_add_epi32(
          part[0], _mm256_madd_epi16(pairs, ones));  // 8-bit q: 16-bit sums would overflow
    } else if constexpr (T::kNarrow) {
      part[0] = _mm256_add_epi16(part[0], pairs);
    } else {
      part[g / 4] = _mm256_add_epi16(part[g / 4], pairs);
    }
  }
  if constexpr (T::kSigned && !T::kSubScales) {
    return part[0];
  } else if constexpr (T::kNarrow) {
    return _mm256_madd_epi16(part[0], ones);
  } else if constexpr (T::kSubScales) {
    const __m256i s0 = _mm256_load_si256(reinterpret_cast<const __m256i*>(panel.first_sub_scale));
    const __m256i s1 = _mm256_load_si256(reinterpret_cast<const __m256i*>(panel.second_sub_scale));
    return _mm256_add_epi32(_mm256_madd_epi16(part[0], s0), _mm256_madd_epi16(part[1], s1));
  } else {
    return _mm256_add_epi32(_mm256_madd_epi16(part[0], ones), _mm256_madd_epi16(part[1], ones));
  }
}

// `kCount` activation rows against a panel. Four keep the sums, a line and the temporaries in
// registers.
template <typename T, std::size_t kCount>
RAGMESH_AVX2 void MulQ8Panel(const PanelRun* panel, std::size_t runs, const std::int8_t* q,
                             const float* scale, const float* sum, float* out,
                             std::size_t out_stride) {
  __m256 total[kCount];
#pragma GCC unroll 4
  for (std::size_t a = 0; a < kCount; ++a) total[a] = _mm256_setzero_ps();
  for (std::size_t run = 0; run < runs; ++run) {
    const PanelRun& one = panel[run];
    const __m256 s = _mm256_load_ps(one.scale);
    const __m256 n = _mm256_load_ps(one.offset);
#pragma GCC unroll 4
    for (std::size_t a = 0; a < kCount; ++a) {
      const std::size_t at = a * runs + run;
      const __m256 product = _mm256_cvtepi32_ps(RunProduct<T>(one, q + at * kRunValues));
      total[a] = _mm256_fmadd_ps(product, _mm256_mul_ps(s, _mm256_set1_ps(scale[at])), total[a]);
      if constexpr (T::kOffset) total[a] = _mm256_fmadd_ps(n, _mm256_set1_ps(sum[at]), total[a]);
    }
  }
#pragma GCC unroll 4
  for (std::size_t a = 0; a < kCount; ++a) _mm256_storeu_ps(out + a * out_stride, total[a]);
}

template <typename T>
RAGMESH_AVX2 void MulQ8Rows(const WeightRows& weights, const Q8Rows& x, float* out,
                            std::size_t out_stride, void* scratch) {
  const std::size_t stride = RowBytes(weights.type, weights.columns);
  const std::size_t runs = weights.columns / kRunValues;
  auto* panel = static_cast<PanelRun*>(scratch);
  std::size_t r = 0;
  for (; r + kPanelRows <= weights.rows; r += kPanelRows) {
    const std::uint8_t* row = weights.data + r * stride;
    if (x.rows == 1) {
      MulQ8One<T>(row, stride, runs, x.q, x.scale, x.sum, out + r);
      continue;
    }
    PackPanel<T>(row, stride, runs, panel);
    std::size_t a = 0;
    for (; a + 4 <= x.rows; a += 4) {
      MulQ8Panel<T, 4>(panel, runs, x.q + a * weights.columns, x.scale + a * runs, x.sum + a * runs,
                       out + a * out_stride + r, out_stride);
    }
    for (; a < x.rows; ++a) {
      MulQ8Panel<T, 1>(panel, runs, x.q + a * weights.columns, x.scale + a * runs, x.sum + a * runs,
                       out + a * out_stride + r, out_stride);
    }
  }
  if (r < weights.rows) {
    WeightRows rest = weights;
    rest.data += r * stride;
    rest.rows -= r;
    ScalarQuantKernels().mul_q8(rest, x, out + r, out_stride, scratch);
  }
}

RAGMESH_AVX2 void MulQ8(const WeightRows& weights, const Q8Rows& x, float* out,
                        std::size_t out_stride, void* scratch) {
  switch (weights.type) {
    case QuantType::kQ4_0:
      return MulQ8Rows<Q4_0>(weights, x, out, out_stride, scratch);
    case QuantType::kQ4_1:
      return MulQ8Rows<Q4_1>(weights, x, out, out_stride, scratch);
    case QuantType::kQ5_0:
      return MulQ8Rows<Q5_0>(weights, x, out, out_stride, scratch);
    case QuantType::kQ8_0:
      return MulQ8Rows<Q8_0>(weights, x, out, out_stride, scratch);
    case QuantType::kQ4_K:
      return MulQ8Rows<Q4_K>(weights, x, out, out_stride, scratch);
    case QuantType::kQ6_K:
      return MulQ8Rows<Q6_K>(weights, x, out, out_stride, scratch);
    default:
      return ScalarQuantKernels().mul_q8(weights, x, out, out_stride, scratch);
  }
}

RAGMESH_AVX2_INLINE void ExpandQuarter(__m256i q, float scale, float offset, float* out) {
  const __m256 expanded = _mm256_mul_ps(_mm256_cvtepi32_ps(q), _mm256_set1_ps(scale));
  _mm256_storeu_ps(out, _mm256_add_ps(expanded, _mm256_set1_ps(offset)));
}

template <typename T>
RAGMESH_AVX2 void DequantizeRow(QuantType type, const std::uint8_t* row, std::size_t columns,
                                float* out) {
  for (std::size_t run = 0; run < columns / kRunValues; ++run, out += kRunValues) {
    const std::uint8_t* block = T::Block(row, run);
    float scale, offset = 0;
    float sub[2] = {1, 1};
    if constexpr (T::kSubScales) {
      scale = LoadHalf(block + 208);
      for (std::size_t s = 0; s < 2; ++s) sub[s] = static_cast<float>(T::SubScale(row, run, s));
    } else if (type == QuantType::kQ4_K) {
      const std::uint8_t* six = block + 4;
      const std::size_t i = run % 8;
      const int multiple = i < 4 ? six[i] & 63 : (six[i + 4] & 15) | ((six[i - 4] >> 6) << 4);
      const int minimum = i < 4 ? six[i + 4] & 63 : (six[i + 4] >> 4) | ((six[i] >> 6) << 4);
      scale = LoadHalf(block) * static_cast<float>(multiple);
      offset = -(LoadHalf(block + 2) * static_cast<float>(minimum));
    } else {
      scale = LoadHalf(block);
      if (type == QuantType::kQ4_0) offset = -8 * scale;
      if (type == QuantType::kQ5_0) offset = -16 * scale;
      if (type == QuantType::kQ4_1) offset = LoadHalf(block + 2);
    }
    const __m256i q = T::Unpack(row, run);
    const __m128i low = _mm256_castsi256_si128(q), high = _mm256_extracti128_si256(q, 1);
    if constexpr (T::kSigned) {
      ExpandQuarter(_mm256_cvtepi8_epi32(low), scale * sub[0], offset, out);
      ExpandQuarter(_mm256_cvtepi8_epi32(_mm_srli_si128(low, 8)), scale * sub[0], offset, out + 8);
      ExpandQuarter(_mm256_cvtepi8_epi32(high), scale * sub[1], offset, out + 16);
      ExpandQuarter(_mm256_cvtepi8_epi32(_mm_srli_si128(high, 8)), scale * sub[1], offset,
                    out + 24);
    } else {
      ExpandQuarter(_mm256_cvtepu8_epi32(low), scale, offset, out);
      ExpandQuarter(_mm256_cvtepu8_epi32(_mm_srli_si128(low, 8)), scale, offset, out + 8);
      ExpandQuarter(_mm256_cvtepu8_epi32(high), scale, offset, out + 16);
      ExpandQuarter(_mm256_cvtepu8_epi32(_mm_srli_si128(high, 8)), scale, offset, out + 24);
    }
  }
}

RAGMESH_AVX2 void Dequantize(QuantType type, const std::uint8_t* row, std::size_t columns,
                             float* out) {
  switch (type) {
    case QuantType::kQ4_0:
      return DequantizeRow<Q4_0>(type, row, columns, out);
    case QuantType::kQ4_1:
      return DequantizeRow<Q4_1>(type, row, columns, out);
    case QuantType::kQ5_0:
      return DequantizeRow<Q5_0>(type, row, columns, out);
    case QuantType::kQ8_0:
      return DequantizeRow<Q8_0>(type, row, columns, out);
    case QuantType::kQ4_K:
      return DequantizeRow<Q4_K>(type, row, columns, out);
    case QuantType::kQ6_K:
      return DequantizeRow<Q6_K>(type, row, columns, out);
    case QuantType::kF16: {
      std::size_t i = 0;
      for (; i + 8 <= columns; i += 8) {
        _mm256_storeu_ps(
            out + i,
            _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(row + 2 * i))));
      }
      for (; i < columns; ++i) out[i] = LoadHalf(row + 2 * i);
      return;
    }
    default:
      return ScalarQuantKernels().dequantize(type, row, columns, out);
  }
}

RAGMESH_AVX2_INLINE float SumLanes(__m256 v) {
  const __m128 half = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  const __m128 quarter = _mm_add_ps(half, _mm_movehl_ps(half, half));
  return _mm_cvtss_f32(_mm_add_ss(quarter, _mm_movehdup_ps(quarter)));
}

// kRows expanded weight rows against kCount activation rows. Lane i sums columns congruent to i
// modulo 8, in order; the columns past the last whole eight follow one by one.
template <std::size_t kRows, std::size_t kCount>
RAGMESH_AVX2 void MulF32Tile(const float* rows, const float* x, std::size_t columns, float* out,
                             std::size_t out_stride) {
  __m256 total[kCount][kRows];
#pragma GCC unroll 4
  for (std::size_t a = 0; a < kCount; ++a) {
#pragma GCC unroll 4
    for (std::size_t r = 0; r < kRows; ++r) total[a][r] = _mm256_setzero_ps();
  }
  std::size_t i = 0;
  for (; i + 8 <= columns; i += 8) {
    __m256 w[kRows];
#pragma GCC unroll 4
    for (std::size_t r = 0; r < kRows; ++r) w[r] = _mm256_loadu_ps(rows + r * columns + i);
#pragma GCC unroll 4
    for (std::size_t a = 0; a < kCount; ++a) {
      const __m256 v = _mm256_loadu_ps(x + a * columns + i);
#pragma GCC unroll 4
      for (std::size_t r = 0; r < kRows; ++r) total[a][r] = _mm256_fmadd_ps(w[r], v, total[a][r]);
    }
  }
  for (std::size_t a = 0; a < kCount; ++a) {
    for (std::size_t r = 0; r < kRows; ++r) {
      float sum = SumLanes(total[a][r]);
      for (std::size_t j = i; j < columns; ++j)
        sum = std::fma(rows[r * columns + j], x[a * columns + j], sum);
      out[a * out_stride + r] = sum;
    }
  }
}

template <std::size_t kRows>
RAGMESH_AVX2_INLINE void MulF32Rows(const float* rows, const float* x, std::size_t count,
                                    std::size_t columns, float* out, std::size_t out_stride) {
  std::size_t a = 0;
  for (; a + 3 <= count; a += 3) {
    MulF32Tile<kRows, 3>(rows, x + a * columns, columns, out + a * out_stride, out_stride);
  }
  for (; a < count; ++a)
    MulF32Tile<kRows, 1>(rows, x + a * columns, columns, out + a * out_stride, out_stride);
}

RAGMESH_AVX2 void MulF32(const WeightRows& weights, const float* x, std::size_t count, float* out,
                         std::size_t out_stride, void* scratch) {
  auto* expanded = static_cast<float*>(scratch);
  const std::size_t stride = RowBytes(weights.type, weights.columns);
  std::size_t r = 0;
  while (r < weights.rows) {
    const std::size_t rows = weights.rows - r >= 4 ? 4 : 1;
    for (std::size_t i = 0; i < rows; ++i) {
      Dequantize(weights.type, weights.data + (r + i) * stride, weights.columns,
                 expanded + i * weights.columns);
    }
    if (rows == 4) {
      MulF32Rows<4>(expanded, x, count, weights.columns, out + r, out_stride);
    } else {
      MulF32Rows<1>(expanded, x, count, weights.columns, out + r, out_stride);
    }
    r += rows;
  }
}

RAGMESH_AVX2 void QuantizeQ8(const float* x, std::size_t columns, std::int8_t* q, float* scale,
                             float* sum) {
  const __m256 magnitude = _mm256_castsi256_ps(_mm256_set1_epi32(0x7fffffff));
  for (std::size_t run = 0; run < columns / kRunValues; ++run, x += kRunValues, q += kRunValues) {
    __m256 v[4];
    __m256 largest = _mm256_setzero_ps();
    for (int i = 0; i < 4; ++i) {
      v[i] = _mm256_loadu_ps(x + 8 * i);
      largest = _mm256_max_ps(_mm256_and_ps(v[i], magnitude), largest);
    }
    __m128 half = _mm_max_ps(_mm256_castps256_ps128(largest), _mm256_extractf128_ps(largest, 1));
    half = _mm_max_ps(half, _mm_movehl_ps(half, half));
    const float top = _mm_cvtss_f32(_mm_max_ss(half, _mm_movehdup_ps(half)));
    const __m256 inverse = _mm256_set1_ps(top > 0 ? 127.0f / top : 0.0f);
    __m256i n[4];
    for (int i = 0; i < 4; ++i) {
      __m256 scaled = _mm256_mul_ps(v[i], inverse);
      scaled = _mm256_max_ps(scaled, _mm256_set1_ps(-127));  // also replaces NaN
      scaled = _mm256_min_ps(scaled, _mm256_set1_ps(127));
      n[i] = _mm256_cvtps_epi32(scaled);
    }
    __m256i total = _mm256_add_epi32(_mm256_add_epi32(n[0], n[1]), _mm256_add_epi32(n[2], n[3]));
    // Packing works within 128-bit halves; the permutation puts the bytes back in order.
    const __m256i bytes =
        _mm256_packs_epi16(_mm256_packs_epi32(n[0], n[1]), _mm256_packs_epi32(n[2], n[3]));
    _mm256_storeu_si256(
        reinterpret_cast<__m256i*>(q),
        _mm256_permutevar8x32_epi32(bytes, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7)));
    total = _mm256_hadd_epi32(total, total);
    total = _mm256_hadd_epi32(total, total);
    const int all = _mm256_extract_epi32(total, 0) + _mm256_extract_epi32(total, 4);
    scale[run] = top / 127.0f;
    sum[run] = scale[run] * static_cast<float>(all);
  }
}

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

template <bool kHalf>
RAGMESH_AVX2_INLINE __m256 LoadCached(const void* rows, std::size_t index) {
  if constexpr (kHalf) {
    return _mm256_cvtph_ps(_mm_loadu_si128(
        reinterpret_cast<const __m128i*>(static_cast<const std::uint16_t*>(rows) + index)));
  } else {
    return _mm256_loadu_ps(static_cast<const float*>(rows) + index);
  }
}

template <bool kHalf>
RAGMESH_AVX2_INLINE __m256 DotLanes(const float* query, const void* keys, std::size_t index,
                                    std::size_t n) {
  __m256 total = _mm256_setzero_ps();
  for (std::size_t i = 0; i < n; i += 8) {
    total = _mm256_fmadd_ps(_mm256_loadu_ps(query + i), LoadCached<kHalf>(keys, index + i), total);
  }
  return total;
}

template <bool kHalf>
RAGMESH_AVX2 void Scores(const AttentionHead& head) {
  const std::size_t dim = head.head_dim;
  std::size_t p = 0;
  for (; p + 4 <= head.positions; p += 4) {
    const __m256 a = DotLanes<kHalf>(head.query, head.keys, p * dim, dim);
    const __m256 b = DotLanes<kHalf>(head.query, head.keys, (p + 1) * dim, dim);
    const __m256 c = DotLanes<kHalf>(head.query, head.keys, (p + 2) * dim, dim);
    const __m256 d = DotLanes<kHalf>(head.query, head.keys, (p + 3) * dim, dim);
    const __m256 four = _mm256_hadd_ps(_mm256_hadd_ps(a, b), _mm256_hadd_ps(c, d));
    const __m128 sums = _mm_add_ps(_mm256_castps256_ps128(four), _mm256_extractf128_ps(four, 1));
    _mm_storeu_ps(head.scores + p, _mm_mul_ps(sums, _mm_set1_ps(head.scale)));
  }
  for (; p < head.positions; ++p) {
    // Folded as above, so that a position's score does not depend on where the fours end.
    const __m256 a = DotLanes<kHalf>(head.query, head.keys, p * dim, dim);
    const __m256 twice = _mm256_hadd_ps(_mm256_hadd_ps(a, a), _mm256_hadd_ps(a, a));
    const __m128 sums = _mm_add_ps(_mm256_castps256_ps128(twice), _mm256_extractf128_ps(twice, 1));
    head.scores[p] = _mm_cvtss_f32(sums) * head.scale;
  }
}

// Turns scores into exp(score - largest), fills the rest of the last eight with 0, and returns
// their sum.
RAGMESH_AVX2 float Exponentials(float* scores, std::size_t count) {
  float largest = -INFINITY;
  for (std::size_t p = 0; p < count; ++p) largest = std::max(largest, scores[p]);
  for (std::size_t p = count; p % 8 != 0; ++p) scores[p] = -INFINITY;
  const __m256 top = _mm256_set1_ps(largest);
  __m256 total = _mm256_setzero_ps();
  std::size_t p = 0;
  for (; p < count; p += 8) {
    __m256 e = Exp(_mm256_sub_ps(_mm256_loadu_ps(scores + p), top));
    if (p + 8 > count) {
      const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
      const __m256i live = _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(count - p)), lane);
      e = _mm256_and_ps(e, _mm256_castsi256_ps(live));
    }
    _mm256_storeu_ps(scores + p, e);
    total = _mm256_add_ps(total, e);
  }
  return SumLanes(total);
}

// out[0..8*kWide) of one slice of the head: values weighted by `scores`, position by position.
template <bool kHalf, std::size_t kWide>
RAGMESH_AVX2 void WeightValues(const AttentionHead& head, std::size_t begin, float inverse) {
  __m256 total[kWide];
#pragma GCC unroll 8
  for (std::size_t i = 0; i < kWide; ++i) total[i] = _mm256_setzero_ps();
  for (std::size_t p = 0; p < head.positions; ++p) {
    const __m256 weight = _mm256_set1_ps(head.scores[p]);
#pragma GCC unroll 8
    for (std::size_t i = 0; i < kWide; ++i) {
      total[i] = _mm256_fmadd_ps(
          weight, LoadCached<kHalf>(head.values, p * head.head_dim + begin + 8 * i), total[i]);
    }
  }
#pragma GCC unroll 8
  for (std::size_t i = 0; i < kWide; ++i) {
    _mm256_storeu_ps(head.out + begin + 8 * i, _mm256_mul_ps(total[i], _mm256_set1_ps(inverse)));
  }
}

template <bool kHalf>
RAGMESH_AVX2 void AttendAs(const AttentionHead& head) {
  Scores<kHalf>(head);
  const float inverse = 1.0f / Exponentials(head.scores, head.positions);
  std::size_t i = 0;
  for (; i + 64 <= head.head_dim; i += 64) WeightValues<kHalf, 8>(head, i, inverse);
  for (; i < head.head_dim; i += 8) WeightValues<kHalf, 1>(head, i, inverse);
}

RAGMESH_AVX2 void Attend(const AttentionHead& head) {
  if (head.half) {
    AttendAs<true>(head);
  } else {
    AttendAs<false>(head);
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

RAGMESH_AVX2 void SiluMul(float* gate, const float* up, std::size_t n) {
  const __m256 one = _mm256_set1_ps(1);
  std::size_t i = 0;
  for (; i + 8 <= n; i += 8) {
    const __m256 g = _mm256_loadu_ps(gate + i);
    const __m256 e = Exp(_mm256_sub_ps(_mm256_setzero_ps(), g));
    const __m256 silu = _mm256_div_ps(g, _mm256_add_ps(one, e));
    _mm256_storeu_ps(gate + i, _mm256_mul_ps(silu, _mm256_loadu_ps(up + i)));
  }
  for (; i < n; ++i) gate[i] = gate[i] / (1.0f + std::exp(-gate[i])) * up[i];
}

RAGMESH_AVX2 void ToHalf(const float* x, std::size_t n, std::uint16_t* out) {
  std::size_t i = 0;
  for (; i + 8 <= n; i += 8) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out + i),
                     _mm256_cvtps_ph(_mm256_loadu_ps(x + i), _MM_FROUND_TO_NEAREST_INT));
  }
  for (; i < n; ++i) out[i] = _cvtss_sh(x[i], _MM_FROUND_TO_NEAREST_INT);
}

}  // namespace

const QuantKernels* Avx2QuantKernels() {
  static constexpr QuantKernels kKernels = {"avx2", Dequantize, QuantizeQ8, MulF32, MulQ8,
                                            Attend, RmsNorm,    SiluMul,    ToHalf};
  return GetCpuFeatures().avx2 ? &kKernels : nullptr;
}

}  // namespace ragmesh::linalg

#else

namespace ragmesh::linalg {
const QuantKernels* Avx2QuantKernels() { return nullptr; }
}  // namespace ragmesh::linalg

#endif
