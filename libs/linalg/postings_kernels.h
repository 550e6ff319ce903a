// The inner loops of inverted indexes: packed integers and sums of small codes.
//
// As in kernels.h a table of functions per instruction set, chosen once; the scalar table defines
// what each function means, and the others give the same bits.
#ifndef RAGMESH_LIBS_LINALG_POSTINGS_KERNELS_H_
#define RAGMESH_LIBS_LINALG_POSTINGS_KERNELS_H_

#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"

namespace ragmesh::linalg {

// Integers are unpacked by this many at once.
inline constexpr std::size_t kPackedBlock = 128;
// Widest integer, in bits: with the bits before it in its first byte it fits 32.
inline constexpr unsigned kMaxPackedBits = 24;
// unpack and unpack_ascending may read this far from `in`, whatever `bits` is; the bytes beyond the
// packed integers change nothing.
inline constexpr std::size_t kPackedReadBytes = 400;
// Ranges that add_codes takes at once.
inline constexpr std::size_t kCodesPerStep = 64;

struct PostingsKernels {
  const char* name;

  // out[i] = integer i of kPackedBlock integers of `bits` bits, 0 to kMaxPackedBits. They lie one
  // after the other without gaps, lowest bit first.
  void (*unpack)(const std::uint8_t* in, unsigned bits, std::uint32_t* out);

  // The same of numbers that ascend, packed as the difference to the number before, less 1:
  // out[i] = out[i - 1] + 1 + integer i, modulo 2^32, with out[-1] = before.
  void (*unpack_ascending)(const std::uint8_t* in, unsigned bits, std::uint32_t before,
                           std::uint32_t* out);

  // sums[i] += table[code i], held at 65,535, for i < n, a multiple of kCodesPerStep. Codes are 4
  // bits: of each 64 the first 32 are the low halves of 32 bytes, the others the high halves.
  // `table` has 16 entries.
  void (*add_codes)(const std::uint8_t* codes, std::size_t n, const std::uint16_t* table,
                    std::uint16_t* sums);

  // The indexes i < n with low <= values[i] <= high, ascending, into `out`, which has room for n.
  // Returns how many. n is a multiple of kCodesPerStep.
  std::size_t (*select)(const std::uint16_t* values, std::size_t n, std::uint16_t low,
                        std::uint16_t high, std::uint32_t* out);

  // The largest of n values, a multiple of kCodesPerStep; 0 of none.
  std::uint16_t (*largest)(const std::uint16_t* values, std::size_t n);
};

// The fastest table this processor can run.
const PostingsKernels& DefaultPostingsKernels();

// Every table this processor can run, scalar first, fastest last.
absl::Span<const PostingsKernels* const> SupportedPostingsKernels();

}  // namespace ragmesh::linalg

#endif  // RAGMESH_LIBS_LINALG_POSTINGS_KERNELS_H_
