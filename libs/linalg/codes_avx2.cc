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

// There are look-ups of 16 entries only, and six bits are three and three: with numbers for bits,
// entry m of a table is entry m & 7 plus what entry m & 56 has more than entry 0.
struct SplitTable {
  __m256i low, high;
};

RAGMESH_AVX2 inline SplitTable Split(const std::uint8_t* table) {
  alignas(16) std::uint8_t high[16] = {};
  for (int i = 0; i < 8; ++i) high[i] = static_cast<std::uint8_t>(table[8 * i] - table[0]);
  return {_mm256_broadcastsi128_si256(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(table))),
          _mm256_broadcastsi128_si256(_mm_load_si128(reinterpret_cast<const __m128i*>(high)))};
}

RAGMESH_AVX2 inline __m256i LookUp(const SplitTable& table, __m256i six_bits) {
  const __m256i seven = _mm256_set1_epi8(7);
  return _mm256_add_epi8(
      _mm256_shuffle_epi8(table.low, _mm256_and_si256(six_bits, seven)),
      _mm256_shuffle_epi8(table.high, _mm256_and_si256(_mm256_srli_epi16(six_bits, 3), seven)));
}

// Sums of 32 vectors: those with even numbers in the low bytes of 16-bit lanes.
struct SignSums {
  __m256i even, odd;
};

RAGMESH_AVX2 inline void AddPair(__m256i pair, SignSums* sums) {
  sums->even = _mm256_add_epi16(sums->even, _mm256_and_si256(pair, _mm256_set1_epi16(0xFF)));
  sums->odd = _mm256_add_epi16(sums->odd, _mm256_srli_epi16(pair, 8));
}

RAGMESH_AVX2 inline void AddTriple(const std::uint8_t* lines, const SplitTable* tables,
                                   SignSums* sums) {
  const __m256i a = Line(lines), b = Line(lines + 64), c = Line(lines + 128);
  const __m256i tops = _mm256_or_si256(
      _mm256_or_si256(_mm256_and_si256(_mm256_srli_epi16(a, 2), _mm256_set1_epi8(0x30)),
                      _mm256_and_si256(_mm256_srli_epi16(b, 4), _mm256_set1_epi8(0x0C))),
      _mm256_and_si256(_mm256_srli_epi16(c, 6), _mm256_set1_epi8(0x03)));
  AddPair(_mm256_add_epi8(LookUp(tables[0], a), LookUp(tables[1], b)), sums);
  AddPair(_mm256_add_epi8(LookUp(tables[2], c), LookUp(tables[3], tops)), sums);
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
  const __m256i low = _mm256_unpacklo_epi16(sums.even, sums.odd);   // vectors 0-7 and 16-23
  const __m256i high = _mm256_unpackhi_epi16(sums.even, sums.odd);  // vectors 8-15 and 24-31
  Finish(scan, _mm256_castsi256_si128(low), numbers, first, base, out, most);
  Finish(scan, _mm256_castsi256_si128(high), numbers, first + 8, base, out, most);
  Finish(scan, _mm256_extracti128_si256(low, 1), numbers, first + 16, base, out, most);
  Finish(scan, _mm256_extracti128_si256(high, 1), numbers, first + 24, base, out, most);
}

}  // namespace

RAGMESH_AVX2 void ScanSigns(const SignScan& scan, const std::uint8_t* const* blocks,
                            const float* bases, std::size_t count, float* estimates,
                            float* maxima) {
  const __m256i zero = _mm256_setzero_si256();
  for (std::size_t b = 0; b < count; ++b) {
    SignSums first = {zero, zero}, second = first;
    const std::uint8_t* lines = blocks[b];
    const std::uint8_t* table = scan.tables;
    for (std::size_t t = 0; t < scan.triples; ++t, lines += 3 * kSignLanes, table += 4 * 64) {
      const SplitTable tables[4] = {Split(table), Split(table + 64), Split(table + 128),
                                    Split(table + 192)};
      AddTriple(lines, tables, &first);
      AddTriple(lines + 32, tables, &second);
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

RAGMESH_AVX2 std::int32_t DotInt8(const std::int8_t* a, const std::int8_t* b, std::size_t n) {
  __m256i s0 = _mm256_setzero_si256(), s1 = s0;
  std::size_t i = 0;
  for (; i + 32 <= n; i += 32) {
    const __m256i a8 = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(a + i));
    const __m256i b8 = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(b + i));
    // Widened to 16 bits first: the 8-bit multiply-add saturates.
    s0 = _mm256_add_epi32(s0, _mm256_madd_epi16(_mm256_cvtepi8_epi16(_mm256_castsi256_si128(a8)),
                                                _mm256_cvtepi8_epi16(_mm256_castsi256_si128(b8))));
    s1 = _mm256_add_epi32(s1,
                          _mm256_madd_epi16(_mm256_cvtepi8_epi16(_mm256_extracti128_si256(a8, 1)),
                                            _mm256_cvtepi8_epi16(_mm256_extracti128_si256(b8, 1))));
  }
  std::int32_t sum = Sum(_mm256_add_epi32(s0, s1));
  for (; i < n; ++i) sum += static_cast<std::int32_t>(a[i]) * b[i];
  return sum;
}

RAGMESH_AVX2 void DotListed(const std::int8_t* query, const std::int8_t* rows, std::size_t stride,
                            const std::uint32_t* which, std::size_t count, std::size_t n,
                            std::int32_t* out) {
  const auto fetch = [&](std::size_t i) {
    for (std::size_t byte = 0; byte < n; byte += 64)
      __builtin_prefetch(rows + which[i] * stride + byte);
  };
  for (std::size_t i = 0; i < std::min(count, kRowsAhead); ++i) fetch(i);
  for (std::size_t i = 0; i < count; ++i) {
    if (i + kRowsAhead < count) fetch(i + kRowsAhead);
    out[i] = DotInt8(query, rows + which[i] * stride, n);
  }
}

}  // namespace ragmesh::linalg::avx2

#endif  // defined(__x86_64__)
