// Vectors of one length in memory, in blocks that never move.
//
// Rows are only ever appended, and a reader scans those that were there when it took its view: the
// writer touches only memory past them.
#ifndef RAGMESH_LIBS_VECTOR_INDEX_ROW_BLOCKS_H_
#define RAGMESH_LIBS_VECTOR_INDEX_ROW_BLOCKS_H_

#include <array>
#include <cstdint>
#include <cstdlib>
#include <memory>

#include "absl/types/span.h"
#include "libs/base/append_only.h"

namespace ragmesh::vector_index {

// Rows of the first block; each one is twice as long as the one before. Untouched pages cost
// nothing.
inline constexpr std::uint32_t kFirstRows = 64;

struct FreeDeleter {
  void operator()(float* pointer) const { std::free(pointer); }
};
using RowBlock = std::unique_ptr<float[], FreeDeleter>;

// What a reader scans. Borrows the memory of its RowBlocks.
struct RowView {
  std::uint32_t dimension = 0;
  std::uint32_t stride = 0;  // floats from one row to the next; rows start on 64-byte boundaries
  std::uint32_t rows = 0;
  std::array<const float*, kMaxGrowingBlocks> blocks{};

  // Rows follow one another in memory from one multiple of kFirstRows to the next.
  const float* Row(std::uint32_t row) const {
    const BlockPlace place = PlaceInBlocks(row, kFirstRows);
    return blocks[place.block] + static_cast<std::size_t>(place.offset) * stride;
  }
};

// One writer at a time appends; others may call Row for rows they know of, and view(rows).
class RowBlocks {
 public:
  explicit RowBlocks(std::uint32_t dimension);  // at least 1

  // Adds one row of dimension() floats and returns its number, which counts from 0.
  std::uint32_t Append(absl::Span<const float> values);
  // Of the first `rows` rows.
  RowView view(std::uint32_t rows) const;
  RowView view() const { return view(rows_); }
  const float* Row(std::uint32_t row) const;

  std::uint32_t dimension() const { return dimension_; }
  std::uint32_t stride() const { return stride_; }  // RowView's
  std::uint32_t rows() const { return rows_; }      // the writer's
  std::uint64_t memory_bytes() const;

 private:
  const std::uint32_t dimension_;
  const std::uint32_t stride_;
  std::uint32_t rows_ = 0;
  std::array<RowBlock, kMaxGrowingBlocks> blocks_;
};

}  // namespace ragmesh::vector_index

#endif  // RAGMESH_LIBS_VECTOR_INDEX_ROW_BLOCKS_H_
