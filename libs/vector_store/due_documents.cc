#include "libs/vector_store/due_documents.h"

#include "libs/base/status_macros.h"
#include "libs/vector_store/record_keys.h"
#include "libs/vector_store/records.h"

namespace ragmesh::vector_store {
namespace {

constexpr std::size_t kDocumentsPerCommit = 100;  // so that other writes wait for no more than that

}  // namespace

absl::StatusOr<DueDocuments> FindDue(const Database& database, std::uint32_t collection,
                                     absl::Time now) {
  DueDocuments due;
  const auto at = database.Walk(Family::kMeta, ExpiryPrefix(collection));
  for (; at->Valid() && due.keys.size() < kDocumentsPerCommit; at->Next()) {
    RAGMESH_ASSIGN_OR_RETURN(const Expiry expiry, ParseExpiryKey(at->key()));
    if (expiry.expires > now) break;
    due.keys.emplace_back(at->key());
    RAGMESH_ASSIGN_OR_RETURN(
        const auto stored, database.Get(Family::kDocuments, ItemKey(collection, expiry.document)));
    if (!stored.has_value()) continue;
    RAGMESH_ASSIGN_OR_RETURN(const DocumentRecord record, DecodeDocument(*stored));
    due.ids.ids.push_back(record.document.id);
    due.numbers.insert(expiry.document);
  }
  RAGMESH_RETURN_IF_ERROR(at->status());
  return due;
}

}  // namespace ragmesh::vector_store
