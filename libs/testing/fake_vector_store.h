// A vector store in a map: exact, unfiltered by metadata, with labels and versions as the contract
// says. Search ranks by cosine (dense), shared words (lexical), or their sum.
#ifndef RAGMESH_LIBS_TESTING_FAKE_VECTOR_STORE_H_
#define RAGMESH_LIBS_TESTING_FAKE_VECTOR_STORE_H_

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "libs/base/status_macros.h"
#include "libs/stages/vector_store.h"
#include "libs/testing/fake_embedder.h"
#include "libs/testing/stage_fault.h"

namespace ragmesh::testing {

class FakeVectorStore final : public stages::VectorStore {
 public:
  StageFault fault;        // of everything
  StageFault write_fault;  // of Write
  StageFault search_fault;

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
  absl::StatusOr<stages::StoredDocument> GetDocument(const stages::CollectionId& id,
                                                     const std::string& document_id,
                                                     const std::vector<std::string>& labels,
                                                     const CallContext& call) override;
  absl::StatusOr<stages::DocumentPage> ListDocuments(const stages::CollectionId& id,
                                                     const std::optional<stages::Filter>& filter,
                                                     const std::vector<std::string>& labels,
                                                     const stages::Page& page,
                                                     const CallContext& call) override;
  absl::StatusOr<std::vector<stages::StoredChunk>> GetChunks(
      const stages::CollectionId& id, const std::vector<std::string>& chunk_ids,
      const std::vector<std::string>& labels, stages::ChunkParts parts,
      const CallContext& call) override;
  absl::StatusOr<stages::ChunkPage> ListChunks(const stages::CollectionId& id,
                                               const std::string& document_id,
                                               const std::vector<std::string>& labels,
                                               stages::ChunkParts parts, const stages::Page& page,
                                               const CallContext& call) override;
  absl::StatusOr<std::uint64_t> CountChunks(const stages::CollectionId& id,
                                            const std::optional<stages::Filter>& filter,
                                            const std::vector<std::string>& labels,
                                            const CallContext& call) override;
  absl::StatusOr<stages::SearchResult> Search(const stages::SearchRequest& request,
                                              const CallContext& call) override;
  absl::StatusOr<stages::StageInfo> Info(const CallContext& call) override;

  // Everything in a collection, for comparing two stores: document id -> texts and vectors of its
  // chunks by id.
  std::map<std::string, std::map<std::string, std::pair<std::string, std::vector<float>>>> Dump(
      const stages::CollectionId& id) const;

 private:
  struct Entry {
    stages::Collection collection;
    std::map<std::string, stages::StoredDocument> documents;
    std::map<std::string, std::vector<stages::StoredChunk>> chunks;  // by document
  };
  absl::StatusOr<Entry*> Find(const stages::CollectionId& id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  static bool Sees(const std::vector<std::string>& labels, const stages::StoredDocument& document);

  mutable absl::Mutex mutex_;
  std::map<std::pair<std::string, std::string>, Entry> entries_ ABSL_GUARDED_BY(mutex_);
  std::uint64_t sequence_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace ragmesh::testing

#endif  // RAGMESH_LIBS_TESTING_FAKE_VECTOR_STORE_H_
