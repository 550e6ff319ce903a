#if defined(__x86_64__)
// gcc 12 takes the undefined registers of its own intrinsics for uninitialised variables.
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#include <immintrin.h>

#include "libs/linalg/postings_tables.h"

#define RAGMESH_AVX512 \
  __attribute__((target("avx2,bmi2,avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi")))

namespace ragmesh::linalg {
namespace {

constexpr std::size_t kLanes = 16;
constexpr auto kPlaces = MakeLanePlaces<kLanes>(kLanes);

// One step: 16 integers out of the 64 bytes from `in`.
struct Unpacker {
  __m512i bytes, shifts, mask;

  RAGMESH_AVX512 explicit Unpacker(unsigned bits)
      : bytes(_mm512_load_si512(kPlaces[bits].bytes.data())),
        shifts(_mm512_load_si512(kPlaces[bits].shifts.data())),
        mask(_mm512_set1_epi32(static_cast<int>((1u << bits) - 1))) {}

  RAGMESH_AVX512 __m512i Step(const std::uint8_t* in) const {
    const __m512i words = _mm512_permutexvar_epi8(bytes, _mm512_loadu_si512(in));
    return _mm512_and_si512(_mm512_srlv_epi32(words, shifts), mask);
  }
};

RAGMESH_AVX512 void Unpack(const std::uint8_t* in, unsigned bits, std::uint32_t* out) {
  const Unpacker unpacker(bits);
  for (std::size_t i = 0; i < kPackedBlock; i += kLanes, in += 2 * bits)
    _mm512_storeu_si512(out + i, unpacker.Step(in));
}

// Of 16 integers each becomes the sum of those up to it: by halving distances inside the register.
RAGMESH_AVX512 __m512i PrefixSums(__m512i x) {
  const __m512i zero = _mm512_setzero_si512();
  x = _mm512_add_epi32(x, _mm512_alignr_epi32(x, zero, 15));
  x = _mm512_add_epi32(x, _mm512_alignr_epi32(x, zero, 14));
  x = _mm512_add_epi32(x, _mm512_alignr_epi32(x, zero, 12));
  return _mm512_add_epi32(x, _mm512_alignr_epi32(x, zero, 8));
}

RAGMESH_AVX512 void UnpackAscending(const std::uint8_t* in, unsigned bits, std::uint32_t before,
                                    std::uint32_t* out) {
  const Unpacker unpacker(bits);
  const __m512i one = _mm512_set1_epi32(1), last = _mm512_set1_epi32(15);
  __m512i carried = _mm512_set1_epi32(static_cast<int>(before));
  for (std::size_t i = 0; i < kPackedBlock; i += kLanes, in += 2 * bits) {
    // The sums of a step depend on no other step; only the carry is a chain.
    const __m512i sums = PrefixSums(_mm512_add_epi32(unpacker.Step(in), one));
    const __m512i result = _mm512_add_epi32(sums, carried);
    _mm512_storeu_si512(out + i, result);
    carried = _mm512_add_epi32(carried, _mm512_permutexvar_epi32(last, sums));
  }
}

RAGMESH_AVX512 void AddCodes(const std::uint8_t* codes, std::size_t n, const std::uint16_t* table,
                             std::uint16_t* sums) {
  const __m512i entries =
      _mm512_broadcast_i64x4(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(table)));
  const __m512i low_half = _mm512_set1_epi16(15);
  for (std::size_t i = 0; i < n; i += kCodesPerStep) {
    const __m512i pair =
        _mm512_cvtepu8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(codes + i / 2)));
    const __m512i first = _mm512_permutexvar_epi16(_mm512_and_si512(pair, low_half), entries);
    const __m512i second = _mm512_permutexvar_epi16(_mm512_srli_epi16(pair, 4), entries);
    _mm512_storeu_si512(sums + i, _mm512_adds_epu16(_mm512_loadu_si512(sums + i), first));
    _mm512_storeu_si512(sums + i + 32,
                        _mm512_adds_epu16(_mm512_loadu_si512(sums + i + 32), second));
  }
}

RAGMESH_AVX512 std::size_t Select(const std::uint16_t* values, std::size_t n, std::uint16_t low,
                                  std::uint16_t high, std::uint32_t* out) {
  const __m512i least = _mm512_set1_epi16(static_cast<short>(low));
  const __m512i most = _mm512_set1_epi16(static_cast<short>(high));
  std::size_t found = 0;
  for (std::size_t i = 0; i < n; i += 32) {
    const __m512i x = _mm512_loadu_si512(values + i);
    for (std::uint32_t hits =
             _mm512_mask_cmple_epu16_mask(_mm512_cmpge_epu16_mask(x, least), x, most);
         hits != 0; hits &= hits - 1)
      out[found++] =
          static_cast<std::uint32_t>(i) + static_cast<std::uint32_t>(__builtin_ctz(hits));
  }
  return found;
}

RAGMESH_AVX512 std::uint16_t Largest(const std::uint16_t* values, std::size_t n) {
  __m512i most = _mm512_setzero_si512();
  for (std::size_t i = 0; i < n; i += 32)
    most = _mm512_max_epu16(most, _mm512_loadu_si512(values + i));
  alignas(64) std::uint16_t lanes[32];
  _mm512_store_si512(lanes, most);
  std::uint16_t largest = 0;
  for (const std::uint16_t lane : lanes) largest = lane > largest ? lane : largest;
  return largest;
}

}  // namespace

extern const PostingsKernels kAvx512PostingsKernels = {"avx512", Unpack, UnpackAscending,
                                                       AddCodes, Select, Largest};

}  // namespace ragmesh::linalg
#endif
