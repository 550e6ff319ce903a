// One collection: its settings, its records in the database, and its image in memory.
#ifndef RAGMESH_LIBS_VECTOR_STORE_STORED_COLLECTION_H_
#define RAGMESH_LIBS_VECTOR_STORE_STORED_COLLECTION_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_set.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "libs/base/call_context.h"
#include "libs/base/clock.h"
#include "libs/concurrency/executor.h"
#include "libs/lexical/analyzer.h"
#include "libs/linalg/kernels.h"
#include "libs/ranking/chunk_ranking.h"
#include "libs/stages/vector_store.h"
#include "libs/vector_store/change_log.h"
#include "libs/vector_store/database.h"
#include "libs/vector_store/image.h"
#include "libs/vector_store/numbers.h"
#include "libs/vector_store/part_records.h"
#include "libs/vector_store/records.h"
#include "libs/vector_store/replays.h"
#include "libs/vector_store/sealed_part.h"
#include "libs/vector_store/sealer.h"
#include "libs/vector_store/segment_folder.h"
#include "libs/vector_store/store_observer.h"
#include "libs/vector_store/write_queue.h"

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
  std::atomic<int> searches{0};          // being answered
  // How many may help a write: none in the place of a search that is being answered.
  int idle_preparers() const { return std::max(0, preparers - searches.load()); }
  int search_threads = 1;
  const SegmentFolder* segments = nullptr;
  Sealer* sealer = nullptr;            // null while the store opens
  std::uint32_t seal_rows = 0;         // chunks, or documents, of which a tail becomes a segment
  std::uint64_t max_memory_bytes = 0;  // of all images together; 0: unbounded
  std::uint64_t max_collection_memory_bytes = 0;  // of one image; 0: unbounded
  std::atomic<std::uint64_t> memory_bytes{0};
  // Rises whenever a name comes to stand for another collection. A write carries what it was when
  // its collection was looked up, and is not done by a later one: see NamesMoved.
  std::atomic<std::uint64_t> names{0};
};

// ABORTED / NAMES_MOVED: a name moved while the write waited; it may have to go elsewhere, and
// nothing of it was done.
absl::Status NamesMoved();
bool IsNamesMoved(const absl::Status& status);

// Takes out every record of a collection that was deleted, some thousands a commit, and then the
// note that says so. Killed half-way, it is done again at the next open.
absl::Status PurgeCollection(Database* database, std::uint32_t number);

// Thread-safe. Writes to one collection that arrive together share one synced commit; each is still
// atomic, and a failed commit fails all of them. Reads see a whole number of writes.
class StoredCollection : public Sealable, public std::enable_shared_from_this<StoredCollection> {
 public:
  // Reads the collection's records and builds its image.
  static absl::StatusOr<std::shared_ptr<StoredCollection>> Load(std::uint32_t number,
                                                                const CollectionRecord& record,
                                                                StoreResources* resources);
  ~StoredCollection() override;

  std::uint32_t number() const { return number_; }
  std::string name() const ABSL_LOCKS_EXCLUDED(mutex_) { return config().id.name; }
  std::uint64_t sequence() const;  // of the last write that is visible
  // Keeps its name, whatever name `config` has.
  absl::StatusOr<stages::Collection> Update(const stages::CollectionConfig& config);
  // Its own name becomes `name`, in one commit with `also`.
  absl::Status Rename(const std::string& name, WriteSet also) ABSL_LOCKS_EXCLUDED(mutex_);
  stages::Collection Describe() const;
  // Deleted once it returns, in one commit of a few bytes with `also`; PurgeCollection takes out
  // the rest. Every later call answers COLLECTION_NOT_FOUND.
  absl::Status Remove(WriteSet also);
  // Files of segments of one that was deleted.
  void RemoveSegments();
  // Runs `act` with the sequence of the last write, while no write is under way; those that come
  // wait until it returns. `act` must not write to this collection.
  absl::Status WhileNobodyWrites(absl::FunctionRef<absl::Status(std::uint64_t)> act,
                                 const CallContext& call) ABSL_LOCKS_EXCLUDED(mutex_);
  absl::StatusOr<stages::CollectionChanges> ListChanges(std::optional<std::uint64_t> after,
                                                        const CallContext& call);

  // `content`: ContentOf the write as it came, when it has a key. `names`: StoreResources::names
  // when the collection was looked up. NamesMoved when that has risen: write `upsert` again, with
  // what was set in it, to what is found then.
  absl::StatusOr<stages::UpsertResult> Write(const std::string& embedder_digest,
                                             const std::string& content, stages::Upsert& upsert,
                                             std::uint64_t names, const CallContext& call);
  // `idempotency_key` may be empty.
  absl::StatusOr<stages::DeleteResult> Delete(const stages::DeleteSelector& what,
                                              const std::string& idempotency_key,
                                              std::uint64_t names, const CallContext& call);

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

  absl::StatusOr<bool> SealOnce(const CallContext& call) override ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  class WriterPause;
  struct PendingWrite;  // pending_write.h
  struct Plan;

  StoredCollection(std::uint32_t number, const CollectionRecord& record, StoreResources* resources);

  // Loading: stored_collection.cc.
  absl::Status LoadTail() ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status LoadReplays() ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status CheckCounts();
  absl::Status Reindex() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // Parts: collection_parts.cc.
  absl::Status LoadSegments();
  absl::StatusOr<std::vector<std::shared_ptr<SealedPart>>> OpenSegments() const;
  absl::flat_hash_set<std::uint64_t> SealedChunks() const;
  absl::Status ForgetSegments();
  bool TailIsFull() const;
  std::vector<FixedPart> PartsToSeal() const;
  bool HasSpaceFor(absl::Span<const FixedPart> parts) const;
  absl::Status WriteParts(absl::Span<const FixedPart> parts, const ImageView& view,
                          const std::string& stem, const CallContext& call) const;
  absl::Status TakeOut(absl::Span<const FixedPart> parts, absl::Span<const FixedPart> now,
                       const SealedPart& segment, FixedPart* by) const;
  absl::Status Publish(absl::Span<const FixedPart> parts, std::uint64_t number)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // Preparing writes: collection_prepare.cc.
  absl::Status Prepare(PendingWrite* write) const;
  absl::Status PrepareAgain(PendingWrite* write) const;  // by the leader
  absl::Status PrepareDocument(PendingWrite* write, std::string* title) const;
  absl::Status AnalyzeChunk(const stages::CollectionConfig& config, absl::string_view title,
                            std::size_t index, PendingWrite* write) const;
  void EncodeChunk(const PendingWrite& write, std::size_t index, WriteSet* writes) const;
  static void NameWhatItTouches(PendingWrite* write);

  // Writing: collection_writes.cc. One thread at a time leads, and works for those that wait.
  absl::Status Submit(PendingWrite* write) ABSL_LOCKS_EXCLUDED(mutex_);
  void Lead(absl::Span<WriteQueue::Entry* const> group) ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status CommitAndPlace(const WriteSet& writes, absl::Span<const Plan> plans,
                              std::vector<Image::Placed>* placed);
  absl::StatusOr<bool> Replay(PendingWrite* write) const ABSL_LOCKS_EXCLUDED(mutex_);
  void PlanReplay(Plan* plan) const ABSL_LOCKS_EXCLUDED(mutex_);
  absl::StatusOr<Plan> PlanUpsert(const ImageView& view, PendingWrite* write,
                                  CollectionState* state) const;
  absl::StatusOr<Plan> PlanDelete(const ImageView& view, PendingWrite* write,
                                  CollectionState* state) const;
  absl::StatusOr<absl::flat_hash_set<std::uint32_t>> DocumentsMatching(
      const ImageView& view, const stages::Filter& filter, const CallContext& call) const;
  absl::Status PlanRemoval(const ImageView& view, absl::Span<const std::uint32_t> slots,
                           Plan* plan) const;
  absl::Status PlanDocumentRemoval(const ImageView& view, std::uint32_t document,
                                   CollectionState* state, Plan* plan) const;
  absl::Status CheckMemory(const stages::Upsert& upsert) const;
  void AfterCommit() ABSL_LOCKS_EXCLUDED(mutex_);
  void CountMemory(std::uint64_t bytes);

  // Reading: collection_reads.cc.
  stages::CollectionConfig config() const ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status CheckAlive() const ABSL_LOCKS_EXCLUDED(mutex_);
  template <typename Result, typename Read>
  absl::StatusOr<Result> ReadConsistently(const std::vector<std::string>& principal_labels,
                                          const CallContext& call, const Read& read) const;
  bool AwaitNewer(std::uint64_t sequence) const;
  absl::StatusOr<std::optional<std::vector<stages::StoredChunk>>> FetchChunks(
      const ImageView& view, absl::Span<const std::uint32_t> slots, stages::ChunkParts parts) const;
  absl::Status AddTokens(absl::Span<const std::string> keys,
                         std::vector<stages::StoredChunk>* chunks) const;
  // Searching: collection_search.cc.
  absl::StatusOr<stages::SearchResult> Find(const stages::SearchRequest& request,
                                            const CallContext& call) const;
  // Both answer false when a record of the view is gone.
  absl::StatusOr<bool> AddNeighbours(const ImageView& view, absl::Span<const std::uint32_t> slots,
                                     const stages::NeighbourWindow& window,
                                     stages::SearchResult* result) const;
  absl::StatusOr<bool> FillHits(const ImageView& view, const stages::SearchRequest& request,
                                const ranking::RankedHits& ranked,
                                stages::SearchResult* result) const;

  const std::uint32_t number_;
  StoreResources* const resources_;
  const absl::Time created_;
  const std::uint32_t dimension_;
  const lexical::Analyzer analyzer_;
  const std::unique_ptr<Image> image_;

  mutable absl::Mutex mutex_;
  CollectionRecord record_ ABSL_GUARDED_BY(mutex_);
  bool removed_ ABSL_GUARDED_BY(mutex_) = false;
  Replays replays_ ABSL_GUARDED_BY(mutex_);  // changed by the leader alone
  ChangeLog changes_;
  WriteQueue queue_;
  mutable Numbers numbers_;
  CollectionState state_;  // the leader's, as are the following
  PartsRecord parts_;
  std::uint64_t counted_memory_bytes_ =
      0;  // the leader's: this collection's part of resources_->memory_bytes
};

}  // namespace ragmesh::vector_store

#endif  // RAGMESH_LIBS_VECTOR_STORE_STORED_COLLECTION_H_
