// The definition of what searches ask of vectors as bits and bytes.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "libs/linalg/kernel_tables.h"

namespace ragmesh::linalg::scalar {
namespace {

float FromBf16(const std::uint8_t* at) {
  std::uint16_t half;
  std::memcpy(&half, at, sizeof(half));
  const std::uint32_t bits = std::uint32_t{half} << 16;
  float value;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}

}  // namespace

std::int32_t DotInt8(const std::int8_t* a, const std::int8_t* b, std::size_t n) {
  std::int32_t sum = 0;
  for (std::size_t i = 0; i < n; ++i) sum += static_cast<std::int32_t>(a[i]) * b[i];
  return sum;
}

void DotListed(const std::int8_t* query, const std::int8_t* rows, std::size_t stride,
               const std::uint32_t* which, std::size_t count, std::size_t n, std::int32_t* out) {
  for (std::size_t i = 0; i < count; ++i) out[i] = DotInt8(query, rows + which[i] * stride, n);
}

void ScanSigns(const SignScan& scan, const std::uint8_t* const* blocks, const float* bases,
               std::size_t count, float* estimates, float* maxima) {
  for (std::size_t b = 0; b < count; ++b) {
    std::uint16_t sums[kSignLanes] = {};
    const std::uint8_t* line = blocks[b];
    const std::uint8_t* table = scan.tables;
    for (std::size_t t = 0; t < scan.triples; ++t, line += 3 * kSignLanes, table += 4 * 64) {
      for (std::size_t v = 0; v < kSignLanes; ++v) {
        const unsigned a = line[v], b2 = line[kSignLanes + v], c = line[2 * kSignLanes + v];
        const unsigned tops = a >> 6 << 4 | b2 >> 6 << 2 | c >> 6;
        sums[v] = static_cast<std::uint16_t>(sums[v] + table[a & 63] + table[64 + (b2 & 63)] +
                                             table[128 + (c & 63)] + table[192 + tops]);
      }
    }
    float* const out = estimates + b * kSignLanes;
    for (std::size_t v = 0; v < kSignLanes; ++v) {
      const float factor = FromBf16(line + 2 * v);
      const float offset = FromBf16(line + 2 * kSignLanes + 2 * v) + bases[b];
      out[v] =
          std::fma(factor, std::fma(static_cast<float>(sums[v]), scan.step, scan.shift), offset);
    }
    maxima[b] = *std::max_element(out, out + kSignLanes);
  }
}

std::uint64_t Above(const float* values, float bar) {
  std::uint64_t mask = 0;
  for (std::size_t v = 0; v < kSignLanes; ++v) mask |= std::uint64_t{values[v] > bar} << v;
  return mask;
}

}  // namespace ragmesh::linalg::scalar
