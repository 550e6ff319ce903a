// Random weights of any type, as a file has them and packed, and activations rounded for them.
#ifndef RAGMESH_TESTS_UNIT_QUANT_RANDOM_MATRIX_H_
#define RAGMESH_TESTS_UNIT_QUANT_RANDOM_MATRIX_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <random>
#include <vector>

#include "libs/quant/kernels.h"

namespace ragmesh::quant {

// Where a block has its first f16.
inline std::size_t FirstHalf(QuantType type) {
  switch (type) {
    case QuantType::kQ2_K:
      return 80;
    case QuantType::kQ3_K:
      return 108;
    case QuantType::kQ6_K:
      return 208;
    default:
      return 0;
  }
}

// Random bytes are valid rows once their f16 scales are finite and small.
inline std::vector<std::uint8_t> RandomRows(QuantType type, std::size_t columns, std::size_t rows,
                                            std::mt19937* random) {
  std::vector<std::uint8_t> bytes(rows * RowBytes(type, columns));
  for (auto& byte : bytes) byte = static_cast<std::uint8_t>((*random)());
  const std::size_t block = BlockBytes(type);
  std::uniform_real_distribution<float> value(-0.1f, 0.1f);
  const auto put_half = [&](std::size_t at) {
    const std::uint16_t half = FloatToHalf(value(*random));
    std::memcpy(&bytes[at], &half, sizeof(half));
  };
  for (std::size_t at = 0; at < bytes.size(); at += block) {
    if (type == QuantType::kF32) {
      const float number = value(*random);
      std::memcpy(&bytes[at], &number, sizeof(number));
    } else if (type == QuantType::kBF16) {
      bytes[at + 1] = static_cast<std::uint8_t>((bytes[at + 1] & 0x80) | 0x3D);
    } else {
      put_half(at + FirstHalf(type));
      if (HasOffsets(type)) put_half(at + FirstHalf(type) + 2);
    }
  }
  return bytes;
}

inline std::vector<float> RandomFloats(std::size_t count, std::mt19937* random) {
  std::normal_distribution<float> value(0, 2);
  std::vector<float> floats(count);
  for (float& one : floats) one = value(*random);
  return floats;
}

struct alignas(64) Line {
  char bytes[64];
};

// A matrix and its packed form.
struct Packed {
  Packed(QuantType type, std::size_t columns, std::size_t rows, std::mt19937* random)
      : file(RandomRows(type, columns, rows, random)),
        lines(PackedBytes(type, rows, columns) / sizeof(Line)) {
    auto* data = reinterpret_cast<std::uint8_t*>(lines.data());
    const std::size_t panel = LayOutPanel(type, columns).bytes;
    for (std::size_t r = 0; r < rows; r += kPanelRows) {
      PackPanel(type, file.data() + r * RowBytes(type, columns), std::min(kPanelRows, rows - r),
                columns, data + r / kPanelRows * panel);
    }
    matrix = {type, data, rows, columns};
  }
  std::vector<std::uint8_t> file;
  std::vector<Line> lines;
  QuantMatrix matrix;
};

// Activations as a table rounds them.
struct Rounded {
  Rounded(const std::vector<float>& x, std::size_t columns, const QuantKernels& table)
      : tiles((x.size() / columns + kTileRows - 1) / kTileRows * (columns / 32)) {
    const std::size_t count = x.size() / columns;
    for (std::size_t row = 0; row < count; ++row) {
      table.quantize_q8(&x[row * columns], columns, row % kTileRows,
                        &tiles[row / kTileRows * (columns / 32)]);
    }
    rows = {tiles.data(), count};
  }
  std::vector<Q8Tile> tiles;
  Q8Rows rows;
};

}  // namespace ragmesh::quant

#endif  // RAGMESH_TESTS_UNIT_QUANT_RANDOM_MATRIX_H_
