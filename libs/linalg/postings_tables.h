// The tables of postings_kernels.h by instruction set. Only the files that define them and
// postings_kernels.cc include this.
#ifndef RAGMESH_LIBS_LINALG_POSTINGS_TABLES_H_
#define RAGMESH_LIBS_LINALG_POSTINGS_TABLES_H_

#include <array>

#include "libs/linalg/postings_kernels.h"

namespace ragmesh::linalg {

#if defined(__x86_64__)
extern const PostingsKernels kAvx2PostingsKernels;    // needs CpuFeatures::avx2
extern const PostingsKernels kAvx512PostingsKernels;  // needs CpuFeatures::avx512_vbmi

// Where `kLanes` integers of `bits` bits that lie together begin: the first bytes, and by how many
// bits they are shifted there. Integers [0, split) count from byte 0; the others from the byte in
// which integer `split` begins, as a shuffle sees it that cannot cross halves of a register.
template <std::size_t kLanes>
struct LanePlaces {
  alignas(64) std::array<std::uint8_t, 4 * kLanes> bytes = {};
  alignas(64) std::array<std::uint32_t, kLanes> shifts = {};
};

template <std::size_t kLanes>
constexpr std::array<LanePlaces<kLanes>, kMaxPackedBits + 1> MakeLanePlaces(std::size_t split) {
  std::array<LanePlaces<kLanes>, kMaxPackedBits + 1> all = {};
  for (std::size_t bits = 0; bits <= kMaxPackedBits; ++bits) {
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      const std::size_t first = lane < split ? 0 : split * bits / 8;
      for (std::size_t byte = 0; byte < 4; ++byte)
        all[bits].bytes[4 * lane + byte] =
            static_cast<std::uint8_t>(lane * bits / 8 - first + byte);
      all[bits].shifts[lane] = static_cast<std::uint32_t>(lane * bits % 8);
    }
  }
  return all;
}
#endif

}  // namespace ragmesh::linalg

#endif  // RAGMESH_LIBS_LINALG_POSTINGS_TABLES_H_
