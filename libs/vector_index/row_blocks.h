// Vectors of one length in memory, in blocks that never move.
//
// Rows are only ever appended, so a reader that copied the list of blocks can scan them while a
// writer appends: it sees the rows that were there when it copied, and the writer touches only
// memory past them.
#ifndef RAGMESH_LIBS_VECTOR_INDEX_ROW_BLOCKS_H_
#define RAGMESH_LIBS_VECTOR_INDEX_ROW_BLOCKS_H_

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <vector>

#include "absl/types/span.h"

namespace ragmesh::vector_index {

inline constexpr std::uint32_t kRowsPerBlock =
    1024;  // 1.5 MiB of 384 floats; untouched pages cost nothing

struct FreeDeleter {
  void operator()(float* pointer) const { std::free(pointer); }
};
using RowBlock = std::unique_ptr<float[], FreeDeleter>;

// What a reader scans: keeps its blocks alive. Copying costs one reference count per block.
struct RowView {
  std::uint32_t dimension = 0;
  std::uint32_t stride = 0;  // floats from one row to the next; rows start on 64-byte boundaries
  std::uint32_t rows = 0;
  std::vector<std::shared_ptr<const RowBlock>> blocks;

  const float* Row(std::uint32_t row) const {
    return blocks[row / kRowsPerBlock]->get() +
           static_cast<std::size_t>(row % kRowsPerBlock) * stride;
  }
};

// Append and view() must not run at the same time (a writer's lock against readers' shared lock); a
// view may be read at any time afterwards.
class RowBlocks {
 public:
  explicit RowBlocks(std::uint32_t dimension);  // at least 1

  // Adds one row of dimension() floats and returns its number, which counts from 0.
  std::uint32_t Append(absl::Span<const float> values);
  RowView view() const;
  const float* Row(std::uint32_t row) const;

  std::uint32_t dimension() const { return dimension_; }
  std::uint32_t rows() const { return rows_; }
  std::uint64_t memory_bytes() const;

 private:
  const std::uint32_t dimension_;
  const std::uint32_t stride_;
  std::uint32_t rows_ = 0;
  std::vector<std::shared_ptr<RowBlock>> blocks_;
};

}  // namespace ragmesh::vector_index

#endif  // RAGMESH_LIBS_VECTOR_INDEX_ROW_BLOCKS_H_
