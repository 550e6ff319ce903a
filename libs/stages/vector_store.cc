#include "libs/stages/vector_store.h"

#include "libs/base/error.h"

namespace ragmesh::stages {
namespace {

absl::Status NoAliases() {
  return MakeError(absl::StatusCode::kUnimplemented, "this store has no aliases",
                   {.reason = "NO_ALIASES",
                    .next_step = "To change the embedder, ingest into a new collection."});
}

}  // namespace

absl::StatusOr<DeleteResult> VectorStore::DeleteOnce(const CollectionId&, const DeleteSelector&,
                                                     const std::string&, const CallContext&) {
  return MakeError(absl::StatusCode::kUnimplemented, "this store keeps no idempotency keys",
                   {.reason = "NO_IDEMPOTENCY_KEYS",
                    .field = "idempotency_key",
                    .next_step = "Leave idempotency_key empty; a delete may be repeated."});
}

absl::StatusOr<Alias> VectorStore::SetAlias(const AliasChange&, const CallContext&) {
  return NoAliases();
}

absl::StatusOr<std::vector<Alias>> VectorStore::ListAliases(const std::string&,
                                                            const CallContext&) {
  return NoAliases();
}

absl::Status VectorStore::DeleteAlias(const CollectionId&, const std::string&, const CallContext&) {
  return NoAliases();
}

absl::StatusOr<CollectionChanges> VectorStore::ListChanges(const CollectionId&,
                                                           std::optional<std::uint64_t>,
                                                           absl::Duration, const CallContext&) {
  return NoAliases();
}

}  // namespace ragmesh::stages
