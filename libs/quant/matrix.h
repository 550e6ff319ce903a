// Weight matrices of a decoder rearranged for products: 16 rows side by side, a vector lane each,
// so that one linear stream of memory feeds the kernels and no sum has to be folded across lanes.
//
// A matrix is a sequence of panels of 16 rows, the last one filled up with zeros, and a panel is a
// sequence of parts, each padded to 64 bytes. In what follows r is a row of the panel, n the number
// of runs of 32 columns, s of superblocks of 256:
//
//   F32, F16, BF16               values [column][r]
//   Q4_0, Q5_0, Q8_0, IQ4_NL     d f16 [n][r]; quants [n]
//   Q4_1, Q5_1                   d f16 [n][r]; m f16 [n][r]; quants [n]
//   Q4_K, Q5_K                   d f16 [s][r]; m f16 [s][r]; multiple [n][r]; minimum [n][r];
//                                quants [n]
//   Q2_K                         d f16 [s][r]; m f16 [s][r]; multiple [n][2][r];
//                                minimum [n][2][r]; quants [n]
//   Q3_K, Q6_K                   d f16 [s][r]; multiple [n][2][r]; quants [n]
//
// Multiples and minimums are bytes, signed ones where the type has no minimums. The quants of a run
// are lines of 64 bytes, four bytes a row. Byte b of a row in a line belongs to column 4 * g + b, g
// being a group of four columns from 0 to 7:
//
//   4 lines    line j: low nibbles of group j, high nibbles of group j + 4 (all but Q8_0)
//   1 line     bit g of a byte: the fifth bit of group g (Q5_0, Q5_1, Q5_K)
//   2 lines    line h, bits 2 * i and 2 * i + 1: the top bits of group 4 * h + i (Q6_K)
//   8 lines    line g: group g (Q8_0)
//
// Stored quants are q + StoredBias(type), never negative; those of IQ4_NL are numbers of levels. d,
// m, multiple and minimum are those of `Run`, so nothing is rounded on the way.
#ifndef RAGMESH_LIBS_QUANT_MATRIX_H_
#define RAGMESH_LIBS_QUANT_MATRIX_H_

#include <cstddef>
#include <cstdint>

#include "libs/quant/types.h"

namespace ragmesh::quant {

inline constexpr std::size_t kPanelRows = 16;

// `rows` rows from a multiple of 16 on. `data` is aligned to 64 bytes and borrowed.
struct QuantMatrix {
  QuantType type = QuantType::kF32;
  const std::uint8_t* data = nullptr;
  std::size_t rows = 0;
  std::size_t columns = 0;  // a whole number of the type's blocks
};

// What a type's runs consist of.
constexpr std::size_t QuantBits(QuantType type) {
  switch (type) {
    case QuantType::kQ5_0:
    case QuantType::kQ5_1:
    case QuantType::kQ5_K:
      return 5;
    case QuantType::kQ6_K:
      return 6;
    case QuantType::kQ8_0:
      return 8;
    default:
      return 4;
  }
}
constexpr int StoredBias(QuantType type) {
  switch (type) {
    case QuantType::kQ3_K:
    case QuantType::kQ4_0:
      return 8;
    case QuantType::kQ5_0:
      return 16;
    case QuantType::kQ6_K:
      return 32;
    case QuantType::kQ8_0:
      return 128;
    default:
      return 0;
  }
}
constexpr bool HasLevels(QuantType type) { return type == QuantType::kIQ4_NL; }
constexpr bool HasSuperblocks(QuantType type) {
  return type == QuantType::kQ2_K || type == QuantType::kQ3_K || type == QuantType::kQ4_K ||
         type == QuantType::kQ5_K || type == QuantType::kQ6_K;
}
// Something is added to the multiple of q.
constexpr bool HasOffsets(QuantType type) {
  return type == QuantType::kQ4_1 || type == QuantType::kQ5_1 || type == QuantType::kQ2_K ||
         type == QuantType::kQ4_K || type == QuantType::kQ5_K;
}
// Each half of a run has its own multiple and minimum.
constexpr bool HasHalves(QuantType type) {
  return type == QuantType::kQ2_K || type == QuantType::kQ3_K || type == QuantType::kQ6_K;
}

// Bytes of the quants of a run: 64 for each bit.
constexpr std::size_t RunBytes(QuantType type) { return QuantBits(type) * 64; }

// Where the parts of a panel begin, in bytes. A part that the type does not have is empty.
struct PanelLayout {
  std::size_t d = 0, m = 0, multiples = 0, minimums = 0;
  std::size_t quants = 0;  // or values, of F32, F16 and BF16
  std::size_t bytes = 0;   // of the whole panel
};
PanelLayout LayOutPanel(QuantType type, std::size_t columns);

inline std::size_t PanelCount(std::size_t rows) { return (rows + kPanelRows - 1) / kPanelRows; }
inline std::size_t PackedBytes(QuantType type, std::size_t rows, std::size_t columns) {
  return PanelCount(rows) * LayOutPanel(type, columns).bytes;
}

// Packs at most 16 rows that stand one after another in the form of the file.
void PackPanel(QuantType type, const std::uint8_t* rows, std::size_t row_count, std::size_t columns,
               std::uint8_t* panel);

}  // namespace ragmesh::quant

#endif  // RAGMESH_LIBS_QUANT_MATRIX_H_
