#include "libs/embedding/token_vectors.h"

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace ragmesh::embedding {

TokenVectors RoundTokenVectors(const linalg::Kernels& kernels, std::size_t tokens,
                               absl::Span<const float> hidden) {
  const std::size_t width = hidden.size() / tokens;
  TokenVectors vectors;
  vectors.bytes.resize(hidden.size());
  // A row and its mirror image have no offset, so that bytes are in proportion to values.
  std::vector<float> mirrored(2 * width);
  std::vector<std::int8_t> rounded(2 * width);
  linalg::QuantizedRow unused;
  for (std::size_t first = 0; first < hidden.size(); first += width) {
    std::copy_n(hidden.begin() + first, width, mirrored.begin());
    std::copy_n(hidden.begin() + first, width, mirrored.begin() + width);
    kernels.scale(-1, mirrored.data() + width, width);
    kernels.quantize(mirrored.data(), nullptr, 2 * width, rounded.data(), &unused);
    std::copy_n(rounded.begin(), width, vectors.bytes.begin() + first);
  }
  vectors.rows = RowsOf(kernels, width, vectors.bytes);
  return vectors;
}

std::vector<linalg::QuantizedRow> RowsOf(const linalg::Kernels& kernels, std::size_t width,
                                         absl::string_view bytes) {
  std::vector<linalg::QuantizedRow> rows(bytes.size() / width);
  const std::vector<std::int8_t> ones(width, 1);
  const auto* row = reinterpret_cast<const std::int8_t*>(bytes.data());
  for (linalg::QuantizedRow& facts : rows) {
    const auto square = static_cast<float>(kernels.dot_i8(row, row, width));
    facts.scale = square > 0 ? 1.0f / std::sqrt(square) : 0.0f;
    facts.sum = kernels.dot_i8(row, ones.data(), width);
    row += width;
  }
  return rows;
}

}  // namespace ragmesh::embedding
