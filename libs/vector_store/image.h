// What searches run on: one collection's vectors, inverted index, document facts and permissions in
// memory. Made from the database at open, changed by one writer at a time, read by many.
#ifndef RAGMESH_LIBS_VECTOR_STORE_IMAGE_H_
#define RAGMESH_LIBS_VECTOR_STORE_IMAGE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/btree_map.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "libs/lexical/analyzer.h"
#include "libs/lexical/index_search.h"
#include "libs/lexical/inverted_index.h"
#include "libs/stages/vector_store.h"
#include "libs/vector_index/row_blocks.h"
#include "libs/vector_index/slot_set.h"
#include "libs/vector_index/top_k.h"
#include "libs/vector_store/append_only.h"
#include "libs/vector_store/filter.h"
#include "libs/vector_store/records.h"

namespace ragmesh::vector_store {

// A document as searches know it. Never changed once it is in an image; a new version is a new
// entry.
struct ImageDocument {
  std::uint64_t number = 0;
  std::string id;
  std::uint64_t version = 0;
  std::string name;
  std::string title;
  std::string media_type;
  std::string language;
  std::string sha256;
  std::string text_sha256;
  std::uint64_t text_bytes = 0;
  stages::Metadata metadata;
  std::vector<std::uint32_t> labels;  // numbers of ACL labels in this image

  FilterSubject subject() const { return {id, name, media_type, language, &metadata}; }
};

struct ImageChunk {
  std::string id;
  std::uint64_t number = 0;
  std::uint32_t document = 0;  // index of its ImageDocument
  std::uint32_t ordinal = 0;
};

// Who asks: the labels they hold, as this image numbers them. Without labels nothing is visible.
struct Principal {
  bool sees_all = false;
  absl::flat_hash_set<std::uint32_t> labels;
  bool Sees(const ImageDocument& document) const;
};

// A moment of an image, readable without its lock.
struct ImageView {
  std::uint64_t sequence = 0;
  vector_index::SlotSet live_chunks;
  vector_index::SlotSet live_documents;
  AppendOnly<ImageDocument>::View documents;
  AppendOnly<ImageChunk>::View chunks;
  vector_index::RowView rows;  // row n is the vector of slot n; empty in a lexical-only collection
  Principal principal;
};

// One atomic change. Slots and document indexes are those of the image it is applied to.
struct ImageChange {
  struct NewChunk {
    std::string id;
    std::uint64_t number = 0;
    std::uint32_t ordinal = 0;
    absl::Span<const float> vector;              // borrowed until Apply returns
    const lexical::ChunkTerms* terms = nullptr;  // borrowed until Apply returns
  };
  struct RemovedChunk {
    std::uint32_t slot = 0;
    lexical::ChunkTerms terms;
  };
  std::optional<DocumentRecord> document;  // a new entry for new_chunks to belong to
  std::uint64_t document_number = 0;
  std::optional<std::uint32_t> target;  // without `document`: the entry that new_chunks belong to
  std::vector<NewChunk> new_chunks;
  std::vector<RemovedChunk> removed_chunks;
  std::vector<std::uint32_t> removed_documents;  // all their chunks are among removed_chunks
  std::uint64_t sequence = 0;
};

// Thread-safe for any number of readers and one writer; the caller keeps writers apart. A writer
// holds the lock for short sections only: the bulk of a change is put in place invisibly first,
// then shown at once.
class Image {
 public:
  explicit Image(std::uint32_t dimension);  // 0: no vectors

  // Returns the index of `document`'s entry, when it has one.
  std::optional<std::uint32_t> Apply(const ImageChange& change) ABSL_LOCKS_EXCLUDED(mutex_);

  // Apply in two steps, so that the first, which takes longest, can go on while the disk is waited
  // for. What is placed changes no answer until it is shown; it may stay unshown, and is no more
  // than a waste of memory then. All changes of a Place are shown in their order, or none.
  struct Placed {
    std::uint32_t owner = 0;  // index of the document that the new chunks belong to
    std::uint32_t first_slot = 0;
    std::vector<lexical::InvertedIndex::Document> arriving;  // borrow from the change
    std::vector<lexical::InvertedIndex::Document> leaving;
  };
  std::vector<Placed> Place(absl::Span<const ImageChange* const> changes)
      ABSL_LOCKS_EXCLUDED(mutex_);
  std::optional<std::uint32_t> Show(const ImageChange& change, Placed placed)
      ABSL_LOCKS_EXCLUDED(mutex_);

  ImageView View(absl::Span<const std::string> principal_labels) const ABSL_LOCKS_EXCLUDED(mutex_);
  // The best `limit` chunks of `allowed` for the query, best first. Document frequencies are those
  // of now, which may be a write newer than the view `allowed` was made from.
  absl::StatusOr<lexical::FoundSlots> SearchLexical(
      const lexical::Query& query, const lexical::Bm25& bm25, const vector_index::SlotSet& allowed,
      std::size_t limit, vector_index::TieBreak comes_first) const ABSL_LOCKS_EXCLUDED(mutex_);

  // The BM25 score of each of `slots`, ascending, and what each term adds to it, by the document
  // frequencies of now.
  absl::StatusOr<std::vector<double>> ScoreLexical(const lexical::Query& query,
                                                   const lexical::Bm25& bm25,
                                                   absl::Span<const std::uint32_t> slots) const
      ABSL_LOCKS_EXCLUDED(mutex_);
  absl::StatusOr<std::vector<std::vector<lexical::TermScore>>> ExplainLexical(
      const lexical::Query& query, const lexical::Bm25& bm25,
      absl::Span<const std::uint32_t> slots) const ABSL_LOCKS_EXCLUDED(mutex_);

  std::optional<std::uint32_t> FindDocument(absl::string_view id) const ABSL_LOCKS_EXCLUDED(mutex_);
  std::optional<std::uint32_t> FindChunk(absl::string_view id) const ABSL_LOCKS_EXCLUDED(mutex_);
  // Slots of a document's chunks by ordinal, then id; nullopt once the document has been removed,
  // which an older view does not show.
  std::optional<std::vector<std::uint32_t>> ChunksOf(std::uint32_t document) const
      ABSL_LOCKS_EXCLUDED(mutex_);
  // Up to `limit` document indexes whose ids come after `id` (nullopt: from the first), in order of
  // id.
  std::vector<std::uint32_t> DocumentsAfter(const std::optional<std::string>& id,
                                            std::size_t limit) const ABSL_LOCKS_EXCLUDED(mutex_);
  std::uint64_t sequence() const ABSL_LOCKS_EXCLUDED(mutex_);
  // Fills all counts but disk_bytes.
  stages::CollectionStats Stats() const ABSL_LOCKS_EXCLUDED(mutex_);

  // Waits until a write after `sequence` is visible; false when `deadline` comes first.
  bool AwaitAfter(std::uint64_t sequence, absl::Time deadline) const ABSL_LOCKS_EXCLUDED(mutex_);

  // True when more is dead than alive, so that Compacted() is worth its cost.
  bool WantsCompaction() const ABSL_LOCKS_EXCLUDED(mutex_);
  // The same content without what is dead. Called by the writer; readers may go on reading this
  // one.
  std::shared_ptr<Image> Compacted() const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  Placed PlaceOne(const ImageChange& change, std::uint32_t documents_before)
      ABSL_LOCKS_EXCLUDED(mutex_);
  std::uint32_t LabelNumber(const std::string& label) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::uint32_t AddDocument(ImageDocument document) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void RemoveChunk(std::uint32_t slot, const lexical::InvertedIndex::Document& terms)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ShowChunk(std::uint32_t slot) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  mutable absl::Mutex mutex_;
  const std::uint32_t dimension_;
  std::optional<vector_index::RowBlocks> rows_ ABSL_GUARDED_BY(mutex_);
  lexical::InvertedIndex lexical_ ABSL_GUARDED_BY(mutex_);
  AppendOnly<ImageChunk> chunks_ ABSL_GUARDED_BY(mutex_);
  AppendOnly<ImageDocument> documents_ ABSL_GUARDED_BY(mutex_);
  vector_index::SlotSet live_chunks_ ABSL_GUARDED_BY(mutex_);
  vector_index::SlotSet live_documents_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::vector<std::uint32_t>> slots_of_ ABSL_GUARDED_BY(mutex_);  // by document index
  absl::btree_map<std::string, std::uint32_t> document_by_id_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<absl::string_view, std::uint32_t> chunk_by_id_
      ABSL_GUARDED_BY(mutex_);  // views into chunks_
  absl::flat_hash_map<std::string, std::uint32_t> label_numbers_ ABSL_GUARDED_BY(mutex_);
  std::uint64_t live_chunk_count_ ABSL_GUARDED_BY(mutex_) = 0;
  std::uint64_t text_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  std::uint64_t document_bytes_ ABSL_GUARDED_BY(mutex_) = 0;  // estimate, dead ones included
  std::uint64_t sequence_ ABSL_GUARDED_BY(mutex_) = 0;
};

// Chunks of `view` that the principal sees and whose document matches `filter`.
absl::StatusOr<vector_index::SlotSet> AllowedChunks(const ImageView& view,
                                                    const std::optional<stages::Filter>& filter,
                                                    const CallContext& call);

}  // namespace ragmesh::vector_store

#endif  // RAGMESH_LIBS_VECTOR_STORE_IMAGE_H_
