// The nearest chunks of a view by cosine, over all its parts.
#ifndef RAGMESH_LIBS_VECTOR_STORE_DENSE_SEARCH_H_
#define RAGMESH_LIBS_VECTOR_STORE_DENSE_SEARCH_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "libs/base/call_context.h"
#include "libs/concurrency/executor.h"
#include "libs/linalg/kernels.h"
#include "libs/vector_index/list_index.h"
#include "libs/vector_index/top_k.h"
#include "libs/vector_store/image_view.h"

namespace ragmesh::vector_store {

enum class DensePlan {
  kExact,   // every vector as it is
  kFew,     // every vector as a byte a value, then those that may be among the best as they are
  kSigned,  // the same for those that matter by estimates from signs
};

struct DenseOptions {
  const linalg::Kernels* kernels = nullptr;  // borrowed
  Executor* executor = nullptr;              // helps with exact scans; may be null
  int max_threads = 1;                       // the caller's included
  // Share of the nearest chunks that are found, on average; 1 looks at every vector.
  float recall = 0.99f;

  DensePlan PlanFor(std::uint64_t allowed) const {
    if (recall >= 1) return DensePlan::kExact;
    return allowed <= vector_index::kFewRows ? DensePlan::kFew : DensePlan::kSigned;
  }
};

// The `k` chunks of `allowed` with the largest inner product with `query`, largest first, ties by
// `comes_first`; scores are exact whatever the plan. CANCELLED or DEADLINE_EXCEEDED when `call`
// ends first, DATA_LOSS / CORRUPT_DATA where a vector is damaged.
absl::StatusOr<std::vector<vector_index::ScoredSlot>> SearchDense(
    const ImageView& view, absl::Span<const float> query, const ChunkSets& allowed, std::size_t k,
    vector_index::TieBreak comes_first, const DenseOptions& options, const CallContext& call);

}  // namespace ragmesh::vector_store

#endif  // RAGMESH_LIBS_VECTOR_STORE_DENSE_SEARCH_H_
