// Vectors in lists of those that lie close together, as signs and as bytes: what searches of large
// collections run on. Immutable, and read where it lies: in a mapped file, or in memory.
//
// A search ranks the lists by the direction of their mean, estimates products from the signs of
// vectors in the best of them, computes those that may matter from bytes, and leaves the last few
// to exact arithmetic. An index of one list is an exhaustive scan.
#ifndef RAGMESH_LIBS_VECTOR_INDEX_LIST_INDEX_H_
#define RAGMESH_LIBS_VECTOR_INDEX_LIST_INDEX_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "libs/linalg/kernels.h"
#include "libs/vector_index/coding.h"
#include "libs/vector_index/shortlist.h"

namespace ragmesh::vector_index {

// Recalls that an index knows its margins for.
inline constexpr std::array<float, 8> kRecallTargets = {0.8f,  0.9f,   0.95f,  0.98f,
                                                        0.99f, 0.995f, 0.998f, 0.999f};

// Among so few allowed rows, every one is compared: that takes no longer than estimates would.
inline constexpr std::uint64_t kFewRows = 2048;

// How far below the k-th best score a search still looks.
struct SearchMargins {
  float list = 0;  // lists whose direction's product with the query is that far below are left out
  float code = 0;  // CodedQuery's
};

// One list. The layout is that of the file.
struct ListEntry {
  std::uint32_t first_row = 0;
  std::uint32_t rows = 0;
  std::uint32_t first_block = 0;
  float length = 0;  // of the mean of its vectors; the index keeps its direction
};
static_assert(sizeof(ListEntry) == 16);

// Thread-safe. Borrows the bytes it was opened on.
class ListIndex {
 public:
  // `lists` and `bytes` are what ListBuilder wrote, at multiples of 64 bytes. DATA_LOSS /
  // CORRUPT_DATA when they are not: every size and number is checked, so that no search reads
  // outside; wrong codes, which only a checksum can tell, would give wrong estimates.
  static absl::StatusOr<ListIndex> Open(absl::string_view lists, absl::string_view bytes);

  std::uint32_t rows() const { return rows_; }
  std::size_t dimension() const { return frame_->dimension(); }
  absl::Span<const ListEntry> lists() const { return entries_; }
  const Frame& frame() const { return *frame_; }
  const std::shared_ptr<const Frame>& shared_frame() const { return frame_; }
  // Between those of the targets on both sides of `recall`; those of the lowest or highest outside.
  SearchMargins MarginsFor(float recall) const;

  // Offers to `shortlist` the rows that may be among the k best of those whose bit is set in
  // `allowed`, which has a bit for each row, as base + row with their product from bytes.
  // `allowed_count` says how many there are; up to kFewRows all of them are compared.
  void Search(const linalg::Kernels& kernels, const CodedQuery& query, const SearchMargins& margins,
              absl::Span<const std::uint64_t> allowed, std::uint64_t allowed_count,
              std::uint32_t base, Shortlist* shortlist) const;

 private:
  friend class IndexedRows;

  std::uint32_t rows_ = 0;
  std::array<SearchMargins, kRecallTargets.size()> margins_;
  std::shared_ptr<const Frame> frame_;
  absl::Span<const ListEntry> entries_;
  const std::int8_t* directions_ = nullptr;
  const std::uint8_t* blocks_ = nullptr;
  const std::int8_t* bytes_ = nullptr;
};

}  // namespace ragmesh::vector_index

#endif  // RAGMESH_LIBS_VECTOR_INDEX_LIST_INDEX_H_
