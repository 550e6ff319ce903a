// Attention, 512 bits wide. Keys and values are packed once a head, as weights are; then twelve
// queries at a time: two tiles a panel of 64 keys for the scores, a softmax, one tile for 32
// columns of the result. The scores of twelve rows stay in a near cache, so there is nothing to
// gain from computing the softmax piecewise until texts have many thousand tokens.
#if defined(__x86_64__)

// gcc 12 takes the undefined registers of its own intrinsics for uninitialised variables.
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"

#include <immintrin.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "libs/linalg/kernel_tables.h"
#include "libs/linalg/math_avx512.h"
#include "libs/linalg/tile_avx512.h"

#define RAGMESH_AVX512_BF16 \
  __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,fma")))

namespace ragmesh::linalg::avx512 {
namespace {

constexpr std::size_t kRows = 12;        // queries at a time
constexpr std::size_t kValueWidth = 32;  // columns of the result at a time

constexpr std::size_t RoundUp(std::size_t n, std::size_t to) { return (n + to - 1) / to * to; }

// How operands are stored: `kGroup` values to a lane of four bytes.
struct F32 {
  static constexpr std::size_t kGroup = 1;
  static constexpr int kExpTerms = 6;
  // 16 lanes of a row that has `left` more values; zeros behind its end.
  RAGMESH_AVX512 static inline __m512i Row(const float* from, std::size_t left) {
    return _mm512_castps_si512(_mm512_maskz_loadu_ps(Lanes(left), from));
  }
  // 16 columns of one group of rows; rows from the second on may be null.
  RAGMESH_AVX512 static inline __m512i Column(const float* const* rows, std::size_t at,
                                              std::size_t left) {
    return Row(rows[0] + at, left);
  }
  RAGMESH_AVX512 static inline void Store(__m512 power, float* out) {
    _mm512_storeu_ps(out, power);
  }
  using Element = float;
  static constexpr void (*kWide[])(const Tile&) = {WideF32<1>, WideF32<2>, WideF32<3>,
                                                   WideF32<4>, WideF32<5>, WideF32<6>};
  static constexpr void (*kTall[])(const Tile&) = {TallF32<4>, TallF32<8>, TallF32<12>};
};

struct Bf16 {
  static constexpr std::size_t kGroup = 2;
  static constexpr int kExpTerms = 4;  // the result is rounded to 2^-9
  RAGMESH_AVX512_BF16 static inline __m512i Row(const float* from, std::size_t left) {
    const __m512 low = _mm512_maskz_loadu_ps(Lanes(left), from);
    const __m512 high =
        left > 16 ? _mm512_maskz_loadu_ps(Lanes(left - 16), from + 16) : _mm512_setzero_ps();
    return (__m512i)_mm512_cvtne2ps_pbh(high, low);
  }
  RAGMESH_AVX512_BF16 static inline __m512i Column(const float* const* rows, std::size_t at,
                                                   std::size_t left) {
    const __m512 even = _mm512_maskz_loadu_ps(Lanes(left), rows[0] + at);
    const __m512 odd =
        rows[1] == nullptr ? _mm512_setzero_ps() : _mm512_maskz_loadu_ps(Lanes(left), rows[1] + at);
    const __m512i low = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(even));
    const __m512i high = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(odd));
    return _mm512_or_si512(low, _mm512_slli_epi32(high, 16));
  }
  RAGMESH_AVX512_BF16 static inline void Store(__m512 power, std::uint16_t* out) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), (__m256i)_mm512_cvtneps_pbh(power));
  }
  using Element = std::uint16_t;
  static constexpr void (*kWide[])(const Tile&) = {WideBf16<1>, WideBf16<2>, WideBf16<3>,
                                                   WideBf16<4>, WideBf16<5>, WideBf16<6>};
  static constexpr void (*kTall[])(const Tile&) = {TallBf16<4>, TallBf16<8>, TallBf16<12>};
};

// Where the parts of the scratch memory begin, in bytes.
struct Layout {
  Layout(std::size_t tokens, std::size_t width, std::size_t group)
      : key_lanes(RoundUp(width, 16 * group) / group),
        panels(RoundUp(tokens, kPanelWidth) / kPanelWidth),
        value_groups(RoundUp(tokens, group) / group),
        value_panels(RoundUp(width, kValueWidth) / kValueWidth) {
    queries = key_lanes * panels * kPanelWidth * 4;
    values = queries + RoundUp(kRows * key_lanes * 4, 64);
    scores = values + value_panels * value_groups * kValueWidth * 4;
    powers = scores + kRows * panels * kPanelWidth * 4;
    bytes = powers + kRows * panels * kPanelWidth * 4;
  }
  std::size_t key_lanes;                               // of four bytes, in one row
  std::size_t panels;                                  // of 64 keys
  std::size_t value_groups;                            // of successive tokens
  std::size_t value_panels;                            // of 32 columns
  std::size_t queries, values, scores, powers, bytes;  // keys are at 0
};

// Keys become panels: lane l of key u goes to panel u / 64, group l, column u % 64.
template <typename T>
RAGMESH_AVX512_BF16 void PackKeys(const Attention& head, const Layout& layout, char* keys) {
  for (std::size_t first = 0; first < layout.panels * kPanelWidth; first += 16) {
    char* panel =
        keys + first / kPanelWidth * layout.key_lanes * kPanelWidth * 4 + first % kPanelWidth * 4;
    for (std::size_t lane = 0; lane < layout.key_lanes; lane += 16) {
      __m512i block[16];
      for (std::size_t i = 0; i < 16; ++i) {
        const std::size_t at = lane * T::kGroup;
        block[i] = first + i < head.tokens
                       ? T::Row(head.keys + (first + i) * head.stride + at, head.width - at)
                       : _mm512_setzero_si512();
      }
      Transpose(block);
      for (std::size_t l = 0; l < 16; ++l)
        _mm512_storeu_si512(panel + (lane + l) * kPanelWidth * 4, block[l]);
    }
  }
}

template <typename T>
RAGMESH_AVX512_BF16 void PackValues(const Attention& head, const Layout& layout, char* values) {
  for (std::size_t column = 0; column < layout.value_panels * kValueWidth; column += 16) {
    char* panel = values + column / kValueWidth * layout.value_groups * kValueWidth * 4 +
                  column % kValueWidth * 4;
    const std::size_t left = column < head.width ? head.width - column : 0;
    for (std::size_t g = 0; g < layout.value_groups; ++g) {
      const float* rows[2] = {head.values + g * T::kGroup * head.stride, nullptr};
      if (g * T::kGroup + 1 < head.tokens) rows[1] = rows[0] + head.stride;
      _mm512_storeu_si512(panel + g * kValueWidth * 4, T::Column(rows, column, left));
    }
  }
}

// powers[i] = e^(scale * (scores[i] - max)), zeros up to the end of the last group; 1 / their sum.
template <typename T>
RAGMESH_AVX512_BF16 float Powers(const float* scores, std::size_t tokens, float scale,
                                 typename T::Element* powers) {
  const __m512 lowest = _mm512_set1_ps(-INFINITY);
  __m512 max = lowest;
  for (std::size_t i = 0; i < tokens; i += 16)
    max = _mm512_max_ps(_mm512_mask_loadu_ps(lowest, Lanes(tokens - i), scores + i), max);
  const __m512 factor = _mm512_set1_ps(scale * 1.44269504f);
  const __m512 top = _mm512_set1_ps(_mm512_reduce_max_ps(max));
  __m512 sum = _mm512_setzero_ps();
  for (std::size_t i = 0; i < tokens; i += 16) {
    const __mmask16 lanes = Lanes(tokens - i);
    const __m512 below = _mm512_sub_ps(_mm512_maskz_loadu_ps(lanes, scores + i), top);
    const __m512 power =
        _mm512_maskz_mov_ps(lanes, Exp2<T::kExpTerms>(_mm512_mul_ps(below, factor)));
    sum = _mm512_add_ps(sum, power);
    T::Store(power, powers + i);
  }
  return 1.0f / Sum(sum);
}

template <typename T>
RAGMESH_AVX512_BF16 void AttendWith(const Attention& head) {
  using Element = typename T::Element;
  const Layout layout(head.tokens, head.width, T::kGroup);
  char* const scratch = static_cast<char*>(head.scratch);
  char* const queries = scratch + layout.queries;
  float* const scores = reinterpret_cast<float*>(scratch + layout.scores);
  Element* const powers = reinterpret_cast<Element*>(scratch + layout.powers);
  const std::size_t score_stride = layout.panels * kPanelWidth;
  PackKeys<T>(head, layout, scratch);
  PackValues<T>(head, layout, scratch + layout.values);
  for (std::size_t first = 0; first < head.tokens; first += kRows) {
    const std::size_t rows = std::min(kRows, head.tokens - first);
    for (std::size_t r = 0; r < rows; ++r) {
      const float* query = head.queries + (first + r) * head.stride;
      for (std::size_t lane = 0; lane < layout.key_lanes; lane += 16) {
        const std::size_t at = lane * T::kGroup;
        _mm512_storeu_si512(queries + (r * layout.key_lanes + lane) * 4,
                            T::Row(query + at, head.width - at));
      }
    }
    for (std::size_t half = 0; half < rows; half += 6) {
      for (std::size_t panel = 0; panel < layout.panels; ++panel) {
        T::kWide[std::min<std::size_t>(6, rows - half) - 1](
            {.a = queries + half * layout.key_lanes * 4,
             .a_stride = layout.key_lanes * 4,
             .b = scratch + panel * layout.key_lanes * kPanelWidth * 4,
             .groups = layout.key_lanes,
             .out = reinterpret_cast<char*>(scores + half * score_stride + panel * kPanelWidth),
             .out_stride = score_stride * sizeof(float)});
      }
    }
    alignas(64) float inverse[kRows] = {};
    for (std::size_t r = 0; r < rows; ++r) {
      inverse[r] =
          Powers<T>(scores + r * score_stride, head.tokens, head.scale, powers + r * score_stride);
    }
    const std::size_t quads = (rows + 3) / 4;  // tiles have 4, 8 or 12 rows
    if (rows < 4 * quads) {
      std::memset(powers + rows * score_stride, 0,
                  (4 * quads - rows) * score_stride * sizeof(Element));
    }
    for (std::size_t column = 0; column < head.width; column += kValueWidth) {
      alignas(64) float sums[kRows * kValueWidth];
      T::kTall[quads - 1]({.a = reinterpret_cast<const char*>(powers),
                           .a_stride = score_stride * sizeof(Element),
                           .b = scratch + layout.values +
                                column / kValueWidth * layout.value_groups * kValueWidth * 4,
                           .groups = layout.value_groups,
                           .out = reinterpret_cast<char*>(sums),
                           .out_stride = kValueWidth * sizeof(float)});
      for (std::size_t r = 0; r < rows; ++r) {
        float* out = head.out + (first + r) * head.out_stride + column;
        const __m512 factor = _mm512_set1_ps(inverse[r]);
        for (std::size_t v = 0; v < kValueWidth && column + v < head.width; v += 16) {
          _mm512_mask_storeu_ps(out + v, Lanes(head.width - column - v),
                                _mm512_mul_ps(_mm512_load_ps(sums + r * kValueWidth + v), factor));
        }
      }
    }
  }
}

}  // namespace

std::size_t AttentionBytesF32(std::size_t tokens, std::size_t width) {
  return Layout(tokens, width, F32::kGroup).bytes;
}
std::size_t AttentionBytesBf16(std::size_t tokens, std::size_t width) {
  return Layout(tokens, width, Bf16::kGroup).bytes;
}
void AttendF32(const Attention& head) { AttendWith<F32>(head); }
void AttendBf16(const Attention& head) { AttendWith<Bf16>(head); }

}  // namespace ragmesh::linalg::avx512

#endif  // defined(__x86_64__)
