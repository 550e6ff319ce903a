#include "libs/vector_index/row_blocks.h"

#include <cstring>

#include "libs/base/check.h"

namespace ragmesh::vector_index {
namespace {

constexpr std::uint32_t kAlignBytes = 64;  // a cache line, and the widest vector register
constexpr std::uint32_t kAlignFloats = kAlignBytes / sizeof(float);

RowBlock NewBlock(std::uint32_t stride, std::uint64_t rows) {
  const std::size_t bytes = static_cast<std::size_t>(rows) * stride * sizeof(float);
  auto* memory = static_cast<float*>(std::aligned_alloc(kAlignBytes, bytes));
  RAGMESH_CHECK(memory != nullptr, "out of memory for vectors");
  return RowBlock(memory);
}

}  // namespace

RowBlocks::RowBlocks(std::uint32_t dimension)
    : dimension_(dimension), stride_((dimension + kAlignFloats - 1) / kAlignFloats * kAlignFloats) {
  RAGMESH_CHECK(dimension > 0, "rows have at least one value");
}

std::uint32_t RowBlocks::Append(absl::Span<const float> values) {
  RAGMESH_CHECK(values.size() == dimension_, "a row has the index's dimension");
  const BlockPlace place = PlaceInBlocks(rows_, kFirstRows);
  RowBlock& block = blocks_[place.block];
  if (block == nullptr) block = NewBlock(stride_, std::uint64_t{kFirstRows} << place.block);
  std::memcpy(block.get() + static_cast<std::size_t>(place.offset) * stride_, values.data(),
              values.size() * sizeof(float));
  return rows_++;
}

RowView RowBlocks::view(std::uint32_t rows) const {
  RowView view{.dimension = dimension_, .stride = stride_, .rows = rows};
  for (std::uint32_t block = 0, begin = 0; begin < rows; begin += kFirstRows << block++)
    view.blocks[block] = blocks_[block].get();
  return view;
}

const float* RowBlocks::Row(std::uint32_t row) const {
  const BlockPlace place = PlaceInBlocks(row, kFirstRows);
  return blocks_[place.block].get() + static_cast<std::size_t>(place.offset) * stride_;
}

std::uint64_t RowBlocks::memory_bytes() const {
  // Rows written, not blocks reserved: the system backs only pages that were touched.
  return static_cast<std::uint64_t>(rows_) * stride_ * sizeof(float);
}

}  // namespace ragmesh::vector_index
