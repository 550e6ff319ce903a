// Brings a store to another format: up by opening it, down by writing the older layouts back.
#ifndef RAGMESH_LIBS_VECTOR_STORE_MIGRATE_H_
#define RAGMESH_LIBS_VECTOR_STORE_MIGRATE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/base/call_context.h"

namespace ragmesh::vector_store {

struct MigrateReport {
  std::uint32_t from = 0, to = 0;
  std::uint64_t values = 0;       // written anew
  std::vector<std::string> lost;  // what the older format has no place for: "3 idempotency keys"
};

// The store in `path`, which nothing has open, as one of format `to`, for the releases that wrote
// that format first. FAILED_PRECONDITION / WOULD_LOSE_DATA, and nothing is changed, when the older
// format has no place for something of it, unless `discard`; INVALID_ARGUMENT for a format there
// is none of; errors as Database::Open. Killed half-way, the store is one of the format it had, and
// the same call goes on.
absl::StatusOr<MigrateReport> MigrateStore(const std::string& path, std::uint32_t to, bool discard,
                                           const CallContext& call);

}  // namespace ragmesh::vector_store

#endif  // RAGMESH_LIBS_VECTOR_STORE_MIGRATE_H_
