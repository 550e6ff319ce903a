#if defined(__x86_64__)
#include <immintrin.h>

#include "libs/linalg/postings_tables.h"

#define RAGMESH_AVX2 __attribute__((target("avx2,bmi2")))

namespace ragmesh::linalg {
namespace {

constexpr std::size_t kLanes = 8;
constexpr auto kPlaces = MakeLanePlaces<kLanes>(kLanes / 2);

RAGMESH_AVX2 inline __m256i Load(const void* from) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(from));
}

// One step: 8 integers, four out of the 16 bytes from `in`, four out of those from where the fifth
// begins.
struct Unpacker {
  __m256i bytes, shifts, mask;
  std::size_t second;

  RAGMESH_AVX2 explicit Unpacker(unsigned bits)
      : bytes(Load(kPlaces[bits].bytes.data())),
        shifts(Load(kPlaces[bits].shifts.data())),
        mask(_mm256_set1_epi32(static_cast<int>((1u << bits) - 1))),
        second(bits / 2) {}

  RAGMESH_AVX2 __m256i Step(const std::uint8_t* in) const {
    const __m256i halves = _mm256_loadu2_m128i(reinterpret_cast<const __m128i*>(in + second),
                                               reinterpret_cast<const __m128i*>(in));
    const __m256i words = _mm256_shuffle_epi8(halves, bytes);
    return _mm256_and_si256(_mm256_srlv_epi32(words, shifts), mask);
  }
};

RAGMESH_AVX2 void Store(std::uint32_t* to, __m256i x) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), x);
}

RAGMESH_AVX2 void Unpack(const std::uint8_t* in, unsigned bits, std::uint32_t* out) {
  const Unpacker unpacker(bits);
  for (std::size_t i = 0; i < kPackedBlock; i += kLanes, in += bits)
    Store(out + i, unpacker.Step(in));
}

// Of 8 integers each becomes the sum of those up to it.
RAGMESH_AVX2 __m256i PrefixSums(__m256i x) {
  x = _mm256_add_epi32(x, _mm256_slli_si256(x, 4));
  x = _mm256_add_epi32(x, _mm256_slli_si256(x, 8));
  const __m256i lower_last = _mm256_permutevar8x32_epi32(x, _mm256_set1_epi32(3));
  return _mm256_add_epi32(x, _mm256_blend_epi32(_mm256_setzero_si256(), lower_last, 0xF0));
}

RAGMESH_AVX2 void UnpackAscending(const std::uint8_t* in, unsigned bits, std::uint32_t before,
                                  std::uint32_t* out) {
  const Unpacker unpacker(bits);
  const __m256i one = _mm256_set1_epi32(1), last = _mm256_set1_epi32(7);
  __m256i carried = _mm256_set1_epi32(static_cast<int>(before));
  for (std::size_t i = 0; i < kPackedBlock; i += kLanes, in += bits) {
    const __m256i sums = PrefixSums(_mm256_add_epi32(unpacker.Step(in), one));
    Store(out + i, _mm256_add_epi32(sums, carried));
    carried = _mm256_add_epi32(carried, _mm256_permutevar8x32_epi32(sums, last));
  }
}

// 16-bit table entries as two tables of bytes, which is what a shuffle looks up.
struct ByteTables {
  __m256i low, high;

  RAGMESH_AVX2 explicit ByteTables(const std::uint16_t* table) {
    alignas(16) std::uint8_t lows[16], highs[16];
    for (int i = 0; i < 16; ++i) {
      lows[i] = static_cast<std::uint8_t>(table[i]);
      highs[i] = static_cast<std::uint8_t>(table[i] >> 8);
    }
    low = _mm256_broadcastsi128_si256(_mm_load_si128(reinterpret_cast<const __m128i*>(lows)));
    high = _mm256_broadcastsi128_si256(_mm_load_si128(reinterpret_cast<const __m128i*>(highs)));
  }

  // Of 16 codes in 16 bits each.
  RAGMESH_AVX2 __m256i Look(__m256i codes) const {
    const __m256i low_bytes =
        _mm256_and_si256(_mm256_shuffle_epi8(low, codes), _mm256_set1_epi16(0xFF));
    return _mm256_or_si256(low_bytes, _mm256_slli_epi16(_mm256_shuffle_epi8(high, codes), 8));
  }
};

RAGMESH_AVX2 void AddTo(std::uint16_t* sums, __m256i x) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(sums), _mm256_adds_epu16(Load(sums), x));
}

RAGMESH_AVX2 void AddCodes(const std::uint8_t* codes, std::size_t n, const std::uint16_t* table,
                           std::uint16_t* sums) {
  const ByteTables tables(table);
  const __m256i low_half = _mm256_set1_epi16(15);
  for (std::size_t i = 0; i < n; i += kCodesPerStep) {
    for (std::size_t half = 0; half < 32; half += 16) {
      const __m256i pair = _mm256_cvtepu8_epi16(
          _mm_loadu_si128(reinterpret_cast<const __m128i*>(codes + i / 2 + half)));
      AddTo(sums + i + half, tables.Look(_mm256_and_si256(pair, low_half)));
      AddTo(sums + i + 32 + half, tables.Look(_mm256_srli_epi16(pair, 4)));
    }
  }
}

RAGMESH_AVX2 std::size_t Select(const std::uint16_t* values, std::size_t n, std::uint16_t low,
                                std::uint16_t high, std::uint32_t* out) {
  const __m256i least = _mm256_set1_epi16(static_cast<short>(low));
  const __m256i most = _mm256_set1_epi16(static_cast<short>(high));
  std::size_t found = 0;
  for (std::size_t i = 0; i < n; i += 16) {
    const __m256i x = Load(values + i);
    const __m256i within = _mm256_and_si256(_mm256_cmpeq_epi16(_mm256_max_epu16(x, least), x),
                                            _mm256_cmpeq_epi16(_mm256_min_epu16(x, most), x));
    // Two bits a value.
    for (auto hits = static_cast<std::uint32_t>(_mm256_movemask_epi8(within)) & 0x55555555u;
         hits != 0; hits &= hits - 1)
      out[found++] =
          static_cast<std::uint32_t>(i) + static_cast<std::uint32_t>(__builtin_ctz(hits)) / 2;
  }
  return found;
}

RAGMESH_AVX2 std::uint16_t Largest(const std::uint16_t* values, std::size_t n) {
  __m256i most = _mm256_setzero_si256();
  for (std::size_t i = 0; i < n; i += 16) most = _mm256_max_epu16(most, Load(values + i));
  alignas(32) std::uint16_t lanes[16];
  _mm256_store_si256(reinterpret_cast<__m256i*>(lanes), most);
  std::uint16_t largest = 0;
  for (const std::uint16_t lane : lanes) largest = lane > largest ? lane : largest;
  return largest;
}

}  // namespace

extern const PostingsKernels kAvx2PostingsKernels = {"avx2",   Unpack, UnpackAscending,
                                                     AddCodes, Select, Largest};

}  // namespace ragmesh::linalg
#endif
