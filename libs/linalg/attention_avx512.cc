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
  // Makes 16 lanes of rows of `width` values, from `at` on; zeros behind their end.
  class RowPacker {
   public:
    RAGMESH_AVX512 RowPacker(std::size_t at, std::size_t width)
        : at_(at), mask_(Lanes(width - at)) {}
    RAGMESH_AVX512 inline __m512i operator()(const float* row, __m512 factor) const {
      return _mm512_castps_si512(_mm512_mul_ps(factor, _mm512_maskz_loadu_ps(mask_, row + at_)));
    }

   private:
    std::size_t at_;
    __mmask16 mask_;
  };
  // 16 columns, those in `mask`, of one group of rows; those from the second on may be null.
  RAGMESH_AVX512 static inline __m512i Columns(const float* const* rows, __mmask16 mask) {
    return _mm512_castps_si512(_mm512_maskz_loadu_ps(mask, rows[0]));
  }
  // 2^x for x up to 0; below -126 it gives 2^-126. NaN stays NaN. Error: 2^-22.
  RAGMESH_AVX512 static inline __m512 Power(__m512 x) {
    x = _mm512_max_ps(_mm512_set1_ps(-126.0f), x);  // the second operand is returned when it is NaN
    const __m512 n = _mm512_roundscale_ps(x, 0x08);
    const __m512 r = _mm512_sub_ps(x, n);
    // The Taylor series of e^(r ln 2): |r| is at most 1/2.
    constexpr float kTerms[] = {1.0f,          6.9314718e-1f, 2.4022651e-1f, 5.5504109e-2f,
                                9.6181291e-3f, 1.3333558e-3f, 1.5403530e-4f};
    __m512 p = _mm512_set1_ps(kTerms[6]);
    for (int k = 5; k >= 0; --k) p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(kTerms[k]));
    return _mm512_scalef_ps(p, n);
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
  class RowPacker {
   public:
    RAGMESH_AVX512 RowPacker(std::size_t at, std::size_t width)
        : at_(at), low_(Lanes(width - at)), high_(width - at > 16 ? Lanes(width - at - 16) : 0) {}
    RAGMESH_AVX512_BF16 inline __m512i operator()(const float* row, __m512 factor) const {
      const __m512 low = _mm512_maskz_loadu_ps(low_, row + at_);
      const __m512 high = _mm512_maskz_loadu_ps(high_, row + at_ + 16);
      return (__m512i)_mm512_cvtne2ps_pbh(_mm512_mul_ps(factor, high), _mm512_mul_ps(factor, low));
    }

   private:
    std::size_t at_;
    __mmask16 low_, high_;
  };
  RAGMESH_AVX512_BF16 static inline __m512i Columns(const float* const* rows, __mmask16 mask) {
    const __m512 even = _mm512_maskz_loadu_ps(mask, rows[0]);
    const __m512 odd =
        rows[1] == nullptr ? _mm512_setzero_ps() : _mm512_maskz_loadu_ps(mask, rows[1]);
    // Word 2c is column c of the even row, 2c + 1 that of the odd one.
    const __m512i order = _mm512_set_epi32(
        0x1F000F, 0x1E000E, 0x1D000D, 0x1C000C, 0x1B000B, 0x1A000A, 0x190009, 0x180008, 0x170007,
        0x160006, 0x150005, 0x140004, 0x130003, 0x120002, 0x110001, 0x100000);
    return _mm512_permutexvar_epi16(order, (__m512i)_mm512_cvtne2ps_pbh(odd, even));
  }
  // 2^x for x up to 0; NaN stays NaN. Error: 2^-13, since the result is rounded to 2^-9.
  RAGMESH_AVX512 static inline __m512 Power(__m512 x) {
    const __m512 r = _mm512_reduce_ps(x, 0x09);  // what is left of it, rounding down
    // The polynomial of least relative error from 0 to 1 among those that are 1 at 0.
    __m512 p = _mm512_fmadd_ps(r, _mm512_set1_ps(0.07706716f), _mm512_set1_ps(0.22764486f));
    p = _mm512_fmadd_ps(r, p, _mm512_set1_ps(0.69511682f));
    p = _mm512_fmadd_ps(r, p, _mm512_set1_ps(1.0f));
    return _mm512_scalef_ps(p, x);  // p * 2^floor(x)
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
  const __m512 one = _mm512_set1_ps(1.0f);
  for (std::size_t lane = 0; lane < layout.key_lanes; lane += 16) {
    const typename T::RowPacker pack(lane * T::kGroup, head.width);
    for (std::size_t first = 0; first < RoundUp(head.tokens, 32); first += 16) {
      const float* row = head.keys + first * head.stride;
      __m512i block[16];
      for (std::size_t i = 0; i < 16; ++i, row += head.stride)
        block[i] = first + i < head.tokens ? pack(row, one) : _mm512_setzero_si512();
      Transpose(block);
      char* panel =
          keys +
          ((first / kPanelWidth * layout.key_lanes + lane) * kPanelWidth + first % kPanelWidth) * 4;
      for (std::size_t l = 0; l < 16; ++l, panel += kPanelWidth * 4)
        _mm512_store_si512(panel, block[l]);
    }
  }
}

template <typename T>
RAGMESH_AVX512_BF16 void PackValues(const Attention& head, const Layout& layout, char* values) {
  for (std::size_t column = 0; column < layout.value_panels * kValueWidth; column += 16) {
    char* panel = values + column / kValueWidth * layout.value_groups * kValueWidth * 4 +
                  column % kValueWidth * 4;
    const __mmask16 mask = column < head.width ? Lanes(head.width - column) : __mmask16{0};
    const float* row = head.values + column;
    for (std::size_t u = 0; u < head.tokens; u += T::kGroup, row += T::kGroup * head.stride) {
      const float* rows[2] = {row, u + 1 < head.tokens ? row + head.stride : nullptr};
      _mm512_store_si512(panel, T::Columns(rows, mask));
      panel += kValueWidth * 4;
    }
  }
}

template <typename T>
RAGMESH_AVX512_BF16 void PackQueries(const Attention& head, const Layout& layout, std::size_t first,
                                     std::size_t rows, __m512 factor, char* queries) {
  for (std::size_t lane = 0; lane < layout.key_lanes; lane += 16) {
    const typename T::RowPacker pack(lane * T::kGroup, head.width);
    const float* row = head.queries + first * head.stride;
    for (std::size_t r = 0; r < rows; ++r, row += head.stride)
      _mm512_store_si512(queries + (r * layout.key_lanes + lane) * 4, pack(row, factor));
  }
}

// powers[i] = 2^(scores[i] - max) in each of `rows` rows, zeros up to the end of the last group;
// inverse[r] = 1 / their sum. Rows are `stride` values apart.
template <typename T>
RAGMESH_AVX512_BF16 void Powers(const float* scores, std::size_t rows, std::size_t stride,
                                std::size_t tokens, typename T::Element* powers, float* inverse) {
  const __m512 lowest = _mm512_set1_ps(-INFINITY);
  __m512 joined[16];
  for (std::size_t r = 0; r < 16; ++r) {
    __m512 max[2] = {lowest, lowest};
    if (r < rows) {
      ForVectors<2>(tokens, [&](std::size_t i, auto lanes, int way) RAGMESH_AVX512 {
        const __m512 score = lanes.Load(scores + r * stride + i);
        max[way] = _mm512_max_ps(lanes.Select(score, lowest), max[way]);
      });
    }
    joined[r] = _mm512_max_ps(max[0], max[1]);
  }
  alignas(64) float top[16];
  _mm512_store_ps(top, JoinLanes<Max>(joined));
  for (std::size_t r = 0; r < 16; ++r) {
    const __m512 zero = _mm512_setzero_ps();
    __m512 sum[2] = {zero, zero};
    if (r < rows) {
      const __m512 most = _mm512_set1_ps(top[r]);
      ForVectors<2>(tokens, [&](std::size_t i, auto lanes, int way) RAGMESH_AVX512_BF16 {
        const __m512 score = lanes.Load(scores + r * stride + i);
        const __m512 power = lanes.Select(T::Power(_mm512_sub_ps(score, most)), zero);
        sum[way] = _mm512_add_ps(sum[way], power);
        T::Store(power, powers + r * stride + i);
      });
    }
    joined[r] = _mm512_add_ps(sum[0], sum[1]);
  }
  const __m512 sums = JoinLanes<Add>(joined);
  _mm512_store_ps(inverse, _mm512_div_ps(_mm512_set1_ps(1.0f), sums));
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
  // Half of the last panel is enough for up to 32 keys.
  const std::size_t wide_panels = layout.panels - (head.tokens % kPanelWidth - 1 < 32 ? 1 : 0);
  // Scores are logarithms to base 2.
  const __m512 factor = _mm512_set1_ps(head.scale * 1.44269504f);
  PackKeys<T>(head, layout, scratch);
  PackValues<T>(head, layout, scratch + layout.values);
  for (std::size_t first = 0; first < head.tokens; first += kRows) {
    const std::size_t rows = std::min(kRows, head.tokens - first);
    PackQueries<T>(head, layout, first, rows, factor, queries);
    const std::size_t quads = (rows + 3) / 4;  // tall tiles have 4, 8 or 12 rows
    if (wide_panels < layout.panels) {
      T::kTall[quads - 1]({.a = queries,
                           .a_stride = layout.key_lanes * 4,
                           .b = scratch + wide_panels * layout.key_lanes * kPanelWidth * 4,
                           .b_stride = kPanelWidth * 4,
                           .groups = layout.key_lanes,
                           .out = reinterpret_cast<char*>(scores + wide_panels * kPanelWidth),
                           .out_stride = score_stride * sizeof(float)});
    }
    for (std::size_t half = 0; half < rows; half += 6) {
      for (std::size_t panel = 0; panel < wide_panels; ++panel) {
        T::kWide[std::min<std::size_t>(6, rows - half) - 1](
            {.a = queries + half * layout.key_lanes * 4,
             .a_stride = layout.key_lanes * 4,
             .b = scratch + panel * layout.key_lanes * kPanelWidth * 4,
             .groups = layout.key_lanes,
             .out = reinterpret_cast<char*>(scores + half * score_stride + panel * kPanelWidth),
             .out_stride = score_stride * sizeof(float)});
      }
    }
    alignas(64) float inverse[16];
    Powers<T>(scores, rows, score_stride, head.tokens, powers, inverse);
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
        const __m512 share = _mm512_set1_ps(inverse[r]);
        for (std::size_t v = 0; v < kValueWidth && column + v < head.width; v += 16) {
          _mm512_mask_storeu_ps(out + v, Lanes(head.width - column - v),
                                _mm512_mul_ps(_mm512_load_ps(sums + r * kValueWidth + v), share));
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
