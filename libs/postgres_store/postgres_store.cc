// The store itself and its collections; documents and searches are in store_writes.cc,
// store_reads.cc and store_search.cc.
#include "libs/postgres_store/postgres_store.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/postgres_store/schema.h"
#include "libs/vector_store/filter.h"
#include "libs/vector_store/limits.h"
#include "libs/vector_store/validation.h"

namespace ragmesh::postgres_store {
namespace {

constexpr char kCollectionColumns[] =
    "number, record, sequence, next_document, next_chunk, documents, chunks, terms, text_bytes, "
    "total_length, title_length, heading_length";

absl::StatusOr<CollectionRow> ReadCollection(const Result& result, int row) {
  CollectionRow collection;
  collection.number = result.Int4(row, 0);
  RAGMESH_ASSIGN_OR_RETURN(collection.record, vector_store::DecodeCollection(result.Bytes(row, 1)));
  collection.sequence = result.Uint(row, 2);
  collection.next_document = result.Uint(row, 3);
  collection.next_chunk = result.Uint(row, 4);
  collection.documents = result.Uint(row, 5);
  collection.chunks = result.Uint(row, 6);
  collection.terms = result.Uint(row, 7);
  collection.text_bytes = result.Uint(row, 8);
  collection.statistics = {collection.chunks, result.Uint(row, 9), result.Uint(row, 10),
                           result.Uint(row, 11)};
  return collection;
}

bool IsSchemaName(const std::string& name) {
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
  };
  return !name.empty() && name.size() <= 63 && std::all_of(name.begin(), name.end(), fits) &&
         !absl::ascii_isdigit(static_cast<unsigned char>(name[0]));
}

}  // namespace

PostgresStore::PostgresStore(const PostgresOptions& options, std::string server_name)
    : options_(options),
      pool_(options.server, std::move(server_name), options.connections,
            [schema = options.schema](Connection& connection, const CallContext& call) {
              return PrepareConnection(connection, schema, call);
            }) {}

PostgresStore::~PostgresStore() = default;

absl::StatusOr<std::unique_ptr<PostgresStore>> PostgresStore::Open(const PostgresOptions& options) {
  RAGMESH_ASSIGN_OR_RETURN(std::string name, ServerName(options.server));
  if (!IsSchemaName(options.schema)) {
    return InvalidField("store_schema", "must be 1 to 63 of a-z, 0-9 and _, the first no digit");
  }
  if (options.connections < 1 || options.connections > 256)
    return InvalidField("store_connections", "must be from 1 to 256");
  return std::unique_ptr<PostgresStore>(new PostgresStore(options, std::move(name)));
}

std::shared_ptr<const lexical::Analyzer> PostgresStore::AnalyzerOf(const std::string& language) {
  absl::MutexLock lock(&mutex_);
  auto& analyzer = analyzers_[language];
  if (analyzer == nullptr) analyzer = std::make_shared<lexical::Analyzer>(language);
  return analyzer;
}

absl::StatusOr<CollectionRow> PostgresStore::FindCollection(Transaction& transaction,
                                                            const stages::CollectionId& id,
                                                            bool lock) {
  Statement statement;
  statement.Add("SELECT ", kCollectionColumns,
                " FROM collections WHERE tenant = ", statement.Text(id.tenant),
                " AND name = ", statement.Text(id.name), " AND NOT dropped");
  if (lock) statement.Add(" FOR NO KEY UPDATE");
  RAGMESH_ASSIGN_OR_RETURN(const Result found, transaction.Query(statement));
  if (found.rows() == 0) return NotFound("collection", id.name, "Create the collection first.");
  return ReadCollection(found, 0);
}

absl::StatusOr<stages::Collection> PostgresStore::Describe(Transaction& transaction,
                                                           const CollectionRow& row) {
  Statement statement;
  statement.Add(
      "SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint FROM pg_class c JOIN "
      "pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = ",
      statement.Text(options_.schema), " AND c.relkind = 'r'");
  RAGMESH_ASSIGN_OR_RETURN(const Result size, transaction.Query(statement));
  stages::Collection collection{row.record.config, row.record.created, {}};
  collection.stats.documents = row.documents;
  collection.stats.chunks = row.chunks;
  collection.stats.terms = row.terms;
  collection.stats.text_bytes = row.text_bytes;
  collection.stats.disk_bytes = size.Uint(0, 0);
  collection.stats.sequence = row.sequence;
  return collection;
}

absl::StatusOr<stages::Collection> PostgresStore::CreateCollection(
    const stages::CollectionConfig& config, const CallContext& caller) {
  const CallContext call = Bounded(caller);
  RAGMESH_RETURN_IF_ERROR(call.Check());
  RAGMESH_RETURN_IF_ERROR(vector_store::ValidateConfig(config));
  RAGMESH_ASSIGN_OR_RETURN(Transaction transaction, Begin(Transaction::Mode::kWrite, call));
  Statement count;
  count.Add("SELECT count(*) FROM collections WHERE NOT dropped");
  RAGMESH_ASSIGN_OR_RETURN(const Result counted, transaction.Query(count));
  if (counted.Uint(0, 0) >= vector_store::kMaxCollections) {
    return LimitExceeded("collections", counted.Int8(0, 0) + 1,
                         static_cast<long long>(vector_store::kMaxCollections), "collections");
  }
  CollectionRow row;
  row.record = {config, options_.clock->Now(), lexical::Analyzer::Version()};
  Statement insert;
  insert.Add("INSERT INTO collections (tenant, name, record) VALUES (",
             insert.Text(config.id.tenant), ", ", insert.Text(config.id.name), ", ",
             insert.Bytes(vector_store::Encode(row.record)),
             ") ON CONFLICT (tenant, name) WHERE NOT dropped DO NOTHING RETURNING number");
  RAGMESH_ASSIGN_OR_RETURN(const Result made, transaction.Query(insert));
  if (made.rows() == 0) return AlreadyExists("collection", config.id.name);
  row.number = made.Int4(0, 0);
  if (config.dimension > 0) {
    RAGMESH_RETURN_IF_ERROR(
        transaction.Run(CreateVectorsSql(row.number, config.dimension, options_.graph_index)));
  }
  RAGMESH_ASSIGN_OR_RETURN(stages::Collection collection, Describe(transaction, row));
  RAGMESH_RETURN_IF_ERROR(transaction.Commit());
  return collection;
}

absl::StatusOr<stages::Collection> PostgresStore::UpdateCollection(
    const stages::CollectionConfig& config, const CallContext& caller) {
  const CallContext call = Bounded(caller);
  RAGMESH_RETURN_IF_ERROR(call.Check());
  RAGMESH_RETURN_IF_ERROR(vector_store::ValidateId(config.id));
  RAGMESH_ASSIGN_OR_RETURN(Transaction transaction, Begin(Transaction::Mode::kWrite, call));
  RAGMESH_ASSIGN_OR_RETURN(CollectionRow row,
                           FindCollection(transaction, config.id, /*lock=*/true));
  RAGMESH_RETURN_IF_ERROR(vector_store::ValidateConfig(config));
  RAGMESH_RETURN_IF_ERROR(vector_store::ValidateUpdate(row.config(), config));
  row.record.config = config;
  Statement update;
  update.Add("UPDATE collections SET record = ", update.Bytes(vector_store::Encode(row.record)),
             " WHERE number = ", update.Int4(row.number));
  RAGMESH_RETURN_IF_ERROR(transaction.Query(update).status());
  RAGMESH_ASSIGN_OR_RETURN(stages::Collection collection, Describe(transaction, row));
  RAGMESH_RETURN_IF_ERROR(transaction.Commit());
  return collection;
}

absl::StatusOr<stages::Collection> PostgresStore::GetCollection(const stages::CollectionId& id,
                                                                const CallContext& caller) {
  const CallContext call = Bounded(caller);
  RAGMESH_RETURN_IF_ERROR(vector_store::ValidateId(id));
  RAGMESH_ASSIGN_OR_RETURN(Transaction transaction, Begin(Transaction::Mode::kRead, call));
  RAGMESH_ASSIGN_OR_RETURN(const CollectionRow row,
                           FindCollection(transaction, id, /*lock=*/false));
  RAGMESH_ASSIGN_OR_RETURN(stages::Collection collection, Describe(transaction, row));
  RAGMESH_RETURN_IF_ERROR(transaction.Commit());
  return collection;
}

absl::StatusOr<std::vector<stages::Collection>> PostgresStore::ListCollections(
    const std::string& tenant, const CallContext& caller) {
  const CallContext call = Bounded(caller);
  RAGMESH_RETURN_IF_ERROR(vector_store::ValidateTenant(tenant));
  RAGMESH_ASSIGN_OR_RETURN(Transaction transaction, Begin(Transaction::Mode::kRead, call));
  Statement statement;
  statement.Add("SELECT ", kCollectionColumns,
                " FROM collections WHERE tenant = ", statement.Text(tenant),
                " AND NOT dropped ORDER BY name COLLATE \"C\"");
  RAGMESH_ASSIGN_OR_RETURN(const Result found, transaction.Query(statement));
  std::vector<stages::Collection> collections;
  std::uint64_t disk_bytes = 0;
  for (int i = 0; i < found.rows(); ++i) {
    RAGMESH_ASSIGN_OR_RETURN(const CollectionRow row, ReadCollection(found, i));
    if (i == 0) {
      RAGMESH_ASSIGN_OR_RETURN(stages::Collection first, Describe(transaction, row));
      disk_bytes = first.stats.disk_bytes;
    }
    collections.push_back({row.record.config,
                           row.record.created,
                           {.documents = row.documents,
                            .chunks = row.chunks,
                            .terms = row.terms,
                            .text_bytes = row.text_bytes,
                            .disk_bytes = disk_bytes,
                            .sequence = row.sequence}});
  }
  RAGMESH_RETURN_IF_ERROR(transaction.Commit());
  return collections;
}

absl::Status PostgresStore::DeleteCollection(const stages::CollectionId& id,
                                             const CallContext& caller) {
  const CallContext call = Bounded(caller);
  RAGMESH_RETURN_IF_ERROR(vector_store::ValidateId(id));
  CollectionRow row;
  {
    RAGMESH_ASSIGN_OR_RETURN(Transaction transaction, Begin(Transaction::Mode::kWrite, call));
    RAGMESH_ASSIGN_OR_RETURN(row, FindCollection(transaction, id, /*lock=*/true));
    Statement drop;
    drop.Add("UPDATE collections SET dropped = true WHERE number = ", drop.Int4(row.number));
    RAGMESH_RETURN_IF_ERROR(transaction.Query(drop).status());
    RAGMESH_RETURN_IF_ERROR(transaction.Commit());
  }
  // It is deleted whatever becomes of this; what is left goes with the next collection.
  Purge(call).IgnoreError();
  return absl::OkStatus();
}

absl::Status PostgresStore::Purge(const CallContext& call) {
  RAGMESH_ASSIGN_OR_RETURN(Transaction transaction, Begin(Transaction::Mode::kWrite, call));
  Statement find;
  // One that another purge is at is left to it.
  find.Add("SELECT number FROM collections WHERE dropped FOR UPDATE SKIP LOCKED");
  RAGMESH_ASSIGN_OR_RETURN(const Result found, transaction.Query(find));
  for (int i = 0; i < found.rows(); ++i) {
    const std::int32_t number = found.Int4(i, 0);
    Statement postings;
    postings.Add("DELETE FROM postings p USING terms t WHERE t.collection = ",
                 postings.Int4(number), " AND p.term = t.id");
    RAGMESH_RETURN_IF_ERROR(transaction.Query(postings).status());
    for (const char* table : {"terms", "entries", "chunks", "fields", "documents"}) {
      Statement rows;
      rows.Add("DELETE FROM ", table, " WHERE collection = ", rows.Int4(number));
      RAGMESH_RETURN_IF_ERROR(transaction.Query(rows).status());
    }
    RAGMESH_RETURN_IF_ERROR(transaction.Run(DropVectorsSql(number)));
    Statement last;
    last.Add("DELETE FROM collections WHERE number = ", last.Int4(number));
    RAGMESH_RETURN_IF_ERROR(transaction.Query(last).status());
  }
  return transaction.Commit();
}

absl::StatusOr<stages::StageInfo> PostgresStore::Info(const CallContext& caller) {
  RAGMESH_RETURN_IF_ERROR(caller.Check());
  // Short, so that asking how it is does not take as long as the server is away.
  const CallContext call = caller.Child(absl::Now() + absl::Seconds(2));
  stages::StageInfo info;
  info.stage = "vector-store";
  info.version = options_.version;
  info.commit = options_.commit;
  info.limits = {
      {"max_collections", static_cast<std::int64_t>(vector_store::kMaxCollections)},
      {"max_chunks_per_write", static_cast<std::int64_t>(vector_store::kMaxChunksPerWrite)},
      {"max_write_bytes", static_cast<std::int64_t>(vector_store::kMaxWriteBytes)},
      {"max_document_text_bytes", static_cast<std::int64_t>(vector_store::kMaxTextBytes)},
      {"max_chunk_text_bytes", static_cast<std::int64_t>(vector_store::kMaxChunkBytes)},
      {"max_id_bytes", static_cast<std::int64_t>(vector_store::kMaxIdBytes)},
      {"max_metadata_fields", static_cast<std::int64_t>(vector_store::kMaxMetadataFields)},
      {"max_metadata_bytes", static_cast<std::int64_t>(vector_store::kMaxMetadataBytes)},
      {"max_document_labels", static_cast<std::int64_t>(vector_store::kMaxLabels)},
      {"max_principal_labels", static_cast<std::int64_t>(vector_store::kMaxPrincipalLabels)},
      {"max_dimension", vector_store::kMaxDimension},
      {"max_query_bytes", static_cast<std::int64_t>(vector_store::kMaxQueryBytes)},
      {"max_top_k", vector_store::kMaxTopK},
      {"max_page_size", vector_store::kMaxPageSize},
      {"max_ids_per_call", static_cast<std::int64_t>(vector_store::kMaxIdsPerCall)},
      {"max_filter_depth", vector_store::kMaxFilterDepth},
      {"max_filter_nodes", vector_store::kMaxFilterNodes},
      {"connections", options_.connections}};
  info.features = {{"backend", "postgres"},
                   {"server", pool_.name()},
                   {"analysis", lexical::Analyzer::Version()},
                   {"format", absl::StrCat(kSchemaVersion)},
                   {"dense_index", options_.graph_index ? "HNSW, f32" : "exact, f32"},
                   {"lexical_search", "yes"},
                   {"hybrid_search", "yes"},
                   {"neighbours", "yes"},
                   {"explain", "yes"},
                   {"prefix_of_lists", "yes"},
                   {"passage_tokens", "yes"},
                   {"text_statistics", "yes"},
                   {"idempotency_keys", "no"},
                   {"query_operators", "no"},
                   {"snapshots", "no; use the server's own backups"}};
  const auto asked = [&]() -> absl::Status {
    RAGMESH_ASSIGN_OR_RETURN(Transaction transaction, Begin(Transaction::Mode::kRead, call));
    Statement statement;
    statement.Add(
        "SELECT current_setting('server_version'), (SELECT extversion FROM pg_extension WHERE "
        "extname = 'vector'), current_setting('fsync'), current_setting('full_page_writes')");
    RAGMESH_ASSIGN_OR_RETURN(const Result server, transaction.Query(statement));
    info.features["storage"] =
        absl::StrCat("PostgreSQL ", server.String(0, 0), ", pgvector ", server.String(0, 1));
    // Without either, what was acknowledged may be lost when the server's machine goes down.
    const bool durable = server.String(0, 2) == "on" && server.String(0, 3) == "on";
    info.features["durability"] = durable ? "synced"
                                          : "the server runs with fsync or "
                                            "full_page_writes off";
    return transaction.Commit();
  }();
  RAGMESH_RETURN_IF_ERROR(caller.Check());
  info.ready = asked.ok();
  if (!asked.ok()) info.not_ready_reason = std::string(asked.message());
  return info;
}

}  // namespace ragmesh::postgres_store
