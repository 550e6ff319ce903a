// Groups vectors that lie close together, so that a search can leave out most of them.
#ifndef RAGMESH_LIBS_VECTOR_INDEX_CLUSTERING_H_
#define RAGMESH_LIBS_VECTOR_INDEX_CLUSTERING_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "libs/base/call_context.h"
#include "libs/linalg/gemm.h"
#include "libs/linalg/kernels.h"

namespace ragmesh::vector_index {

// Directions to sort vectors by: each vector belongs to the one it has the largest inner product
// with. Thread-safe once it is made; one thread at a time may call Assign.
class Clusters {
 public:
  // Spherical k-means (Dhillon and Modha 2001) over `sample`, rows of `dimension` values and length
  // 1, from `count` of them picked by a fixed generator: the same sample gives the same clusters on
  // one kind of processor. At least `count` rows, `count` at least 1. CANCELLED or
  // DEADLINE_EXCEEDED when `call` ends first.
  static absl::StatusOr<Clusters> Train(const linalg::Kernels& kernels,
                                        absl::Span<const float> sample, std::size_t dimension,
                                        std::size_t count, const CallContext& call);

  // `count` rows of length 1.
  std::size_t size() const { return count_; }
  absl::Span<const float> directions() const { return directions_; }

  // clusters[i] is where row i of `rows` belongs.
  void Assign(absl::Span<const float> rows, absl::Span<std::uint32_t> clusters) const;

 private:
  Clusters(const linalg::Kernels& kernels, std::size_t dimension, std::size_t count);
  void SetDirections(std::vector<float> directions);

  const linalg::Kernels* kernels_;
  std::size_t dimension_, count_;
  std::vector<float> directions_;
  linalg::PackedMatrix packed_;
};

}  // namespace ragmesh::vector_index

#endif  // RAGMESH_LIBS_VECTOR_INDEX_CLUSTERING_H_
