// The tables of the store. README.md of this folder says what each column holds.
#ifndef RAGMESH_LIBS_POSTGRES_STORE_SCHEMA_H_
#define RAGMESH_LIBS_POSTGRES_STORE_SCHEMA_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "libs/postgres_store/connection.h"

namespace ragmesh::postgres_store {

// Rises when the tables change so that older builds cannot read them.
inline constexpr std::int32_t kSchemaVersion = 1;

// Makes a new connection ready: settings, and `schema` as the place where tables are looked for.
// The first time it makes the tables that are not there, and the extension. FAILED_PRECONDITION /
// STORE_TOO_OLD below PostgreSQL 14, / NO_PGVECTOR without the extension, / NEWER_FORMAT when a
// later release made the tables.
absl::Status PrepareConnection(Connection& connection, const std::string& schema,
                               const CallContext& call);

// pgvector has no graph index over more dimensions; they are scanned.
inline constexpr std::uint32_t kMaxGraphDimension = 2000;

// The vectors of a collection are a table of their own, so that each has its own dimension and its
// own index, and goes at once with its collection.
std::string VectorsTable(std::int32_t collection);
std::string CreateVectorsSql(std::int32_t collection, std::uint32_t dimension, bool graph);
std::string DropVectorsSql(std::int32_t collection);

}  // namespace ragmesh::postgres_store

#endif  // RAGMESH_LIBS_POSTGRES_STORE_SCHEMA_H_
