// One part of a collection's image: the tail that writes go to, or a segment that was made of an
// earlier tail. Parts only ever gain rows; which of them are alive is the image's to know.
#ifndef RAGMESH_LIBS_VECTOR_STORE_PART_H_
#define RAGMESH_LIBS_VECTOR_STORE_PART_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "libs/base/call_context.h"
#include "libs/lexical/index_part.h"
#include "libs/linalg/kernels.h"
#include "libs/segment/segment.h"
#include "libs/stages/vector_store.h"
#include "libs/vector_index/coding.h"
#include "libs/vector_index/shortlist.h"
#include "libs/vector_index/slot_set.h"
#include "libs/vector_store/records.h"

namespace ragmesh::vector_store {

// Who asks: the labels they hold. Without labels nothing is visible.
struct Principal {
  bool sees_all = false;
  std::vector<std::string> labels;  // ascending

  static Principal WithLabels(absl::Span<const std::string> labels);
  bool Sees(const stages::StoredDocument& document) const;
};

// Thread-safe. `rows` and `documents` of calls, and the sizes of sets, are those of the caller's
// view of a part that may be growing; whatever lies beyond is not looked at.
class Part : public segment::SegmentSource {
 public:
  virtual std::uint64_t chunk_number(std::uint32_t row) const { return chunk(row).number; }

  // A document is known by its index.
  virtual std::uint32_t documents() const = 0;
  virtual absl::string_view document_id(std::uint32_t index) const = 0;
  virtual std::uint64_t document_number(std::uint32_t index) const = 0;
  // DATA_LOSS / CORRUPT_DATA when its bytes do not check out.
  virtual absl::StatusOr<std::shared_ptr<const DocumentRecord>> Document(
      std::uint32_t index) const = 0;
  // As it is stored.
  virtual absl::StatusOr<std::string> EncodedDocument(std::uint32_t index) const = 0;

  // The row or document of that id that is in `live`, of which there is one at most. Others may
  // have come after it: of writes that are newer, or that failed.
  virtual std::optional<std::uint32_t> FindChunk(absl::string_view id,
                                                 const vector_index::SlotSet& live) const = 0;
  virtual std::optional<std::uint32_t> FindDocument(absl::string_view id,
                                                    const vector_index::SlotSet& live) const = 0;
  virtual std::optional<std::uint32_t> FindNumber(std::uint64_t document_number) const = 0;
  // Rows of a document's chunks that lie here, in no particular order, alive or not; the document
  // itself need not.
  virtual std::vector<std::uint32_t> ChunksOf(std::uint64_t document_number) const = 0;
  // The first indexes, at most `limit`, of ids that come after `id` (null: of all), in the order of
  // ids, of documents that are in `among`.
  virtual std::vector<std::uint32_t> DocumentsAfter(const std::string* id, std::size_t limit,
                                                    const vector_index::SlotSet& among) const = 0;

  // Rows whose document the principal sees and `filter` matches, null matching all; alive or not.
  virtual absl::StatusOr<vector_index::SlotSet> Matching(const Principal& principal,
                                                         const stages::Filter* filter,
                                                         std::uint32_t rows,
                                                         const CallContext& call) const = 0;
  // Whether the document of one of these rows has the metadata field.
  virtual bool HasField(absl::string_view field, const vector_index::SlotSet& among) const = 0;

  // The vectors of some rows, one every `stride` floats: where they lie, or copied to `room`, which
  // has space for them. No row is a multiple of kRowsPerRun but the first. DATA_LOSS / CORRUPT_DATA
  // when they are damaged.
  static constexpr std::uint32_t kRowsPerRun = 64;
  struct VectorRun {
    const float* first = nullptr;
    std::size_t stride = 0;
  };
  virtual absl::StatusOr<VectorRun> Vectors(std::uint32_t first, std::uint32_t count,
                                            float* room) const = 0;
  // Offers to `shortlist` the rows that may be among the k best of those in `allowed`, as base +
  // row, with a score that is wrong by up to half of score_slack().
  virtual void SearchVectors(const linalg::Kernels& kernels, const float* query, float recall,
                             const vector_index::SlotSet& allowed, std::uint64_t allowed_count,
                             std::uint32_t base, vector_index::Shortlist* shortlist) const = 0;
  virtual float score_slack() const = 0;
  // What vectors here are coded around; null without vectors.
  virtual std::shared_ptr<const vector_index::Frame> frame() const = 0;

  virtual const lexical::IndexPart& terms() const = 0;
  // Held for reading while terms() is read; null: it never changes.
  virtual absl::Mutex* terms_mutex() const = 0;
  virtual std::uint64_t term_count() const = 0;
  virtual std::uint64_t memory_bytes() const = 0;
};

}  // namespace ragmesh::vector_store

#endif  // RAGMESH_LIBS_VECTOR_STORE_PART_H_
