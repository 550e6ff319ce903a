// How far a search has to look for a given recall, measured while an index is made.
//
// Recent queries serve, or where there are none some of the vectors. For each of their nearest
// others it is seen how far below the k-th best score its list and its estimate lie; what a share
// of them needs gives the margins for that recall. Questions lie further from passages than
// passages from one another, but so does their k-th best score, and the difference is what counts:
// on SciFact in windows of 48 tokens the margins of passages are a tenth larger than those of
// questions.
#ifndef RAGMESH_LIBS_VECTOR_INDEX_MARGINS_H_
#define RAGMESH_LIBS_VECTOR_INDEX_MARGINS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "libs/linalg/gemm.h"
#include "libs/linalg/kernels.h"
#include "libs/vector_index/list_index.h"

namespace ragmesh::vector_index {

// The nearest rows of some vectors, found in one pass over all of them. Not thread-safe.
class NearestRows {
 public:
  struct Neighbour {
    float score;
    std::uint32_t row;
  };

  // `queries` holds a vector of `dimension` values for each of `rows`, the rows they are
  // themselves.
  NearestRows(const linalg::Kernels& kernels, std::size_t dimension, std::vector<float> queries,
              std::vector<std::uint32_t> rows, std::size_t k);

  // Rows first, first + 1 and so on.
  void Offer(std::uint32_t first, absl::Span<const float> vectors);

  std::size_t size() const { return nearest_.size(); }
  const float* query(std::size_t i) const { return queries_.data() + i * dimension_; }
  // Best first, at most k.
  const std::vector<Neighbour>& nearest(std::size_t i) const { return nearest_[i]; }

 private:
  const linalg::Kernels& kernels_;
  std::size_t dimension_, k_;
  std::vector<float> queries_;
  std::vector<std::uint32_t> rows_;
  linalg::PackedMatrix packed_;
  std::vector<std::vector<Neighbour>> nearest_;
};

// Where an index that is being made has its parts.
struct CodedLists {
  const Frame* frame = nullptr;
  absl::Span<const ListEntry> entries;
  const float* directions = nullptr;  // a row of frame->dimension() values for each list
  const std::uint8_t* blocks = nullptr;
};

std::array<SearchMargins, kRecallTargets.size()> MeasureMargins(const linalg::Kernels& kernels,
                                                                const CodedLists& lists,
                                                                const NearestRows& sample);

}  // namespace ragmesh::vector_index

#endif  // RAGMESH_LIBS_VECTOR_INDEX_MARGINS_H_
