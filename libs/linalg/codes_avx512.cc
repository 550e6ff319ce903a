// What searches ask of vectors as bits and bytes, 512 bits at a time.
#if defined(__x86_64__)

// gcc 12 takes the undefined registers of its own intrinsics for uninitialised variables.
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"

#include <immintrin.h>

#include <algorithm>

#include "libs/linalg/kernel_tables.h"
#include "libs/linalg/math_avx512.h"

#define RAGMESH_AVX512_VNNI \
  __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,fma")))
#define RAGMESH_AVX512_VBMI \
  __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,fma")))

namespace ragmesh::linalg::avx512 {
namespace {

constexpr std::size_t kRowsAhead = 6;  // 2.3 KB at 384 dimensions: on their way from memory

RAGMESH_AVX512 inline void Fetch(const std::int8_t* row, std::size_t n) {
  for (std::size_t byte = 0; byte < n; byte += 64)
    _mm_prefetch(reinterpret_cast<const char*>(row) + byte, _MM_HINT_T0);
}

// Sums of bytes of a block as 16-bit lanes: `even` has those of vectors 0, 2 and so on, and `odd`
// the others. Additions to `both` take the odd vectors along, 256-fold, which End takes away again.
struct SignSums {
  __m512i both, odd;
};

RAGMESH_AVX512_VBMI inline void AddPair(__m512i pair, SignSums* sums) {
  sums->both = _mm512_add_epi16(sums->both, pair);
  sums->odd = _mm512_add_epi16(sums->odd, _mm512_srli_epi16(pair, 8));
}

struct SignTables {
  __m512i t0, t1, t2, t3;
};

RAGMESH_AVX512_VBMI inline void AddTriple(const std::uint8_t* lines, const SignTables& tables,
                                          SignSums* sums) {
  const __m512i a = _mm512_load_si512(lines), b = _mm512_load_si512(lines + 64),
                c = _mm512_load_si512(lines + 128);
  // Shifts by 16 bits bring in bits of the neighbour byte, which the selections and, of the top two
  // bits, the look-up itself ignore.
  const __m512i a_or_b =
      _mm512_ternarylogic_epi32(_mm512_set1_epi8(0x30), _mm512_srli_epi16(a, 2),
                                _mm512_srli_epi16(b, 4), 0xCA);  // bits of a where the mask is set
  const __m512i tops =
      _mm512_ternarylogic_epi32(_mm512_set1_epi8(0x3C), a_or_b, _mm512_srli_epi16(c, 6), 0xCA);
  AddPair(
      _mm512_add_epi8(_mm512_permutexvar_epi8(a, tables.t0), _mm512_permutexvar_epi8(b, tables.t1)),
      sums);
  AddPair(_mm512_add_epi8(_mm512_permutexvar_epi8(c, tables.t2),
                          _mm512_permutexvar_epi8(tops, tables.t3)),
          sums);
}

RAGMESH_AVX512_VBMI inline __m512 FromBf16(const std::uint8_t* at) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(
      _mm512_cvtepu16_epi32(_mm256_load_si256(reinterpret_cast<const __m256i*>(at))), 16));
}

// Estimates of 16 vectors from their sums.
RAGMESH_AVX512_VBMI inline __m512 Finish(const SignScan& scan, __m256i sums,
                                         const std::uint8_t* numbers, std::size_t first, float base,
                                         float* out) {
  const __m512 sum = _mm512_cvtepi32_ps(_mm512_cvtepu16_epi32(sums));
  const __m512 offset =
      _mm512_add_ps(FromBf16(numbers + 2 * kSignLanes + 2 * first), _mm512_set1_ps(base));
  const __m512 estimate = _mm512_fmadd_ps(
      FromBf16(numbers + 2 * first),
      _mm512_fmadd_ps(sum, _mm512_set1_ps(scan.step), _mm512_set1_ps(scan.shift)), offset);
  _mm512_storeu_ps(out + first, estimate);
  return estimate;
}

RAGMESH_AVX512_VBMI inline float EndBlock(const SignScan& scan, const SignSums& sums,
                                          const std::uint8_t* numbers, float base, float* out) {
  const __m512i even = _mm512_sub_epi16(sums.both, _mm512_slli_epi16(sums.odd, 8));
  // Each 128 bits of `low` have the first eight of 16 vectors, `high` the other eight.
  const __m512i low = _mm512_unpacklo_epi16(even, sums.odd);
  const __m512i high = _mm512_unpackhi_epi16(even, sums.odd);
  const __m512i first = _mm512_permutex2var_epi64(low, _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11),
                                                  high);  // vectors 0 to 31
  const __m512i second =
      _mm512_permutex2var_epi64(low, _mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15), high);
  const __m512 a = Finish(scan, _mm512_castsi512_si256(first), numbers, 0, base, out);
  const __m512 b = Finish(scan, _mm512_extracti64x4_epi64(first, 1), numbers, 16, base, out);
  const __m512 c = Finish(scan, _mm512_castsi512_si256(second), numbers, 32, base, out);
  const __m512 d = Finish(scan, _mm512_extracti64x4_epi64(second, 1), numbers, 48, base, out);
  return _mm512_reduce_max_ps(_mm512_max_ps(_mm512_max_ps(a, b), _mm512_max_ps(c, d)));
}

}  // namespace

RAGMESH_AVX512_VBMI void ScanSigns(const SignScan& scan, const std::uint8_t* const* blocks,
                                   const float* bases, std::size_t count, float* estimates,
                                   float* maxima) {
  const __m512i zero = _mm512_setzero_si512();
  const std::size_t lines = scan.triples * 3 * kSignLanes;
  std::size_t b = 0;
  // Two blocks at a time share the loads of tables.
  for (; b + 2 <= count; b += 2) {
    SignSums first = {zero, zero}, second = first;
    const std::uint8_t* table = scan.tables;
    const std::uint8_t *one = blocks[b], *two = blocks[b + 1];
    const std::uint8_t* const next = b + 3 < count ? blocks[b + 2] : one;
    const std::uint8_t* const after = b + 3 < count ? blocks[b + 3] : one;
    for (std::size_t at = 0; at < lines; at += 3 * kSignLanes, table += 4 * 64) {
      const SignTables tables = {_mm512_load_si512(table), _mm512_load_si512(table + 64),
                                 _mm512_load_si512(table + 128), _mm512_load_si512(table + 192)};
      for (std::size_t line = 0; line < 3; ++line) {
        _mm_prefetch(reinterpret_cast<const char*>(next + at + 64 * line), _MM_HINT_T0);
        _mm_prefetch(reinterpret_cast<const char*>(after + at + 64 * line), _MM_HINT_T0);
      }
      AddTriple(one + at, tables, &first);
      AddTriple(two + at, tables, &second);
    }
    maxima[b] = EndBlock(scan, first, one + lines, bases[b], estimates + b * kSignLanes);
    maxima[b + 1] =
        EndBlock(scan, second, two + lines, bases[b + 1], estimates + (b + 1) * kSignLanes);
  }
  if (b < count) {
    SignSums sums = {zero, zero};
    const std::uint8_t* table = scan.tables;
    for (std::size_t at = 0; at < lines; at += 3 * kSignLanes, table += 4 * 64) {
      AddTriple(blocks[b] + at,
                {_mm512_load_si512(table), _mm512_load_si512(table + 64),
                 _mm512_load_si512(table + 128), _mm512_load_si512(table + 192)},
                &sums);
    }
    maxima[b] = EndBlock(scan, sums, blocks[b] + lines, bases[b], estimates + b * kSignLanes);
  }
}

RAGMESH_AVX512 std::uint64_t Above(const float* values, float bar) {
  const __m512 low = _mm512_set1_ps(bar);
  std::uint64_t mask = 0;
  for (std::size_t v = 0; v < kSignLanes; v += 16)
    mask |= std::uint64_t{_mm512_cmp_ps_mask(_mm512_loadu_ps(values + v), low, _CMP_GT_OQ)} << v;
  return mask;
}

RAGMESH_AVX512 std::int32_t DotInt8(const std::int8_t* a, const std::int8_t* b, std::size_t n) {
  __m512i sum = _mm512_setzero_si512();
  for (std::size_t i = 0; i < n; i += 32) {
    const __mmask32 mask =
        n - i >= 32 ? ~__mmask32{0} : static_cast<__mmask32>((1u << (n - i)) - 1);
    const __m512i a16 = _mm512_cvtepi8_epi16(_mm256_maskz_loadu_epi8(mask, a + i));
    const __m512i b16 = _mm512_cvtepi8_epi16(_mm256_maskz_loadu_epi8(mask, b + i));
    sum = _mm512_add_epi32(sum, _mm512_madd_epi16(a16, b16));
  }
  return _mm512_reduce_add_epi32(sum);
}

RAGMESH_AVX512 void DotListed(const std::int8_t* query, const std::int8_t* rows, std::size_t stride,
                              const std::uint32_t* which, std::size_t count, std::size_t n,
                              std::int32_t* out) {
  for (std::size_t i = 0; i < std::min(count, kRowsAhead); ++i) Fetch(rows + which[i] * stride, n);
  for (std::size_t i = 0; i < count; ++i) {
    if (i + kRowsAhead < count) Fetch(rows + which[i + kRowsAhead] * stride, n);
    out[i] = DotInt8(query, rows + which[i] * stride, n);
  }
}

// vpdpbusd takes one operand as unsigned bytes: the row's with 128 added, which a sum over the
// query takes away again.
RAGMESH_AVX512_VNNI void DotListedVnni(const std::int8_t* query, const std::int8_t* rows,
                                       std::size_t stride, const std::uint32_t* which,
                                       std::size_t count, std::size_t n, std::int32_t* out) {
  const __m512i flip = _mm512_set1_epi8(static_cast<char>(0x80));
  const std::size_t whole = n & ~std::size_t{63};
  const __mmask64 rest = (std::uint64_t{1} << (n & 63)) - 1;
  __m512i all = _mm512_setzero_si512();
  for (std::size_t d = 0; d < whole; d += 64)
    all = _mm512_dpbusd_epi32(all, flip, _mm512_loadu_si512(query + d));
  all = _mm512_dpbusd_epi32(all, flip, _mm512_maskz_loadu_epi8(rest, query + whole));
  const std::int32_t excess = _mm512_reduce_add_epi32(all);
  for (std::size_t i = 0; i < std::min(count, kRowsAhead); ++i) Fetch(rows + which[i] * stride, n);
  for (std::size_t i = 0; i < count; ++i) {
    if (i + kRowsAhead < count) Fetch(rows + which[i + kRowsAhead] * stride, n);
    const std::int8_t* const row = rows + which[i] * stride;
    __m512i s0 = _mm512_setzero_si512(), s1 = s0;
    std::size_t d = 0;
    for (; d + 128 <= n; d += 128) {
      s0 = _mm512_dpbusd_epi32(s0, _mm512_xor_si512(_mm512_loadu_si512(row + d), flip),
                               _mm512_loadu_si512(query + d));
      s1 = _mm512_dpbusd_epi32(s1, _mm512_xor_si512(_mm512_loadu_si512(row + d + 64), flip),
                               _mm512_loadu_si512(query + d + 64));
    }
    if (d < whole)
      s0 = _mm512_dpbusd_epi32(s0, _mm512_xor_si512(_mm512_loadu_si512(row + d), flip),
                               _mm512_loadu_si512(query + d));
    if (rest != 0)
      s1 = _mm512_dpbusd_epi32(s1,
                               _mm512_xor_si512(_mm512_maskz_loadu_epi8(rest, row + whole), flip),
                               _mm512_maskz_loadu_epi8(rest, query + whole));
    out[i] = _mm512_reduce_add_epi32(_mm512_add_epi32(s0, s1)) - excess;
  }
}

}  // namespace ragmesh::linalg::avx512

#endif  // defined(__x86_64__)
