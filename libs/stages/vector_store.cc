#include "libs/stages/vector_store.h"

#include "libs/base/error.h"

namespace ragmesh::stages {

absl::StatusOr<DeleteResult> VectorStore::DeleteOnce(const CollectionId&, const DeleteSelector&,
                                                     const std::string&, const CallContext&) {
  return MakeError(absl::StatusCode::kUnimplemented, "this store keeps no idempotency keys",
                   {.reason = "NO_IDEMPOTENCY_KEYS",
                    .field = "idempotency_key",
                    .next_step = "Leave idempotency_key empty; a delete may be repeated."});
}

}  // namespace ragmesh::stages
