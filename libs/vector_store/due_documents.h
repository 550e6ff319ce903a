// Documents whose time has come, as their keys among the meta records tell.
#ifndef RAGMESH_LIBS_VECTOR_STORE_DUE_DOCUMENTS_H_
#define RAGMESH_LIBS_VECTOR_STORE_DUE_DOCUMENTS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/stages/vector_store.h"
#include "libs/vector_store/database.h"

namespace ragmesh::vector_store {

struct DueDocuments {
  std::vector<std::string> keys;               // among the meta records, of these and of what went
  stages::DocumentIds ids;                     // of those that are still there
  absl::flat_hash_set<std::uint64_t> numbers;  // of the same
};

// The first of a collection, a hundred at most; no keys: there are none.
absl::StatusOr<DueDocuments> FindDue(const Database& database, std::uint32_t collection,
                                     absl::Time now);

}  // namespace ragmesh::vector_store

#endif  // RAGMESH_LIBS_VECTOR_STORE_DUE_DOCUMENTS_H_
