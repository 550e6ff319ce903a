// What searches ask of vectors as bits and bytes, 256 bits at a time. The tables of AVX-512 without
// VBMI scan blocks with this too.
#if defined(__x86_64__)

#include <immintrin.h>

#include <algorithm>
#include <limits>

#include "libs/linalg/kernel_tables.h"
#include "libs/linalg/math_avx2.h"

namespace ragmesh::linalg::avx2 {
namespace {

constexpr std::size_t kRowsAhead = 6;  // 2.3 KB at 384 dimensions: on their way from memory

RAGMESH_AVX2 inline __m256i Line(const std::uint8_t* at) {
  return _mm256_load_si256(reinterpret_cast<const __m256i*>(at));
}

// There are look-ups of 16 entries only. So each byte of a line is looked up by its halves: four
// bits of its own table, and the other two of it with two bits of table 3.
constexpr std::size_t kHalves = 6;  // of three lines: the low ones, then the high ones

// What one bit of a table adds: how much more when it is set, which may be less than nothing.
inline int Difference(const std::uint8_t* table, int bit) {
  return static_cast<std::int8_t>(table[1 << bit] - table[0]);
}

// What two bits add, the first of them `bit`, as four bytes; the least of them is 0.
inline std::uint32_t TwoBits(const std::uint8_t* table, int bit) {
  const int first = Difference(table, bit), second = Difference(table, bit + 1);
  const int none = std::max(0, -first) + std::max(0, -second);
  return static_cast<std::uint32_t>(none | (none + first) << 8 | (none + second) << 16 |
                                    (none + first + second) << 24);
}

// Fills `halves`, 16 entries of each, from the four tables of three lines. Entry by entry, three of
// them add to at most 255.
RAGMESH_AVX2 inline void SplitTables(const std::uint8_t* tables, std::uint8_t* halves) {
  const std::uint8_t* const tops = tables + 3 * 64;
  const __m128i each_four = _mm_setr_epi8(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3);
  for (int line = 0; line < 3; ++line) {
    const std::uint8_t* const table = tables + 64 * line;
    const std::uint32_t own = TwoBits(table, 4);
    const __m128i low = _mm_load_si128(reinterpret_cast<const __m128i*>(table));
    _mm_store_si128(reinterpret_cast<__m128i*>(halves + 16 * line),
                    _mm_sub_epi8(low, _mm_set1_epi8(static_cast<char>(own))));
    const __m128i two = _mm_set1_epi32(static_cast<int>(own));
    const __m128i two_of_tops = _mm_cvtsi32_si128(
        static_cast<int>(TwoBits(tops, 4 - 2 * line)));  // the first line's highest
    _mm_store_si128(reinterpret_cast<__m128i*>(halves + 16 * (3 + line)),
                    _mm_add_epi8(two, _mm_shuffle_epi8(two_of_tops, each_four)));
  }
}

// Sums of 32 vectors in 16-bit lanes: those with odd numbers, and those with even numbers, to which
// 256 times the others are added, modulo 65,536.
struct SignSums {
  __m256i mixed, odd;
};

RAGMESH_AVX2 inline void Add(__m256i bytes, SignSums* sums) {
  sums->mixed = _mm256_add_epi16(sums->mixed, bytes);
  sums->odd = _mm256_add_epi16(sums->odd, _mm256_srli_epi16(bytes, 8));
}

RAGMESH_AVX2 inline __m256i LookUp(const __m256i* tables, __m256i a, __m256i b, __m256i c) {
  const __m256i half = _mm256_set1_epi8(0x0F);
  return _mm256_add_epi8(_mm256_add_epi8(_mm256_shuffle_epi8(tables[0], _mm256_and_si256(a, half)),
                                         _mm256_shuffle_epi8(tables[1], _mm256_and_si256(b, half))),
                         _mm256_shuffle_epi8(tables[2], _mm256_and_si256(c, half)));
}

RAGMESH_AVX2 inline void AddTriple(const std::uint8_t* lines, const __m256i* tables,
                                   SignSums* sums) {
  const __m256i a = Line(lines), b = Line(lines + 64), c = Line(lines + 128);
  Add(LookUp(tables, a, b, c), sums);
  Add(LookUp(tables + 3, _mm256_srli_epi16(a, 4), _mm256_srli_epi16(b, 4), _mm256_srli_epi16(c, 4)),
      sums);
}

RAGMESH_AVX2 inline __m256 FromBf16(const std::uint8_t* at) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(
      _mm256_cvtepu16_epi32(_mm_load_si128(reinterpret_cast<const __m128i*>(at))), 16));
}

// Estimates of eight vectors from their sums; their largest goes into `most`.
RAGMESH_AVX2 inline void Finish(const SignScan& scan, __m128i sums, const std::uint8_t* numbers,
                                std::size_t first, float base, float* out, __m256* most) {
  const __m256 sum = _mm256_cvtepi32_ps(_mm256_cvtepu16_epi32(sums));
  const __m256 offset =
      _mm256_add_ps(FromBf16(numbers + 2 * kSignLanes + 2 * first), _mm256_set1_ps(base));
  const __m256 estimate = _mm256_fmadd_ps(
      FromBf16(numbers + 2 * first),
      _mm256_fmadd_ps(sum, _mm256_set1_ps(scan.step), _mm256_set1_ps(scan.shift)), offset);
  _mm256_storeu_ps(out + first, estimate);
  *most = _mm256_max_ps(*most, estimate);
}

RAGMESH_AVX2 inline void EndHalf(const SignScan& scan, const SignSums& sums,
                                 const std::uint8_t* numbers, std::size_t first, float base,
                                 float* out, __m256* most) {
  const __m256i even = _mm256_sub_epi16(sums.mixed, _mm256_slli_epi16(sums.odd, 8));
  const __m256i low = _mm256_unpacklo_epi16(even, sums.odd);   // vectors 0-7 and 16-23
  const __m256i high = _mm256_unpackhi_epi16(even, sums.odd);  // vectors 8-15 and 24-31
  Finish(scan, _mm256_castsi256_si128(low), numbers, first, base, out, most);
  Finish(scan, _mm256_castsi256_si128(high), numbers, first + 8, base, out, most);
  Finish(scan, _mm256_extracti128_si256(low, 1), numbers, first + 16, base, out, most);
  Finish(scan, _mm256_extracti128_si256(high, 1), numbers, first + 24, base, out, most);
}

}  // namespace

RAGMESH_AVX2 void ScanSigns(const SignScan& scan, const std::uint8_t* const* blocks,
                            const float* bases, std::size_t count, float* estimates,
                            float* maxima) {
  // Split once for all blocks; dimensions beyond 4,104 do not fit, and are split for each.
  constexpr std::size_t kMostTriples = 171;
  alignas(32) std::uint8_t halves[kMostTriples * kHalves * 16];
  const __m256i zero = _mm256_setzero_si256();
  for (std::size_t b = 0; b < count; ++b) {
    SignSums first = {zero, zero}, second = first;
    const std::uint8_t* lines = blocks[b];
    for (std::size_t done = 0; done < scan.triples; done += kMostTriples) {
      const std::size_t triples = std::min(kMostTriples, scan.triples - done);
      if (b == 0 || scan.triples > kMostTriples) {
        for (std::size_t t = 0; t < triples; ++t)
          SplitTables(scan.tables + (done + t) * 4 * 64, halves + t * kHalves * 16);
      }
      const std::uint8_t* half = halves;
      for (std::size_t t = 0; t < triples; ++t, lines += 3 * kSignLanes, half += kHalves * 16) {
        __m256i tables[kHalves];
        for (std::size_t i = 0; i < kHalves; ++i) {
          tables[i] = _mm256_broadcastsi128_si256(
              _mm_load_si128(reinterpret_cast<const __m128i*>(half + 16 * i)));
        }
        AddTriple(lines, tables, &first);
        AddTriple(lines + 32, tables, &second);
      }
    }
    __m256 most = _mm256_set1_ps(-std::numeric_limits<float>::infinity());
    float* const out = estimates + b * kSignLanes;
    EndHalf(scan, first, lines, 0, bases[b], out, &most);
    EndHalf(scan, second, lines, 32, bases[b], out, &most);
    alignas(32) float lanes[8];
    _mm256_store_ps(lanes, most);
    maxima[b] = *std::max_element(lanes, lanes + 8);
  }
}

RAGMESH_AVX2 std::uint64_t Above(const float* values, float bar) {
  const __m256 low = _mm256_set1_ps(bar);
  std::uint64_t mask = 0;
  for (std::size_t v = 0; v < kSignLanes; v += 8) {
    const auto eight = static_cast<unsigned>(
        _mm256_movemask_ps(_mm256_cmp_ps(_mm256_loadu_ps(values + v), low, _CMP_GT_OQ)));
    mask |= std::uint64_t{eight} << v;
  }
  return mask;
}

// Widened to 16 bits, since the multiply-add of 8 saturates.
RAGMESH_AVX2 static inline __m256i Widened(const std::int8_t* at) {
  return _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(at)));
}
RAGMESH_AVX2 static inline __m256i Line16(const std::int16_t* at) {
  return _mm256_load_si256(reinterpret_cast<const __m256i*>(at));
}

RAGMESH_AVX2 std::int32_t DotInt8(const std::int8_t* a, const std::int8_t* b, std::size_t n) {
  __m256i s0 = _mm256_setzero_si256(), s1 = s0;
  std::size_t i = 0;
  for (; i + 32 <= n; i += 32) {
    s0 = _mm256_add_epi32(s0, _mm256_madd_epi16(Widened(a + i), Widened(b + i)));
    s1 = _mm256_add_epi32(s1, _mm256_madd_epi16(Widened(a + i + 16), Widened(b + i + 16)));
  }
  std::int32_t sum = Sum(_mm256_add_epi32(s0, s1));
  for (; i < n; ++i) sum += static_cast<std::int32_t>(a[i]) * b[i];
  return sum;
}

RAGMESH_AVX2 void DotListed(const std::int8_t* query, const std::int8_t* rows, std::size_t stride,
                            const std::uint32_t* which, std::size_t count, std::size_t n,
                            std::int32_t* out) {
  // The query is widened once for all rows, as much of it as there is room for.
  constexpr std::size_t kWide = 2048;
  alignas(32) std::int16_t wide[kWide];
  const std::size_t begun = std::min(n / 32 * 32, kWide);
  for (std::size_t i = 0; i < begun; i += 16)
    _mm256_store_si256(reinterpret_cast<__m256i*>(wide + i), Widened(query + i));
  const auto fetch = [&](std::size_t i) {
    for (std::size_t byte = 0; byte < n; byte += 64)
      __builtin_prefetch(rows + which[i] * stride + byte);
  };
  for (std::size_t i = 0; i < std::min(count, kRowsAhead); ++i) fetch(i);
  for (std::size_t r = 0; r < count; ++r) {
    if (r + kRowsAhead < count) fetch(r + kRowsAhead);
    const std::int8_t* const row = rows + which[r] * stride;
    __m256i s0 = _mm256_setzero_si256(), s1 = s0;
    for (std::size_t i = 0; i < begun; i += 32) {
      s0 = _mm256_add_epi32(s0, _mm256_madd_epi16(Line16(wide + i), Widened(row + i)));
      s1 = _mm256_add_epi32(s1, _mm256_madd_epi16(Line16(wide + i + 16), Widened(row + i + 16)));
    }
    out[r] = Sum(_mm256_add_epi32(s0, s1)) + DotInt8(query + begun, row + begun, n - begun);
  }
}

}  // namespace ragmesh::linalg::avx2

#endif  // defined(__x86_64__)
