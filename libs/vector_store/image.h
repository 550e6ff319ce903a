// What searches run on: one collection's vectors, inverted index, document facts and permissions,
// in parts of which all but the last are never written to again. Made from segments and the
// database at open, changed by one writer at a time, read by many.
#ifndef RAGMESH_LIBS_VECTOR_STORE_IMAGE_H_
#define RAGMESH_LIBS_VECTOR_STORE_IMAGE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "libs/lexical/analyzer.h"
#include "libs/lexical/index_search.h"
#include "libs/lexical/query.h"
#include "libs/stages/vector_store.h"
#include "libs/vector_index/top_k.h"
#include "libs/vector_store/image_view.h"
#include "libs/vector_store/numbers.h"
#include "libs/vector_store/tail.h"

namespace ragmesh::vector_store {

// One atomic change. Slots and document indexes are those of the writer's latest view.
struct ImageChange {
  struct RemovedChunk {
    std::uint32_t slot = 0;
    lexical::ChunkTerms terms;
  };
  // What new_chunks belong to: a new document, or one that the image has.
  std::shared_ptr<const DocumentRecord> document;
  std::uint64_t document_number = 0;
  bool is_new = false;
  std::vector<NewChunk> new_chunks;
  std::vector<RemovedChunk> removed_chunks;
  std::vector<std::uint32_t> removed_documents;  // all their chunks are among removed_chunks
  std::uint64_t sequence = 0;
  std::uint64_t text_bytes = 0;  // of all documents, after it
};

// A part that is not written to any more.
struct FixedPart {
  std::shared_ptr<const Part> part;
  SharedSlots live, live_documents;
  std::shared_ptr<lexical::RemovedChunks> removed;
  // Of one that was a tail and is not a segment yet: documents and chunks with lower numbers lie in
  // it or in a part before it, or nowhere.
  std::optional<NumberPair> bounds;
};

// Thread-safe for any number of readers and one writer; the caller keeps writers apart. A writer
// holds locks for short sections only: the bulk of a change is put in place invisibly first, then
// shown at once.
class Image {
 public:
  explicit Image(std::uint32_t dimension);  // 0: no vectors

  // A change is placed and then shown, so that what follows the commit is short. What is placed
  // changes no answer until it is shown; it may stay unshown, and is no more than a waste of memory
  // then. All changes of a Place are shown in their order, or none.
  struct Placed {
    std::uint32_t first_row = 0, first_document = 0;         // in the tail
    std::vector<lexical::InvertedIndex::Document> arriving;  // borrow from the change
  };
  std::vector<Placed> Place(absl::Span<const ImageChange* const> changes)
      ABSL_LOCKS_EXCLUDED(mutex_);
  void Show(const ImageChange& change, Placed placed) ABSL_LOCKS_EXCLUDED(mutex_, terms_mutex_);
  // Both.
  void Apply(const ImageChange& change) ABSL_LOCKS_EXCLUDED(mutex_, terms_mutex_);

  ImageView View(absl::Span<const std::string> principal_labels) const ABSL_LOCKS_EXCLUDED(mutex_);

  // The best `limit` chunks of `allowed` for the query, best first. Document frequencies are those
  // of now, which may be a write newer than the view.
  absl::StatusOr<lexical::FoundSlots> SearchLexical(const ImageView& view,
                                                    const lexical::Query& query,
                                                    const lexical::Bm25& bm25,
                                                    const ChunkSets& allowed, std::size_t limit,
                                                    vector_index::TieBreak comes_first) const
      ABSL_LOCKS_EXCLUDED(mutex_, terms_mutex_);
  // The chunks of `allowed` that hold what the query requires and nothing that it excludes.
  absl::StatusOr<ChunkSets> MatchingLexical(const ImageView& view, const lexical::Query& query,
                                            const ChunkSets& allowed) const
      ABSL_LOCKS_EXCLUDED(mutex_, terms_mutex_);
  // The BM25 score of each of `slots`, ascending, and what each term adds to it, by the document
  // frequencies of now.
  absl::StatusOr<std::vector<double>> ScoreLexical(const ImageView& view,
                                                   const lexical::Query& query,
                                                   const lexical::Bm25& bm25,
                                                   absl::Span<const std::uint32_t> slots) const
      ABSL_LOCKS_EXCLUDED(mutex_, terms_mutex_);
  absl::StatusOr<std::vector<std::vector<lexical::TermScore>>> ExplainLexical(
      const ImageView& view, const lexical::Query& query, const lexical::Bm25& bm25,
      absl::Span<const std::uint32_t> slots) const ABSL_LOCKS_EXCLUDED(mutex_, terms_mutex_);

  std::uint64_t sequence() const ABSL_LOCKS_EXCLUDED(mutex_);
  // Fills all counts but disk_bytes. Terms are counted in each part.
  stages::CollectionStats Stats() const ABSL_LOCKS_EXCLUDED(mutex_);

  // Waits until a write after `sequence` is visible; false when `deadline` comes first.
  bool AwaitAfter(std::uint64_t sequence, absl::Time deadline) const ABSL_LOCKS_EXCLUDED(mutex_);

  // ---- The writer's; each makes slots and indexes of earlier views useless to it ----
  // Drops what is dead in the tail when it is more than what is alive.
  void CompactTail() ABSL_LOCKS_EXCLUDED(mutex_);
  std::uint32_t tail_rows() const ABSL_LOCKS_EXCLUDED(mutex_);
  std::uint32_t tail_documents() const ABSL_LOCKS_EXCLUDED(mutex_);
  // Ends the tail and begins an empty one.
  void Freeze(const NumberPair& bounds) ABSL_LOCKS_EXCLUDED(mutex_);
  std::vector<FixedPart> Fixed() const ABSL_LOCKS_EXCLUDED(mutex_);
  // Puts `by` where the first of `replaced` is, which are fixed parts; null: nothing.
  void Replace(absl::Span<const std::shared_ptr<const Part>> replaced, std::optional<FixedPart> by)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // Behind the other fixed parts.
  void Add(FixedPart part) ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  std::shared_ptr<Tail> WritersTail() const ABSL_LOCKS_EXCLUDED(mutex_);
  struct State {
    PartView view;
    std::shared_ptr<lexical::RemovedChunks> removed;  // the same as in `view`
    std::optional<NumberPair> bounds;
  };

  static State StateOf(FixedPart part);
  void SetBases() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void BeginTail() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  template <typename Result>
  Result WithTerms(const ImageView& view, const ChunkSets* allowed,
                   absl::FunctionRef<Result(absl::Span<const lexical::SearchPart>)> search) const
      ABSL_LOCKS_EXCLUDED(terms_mutex_);

  const std::uint32_t dimension_;
  mutable absl::Mutex mutex_;
  std::vector<State> parts_ ABSL_GUARDED_BY(mutex_);  // the last is tail_
  std::shared_ptr<Tail> tail_ ABSL_GUARDED_BY(mutex_);
  std::uint64_t live_documents_ ABSL_GUARDED_BY(mutex_) = 0;
  std::uint64_t sequence_ ABSL_GUARDED_BY(mutex_) = 0;
  std::uint64_t text_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  // Guards what all RemovedChunks of this image hold. Taken before a part's terms_mutex().
  mutable absl::Mutex terms_mutex_;
};

}  // namespace ragmesh::vector_store

#endif  // RAGMESH_LIBS_VECTOR_STORE_IMAGE_H_
