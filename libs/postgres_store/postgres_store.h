// The vector-store stage on PostgreSQL with pgvector, for sites whose documents outgrow one machine
// or whose database is looked after already.
#ifndef RAGMESH_LIBS_POSTGRES_STORE_POSTGRES_STORE_H_
#define RAGMESH_LIBS_POSTGRES_STORE_POSTGRES_STORE_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "libs/base/clock.h"
#include "libs/lexical/analyzer.h"
#include "libs/lexical/bm25.h"
#include "libs/postgres_store/connection_pool.h"
#include "libs/postgres_store/filter_sql.h"
#include "libs/postgres_store/transaction.h"
#include "libs/stages/vector_store.h"
#include "libs/vector_store/records.h"

namespace ragmesh::postgres_store {

struct PostgresOptions {
  ServerAddress server;
  std::string schema = "ragmesh";  // [a-z_][a-z0-9_]{0,62}; two stores may share a database
  int connections = 8;             // at most, 1 to 256
  // Of collections made from now on: a graph (HNSW) instead of the exact scan.
  bool graph_index = false;
  // Most time a call may take whatever its deadline, so that nothing waits for ever.
  absl::Duration max_call_time = absl::Minutes(10);
  const Clock* clock = &Clock::Real();
  std::string version;  // of the build, reported by Info
  std::string commit;
};

// A row of the table collections.
struct CollectionRow {
  std::int32_t number = 0;
  vector_store::CollectionRecord record;
  std::uint64_t sequence = 0;
  std::uint64_t next_document = 1;
  std::uint64_t next_chunk = 1;
  std::uint64_t documents = 0;
  std::uint64_t chunks = 0;
  std::uint64_t terms = 0;
  std::uint64_t text_bytes = 0;
  lexical::CorpusStatistics statistics;  // of lexical search

  Scope scope() const { return {number, record.config.id.tenant}; }
  const stages::CollectionConfig& config() const { return record.config; }
};

// Thread-safe, and any number of processes may use one database. Every call is one transaction: a
// write is visible as a whole or not at all, and on the server's disk when it returns; a read sees
// one moment. Writes to one collection happen one after the other. The tenant of the call, and the
// labels of the reader, are part of every statement that reads documents or chunks.
//
// Scores are those of the built-in store: BM25 by the same analysis and statistics, to the last
// bit; cosines as pgvector computes them, in f32. UNIMPLEMENTED, each with its reason: idempotency
// keys (NO_IDEMPOTENCY_KEYS), query operators (NO_QUERY_OPERATORS).
class PostgresStore final : public stages::VectorStore {
 public:
  // Checks the options. The server is asked by the first call that needs it, so a store whose
  // server is down opens, answers UNAVAILABLE / STORE_UNAVAILABLE, and works once it is up.
  static absl::StatusOr<std::unique_ptr<PostgresStore>> Open(const PostgresOptions& options);
  ~PostgresStore() override;

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
  explicit PostgresStore(const PostgresOptions& options, std::string server_name);

  CallContext Bounded(const CallContext& call) const {
    return call.Child(absl::Now() + options_.max_call_time);
  }
  absl::StatusOr<Transaction> Begin(Transaction::Mode mode, const CallContext& call) {
    return Transaction::Begin(&pool_, mode, call);
  }
  // NOT_FOUND when there is none. With `lock`, no other write to it until the transaction ends.
  absl::StatusOr<CollectionRow> FindCollection(Transaction& transaction,
                                               const stages::CollectionId& id, bool lock);
  absl::StatusOr<stages::Collection> Describe(Transaction& transaction, const CollectionRow& row);
  // Takes away what deleted collections have left.
  absl::Status Purge(const CallContext& call);
  std::shared_ptr<const lexical::Analyzer> AnalyzerOf(const std::string& language)
      ABSL_LOCKS_EXCLUDED(mutex_);

  const PostgresOptions options_;
  ConnectionPool pool_;
  absl::Mutex mutex_;
  std::map<std::string, std::shared_ptr<const lexical::Analyzer>> analyzers_
      ABSL_GUARDED_BY(mutex_);  // by language
};

}  // namespace ragmesh::postgres_store

#endif  // RAGMESH_LIBS_POSTGRES_STORE_POSTGRES_STORE_H_
