// Exact nearest neighbours by inner product: every allowed row is scored.
#ifndef RAGMESH_LIBS_VECTOR_INDEX_FLAT_SEARCH_H_
#define RAGMESH_LIBS_VECTOR_INDEX_FLAT_SEARCH_H_

#include <cstddef>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "libs/base/call_context.h"
#include "libs/concurrency/executor.h"
#include "libs/linalg/kernels.h"
#include "libs/vector_index/row_blocks.h"
#include "libs/vector_index/slot_set.h"
#include "libs/vector_index/top_k.h"

namespace ragmesh::vector_index {

struct FlatSearchOptions {
  const linalg::Kernels* kernels = nullptr;  // borrowed
  // Helps with large scans; null: the caller's thread does all. Work it refuses is done by the
  // caller.
  Executor* executor = nullptr;
  int max_threads = 1;  // the caller's included
};

// The `k` rows of `view` among `allowed` with the largest inner product with `query` (dimension
// floats), largest first, ties by `comes_first`. The result does not depend on the number of
// threads. CANCELLED or DEADLINE_EXCEEDED when `call` ends first; it is checked after each block.
absl::StatusOr<std::vector<ScoredSlot>> FlatSearch(
    const RowView& view, absl::Span<const float> query, const SlotSet& allowed, std::size_t k,
    TieBreak comes_first, const FlatSearchOptions& options, const CallContext& call);

}  // namespace ragmesh::vector_index

#endif  // RAGMESH_LIBS_VECTOR_INDEX_FLAT_SEARCH_H_
