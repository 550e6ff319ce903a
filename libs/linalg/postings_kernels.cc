#include "libs/linalg/postings_kernels.h"

#include <algorithm>
#include <vector>

#include "libs/linalg/cpu_features.h"
#include "libs/linalg/postings_tables.h"

namespace ragmesh::linalg {
namespace {

void Unpack(const std::uint8_t* in, unsigned bits, std::uint32_t* out) {
  const std::uint32_t mask = (1u << bits) - 1;
  std::size_t bit = 0;
  for (std::size_t i = 0; i < kPackedBlock; ++i, bit += bits) {
    const std::uint8_t* byte = in + bit / 8;
    const std::uint32_t word =
        byte[0] | byte[1] << 8 | byte[2] << 16 | static_cast<std::uint32_t>(byte[3]) << 24;
    out[i] = word >> (bit % 8) & mask;
  }
}

void UnpackAscending(const std::uint8_t* in, unsigned bits, std::uint32_t before,
                     std::uint32_t* out) {
  Unpack(in, bits, out);
  for (std::size_t i = 0; i < kPackedBlock; ++i) before = out[i] += before + 1;
}

void AddCodes(const std::uint8_t* codes, std::size_t n, const std::uint16_t* table,
              std::uint16_t* sums) {
  for (std::size_t i = 0; i < n; ++i) {
    const std::uint8_t byte = codes[i / 64 * 32 + i % 32];
    const std::uint8_t code = i % 64 < 32 ? byte & 15 : byte >> 4;
    sums[i] = static_cast<std::uint16_t>(std::min<unsigned>(sums[i] + table[code], 0xFFFF));
  }
}

std::size_t Select(const std::uint16_t* values, std::size_t n, std::uint16_t low,
                   std::uint16_t high, std::uint32_t* out) {
  std::size_t found = 0;
  for (std::size_t i = 0; i < n; ++i) {
    if (values[i] >= low && values[i] <= high) out[found++] = static_cast<std::uint32_t>(i);
  }
  return found;
}

std::uint16_t Largest(const std::uint16_t* values, std::size_t n) {
  std::uint16_t largest = 0;
  for (std::size_t i = 0; i < n; ++i) largest = std::max(largest, values[i]);
  return largest;
}

std::vector<const PostingsKernels*> Supported() {
  static const PostingsKernels scalar = {"scalar", Unpack, UnpackAscending,
                                         AddCodes, Select, Largest};
  std::vector<const PostingsKernels*> tables = {&scalar};
#if defined(__x86_64__)
  if (GetCpuFeatures().avx2) tables.push_back(&kAvx2PostingsKernels);
  if (GetCpuFeatures().avx512_vbmi) tables.push_back(&kAvx512PostingsKernels);
#endif
  return tables;
}

}  // namespace

absl::Span<const PostingsKernels* const> SupportedPostingsKernels() {
  static const auto* const tables = new std::vector<const PostingsKernels*>(Supported());
  return *tables;
}

const PostingsKernels& DefaultPostingsKernels() {
  static const PostingsKernels& fastest = *SupportedPostingsKernels().back();
  return fastest;
}

}  // namespace ragmesh::linalg
