// A moment of a collection's image, to be read without its lock.
#ifndef RAGMESH_LIBS_VECTOR_STORE_IMAGE_VIEW_H_
#define RAGMESH_LIBS_VECTOR_STORE_IMAGE_VIEW_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/base/call_context.h"
#include "libs/lexical/index_search.h"
#include "libs/segment/catalog.h"
#include "libs/stages/vector_store.h"
#include "libs/vector_index/slot_set.h"
#include "libs/vector_store/part.h"
#include "libs/vector_store/records.h"

namespace ragmesh::vector_store {

using SharedSlots = std::shared_ptr<const vector_index::SlotSet>;

// One part as a view knows it.
struct PartView {
  std::shared_ptr<const Part> part;
  std::uint32_t base = 0;           // slot of its first row
  std::uint32_t document_base = 0;  // index of its first document
  SharedSlots live;                 // of as many rows as the view knows of
  SharedSlots live_documents;       // of as many documents
  std::uint64_t live_count = 0;
  // Terms of rows that were taken out since the part was made; changes under Image's lock for them.
  std::shared_ptr<const lexical::RemovedChunks> removed;
};

// Chunks are known by slots and documents by indexes, which count through all parts; they mean
// nothing in another view. Thread-safe; keeps what it shows alive.
class ImageView {
 public:
  ImageView(std::uint64_t sequence, std::vector<PartView> parts, Principal principal)
      : sequence_(sequence), parts_(std::move(parts)), principal_(std::move(principal)) {}

  std::uint64_t sequence() const { return sequence_; }
  const std::vector<PartView>& parts() const { return parts_; }
  const Principal& principal() const { return principal_; }
  std::uint64_t live_chunks() const;

  // Views are valid while this one is.
  segment::CatalogChunk chunk(std::uint32_t slot) const;
  // Whether the chunk lies in a part that is not written to any more.
  bool IsFixed(std::uint32_t slot) const { return slot < parts_.back().base; }
  // Copies its vector to `out`.
  absl::Status ReadVector(std::uint32_t slot, float* out) const;

  absl::string_view document_id(std::uint32_t index) const;
  std::uint64_t document_number(std::uint32_t index) const;
  bool IsFixedDocument(std::uint32_t index) const { return index < parts_.back().document_base; }
  absl::StatusOr<std::shared_ptr<const DocumentRecord>> Document(std::uint32_t index) const;

  // What is alive.
  std::optional<std::uint32_t> FindChunk(absl::string_view id) const;
  std::optional<std::uint32_t> FindDocument(absl::string_view id) const;
  std::optional<std::uint32_t> FindNumber(std::uint64_t document_number) const;
  // Slots of a document's chunks, by ordinal, then id.
  std::vector<std::uint32_t> ChunksOf(std::uint64_t document_number) const;
  // The first `limit` documents whose ids come after `id` (null: of all), in order of id.
  std::vector<std::uint32_t> DocumentsAfter(const std::string* id, std::size_t limit) const;
  // All, in no particular order.
  std::vector<std::uint32_t> Documents() const;

  absl::StatusOr<bool> Sees(std::uint32_t document,
                            const std::optional<stages::Filter>& filter) const;

 private:
  const PartView& PartOf(std::uint32_t slot) const;
  const PartView& PartOfDocument(std::uint32_t index) const;

  std::uint64_t sequence_;
  std::vector<PartView> parts_;  // the last is the tail
  Principal principal_;
};

// Some of the chunks of a view: a set for each of its parts.
struct ChunkSets {
  std::vector<SharedSlots> parts;
  std::uint64_t count = 0;
};

// Live chunks that the principal sees, and of `visible` those whose document matches `filter`.
absl::StatusOr<ChunkSets> VisibleChunks(const ImageView& view, const CallContext& call);
absl::StatusOr<ChunkSets> MatchingChunks(const ImageView& view, const ChunkSets& visible,
                                         const stages::Filter& filter, const CallContext& call);

}  // namespace ragmesh::vector_store

#endif  // RAGMESH_LIBS_VECTOR_STORE_IMAGE_VIEW_H_
