// Writes a segment out of chunks that lie elsewhere: in other segments, in memory.
#ifndef RAGMESH_LIBS_SEGMENT_SEGMENT_WRITER_H_
#define RAGMESH_LIBS_SEGMENT_SEGMENT_WRITER_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "libs/base/call_context.h"
#include "libs/linalg/kernels.h"
#include "libs/segment/segment.h"
#include "libs/stages/vector_store.h"
#include "libs/vector_index/slot_set.h"

namespace ragmesh::segment {

// All of it is borrowed.
struct SegmentContent {
  std::uint32_t dimension = 0;  // 0: without vectors
  struct Part {
    const SegmentSource* source = nullptr;
    const vector_index::SlotSet* kept = nullptr;  // rows that the new segment takes
  };
  std::vector<Part> parts;
  // Documents whose records lie in the new segment, in the order of numbers.
  std::vector<CatalogDocument> documents;
  // Vectors that were searched for lately, for the margins of the index; may be none.
  absl::Span<const float> queries;
};

// Facts of the document with this number, which filters and labels look at: of every document
// that a kept chunk belongs to. The answer is valid until the next call.
using DescribeDocument =
    absl::FunctionRef<absl::StatusOr<const stages::StoredDocument*>(std::uint64_t number)>;

// Returns when the files SegmentPath(stem) and so on are on disk; their folder's entry is the
// caller's to sync. When it fails, or `call` ends, they are gone again. Files of that name must not
// exist. One thread; memory is that of vector_index::ListBuilder and of lexical::WritePostings, and
// some hundred bytes a chunk.
absl::Status WriteSegment(const std::string& stem, const linalg::Kernels& kernels,
                          const SegmentContent& content, DescribeDocument describe,
                          const CallContext& call);

}  // namespace ragmesh::segment

#endif  // RAGMESH_LIBS_SEGMENT_SEGMENT_WRITER_H_
