// One collection: its settings, its records in the database, and its image in memory.
#ifndef RAGMESH_LIBS_VECTOR_STORE_STORED_COLLECTION_H_
#define RAGMESH_LIBS_VECTOR_STORE_STORED_COLLECTION_H_

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "libs/base/call_context.h"
#include "libs/base/clock.h"
#include "libs/concurrency/executor.h"
#include "libs/lexical/analyzer.h"
#include "libs/linalg/kernels.h"
#include "libs/stages/vector_store.h"
#include "libs/vector_store/database.h"
#include "libs/vector_store/image.h"
#include "libs/vector_store/records.h"
#include "libs/vector_store/replays.h"
#include "libs/vector_store/search.h"
#include "libs/vector_store/store_observer.h"

namespace ragmesh::vector_store {

// What all collections of a store share. Borrowed; outlives them.
struct StoreResources {
  Database* database = nullptr;
  const Clock* clock = nullptr;
  const linalg::Kernels* kernels = nullptr;
  Executor* executor = nullptr;          // helps with large scans
  StoreObserver* observer = nullptr;     // may be null
  Executor* prepare_executor = nullptr;  // helps with the preparation of large writes; may be null
  int preparers = 0;                     // its threads
  int search_threads = 1;
  std::uint64_t max_memory_bytes = 0;             // of all images together; 0: unbounded
  std::uint64_t max_collection_memory_bytes = 0;  // of one image; 0: unbounded
  std::atomic<std::uint64_t> memory_bytes{0};
};

// Takes out every record of a collection that was deleted, some thousands a commit, and then the
// note that says so. Killed half-way, it is done again at the next open.
absl::Status PurgeCollection(Database* database, std::uint32_t number);

// Thread-safe. Writes to one collection that arrive together share one synced commit; each is still
// atomic, and a failed commit fails all of them. Reads see a whole number of writes.
class StoredCollection {
 public:
  // Reads the collection's records and builds its image.
  static absl::StatusOr<std::shared_ptr<StoredCollection>> Load(std::uint32_t number,
                                                                const CollectionRecord& record,
                                                                StoreResources* resources);
  ~StoredCollection();

  absl::StatusOr<stages::Collection> Update(const stages::CollectionConfig& config);
  stages::Collection Describe() const;
  // Deleted once it returns, in one commit of a few bytes; the records of its documents follow
  // before it returns, or at the next open. Every later call answers COLLECTION_NOT_FOUND.
  absl::Status Remove();

  absl::StatusOr<stages::UpsertResult> Write(const std::string& embedder_digest,
                                             stages::Upsert upsert, const CallContext& call);
  // `idempotency_key` may be empty.
  absl::StatusOr<stages::DeleteResult> Delete(const stages::DeleteSelector& what,
                                              const std::string& idempotency_key,
                                              const CallContext& call);

  // Deletes the documents whose time has come, some at a time, as any delete does; how many went.
  absl::StatusOr<std::uint64_t> Expire(absl::Time now, const CallContext& call);

  absl::StatusOr<stages::StoredDocument> GetDocument(
      const std::string& document_id, const std::vector<std::string>& principal_labels,
      const CallContext& call) const;
  absl::StatusOr<stages::DocumentPage> ListDocuments(
      const std::optional<stages::Filter>& filter, const std::vector<std::string>& principal_labels,
      const stages::Page& page, const CallContext& call) const;
  absl::StatusOr<std::vector<stages::StoredChunk>> GetChunks(
      const std::vector<std::string>& chunk_ids, const std::vector<std::string>& principal_labels,
      stages::ChunkParts parts, const CallContext& call) const;
  absl::StatusOr<stages::ChunkPage> ListChunks(const std::string& document_id,
                                               const std::vector<std::string>& principal_labels,
                                               stages::ChunkParts parts, const stages::Page& page,
                                               const CallContext& call) const;
  absl::StatusOr<std::uint64_t> CountChunks(const std::optional<stages::Filter>& filter,
                                            const std::vector<std::string>& principal_labels,
                                            const CallContext& call) const;
  absl::StatusOr<stages::SearchResult> Search(const stages::SearchRequest& request,
                                              const CallContext& call) const;

 private:
  struct PreparedChunk;
  struct PendingWrite;
  struct Plan;

  StoredCollection(std::uint32_t number, const CollectionRecord& record, StoreResources* resources);

  // Loading: stored_collection.cc.
  absl::Status LoadImage() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status LoadReplays() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status CheckCounts() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status Reindex() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // Writing: collection_writes.cc. One thread at a time leads, and works for those that wait.
  absl::Status Submit(PendingWrite* write) ABSL_LOCKS_EXCLUDED(mutex_);
  std::vector<PendingWrite*> TakeGroup() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Lead(absl::Span<PendingWrite* const> group) ABSL_LOCKS_EXCLUDED(mutex_);
  absl::StatusOr<std::vector<PreparedChunk>> Prepare(const stages::Upsert& upsert,
                                                     absl::string_view title,
                                                     const CallContext& call) const;
  absl::StatusOr<PreparedChunk> PrepareChunk(const stages::StoredChunk& stored, std::size_t index,
                                             absl::string_view title) const;
  absl::StatusOr<bool> Replay(PendingWrite* write) const ABSL_LOCKS_EXCLUDED(mutex_);
  void PlanReplay(Plan* plan) const ABSL_LOCKS_EXCLUDED(mutex_);
  absl::StatusOr<Plan> PlanUpsert(const Image& image, PendingWrite* write,
                                  CollectionState* state) const;
  absl::StatusOr<Plan> PlanDelete(const Image& image, PendingWrite* write,
                                  CollectionState* state) const;
  absl::Status PlanRemoval(const ImageView& view, absl::Span<const std::uint32_t> slots,
                           Plan* plan) const;
  void PlanDocumentRemoval(const ImageView& view, std::uint32_t document, Plan* plan) const;
  absl::Status CheckMemory(const stages::Upsert& upsert) const;
  void AfterCommit(const std::shared_ptr<Image>& image) ABSL_LOCKS_EXCLUDED(mutex_);
  void CountMemory(std::uint64_t bytes);

  // Reading: collection_reads.cc.
  std::shared_ptr<Image> image() const ABSL_LOCKS_EXCLUDED(mutex_);
  stages::CollectionConfig config() const ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status CheckAlive() const ABSL_LOCKS_EXCLUDED(mutex_);
  template <typename Result, typename Read>
  absl::StatusOr<Result> ReadConsistently(const std::vector<std::string>& principal_labels,
                                          const CallContext& call, const Read& read) const;
  bool AwaitNewer(const std::shared_ptr<Image>& image, std::uint64_t sequence) const;
  absl::StatusOr<std::optional<std::vector<stages::StoredChunk>>> FetchChunks(
      const ImageView& view, absl::Span<const std::uint32_t> slots, stages::ChunkParts parts) const;
  absl::Status AddTokens(absl::Span<const std::string> keys,
                         std::vector<stages::StoredChunk>* chunks) const;
  // Searching: collection_search.cc.
  absl::StatusOr<stages::SearchResult> Find(const stages::SearchRequest& request,
                                            const CallContext& call) const;
  // Both answer false when the image has moved on from the view.
  absl::StatusOr<bool> AddNeighbours(const Image& image, const ImageView& view,
                                     absl::Span<const std::uint32_t> slots,
                                     const stages::NeighbourWindow& window,
                                     stages::SearchResult* result) const;
  absl::StatusOr<bool> FillHits(const Image& image, const ImageView& view,
                                const stages::SearchRequest& request, const RankedHits& ranked,
                                stages::SearchResult* result) const;

  const std::uint32_t number_;
  StoreResources* const resources_;
  const absl::Time created_;
  const lexical::Analyzer analyzer_;

  mutable absl::Mutex mutex_;
  CollectionRecord record_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<Image> image_ ABSL_GUARDED_BY(mutex_);
  bool removed_ ABSL_GUARDED_BY(mutex_) = false;
  Replays replays_ ABSL_GUARDED_BY(mutex_);  // changed by the leader alone
  std::deque<PendingWrite*> waiting_ ABSL_GUARDED_BY(mutex_);
  bool leading_ ABSL_GUARDED_BY(mutex_) = false;
  CollectionState state_;  // the leader's
  std::uint64_t counted_memory_bytes_ =
      0;  // the leader's: this collection's part of resources_->memory_bytes
};

}  // namespace ragmesh::vector_store

#endif  // RAGMESH_LIBS_VECTOR_STORE_STORED_COLLECTION_H_
