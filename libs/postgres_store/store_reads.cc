// The reading half of PostgresStore, but for searches.
#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/postgres_store/chunk_reads.h"
#include "libs/postgres_store/postgres_store.h"
#include "libs/vector_store/filter.h"
#include "libs/vector_store/page_token.h"
#include "libs/vector_store/validation.h"

namespace ragmesh::postgres_store {
namespace {

using vector_store::Listing;
using vector_store::PageToken;

std::uint32_t TokenNumber(const CollectionRow& collection) {
  return static_cast<std::uint32_t>(collection.number);
}

}  // namespace

absl::StatusOr<stages::StoredDocument> PostgresStore::GetDocument(
    const stages::CollectionId& id, const std::string& document_id,
    const std::vector<std::string>& principal_labels, const CallContext& caller) {
  const CallContext call = Bounded(caller);
  RAGMESH_RETURN_IF_ERROR(vector_store::ValidateId(id));
  RAGMESH_RETURN_IF_ERROR(vector_store::ValidatePrincipal(principal_labels));
  RAGMESH_ASSIGN_OR_RETURN(Transaction transaction, Begin(Transaction::Mode::kRead, call));
  RAGMESH_ASSIGN_OR_RETURN(const CollectionRow collection,
                           FindCollection(transaction, id, /*lock=*/false));
  Statement read;
  read.Add("SELECT d.record, d.body FROM documents d WHERE ",
           VisibleSql(collection.scope(), principal_labels, &read),
           " AND d.id = ", read.Bytes(document_id));
  RAGMESH_ASSIGN_OR_RETURN(const Result found, transaction.Query(read));
  if (found.rows() == 0) return NotFound("document", document_id);
  RAGMESH_ASSIGN_OR_RETURN(vector_store::DocumentRecord record,
                           vector_store::DecodeDocument(found.Bytes(0, 0)));
  RAGMESH_ASSIGN_OR_RETURN(record.document.text, vector_store::DecodeText(found.Bytes(0, 1)));
  RAGMESH_RETURN_IF_ERROR(transaction.Commit());
  return std::move(record.document);
}

absl::StatusOr<stages::DocumentPage> PostgresStore::ListDocuments(
    const stages::CollectionId& id, const std::optional<stages::Filter>& filter,
    const std::vector<std::string>& principal_labels, const stages::Page& page,
    const CallContext& caller) {
  const CallContext call = Bounded(caller);
  RAGMESH_RETURN_IF_ERROR(vector_store::ValidateId(id));
  RAGMESH_ASSIGN_OR_RETURN(Transaction transaction, Begin(Transaction::Mode::kRead, call));
  RAGMESH_ASSIGN_OR_RETURN(const CollectionRow collection,
                           FindCollection(transaction, id, /*lock=*/false));
  RAGMESH_RETURN_IF_ERROR(vector_store::ValidatePage(page));
  if (filter.has_value()) RAGMESH_RETURN_IF_ERROR(vector_store::ValidateFilter(*filter));
  RAGMESH_RETURN_IF_ERROR(vector_store::ValidatePrincipal(principal_labels));
  Statement read;
  read.Add("SELECT d.id, d.record FROM documents d WHERE ",
           VisibleSql(collection.scope(), principal_labels, &read));
  if (!page.token.empty()) {
    RAGMESH_ASSIGN_OR_RETURN(
        const PageToken token,
        vector_store::DecodePageToken(Listing::kDocuments, TokenNumber(collection), page.token));
    read.Add(" AND d.id > ", read.Bytes(token.document_id));
  }
  if (filter.has_value()) {
    RAGMESH_RETURN_IF_ERROR(CheckFilterFields(transaction, collection, principal_labels, *filter));
    read.Add(" AND ", FilterSql(*filter, &read));
  }
  // One more than a page, to know whether there is a next one.
  read.Add(" ORDER BY d.id LIMIT ", page.size + 1);
  RAGMESH_ASSIGN_OR_RETURN(const Result found, transaction.Query(read));
  stages::DocumentPage result;
  for (int i = 0; i < found.rows() && result.documents.size() < page.size; ++i) {
    RAGMESH_ASSIGN_OR_RETURN(vector_store::DocumentRecord record,
                             vector_store::DecodeDocument(found.Bytes(i, 1)));
    result.documents.push_back(std::move(record.document));
  }
  if (static_cast<std::size_t>(found.rows()) > page.size) {
    result.next_token = vector_store::EncodePageToken(
        {Listing::kDocuments, TokenNumber(collection), result.documents.back().id, 0, ""});
  }
  RAGMESH_RETURN_IF_ERROR(transaction.Commit());
  return result;
}

absl::StatusOr<std::vector<stages::StoredChunk>> PostgresStore::GetChunks(
    const stages::CollectionId& id, const std::vector<std::string>& chunk_ids,
    const std::vector<std::string>& principal_labels, stages::ChunkParts parts,
    const CallContext& caller) {
  const CallContext call = Bounded(caller);
  RAGMESH_RETURN_IF_ERROR(vector_store::ValidateId(id));
  RAGMESH_ASSIGN_OR_RETURN(Transaction transaction, Begin(Transaction::Mode::kRead, call));
  RAGMESH_ASSIGN_OR_RETURN(const CollectionRow collection,
                           FindCollection(transaction, id, /*lock=*/false));
  RAGMESH_RETURN_IF_ERROR(vector_store::ValidateIds("chunk_ids", chunk_ids));
  RAGMESH_RETURN_IF_ERROR(vector_store::ValidatePrincipal(principal_labels));
  Statement find;
  find.Add(
      "SELECT c.id, c.number FROM chunks c JOIN documents d ON d.collection = c.collection "
      "AND d.number = c.document AND d.tenant = c.tenant WHERE ",
      VisibleSql(collection.scope(), principal_labels, &find), " AND c.id = ANY(",
      find.ByteArrays(chunk_ids), ")");
  RAGMESH_ASSIGN_OR_RETURN(const Result found, transaction.Query(find));
  std::map<std::string, std::int64_t> number_of;
  for (int i = 0; i < found.rows(); ++i) number_of[found.String(i, 0)] = found.Int8(i, 1);
  std::vector<std::int64_t> numbers;
  for (const std::string& chunk_id : chunk_ids) {
    const auto it = number_of.find(chunk_id);
    if (it != number_of.end()) numbers.push_back(it->second);
  }
  RAGMESH_ASSIGN_OR_RETURN(auto chunks, FetchChunks(transaction, collection, numbers, parts));
  RAGMESH_RETURN_IF_ERROR(transaction.Commit());
  return chunks;
}

absl::StatusOr<stages::ChunkPage> PostgresStore::ListChunks(
    const stages::CollectionId& id, const std::string& document_id,
    const std::vector<std::string>& principal_labels, stages::ChunkParts parts,
    const stages::Page& page, const CallContext& caller) {
  const CallContext call = Bounded(caller);
  RAGMESH_RETURN_IF_ERROR(vector_store::ValidateId(id));
  RAGMESH_ASSIGN_OR_RETURN(Transaction transaction, Begin(Transaction::Mode::kRead, call));
  RAGMESH_ASSIGN_OR_RETURN(const CollectionRow collection,
                           FindCollection(transaction, id, /*lock=*/false));
  RAGMESH_RETURN_IF_ERROR(vector_store::ValidatePage(page));
  RAGMESH_RETURN_IF_ERROR(vector_store::ValidatePrincipal(principal_labels));
  const std::uint32_t number = TokenNumber(collection);
  if (!document_id.empty()) {
    Statement look;
    look.Add("SELECT FROM documents d WHERE ",
             VisibleSql(collection.scope(), principal_labels, &look),
             " AND d.id = ", look.Bytes(document_id));
    RAGMESH_ASSIGN_OR_RETURN(const Result seen, transaction.Query(look));
    if (seen.rows() == 0) return NotFound("document", document_id);
  }
  Statement find;
  find.Add(
      "SELECT c.number, d.id, c.ordinal, c.id FROM documents d JOIN chunks c ON c.collection "
      "= d.collection AND c.document = d.number AND c.tenant = d.tenant WHERE ",
      VisibleSql(collection.scope(), principal_labels, &find));
  if (!document_id.empty()) find.Add(" AND d.id = ", find.Bytes(document_id));
  if (!page.token.empty()) {
    RAGMESH_ASSIGN_OR_RETURN(const PageToken token,
                             vector_store::DecodePageToken(Listing::kChunks, number, page.token));
    find.Add(" AND (d.id, c.ordinal, c.id) > (", find.Bytes(token.document_id), ", ",
             find.Int8(token.ordinal), ", ", find.Bytes(token.chunk_id), ")");
  }
  find.Add(" ORDER BY d.id, c.ordinal, c.id LIMIT ", page.size + 1);
  RAGMESH_ASSIGN_OR_RETURN(const Result found, transaction.Query(find));
  const int shown = std::min(found.rows(), static_cast<int>(page.size));
  std::vector<std::int64_t> numbers;
  for (int i = 0; i < shown; ++i) numbers.push_back(found.Int8(i, 0));
  stages::ChunkPage result;
  if (found.rows() > shown) {
    result.next_token = vector_store::EncodePageToken(
        {Listing::kChunks, number, found.String(shown - 1, 1),
         static_cast<std::uint32_t>(found.Int8(shown - 1, 2)), found.String(shown - 1, 3)});
  }
  RAGMESH_ASSIGN_OR_RETURN(result.chunks, FetchChunks(transaction, collection, numbers, parts));
  RAGMESH_RETURN_IF_ERROR(transaction.Commit());
  return result;
}

absl::StatusOr<std::uint64_t> PostgresStore::CountChunks(
    const stages::CollectionId& id, const std::optional<stages::Filter>& filter,
    const std::vector<std::string>& principal_labels, const CallContext& caller) {
  const CallContext call = Bounded(caller);
  RAGMESH_RETURN_IF_ERROR(vector_store::ValidateId(id));
  RAGMESH_ASSIGN_OR_RETURN(Transaction transaction, Begin(Transaction::Mode::kRead, call));
  RAGMESH_ASSIGN_OR_RETURN(const CollectionRow collection,
                           FindCollection(transaction, id, /*lock=*/false));
  RAGMESH_RETURN_IF_ERROR(vector_store::ValidatePrincipal(principal_labels));
  if (filter.has_value()) {
    RAGMESH_RETURN_IF_ERROR(vector_store::ValidateFilter(*filter));
    RAGMESH_RETURN_IF_ERROR(CheckFilterFields(transaction, collection, principal_labels, *filter));
  }
  Statement count;
  count.Add(
      "SELECT count(*) FROM documents d JOIN entries e ON e.collection = d.collection AND "
      "e.document = d.number AND e.tenant = d.tenant WHERE ",
      VisibleSql(collection.scope(), principal_labels, &count));
  if (filter.has_value()) count.Add(" AND ", FilterSql(*filter, &count));
  RAGMESH_ASSIGN_OR_RETURN(const Result found, transaction.Query(count));
  RAGMESH_RETURN_IF_ERROR(transaction.Commit());
  return found.Uint(0, 0);
}

}  // namespace ragmesh::postgres_store
