// The vector store: documents, chunks and vectors of many collections, kept durably and found
// again.
#ifndef RAGMESH_LIBS_VECTOR_STORE_STORE_H_
#define RAGMESH_LIBS_VECTOR_STORE_STORE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "libs/base/clock.h"
#include "libs/concurrency/executor.h"
#include "libs/concurrency/thread_pool.h"
#include "libs/linalg/kernels.h"
#include "libs/stages/store_admin.h"
#include "libs/stages/vector_store.h"
#include "libs/vector_store/aliases.h"
#include "libs/vector_store/log_archive.h"
#include "libs/vector_store/segment_folder.h"

namespace rocksdb {
class FileSystem;
}

namespace ragmesh::vector_store {

class Database;
class Sealer;
class YieldingExecutor;
class StoredCollection;
class StoreObserver;
struct StoreResources;

struct StoreOptions {
  std::string path;  // directory, made when absent; one process at a time
  std::uint64_t write_buffer_bytes = 64u << 20;
  std::uint64_t block_cache_bytes = 64u << 20;
  std::uint64_t max_memory_bytes =
      0;  // of all search images together; writes beyond are refused; 0: unbounded
  std::uint64_t max_collection_memory_bytes = 0;  // of one collection's image, in the same way
  // Free space on the disk of `path`: below the first, writes but for deletes are refused, from the
  // second on they are taken again.
  std::uint64_t low_free_bytes = 32u << 20;
  std::uint64_t high_free_bytes = 64u << 20;
  // A write of so many bytes that removes nothing is synced while RocksDB takes it into its tables.
  std::uint64_t sync_beside_bytes = 256u << 10;
  // What every file of the store is read and written through; null: the operating system's. For
  // tests that make it fail.
  std::shared_ptr<rocksdb::FileSystem> file_system;
  // Helps with scans of large collections; null: each search uses its caller's thread only.
  // Borrowed.
  Executor* executor = nullptr;
  // Chunks, or documents, of which a collection's tail in memory becomes a segment in mapped files.
  std::uint32_t seal_rows = 16'384;
  int write_threads = 1;                     // most that prepare one write, the caller's included
  int search_threads = 1;                    // most that work on one search, the caller's included
  const linalg::Kernels* kernels = nullptr;  // null: the fastest this processor runs
  const Clock* clock = &Clock::Real();
  std::shared_ptr<StoreObserver> observer;  // may be null
  std::string snapshot_folder;              // empty: "snapshots" in `path`
  // Between two looks for documents whose time has come; 0: only SweepExpired looks.
  absl::Duration sweep_interval = absl::ZeroDuration();
  // Where every write is archived, with base snapshots, so that the store of any moment can be made
  // again (log_archive.h); no folder: nowhere.
  LogArchiveOptions archive;
  std::string version;  // of the build, reported by Info
  std::string commit;
};

struct StoreHealth {
  std::uint64_t image_bytes = 0;     // memory of all search images together
  std::uint64_t free_bytes = 0;      // on the store's disk
  bool disk_full = false;            // only deletes are taken, until there is space again
  bool read_only = false;            // a write failed; nothing is taken until a restart
  std::uint64_t archive_behind = 0;  // writes that are not in the archive yet
  bool archive_failing = false;      // its last try did not come to its end
};

// What opening took, for the start-up log and the benchmarks.
struct OpenReport {
  std::uint64_t collections = 0;
  std::uint64_t documents = 0;
  std::uint64_t chunks = 0;
  absl::Duration database_time;  // opening RocksDB and replaying its log
  absl::Duration image_time;     // building the search images
};

// Thread-safe. The truth is on disk; searches run on images in memory that are built at open. A
// search never waits for a write to reach the disk, and sees every write that was acknowledged
// before it began.
//
// With less than low_free_bytes on the disk writes answer RESOURCE_EXHAUSTED / DISK_FULL until
// there are high_free_bytes again; deletes go on. When a write fails all the same (disk gone), it
// answers UNAVAILABLE / STORAGE_FAILED and the store turns read-only: reads and searches go on,
// later writes answer FAILED_PRECONDITION / STORE_READ_ONLY, and Info says why under
// features["read_only"]. A restart on a healthy disk makes it writable again.
class Store final : public stages::VectorStore, public stages::StoreAdmin {
 public:
  // FAILED_PRECONDITION / STORE_LOCKED while another process has the directory open, / NEWER_FORMAT
  // when a later release wrote it; DATA_LOSS / CORRUPT_DATA when a record does not check out;
  // RESOURCE_EXHAUSTED / MEMORY_LIMIT when the images would not fit max_memory_bytes.
  static absl::StatusOr<std::unique_ptr<Store>> Open(const StoreOptions& options);
  ~Store() override;

  const OpenReport& open_report() const { return report_; }
  StoreHealth Health() const;

  // Writes a consistent copy of everything acknowledged so far into the new directory `path`, while
  // reads and writes go on. Opening that directory, or a copy of it, as a store restores it.
  // ALREADY_EXISTS / SNAPSHOT_EXISTS.
  absl::Status Snapshot(const std::string& path, const CallContext& call);

  // Waits until no segment is being made or due; false when `deadline` comes first. For tests and
  // benchmarks.
  bool AwaitSealed(absl::Time deadline) const;

  // Deletes the documents of all collections whose time has come by the store's clock, a hundred a
  // commit, as any delete does; how many went.
  absl::StatusOr<std::uint64_t> SweepExpired(const CallContext& call);

  // Brings all that was acknowledged before the call into the archive.
  absl::Status ShipArchive();

  stages::StoreAdmin* admin() override { return this; }
  absl::StatusOr<stages::StoreSnapshot> CreateSnapshot(const std::string& name,
                                                       const CallContext& call) override;
  absl::StatusOr<std::vector<stages::StoreSnapshot>> ListSnapshots(
      const CallContext& call) override;
  absl::Status ExportCollection(const stages::CollectionId& id, stages::ArchiveSink sink,
                                const CallContext& call) override;
  absl::StatusOr<stages::Collection> ImportCollection(const stages::CollectionId& id,
                                                      const std::string& manifest_sha256,
                                                      stages::ArchiveSource source,
                                                      const CallContext& call) override;

  absl::StatusOr<stages::Collection> CreateCollection(const stages::CollectionConfig& config,
                                                      const CallContext& call) override;
  absl::StatusOr<stages::Collection> UpdateCollection(const stages::CollectionConfig& config,
                                                      const CallContext& call) override;
  absl::StatusOr<stages::Collection> GetCollection(const stages::CollectionId& id,
                                                   const CallContext& call) override;
  absl::StatusOr<std::vector<stages::Collection>> ListCollections(const std::string& tenant,
                                                                  const CallContext& call) override;
  absl::Status DeleteCollection(const stages::CollectionId& id, const CallContext& call) override;

  // A document's version rises by one when info.sha256 or its text differ from what is stored, and
  // stays when a write brings the same content again, for example with other labels. Deleted and
  // written anew it starts at 1.
  absl::StatusOr<stages::UpsertResult> Write(const stages::CollectionId& id,
                                             const std::string& embedder_digest,
                                             stages::Upsert upsert,
                                             const CallContext& call) override;
  // Chunk and document ids that do not exist are passed over, so a delete may be repeated. A filter
  // chooses documents, which go with all their chunks.
  absl::StatusOr<stages::DeleteResult> Delete(const stages::CollectionId& id,
                                              const stages::DeleteSelector& what,
                                              const CallContext& call) override;
  absl::StatusOr<stages::DeleteResult> DeleteOnce(const stages::CollectionId& id,
                                                  const stages::DeleteSelector& what,
                                                  const std::string& idempotency_key,
                                                  const CallContext& call) override;

  absl::StatusOr<stages::StoredDocument> GetDocument(
      const stages::CollectionId& id, const std::string& document_id,
      const std::vector<std::string>& principal_labels, const CallContext& call) override;
  absl::StatusOr<stages::DocumentPage> ListDocuments(
      const stages::CollectionId& id, const std::optional<stages::Filter>& filter,
      const std::vector<std::string>& principal_labels, const stages::Page& page,
      const CallContext& call) override;
  // In the order asked for; what is absent or invisible is left out.
  absl::StatusOr<std::vector<stages::StoredChunk>> GetChunks(
      const stages::CollectionId& id, const std::vector<std::string>& chunk_ids,
      const std::vector<std::string>& principal_labels, stages::ChunkParts parts,
      const CallContext& call) override;
  absl::StatusOr<stages::ChunkPage> ListChunks(const stages::CollectionId& id,
                                               const std::string& document_id,
                                               const std::vector<std::string>& principal_labels,
                                               stages::ChunkParts parts, const stages::Page& page,
                                               const CallContext& call) override;
  absl::StatusOr<std::uint64_t> CountChunks(const stages::CollectionId& id,
                                            const std::optional<stages::Filter>& filter,
                                            const std::vector<std::string>& principal_labels,
                                            const CallContext& call) override;

  absl::StatusOr<stages::SearchResult> Search(const stages::SearchRequest& request,
                                              const CallContext& call) override;

  // A write that came by the alias, and waits while it moves, is led to what it stands for then: a
  // vector of the old collection's embedder is EMBEDDER_MISMATCH there.
  absl::StatusOr<stages::Alias> SetAlias(const stages::AliasChange& change,
                                         const CallContext& call) override;
  absl::StatusOr<std::vector<stages::Alias>> ListAliases(const std::string& tenant,
                                                         const CallContext& call) override;
  absl::Status DeleteAlias(const stages::CollectionId& alias,
                           const std::string& expected_collection,
                           const CallContext& call) override;
  absl::StatusOr<stages::CollectionChanges> ListChanges(const stages::CollectionId& id,
                                                        std::optional<std::uint64_t> after,
                                                        absl::Duration hold,
                                                        const CallContext& call) override;

  absl::StatusOr<stages::StageInfo> Info(const CallContext& call) override;

 private:
  using Name = std::pair<std::string, std::string>;  // tenant, collection

  explicit Store(const StoreOptions& options);
  absl::Status RemoveStraySegments() const;
  absl::Status LoadCollections();
  // A collection, by its own name or an alias, and StoreResources::names of then.
  struct Found {
    std::shared_ptr<StoredCollection> collection;
    std::uint64_t names = 0;
  };
  absl::StatusOr<Found> Resolve(const stages::CollectionId& id, const CallContext& call) const
      ABSL_LOCKS_EXCLUDED(mutex_);
  void StartSweeping();
  std::string snapshot_folder() const;
  // That a collection of this name may be made: there is none, nor are there too many.
  absl::Status CheckFree(const stages::CollectionId& id) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<std::uint32_t> ReserveNumber(const stages::CollectionId& id)
      ABSL_LOCKS_EXCLUDED(mutex_);
  absl::StatusOr<stages::Collection> ImportAs(std::uint32_t number, const stages::CollectionId& id,
                                              const std::string& manifest_sha256,
                                              stages::ArchiveSource source, const CallContext& call)
      ABSL_LOCKS_EXCLUDED(mutex_);
  absl::StatusOr<std::shared_ptr<StoredCollection>> Find(const stages::CollectionId& id,
                                                         const CallContext& call) const
      ABSL_LOCKS_EXCLUDED(mutex_);

  // For writes; the same, once nobody holds writes to it.
  absl::StatusOr<Found> ResolveToWrite(const stages::CollectionId& id,
                                       const CallContext& call) const ABSL_LOCKS_EXCLUDED(mutex_);

  // Aliases: store_aliases.cc.
  absl::Status LoadAliases() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Null when there is none.
  std::shared_ptr<StoredCollection> NumberedLocked(std::uint32_t number) const
      ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  stages::Alias DescribeLocked(const AliasName& name, const AliasRecord& record) const
      ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<stages::Alias> MakeAlias(const stages::AliasChange& change,
                                          const CallContext& call)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(names_mutex_);
  absl::StatusOr<stages::Alias> MoveAlias(const stages::AliasChange& change,
                                          const AliasRecord& standing, const CallContext& call)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(names_mutex_);
  absl::StatusOr<stages::Alias> Publish(const AliasName& name, const AliasRecord& record)
      ABSL_LOCKS_EXCLUDED(mutex_);

  const StoreOptions options_;
  const SegmentFolder segments_;
  OpenReport report_;
  std::unique_ptr<Database> database_;
  std::unique_ptr<LogArchive> archive_;    // may be null
  std::unique_ptr<ThreadPool> preparers_;  // help with the preparation of large writes
  std::unique_ptr<YieldingExecutor> yielding_preparers_;  // the same threads
  std::unique_ptr<StoreResources> resources_;
  // Held over the commit of whatever changes names: collections and aliases come and go one at a
  // time. Taken before any other lock.
  absl::Mutex names_mutex_;
  mutable absl::Mutex mutex_;
  std::map<Name, std::shared_ptr<StoredCollection>> collections_ ABSL_GUARDED_BY(mutex_);
  std::map<std::uint32_t, std::shared_ptr<StoredCollection>> numbered_
      ABSL_GUARDED_BY(mutex_);  // the same, by number
  Aliases aliases_ ABSL_GUARDED_BY(mutex_);
  std::map<std::uint32_t, absl::Time> held_ ABSL_GUARDED_BY(mutex_);  // until when, by number
  std::unique_ptr<Sealer> sealer_;
  std::uint32_t next_collection_ ABSL_GUARDED_BY(mutex_) = 1;
  absl::Notification stop_sweeping_;
  std::thread sweeper_;
};

}  // namespace ragmesh::vector_store

#endif  // RAGMESH_LIBS_VECTOR_STORE_STORE_H_
