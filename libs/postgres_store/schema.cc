#include "libs/postgres_store/schema.h"

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"

namespace ragmesh::postgres_store {
namespace {

constexpr int kOldestServer = 140000;

// Held while the tables are made, so that two processes that start at once do not meet.
constexpr char kMakeLock[] = "SELECT pg_advisory_xact_lock(7236281973345)";

// A committed transaction is on disk; a client that goes away stops its statement; a transaction
// that nobody ends is ended.
constexpr char kSettings[] =
    "SET synchronous_commit = on; SET client_min_messages = warning; "
    "SET client_connection_check_interval = 1000; "
    "SET idle_in_transaction_session_timeout = 60000; SET jit = off";

constexpr char kTables[] = R"sql(
CREATE TABLE IF NOT EXISTS format (version integer NOT NULL);
INSERT INTO format SELECT 1 WHERE NOT EXISTS (SELECT FROM format);
CREATE TABLE IF NOT EXISTS collections (
  number integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  tenant text NOT NULL,
  name text NOT NULL,
  dropped boolean NOT NULL DEFAULT false,
  record bytea NOT NULL,
  sequence bigint NOT NULL DEFAULT 0,
  next_document bigint NOT NULL DEFAULT 1,
  next_chunk bigint NOT NULL DEFAULT 1,
  documents bigint NOT NULL DEFAULT 0,
  chunks bigint NOT NULL DEFAULT 0,
  terms bigint NOT NULL DEFAULT 0,
  text_bytes bigint NOT NULL DEFAULT 0,
  total_length bigint NOT NULL DEFAULT 0,
  title_length bigint NOT NULL DEFAULT 0,
  heading_length bigint NOT NULL DEFAULT 0);
CREATE UNIQUE INDEX IF NOT EXISTS collections_name ON collections (tenant, name) WHERE NOT dropped;
CREATE TABLE IF NOT EXISTS documents (
  collection integer NOT NULL,
  number bigint NOT NULL,
  tenant text NOT NULL,
  id bytea NOT NULL,
  name bytea NOT NULL,
  media_type bytea NOT NULL,
  language bytea NOT NULL,
  labels bytea[] NOT NULL,
  record bytea NOT NULL,
  body bytea NOT NULL,
  PRIMARY KEY (collection, number));
CREATE UNIQUE INDEX IF NOT EXISTS documents_id ON documents (collection, id);
CREATE INDEX IF NOT EXISTS documents_labels ON documents USING gin (labels);
CREATE TABLE IF NOT EXISTS fields (
  collection integer NOT NULL,
  document bigint NOT NULL,
  field bytea NOT NULL,
  kind smallint NOT NULL,
  string bytea,
  number numeric);
CREATE INDEX IF NOT EXISTS fields_document ON fields (collection, document);
CREATE TABLE IF NOT EXISTS chunks (
  collection integer NOT NULL,
  number bigint NOT NULL,
  tenant text NOT NULL,
  document bigint NOT NULL,
  id bytea NOT NULL,
  ordinal bigint NOT NULL,
  terms bigint[] NOT NULL,
  record bytea NOT NULL,
  tokens bytea,
  PRIMARY KEY (collection, number));
CREATE UNIQUE INDEX IF NOT EXISTS chunks_id ON chunks (collection, id);
CREATE INDEX IF NOT EXISTS chunks_document ON chunks (collection, document, ordinal, id);
CREATE TABLE IF NOT EXISTS entries (
  collection integer NOT NULL,
  chunk bigint NOT NULL,
  tenant text NOT NULL,
  document bigint NOT NULL,
  total_length bigint NOT NULL,
  title_length integer NOT NULL,
  heading_length integer NOT NULL,
  PRIMARY KEY (collection, chunk));
CREATE TABLE IF NOT EXISTS terms (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  collection integer NOT NULL,
  term bytea NOT NULL,
  chunks bigint NOT NULL);
CREATE UNIQUE INDEX IF NOT EXISTS terms_term ON terms (collection, term);
CREATE TABLE IF NOT EXISTS postings (
  term bigint NOT NULL,
  chunk bigint NOT NULL,
  occurrences integer NOT NULL,
  in_title smallint NOT NULL,
  in_heading smallint NOT NULL,
  PRIMARY KEY (term, chunk));
)sql";

absl::StatusOr<bool> HasTables(Connection& connection, const std::string& schema,
                               const CallContext& call) {
  RAGMESH_ASSIGN_OR_RETURN(
      const Result found,
      connection.Query(
          "SELECT to_regclass(quote_ident($1) || '.format') IS NOT NULL AND to_regclass("
          "quote_ident($1) || '.postings') IS NOT NULL AND EXISTS (SELECT FROM pg_extension WHERE "
          "extname = 'vector')",
          Params().Text(schema), call));
  return found.Bool(0, 0);
}

// The tables are looked for in `schema`, and pgvector's operators where the extension is.
absl::Status SetPath(Connection& connection, const std::string& schema, const CallContext& call) {
  return connection
      .Query(
          "SELECT set_config('search_path', quote_ident($1) || coalesce((SELECT ', ' || "
          "quote_ident(nspname) FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace "
          "WHERE extname = 'vector'), ''), false)",
          Params().Text(schema), call)
      .status();
}

absl::Status MakeTables(Connection& connection, const std::string& schema,
                        const CallContext& call) {
  RAGMESH_RETURN_IF_ERROR(connection.Run("BEGIN", call));
  RAGMESH_RETURN_IF_ERROR(connection.Query(kMakeLock, Params(), call).status());
  const absl::Status extension = connection.Run("CREATE EXTENSION IF NOT EXISTS vector", call);
  if (absl::IsUnavailable(extension) || absl::IsDeadlineExceeded(extension) ||
      absl::IsCancelled(extension))
    return extension;
  if (!extension.ok()) {
    return WrongState("NO_PGVECTOR",
                      absl::StrCat("the extension pgvector cannot be made: ", extension.message()),
                      "Install pgvector on the server, and run CREATE EXTENSION vector as a user "
                      "who may.");
  }
  // The name was checked: letters, digits and underscores.
  RAGMESH_RETURN_IF_ERROR(
      connection.Run(absl::StrCat("CREATE SCHEMA IF NOT EXISTS \"", schema, "\""), call));
  RAGMESH_RETURN_IF_ERROR(SetPath(connection, schema, call));
  RAGMESH_RETURN_IF_ERROR(connection.Run(kTables, call));
  return connection.Run("COMMIT", call);
}

}  // namespace

absl::Status PrepareConnection(Connection& connection, const std::string& schema,
                               const CallContext& call) {
  if (connection.server_version() < kOldestServer) {
    return WrongState("STORE_TOO_OLD",
                      absl::StrCat("the server is PostgreSQL ", connection.server_version() / 10000,
                                   ", and 14 is the oldest that does"),
                      "Use a newer server.");
  }
  RAGMESH_RETURN_IF_ERROR(connection.Run(kSettings, call));
  RAGMESH_ASSIGN_OR_RETURN(const bool made, HasTables(connection, schema, call));
  if (!made) RAGMESH_RETURN_IF_ERROR(MakeTables(connection, schema, call));
  RAGMESH_RETURN_IF_ERROR(SetPath(connection, schema, call));
  RAGMESH_ASSIGN_OR_RETURN(const Result format,
                           connection.Query("SELECT max(version) FROM format", Params(), call));
  if (format.rows() == 1 && format.Int4(0, 0) > kSchemaVersion) {
    return WrongState("NEWER_FORMAT",
                      absl::StrCat("the tables have version ", format.Int4(0, 0),
                                   ", and this build knows ", kSchemaVersion),
                      "Run the release that made them, or a later one.");
  }
  return absl::OkStatus();
}

std::string VectorsTable(std::int32_t collection) { return absl::StrCat("vectors_", collection); }

std::string CreateVectorsSql(std::int32_t collection, std::uint32_t dimension, bool graph) {
  const std::string table = VectorsTable(collection);
  // Rows that fit a page stay whole, so that a scan reads nothing but this table.
  std::string sql =
      absl::StrCat("CREATE TABLE ", table,
                   " (chunk bigint PRIMARY KEY, tenant text NOT NULL, document bigint "
                   "NOT NULL, vector vector(",
                   dimension, ") NOT NULL) WITH (toast_tuple_target = 8160)");
  if (graph && dimension <= kMaxGraphDimension)
    absl::StrAppend(&sql, "; CREATE INDEX ON ", table, " USING hnsw (vector vector_ip_ops)");
  return sql;
}

std::string DropVectorsSql(std::int32_t collection) {
  return absl::StrCat("DROP TABLE IF EXISTS ", VectorsTable(collection));
}

}  // namespace ragmesh::postgres_store
