// The vector-store stage on Milvus, for sites whose vectors outgrow one machine.
#ifndef RAGMESH_LIBS_MILVUS_STORE_MILVUS_STORE_H_
#define RAGMESH_LIBS_MILVUS_STORE_MILVUS_STORE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "libs/base/clock.h"
#include "libs/milvus_store/milvus_client.h"
#include "libs/stages/vector_store.h"
#include "libs/vector_store/records.h"

namespace ragmesh::milvus_store {

struct MilvusOptions {
  std::string url;
  std::string token;               // "user:password"; empty: none
  std::string prefix = "ragmesh";  // of the names of collections, [a-z_][a-z0-9_]{0,62}
  bool graph_index = false;        // of collections made from now on: HNSW instead of FLAT
  absl::Duration max_call_time = absl::Minutes(10);  // whatever a call's deadline
  const Clock* clock = &Clock::Real();
  std::string version;  // of the build, reported by Info
  std::string commit;
};

// Thread-safe. One collection of Milvus for each of ours, and one that lists them. A write is one
// request of Milvus, whose rows become visible together; one process at a time should write to a
// collection, for Milvus has no transactions that would keep two from passing each other. A search
// sees every write that this process has acknowledged.
//
// Dense search only: UNIMPLEMENTED / NO_LEXICAL_SEARCH for lexical and hybrid ones. Neither
// idempotency keys (NO_IDEMPOTENCY_KEYS), neighbours (NO_NEIGHBOURS), prefix filters over lists
// (NO_PREFIX_OF_LISTS), nor tokens of passages, which are dropped.
class MilvusStore final : public stages::VectorStore {
 public:
  // Checks the options; Milvus is asked by the first call that needs it.
  static absl::StatusOr<std::unique_ptr<MilvusStore>> Open(const MilvusOptions& options);

  absl::StatusOr<stages::Collection> CreateCollection(const stages::CollectionConfig& config,
                                                      const CallContext& call) override;
  absl::StatusOr<stages::Collection> UpdateCollection(const stages::CollectionConfig& config,
                                                      const CallContext& call) override;
  absl::StatusOr<stages::Collection> GetCollection(const stages::CollectionId& id,
                                                   const CallContext& call) override;
  absl::StatusOr<std::vector<stages::Collection>> ListCollections(const std::string& tenant,
                                                                  const CallContext& call) override;
  absl::Status DeleteCollection(const stages::CollectionId& id, const CallContext& call) override;

  absl::StatusOr<stages::UpsertResult> Write(const stages::CollectionId& id,
                                             const std::string& embedder_digest,
                                             stages::Upsert upsert,
                                             const CallContext& call) override;
  absl::StatusOr<stages::DeleteResult> Delete(const stages::CollectionId& id,
                                              const stages::DeleteSelector& what,
                                              const CallContext& call) override;

  absl::StatusOr<stages::StoredDocument> GetDocument(
      const stages::CollectionId& id, const std::string& document_id,
      const std::vector<std::string>& principal_labels, const CallContext& call) override;
  absl::StatusOr<stages::DocumentPage> ListDocuments(
      const stages::CollectionId& id, const std::optional<stages::Filter>& filter,
      const std::vector<std::string>& principal_labels, const stages::Page& page,
      const CallContext& call) override;
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

  absl::StatusOr<stages::StageInfo> Info(const CallContext& call) override;

 private:
  // One of our collections, as the list of them has it.
  struct Listed {
    vector_store::CollectionRecord record;
    std::string name;                // in Milvus
    std::uint32_t token_number = 0;  // of page tokens
    const stages::CollectionConfig& config() const { return record.config; }
    const std::string& tenant() const { return record.config.id.tenant; }
  };

  MilvusStore(const MilvusOptions& options, std::unique_ptr<MilvusClient> client)
      : options_(options), client_(std::move(client)) {}

  CallContext Bounded(const CallContext& call) const {
    return call.Child(absl::Now() + options_.max_call_time);
  }
  std::string NameOf(const stages::CollectionId& id) const;
  std::string ListName() const { return options_.prefix + "_collections"; }
  absl::Status MakeList(const CallContext& call) ABSL_LOCKS_EXCLUDED(mutex_);
  absl::StatusOr<Listed> Find(const stages::CollectionId& id, const CallContext& call);
  absl::Status PutInList(const Row& row, const CallContext& call);
  absl::StatusOr<stages::Collection> Describe(const Listed& listed, const CallContext& call);
  // Errors of a filter that depend on what is stored.
  absl::Status CheckFilter(const Listed& listed, const stages::Filter& filter,
                           const std::vector<std::string>& labels, const CallContext& call);
  // The time of this process's last write to a collection of Milvus; 0 when it has made none.
  std::uint64_t SeenOf(const std::string& name) ABSL_LOCKS_EXCLUDED(mutex_);
  void Saw(const std::string& name, std::uint64_t time) ABSL_LOCKS_EXCLUDED(mutex_);
  std::shared_ptr<absl::Mutex> WriterOf(const std::string& name) ABSL_LOCKS_EXCLUDED(mutex_);

  const MilvusOptions options_;
  const std::unique_ptr<MilvusClient> client_;
  absl::Mutex mutex_;
  bool list_made_ ABSL_GUARDED_BY(mutex_) = false;
  std::map<std::string, std::uint64_t> seen_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, std::shared_ptr<absl::Mutex>> writers_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace ragmesh::milvus_store

#endif  // RAGMESH_LIBS_MILVUS_STORE_MILVUS_STORE_H_
