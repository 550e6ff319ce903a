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
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <variant>

#include "libs/linalg/kernel_tables.h"
#include "libs/linalg/math_avx512.h"
#include "libs/linalg/tile_avx512.h"

#define RAGMESH_AVX512_BF16 \
  __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx512vbmi,fma")))

namespace ragmesh::linalg::avx512 {
namespace {

constexpr std::size_t kRows = 12;        // queries at a time
constexpr std::size_t kValueWidth = 32;  // columns of the result at a time

constexpr std::size_t RoundUp(std::size_t n, std::size_t to) { return (n + to - 1) / to * to; }

// How operands are stored: `kGroup` values to a lane of four bytes.
struct F32 {
  static constexpr std::size_t kGroup = 1;
  static constexpr float kOctave = 1;  // of scores: twice the weight
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
  struct Finite {  // nobody asks
    RAGMESH_AVX512 inline void See(__m512i) {}
    RAGMESH_AVX512 inline bool All() const { return true; }
  };
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
  // So that the integer part of a score is the exponent of its weight and the 7 bits behind.
  static constexpr float kOctave = 128;
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
  // 2^(x / kOctave) for x up to 0; NaN stays NaN. Error: 2^-13, since the result is rounded to
  // 2^-9.
  RAGMESH_AVX512 static inline __m512 Power(__m512 x) {
    x = _mm512_mul_ps(x, _mm512_set1_ps(1 / kOctave));
    const __m512 r = _mm512_reduce_ps(x, 0x09);  // what is left of it, rounding down
    // The polynomial of least relative error from 0 to 1 among those that are 1 at 0.
    __m512 p = _mm512_fmadd_ps(r, _mm512_set1_ps(0.07706716f), _mm512_set1_ps(0.22764486f));
    p = _mm512_fmadd_ps(r, p, _mm512_set1_ps(0.69511682f));
    p = _mm512_fmadd_ps(r, p, _mm512_set1_ps(1.0f));
    return _mm512_scalef_ps(p, x);  // p * 2^floor(x)
  }
  // Takes packed vectors and tells whether all their values were finite.
  class Finite {
   public:
    RAGMESH_AVX512_BF16 Finite() : most_(_mm512_setzero_si512()) {}
    RAGMESH_AVX512_BF16 inline void See(__m512i packed) {
      most_ = _mm512_max_epu16(most_, _mm512_and_si512(packed, _mm512_set1_epi16(0x7FFF)));
    }
    RAGMESH_AVX512_BF16 inline bool All() const {
      return _mm512_cmpge_epu16_mask(most_, _mm512_set1_epi16(0x7F80)) == 0;
    }

   private:
    __m512i most_;
  };
  RAGMESH_AVX512_BF16 static inline void Store(__m512 power, std::uint16_t* out) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), (__m256i)_mm512_cvtneps_pbh(power));
  }
  using Element = std::uint16_t;
  static constexpr void (*kWide[])(const Tile&) = {WideBf16<1>, WideBf16<2>, WideBf16<3>,
                                                   WideBf16<4>, WideBf16<5>, WideBf16<6>};
  static constexpr void (*kTall[])(const Tile&) = {TallBf16<4>, TallBf16<8>, TallBf16<12>};
};

// The weights 2^(score / kOctave) of many keys at once, as bfloat16. Added to a number so large
// that only integers are left, a score has in its low 16 bits the bits of 1 + f for 2^f, where f is
// its fraction of an octave: right but for a correction of up to 11 units, which is looked up.
// Error: 2^-8 of an octave in the score, 2^-8 in the result.
class Bf16Weights {
 public:
  // Larger scores have no fraction left.
  static constexpr float kMost = 0x1p30f;

  RAGMESH_AVX512_BF16 Bf16Weights() {
    static const Corrections corrections;
    low_ = _mm512_load_si512(corrections.of);
    high_ = _mm512_load_si512(corrections.of + 64);
  }

  // Returns sums of the weights, as they are after rounding, in 16 lanes. All weights have the same
  // factor, near 2^(-most / kOctave). Writes to the end of the last 32.
  RAGMESH_AVX512_BF16 __m512 Of(const float* scores, std::size_t tokens, float most,
                                std::uint16_t* weights) const {
    constexpr float kOne = 127 * Bf16::kOctave;  // of bfloat16: 1.0
    const __m512 start = _mm512_set1_ps(kMagic + kOne - most);
    const __m512 least = _mm512_set1_ps(kMagic + Bf16::kOctave);  // 2^-126
    const __m512i ones = _mm512_set1_epi16(0x3F80);
    const auto bits = [=](std::size_t i) RAGMESH_AVX512_BF16 {
      return _mm512_castps_si512(
          _mm512_max_ps(_mm512_add_ps(_mm512_loadu_ps(scores + i), start), least));
    };
    const __m512i even = EvenWords();
    const __m512i low = low_, high = high_;
    const auto weight = [=](std::size_t i) RAGMESH_AVX512_BF16 {
      const __m512i lines = _mm512_permutex2var_epi16(bits(i), even, bits(i + 16));
      const __m512i corrections =
          _mm512_maskz_permutex2var_epi8(0x5555555555555555, low, lines, high);
      return _mm512_sub_epi16(lines, corrections);
    };
    const auto add = [=](__m512 sum, __m512i some) RAGMESH_AVX512_BF16 {
      return _mm512_dpbf16_ps(sum, (__m512bh)some, (__m512bh)ones);
    };
    __m512 even_sums = _mm512_setzero_ps(), odd_sums = _mm512_setzero_ps();
    std::size_t i = 0;
    for (; i + 64 <= tokens; i += 64) {
      const __m512i first = weight(i), second = weight(i + 32);
      _mm512_storeu_si512(weights + i, first);
      _mm512_storeu_si512(weights + i + 32, second);
      even_sums = add(even_sums, first);
      odd_sums = add(odd_sums, second);
    }
    for (; i < tokens; i += 32) {
      const std::size_t left = tokens - i;
      const __mmask32 mask = left < 32 ? (__mmask32{1} << left) - 1 : ~__mmask32{0};
      const __m512i some = _mm512_maskz_mov_epi16(mask, weight(i));
      _mm512_storeu_si512(weights + i, some);
      even_sums = add(even_sums, some);
    }
    return _mm512_add_ps(even_sums, odd_sums);
  }

 private:
  static constexpr float kMagic = 0x1.8p23f;

  struct Corrections {
    Corrections() {
      for (int i = 0; i < 128; ++i)
        of[i] = static_cast<std::uint8_t>(i - std::lround(128 * (std::exp2(i / 128.0) - 1)));
    }
    alignas(64) std::uint8_t of[128];
  };

  RAGMESH_AVX512_BF16 static inline __m512i EvenWords() {
    alignas(64) static constexpr std::uint16_t kEven[32] = {
        0,  2,  4,  6,  8,  10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30,
        32, 34, 36, 38, 40, 42, 44, 46, 48, 50, 52, 54, 56, 58, 60, 62};
    return _mm512_load_si512(kEven);
  }

  __m512i low_, high_;
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
// Returns whether all are finite, as PackQueries does.
template <typename T>
RAGMESH_AVX512_BF16 bool PackKeys(const Attention& head, const Layout& layout, char* keys) {
  const __m512 one = _mm512_set1_ps(1.0f);
  typename T::Finite finite;
  for (std::size_t lane = 0; lane < layout.key_lanes; lane += 16) {
    const typename T::RowPacker pack(lane * T::kGroup, head.width);
    for (std::size_t first = 0; first < RoundUp(head.tokens, 32); first += 16) {
      const float* row = head.keys + first * head.stride;
      __m512i block[16];
      for (std::size_t i = 0; i < 16; ++i, row += head.stride)
        block[i] = first + i < head.tokens ? pack(row, one) : _mm512_setzero_si512();
      for (const __m512i& lanes : block) finite.See(lanes);
      Transpose(block);
      char* panel =
          keys +
          ((first / kPanelWidth * layout.key_lanes + lane) * kPanelWidth + first % kPanelWidth) * 4;
      for (std::size_t l = 0; l < 16; ++l, panel += kPanelWidth * 4)
        _mm512_store_si512(panel, block[l]);
    }
  }
  return finite.All();
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
RAGMESH_AVX512_BF16 bool PackQueries(const Attention& head, const Layout& layout, std::size_t first,
                                     std::size_t rows, __m512 factor, char* queries) {
  typename T::Finite finite;
  for (std::size_t lane = 0; lane < layout.key_lanes; lane += 16) {
    const typename T::RowPacker pack(lane * T::kGroup, head.width);
    const float* row = head.queries + first * head.stride;
    for (std::size_t r = 0; r < rows; ++r, row += head.stride) {
      const __m512i lanes = pack(row, factor);
      finite.See(lanes);
      _mm512_store_si512(queries + (r * layout.key_lanes + lane) * 4, lanes);
    }
  }
  return finite.All();
}

// powers[i] = 2^((scores[i] - max) / kOctave) in each of `rows` rows, zeros up to the end of the
// last group; inverse[r] = 1 / their sum. Rows are `stride` values apart. `finite`: no score is
// NaN.
template <typename T>
RAGMESH_AVX512_BF16 void Powers(const float* scores, std::size_t rows, std::size_t stride,
                                std::size_t tokens, bool finite, typename T::Element* powers,
                                float* inverse) {
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
  [[maybe_unused]] const std::conditional_t<std::is_same_v<T, Bf16>, Bf16Weights, std::monostate>
      weights;
  alignas(64) float top[16];
  _mm512_store_ps(top, JoinLanes<Max>(joined));
  for (std::size_t r = 0; r < 16; ++r) {
    const __m512 zero = _mm512_setzero_ps();
    __m512 sum[2] = {zero, zero};
    if (r < rows) {
      if constexpr (std::is_same_v<T, Bf16>) {
        if (finite && std::abs(top[r]) < Bf16Weights::kMost) {
          joined[r] = weights.Of(scores + r * stride, tokens, top[r], powers + r * stride);
          continue;
        }
      }
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
  // Scores are logarithms to base 2, in parts of an octave.
  const __m512 factor = _mm512_set1_ps(head.scale * 1.44269504f * T::kOctave);
  const bool keys_finite = PackKeys<T>(head, layout, scratch);
  PackValues<T>(head, layout, scratch + layout.values);
  for (std::size_t first = 0; first < head.tokens; first += kRows) {
    const std::size_t rows = std::min(kRows, head.tokens - first);
    const bool finite = PackQueries<T>(head, layout, first, rows, factor, queries) && keys_finite;
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
    Powers<T>(scores, rows, score_stride, head.tokens, finite, powers, inverse);
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
