// The part of an image that writes go to, in memory: vectors with sign codes, an inverted index,
// the facts of documents.
#ifndef RAGMESH_LIBS_VECTOR_STORE_TAIL_H_
#define RAGMESH_LIBS_VECTOR_STORE_TAIL_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/btree_map.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "libs/base/append_only.h"
#include "libs/lexical/analyzer.h"
#include "libs/lexical/inverted_index.h"
#include "libs/vector_index/growing_codes.h"
#include "libs/vector_index/row_blocks.h"
#include "libs/vector_store/part.h"

namespace ragmesh::vector_store {

// What an image keeps of a document's record: all that searches and later writes look at.
std::shared_ptr<const DocumentRecord> ImageRecord(DocumentRecord record);

struct NewChunk {
  std::string id;
  std::uint64_t number = 0;
  std::uint32_t ordinal = 0;
  // Borrowed for the call.
  absl::Span<const float> vector;  // empty without vectors
  const lexical::ChunkTerms* terms = nullptr;
};

// How vectors of a tail are coded for its searches.
struct TailCoding {
  std::shared_ptr<const vector_index::Frame> frame;  // null: without vectors
  static TailCoding Around(std::uint32_t dimension, absl::Span<const float> mean);
};

// One writer at a time calls what changes it; everything else is thread-safe. Rows come in place
// invisibly: lexical statistics count them once they are activated.
class Tail final : public Part {
 public:
  explicit Tail(const TailCoding& coding);

  // ---- The writer's ----
  // Returns its index.
  std::uint32_t AddDocument(std::uint64_t number, std::shared_ptr<const DocumentRecord> record)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // Puts chunks of a document in place, which may lie in another part. What it returns is for
  // Activate, and borrows nothing.
  std::vector<lexical::InvertedIndex::Document> AddChunks(
      std::uint64_t document_number, const std::shared_ptr<const DocumentRecord>& document,
      absl::Span<const NewChunk> chunks) ABSL_LOCKS_EXCLUDED(mutex_);
  // Counts chunks among the live.
  void Activate(absl::Span<const lexical::InvertedIndex::Document> chunks)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // Takes a live chunk out of the statistics. `terms` are those it was added with.
  void Deactivate(const lexical::ChunkTerms& terms) ABSL_LOCKS_EXCLUDED(mutex_);
  // The same rows and documents without those that are not in the sets.
  std::shared_ptr<Tail> Compacted(const vector_index::SlotSet& live,
                                  const vector_index::SlotSet& live_documents) const
      ABSL_LOCKS_EXCLUDED(mutex_);
  const TailCoding& coding() const { return coding_; }

  // ---- Part ----
  std::uint32_t rows() const override ABSL_LOCKS_EXCLUDED(mutex_);
  segment::CatalogChunk chunk(std::uint32_t row) const override;
  absl::Status ReadVectors(absl::Span<const std::uint32_t> rows, float* out) const override;
  // Only once no writer changes it any more.
  lexical::PostingsSource postings() const override;

  std::uint32_t documents() const override ABSL_LOCKS_EXCLUDED(mutex_);
  absl::string_view document_id(std::uint32_t index) const override;
  std::uint64_t document_number(std::uint32_t index) const override;
  absl::StatusOr<std::shared_ptr<const DocumentRecord>> Document(
      std::uint32_t index) const override;
  absl::StatusOr<std::string> EncodedDocument(std::uint32_t index) const override;
  std::optional<std::uint32_t> FindChunk(absl::string_view id,
                                         const vector_index::SlotSet& live) const override
      ABSL_LOCKS_EXCLUDED(mutex_);
  std::optional<std::uint32_t> FindDocument(absl::string_view id,
                                            const vector_index::SlotSet& live) const override
      ABSL_LOCKS_EXCLUDED(mutex_);
  std::optional<std::uint32_t> FindNumber(std::uint64_t document_number) const override
      ABSL_LOCKS_EXCLUDED(mutex_);
  std::vector<std::uint32_t> ChunksOf(std::uint64_t document_number) const override
      ABSL_LOCKS_EXCLUDED(mutex_);
  std::vector<std::uint32_t> DocumentsAfter(const std::string* id, std::size_t limit,
                                            const vector_index::SlotSet& among) const override
      ABSL_LOCKS_EXCLUDED(mutex_);
  absl::StatusOr<vector_index::SlotSet> Matching(const Principal& principal,
                                                 const stages::Filter* filter, std::uint32_t rows,
                                                 const CallContext& call) const override;
  bool HasField(absl::string_view field, const vector_index::SlotSet& among) const override;
  absl::StatusOr<VectorRun> Vectors(std::uint32_t first, std::uint32_t count,
                                    float* room) const override;
  void SearchVectors(const linalg::Kernels& kernels, const float* query, float recall,
                     const vector_index::SlotSet& allowed, std::uint64_t allowed_count,
                     std::uint32_t base, vector_index::Shortlist* shortlist) const override;
  float score_slack() const override { return 0; }
  std::shared_ptr<const vector_index::Frame> frame() const override { return coding_.frame; }
  const lexical::IndexPart& terms() const override ABSL_NO_THREAD_SAFETY_ANALYSIS {
    return lexical_;
  }
  absl::Mutex* terms_mutex() const override ABSL_LOCK_RETURNED(mutex_) { return &mutex_; }
  std::uint64_t term_count() const override ABSL_LOCKS_EXCLUDED(mutex_);
  std::uint64_t memory_bytes() const override ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  // A document that chunks of this part belong to.
  struct Owner {
    std::uint64_t number = 0;
    std::shared_ptr<const DocumentRecord> record;
  };
  struct Chunk {
    std::string id;
    std::uint64_t number = 0;
    std::uint32_t owner = 0;
    std::uint32_t ordinal = 0;
    std::uint32_t previous = kNone;  // row that had this id before
  };
  struct Entry {
    std::uint32_t owner = 0;
    std::uint32_t previous = kNone;  // document that had this id before
  };
  static constexpr std::uint32_t kNone = 0xFFFFFFFF;

  std::uint32_t LiveOf(std::uint32_t newest, const vector_index::SlotSet& live) const;
  std::uint32_t AppendDocument(std::uint32_t owner) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::uint32_t AppendChunk(Chunk chunk) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::uint32_t OwnerIndex(std::uint64_t number,
                           const std::shared_ptr<const DocumentRecord>& record)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Owners that rows below `rows` belong to and `takes` holds for: whether each row's does.
  template <typename Takes>
  absl::StatusOr<vector_index::SlotSet> RowsOfOwners(std::uint32_t rows, const Takes& takes,
                                                     const CallContext& call) const;

  const TailCoding coding_;
  // Read without the lock up to what a reader knows of.
  AppendOnly<Chunk> chunks_;
  AppendOnly<Owner> owners_;
  AppendOnly<Entry> documents_;
  std::optional<vector_index::RowBlocks> rows_;
  std::optional<vector_index::GrowingCodes> codes_;

  mutable absl::Mutex mutex_;
  std::uint32_t row_count_ ABSL_GUARDED_BY(mutex_) = 0;
  std::uint32_t document_count_ ABSL_GUARDED_BY(mutex_) = 0;
  lexical::InvertedIndex lexical_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<absl::string_view, std::uint32_t> chunk_by_id_
      ABSL_GUARDED_BY(mutex_);  // views into chunks_
  absl::btree_map<absl::string_view, std::uint32_t> document_by_id_
      ABSL_GUARDED_BY(mutex_);  // views into owners_
  absl::flat_hash_map<std::uint64_t, std::uint32_t> owner_by_number_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<std::uint64_t, std::uint32_t> document_by_number_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::vector<std::uint32_t>> rows_of_ ABSL_GUARDED_BY(mutex_);  // by owner
  std::uint64_t record_bytes_ ABSL_GUARDED_BY(mutex_) = 0;                   // estimate
};

}  // namespace ragmesh::vector_store

#endif  // RAGMESH_LIBS_VECTOR_STORE_TAIL_H_
