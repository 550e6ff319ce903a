// Signs of vectors that keep coming: what a search of the newest rows of a collection runs on,
// until they are put into an index of lists.
#ifndef RAGMESH_LIBS_VECTOR_INDEX_GROWING_CODES_H_
#define RAGMESH_LIBS_VECTOR_INDEX_GROWING_CODES_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/types/span.h"
#include "libs/base/append_only.h"
#include "libs/linalg/gemm.h"
#include "libs/linalg/kernels.h"
#include "libs/vector_index/coding.h"
#include "libs/vector_index/row_blocks.h"
#include "libs/vector_index/shortlist.h"

namespace ragmesh::vector_index {

// What a reader scans. Borrowed from its GrowingCodes.
struct CodeView {
  const Frame* frame = nullptr;
  std::uint32_t rows = 0;  // that have codes: whole blocks of 64
  const AppendOnly<linalg::AlignedBytes>* blocks = nullptr;
};

// One writer at a time appends; others may call view(rows) for rows they know of. Rows get their
// codes by the 64, so that none is written where a reader may be reading.
class GrowingCodes {
 public:
  // All vectors are coded around `frame`'s mean.
  explicit GrowingCodes(std::shared_ptr<const Frame> frame);

  // The next row, of frame dimension values.
  void Append(absl::Span<const float> vector);
  // Of the first `rows` rows.
  CodeView view(std::uint32_t rows) const {
    constexpr auto kLanes = static_cast<std::uint32_t>(linalg::kSignLanes);
    return {frame_.get(), rows / kLanes * kLanes, &blocks_};
  }
  const std::shared_ptr<const Frame>& frame() const { return frame_; }
  std::uint64_t memory_bytes() const { return blocks_.size() * frame_->block_bytes(); }

 private:
  const std::shared_ptr<const Frame> frame_;
  std::vector<float> waiting_;  // turned vectors of the next block
  AppendOnly<linalg::AlignedBytes> blocks_;
};

// Offers to `shortlist` the rows of `rows` that may be among the k best of those whose bit is set
// in `allowed`, as base + row with their exact product with `query`. `rows` has at least the rows
// of `codes`; those behind are all computed, as are all when they are few. `allowed_count` says how
// many bits are set. `coded` is the query in the frame of `codes`.
void SearchGrowing(const linalg::Kernels& kernels, const CodeView& codes, const RowView& rows,
                   const float* query, const CodedQuery& coded,
                   absl::Span<const std::uint64_t> allowed, std::uint64_t allowed_count,
                   std::uint32_t base, Shortlist* shortlist);

}  // namespace ragmesh::vector_index

#endif  // RAGMESH_LIBS_VECTOR_INDEX_GROWING_CODES_H_
