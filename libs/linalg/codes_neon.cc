// What searches ask of vectors as bits and bytes, 128 bits at a time.
#if defined(__aarch64__)

#include <arm_neon.h>

#include <algorithm>
#include <cstring>
#include <limits>

#include "libs/linalg/kernel_tables.h"
#include "libs/linalg/math_neon.h"
#include "libs/linalg/tile_neon.h"

namespace ragmesh::linalg::neon {
namespace {

constexpr std::size_t kRowsAhead = 6;  // 2.3 KB at 384 dimensions: on their way from memory

// The products of 16 pairs, added to the lanes of a sum.
struct Widening {
  // Two products of the lowest values overflow 16 bits, so each goes to 32 before it meets another.
  static int32x4_t Add(int32x4_t sum, int8x16_t a, int8x16_t b) {
    sum = vpadalq_s16(sum, vmull_s8(vget_low_s8(a), vget_low_s8(b)));
    return vpadalq_s16(sum, vmull_high_s8(a, b));
  }
};
struct Dotprod {
  RAGMESH_DOTPROD static int32x4_t Add(int32x4_t sum, int8x16_t a, int8x16_t b) {
    return vdotq_s32(sum, a, b);
  }
};

// Always inlined, so that it has the target of the function around it, which is what Op needs.
template <typename Op>
__attribute__((always_inline)) inline std::int32_t DotBytes(const std::int8_t* a,
                                                            const std::int8_t* b, std::size_t n) {
  int32x4_t sum = vdupq_n_s32(0);
  std::size_t i = 0;
  for (; i + 16 <= n; i += 16) sum = Op::Add(sum, vld1q_s8(a + i), vld1q_s8(b + i));
  if (i < n) {
    std::int8_t last_a[16] = {}, last_b[16] = {};
    std::memcpy(last_a, a + i, n - i);
    std::memcpy(last_b, b + i, n - i);
    sum = Op::Add(sum, vld1q_s8(last_a), vld1q_s8(last_b));
  }
  return vaddvq_s32(sum);
}

template <typename Dot>
__attribute__((always_inline)) inline void DotEach(const Dot& dot, const std::int8_t* rows,
                                                   std::size_t stride, const std::uint32_t* which,
                                                   std::size_t count, std::size_t n,
                                                   std::int32_t* out) {
  const auto fetch = [&](std::size_t i) {
    for (std::size_t byte = 0; byte < n; byte += 64)
      __builtin_prefetch(rows + which[i] * stride + byte);
  };
  for (std::size_t i = 0; i < std::min(count, kRowsAhead); ++i) fetch(i);
  for (std::size_t i = 0; i < count; ++i) {
    if (i + kRowsAhead < count) fetch(i + kRowsAhead);
    out[i] = dot(rows + which[i] * stride);
  }
}

inline uint8x16_t LookUp(const uint8x16x4_t& table, uint8x16_t index) {
  return vqtbl4q_u8(table, index);
}

// Sums of 16 vectors, in their order.
struct SignSums {
  uint16x8_t low, high;
};

inline void AddPair(uint8x16_t pair, SignSums* sums) {
  sums->low = vaddw_u8(sums->low, vget_low_u8(pair));
  sums->high = vaddw_high_u8(sums->high, pair);
}

inline float32x4_t FromBf16(const std::uint8_t* at) {
  return vreinterpretq_f32_u32(vshll_n_u16(vreinterpret_u16_u8(vld1_u8(at)), 16));
}

// Estimates of four vectors from their sums; their largest goes into `most`.
inline void Finish(const SignScan& scan, uint16x4_t sums, const std::uint8_t* numbers,
                   std::size_t first, float base, float* out, float32x4_t* most) {
  const float32x4_t sum = vcvtq_f32_u32(vmovl_u16(sums));
  const float32x4_t offset =
      vaddq_f32(FromBf16(numbers + 2 * kSignLanes + 2 * first), vdupq_n_f32(base));
  const float32x4_t inner = vfmaq_f32(vdupq_n_f32(scan.shift), sum, vdupq_n_f32(scan.step));
  const float32x4_t estimate = vfmaq_f32(offset, FromBf16(numbers + 2 * first), inner);
  vst1q_f32(out + first, estimate);
  *most = vmaxq_f32(*most, estimate);
}

}  // namespace

void ScanSigns(const SignScan& scan, const std::uint8_t* const* blocks, const float* bases,
               std::size_t count, float* estimates, float* maxima) {
  const uint8x16_t six = vdupq_n_u8(63);
  for (std::size_t b = 0; b < count; ++b) {
    SignSums sums[4] = {};
    const std::uint8_t* lines = blocks[b];
    const std::uint8_t* table = scan.tables;
    for (std::size_t t = 0; t < scan.triples; ++t, lines += 3 * kSignLanes, table += 4 * 64) {
      const uint8x16x4_t t0 = vld1q_u8_x4(table), t1 = vld1q_u8_x4(table + 64),
                         t2 = vld1q_u8_x4(table + 128), t3 = vld1q_u8_x4(table + 192);
      for (std::size_t quarter = 0; quarter < 4; ++quarter) {
        const uint8x16_t a = vld1q_u8(lines + 16 * quarter),
                         b2 = vld1q_u8(lines + 64 + 16 * quarter),
                         c = vld1q_u8(lines + 128 + 16 * quarter);
        const uint8x16_t tops =
            vorrq_u8(vorrq_u8(vshlq_n_u8(vshrq_n_u8(a, 6), 4), vshlq_n_u8(vshrq_n_u8(b2, 6), 2)),
                     vshrq_n_u8(c, 6));
        AddPair(vaddq_u8(LookUp(t0, vandq_u8(a, six)), LookUp(t1, vandq_u8(b2, six))),
                &sums[quarter]);
        AddPair(vaddq_u8(LookUp(t2, vandq_u8(c, six)), LookUp(t3, tops)), &sums[quarter]);
      }
    }
    float32x4_t most = vdupq_n_f32(-std::numeric_limits<float>::infinity());
    float* const out = estimates + b * kSignLanes;
    for (std::size_t quarter = 0; quarter < 4; ++quarter) {
      const std::size_t first = 16 * quarter;
      Finish(scan, vget_low_u16(sums[quarter].low), lines, first, bases[b], out, &most);
      Finish(scan, vget_high_u16(sums[quarter].low), lines, first + 4, bases[b], out, &most);
      Finish(scan, vget_low_u16(sums[quarter].high), lines, first + 8, bases[b], out, &most);
      Finish(scan, vget_high_u16(sums[quarter].high), lines, first + 12, bases[b], out, &most);
    }
    maxima[b] = vmaxvq_f32(most);
  }
}

std::uint64_t Above(const float* values, float bar) {
  std::uint64_t mask = 0;
  for (std::size_t v = 0; v < kSignLanes; ++v) mask |= std::uint64_t{values[v] > bar} << v;
  return mask;
}

std::int32_t DotInt8(const std::int8_t* a, const std::int8_t* b, std::size_t n) {
  return DotBytes<Widening>(a, b, n);
}
RAGMESH_DOTPROD std::int32_t DotInt8Dotprod(const std::int8_t* a, const std::int8_t* b,
                                            std::size_t n) {
  return DotBytes<Dotprod>(a, b, n);
}

void DotListed(const std::int8_t* query, const std::int8_t* rows, std::size_t stride,
               const std::uint32_t* which, std::size_t count, std::size_t n, std::int32_t* out) {
  DotEach([&](const std::int8_t* row) { return DotBytes<Widening>(query, row, n); }, rows, stride,
          which, count, n, out);
}
RAGMESH_DOTPROD void DotListedDotprod(const std::int8_t* query, const std::int8_t* rows,
                                      std::size_t stride, const std::uint32_t* which,
                                      std::size_t count, std::size_t n, std::int32_t* out) {
  DotEach([&](const std::int8_t* row) { return DotInt8Dotprod(query, row, n); }, rows, stride,
          which, count, n, out);
}

}  // namespace ragmesh::linalg::neon

#endif  // defined(__aarch64__)
