// Reading chunks by their numbers.
#ifndef RAGMESH_LIBS_POSTGRES_STORE_CHUNK_READS_H_
#define RAGMESH_LIBS_POSTGRES_STORE_CHUNK_READS_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/postgres_store/postgres_store.h"
#include "libs/postgres_store/transaction.h"
#include "libs/stages/vector_store.h"

namespace ragmesh::postgres_store {

// Of each of `numbers`, in their order; all must be of the scope. A number that is not there, which
// cannot be in one transaction, is DATA_LOSS.
absl::StatusOr<std::vector<stages::StoredChunk>> FetchChunks(
    Transaction& transaction, const CollectionRow& collection,
    const std::vector<std::int64_t>& numbers, stages::ChunkParts parts);

// Their vectors, by number.
absl::StatusOr<std::map<std::int64_t, std::vector<float>>> FetchVectors(
    Transaction& transaction, const CollectionRow& collection,
    const std::vector<std::int64_t>& numbers);

// INVALID_ARGUMENT / UNKNOWN_FILTER_FIELD, as the built-in store's.
absl::Status CheckFilterFields(Transaction& transaction, const CollectionRow& collection,
                               const std::vector<std::string>& labels,
                               const stages::Filter& filter);

}  // namespace ragmesh::postgres_store

#endif  // RAGMESH_LIBS_POSTGRES_STORE_CHUNK_READS_H_
