// The writing half of MilvusStore. A document that is written anew is one request: its new rows,
// and over those of its old rows that have no new one, rows that are not live. These are deleted
// after.
#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/base/error.h"
#include "libs/base/sha256.h"
#include "libs/base/status_macros.h"
#include "libs/milvus_store/filter_expr.h"
#include "libs/milvus_store/milvus_store.h"
#include "libs/milvus_store/rows.h"
#include "libs/vector_store/filter.h"
#include "libs/vector_store/validation.h"

namespace ragmesh::milvus_store {
namespace {

constexpr std::size_t kIdsPerQuery = 200;  // in one expression

absl::Status NoKeys() {
  return MakeError(absl::StatusCode::kUnimplemented, "this store keeps no idempotency keys",
                   {.reason = "NO_IDEMPOTENCY_KEYS",
                    .field = "idempotency_key",
                    .next_step = "Leave idempotency_key empty; a document written again replaces "
                                 "itself."});
}

// "document in [...]", of ids in hexadecimal, for each few of them.
std::vector<std::string> InEach(const char* field, const std::vector<std::string>& ids) {
  std::vector<std::string> expressions;
  for (std::size_t first = 0; first < ids.size(); first += kIdsPerQuery) {
    std::vector<std::string> texts;
    for (std::size_t i = first; i < std::min(ids.size(), first + kIdsPerQuery); ++i)
      texts.push_back(absl::StrCat("\"", Hex(ids[i]), "\""));
    expressions.push_back(absl::StrCat(field, " in [", absl::StrJoin(texts, ","), "]"));
  }
  return expressions;
}

}  // namespace

absl::StatusOr<stages::UpsertResult> MilvusStore::Write(const stages::CollectionId& id,
                                                        const std::string& embedder_digest,
                                                        stages::Upsert upsert,
                                                        const CallContext& caller) {
  const CallContext call = Bounded(caller);
  RAGMESH_ASSIGN_OR_RETURN(const Listed listed, Find(id, call));
  RAGMESH_RETURN_IF_ERROR(vector_store::ValidateUpsert(listed.config(), embedder_digest, upsert));
  if (!upsert.idempotency_key.empty()) return NoKeys();
  const auto writer = WriterOf(listed.name);
  absl::MutexLock lock(writer.get());
  const std::string document_id =
      upsert.document.has_value() ? upsert.document->id : upsert.chunks[0].document_id;
  const std::uint64_t seen = SeenOf(listed.name);
  RAGMESH_ASSIGN_OR_RETURN(
      const std::vector<Row> old,
      client_->Query(listed.name,
                     absl::StrCat(LiveExpression(listed.tenant()), " && document == \"",
                                  Hex(document_id), "\""),
                     {"key", "kind", "chunk"}, 0, seen, call));
  std::optional<vector_store::DocumentRecord> existing;
  if (!old.empty()) {
    RAGMESH_ASSIGN_OR_RETURN(
        const std::vector<Row> heads,
        client_->Query(listed.name,
                       absl::StrCat(LiveExpression(listed.tenant()), " && key == \"",
                                    DocumentKey(document_id), "\""),
                       {"key", "record"}, 1, seen, call));
    if (!heads.empty()) {
      RAGMESH_ASSIGN_OR_RETURN(const std::string head, DecodeRecord(heads[0]));
      RAGMESH_ASSIGN_OR_RETURN(existing, vector_store::DecodeDocument(head));
    }
  }
  stages::UpsertResult result;
  std::vector<Row> rows;
  std::set<std::string> replaced;  // ids of chunks, in hexadecimal
  stages::StoredDocument owner;
  if (upsert.document.has_value()) {
    vector_store::DocumentRecord record{*upsert.document, upsert.document->text.size(),
                                        Sha256Hex(upsert.document->text)};
    record.document.text.clear();
    record.document.updated = options_.clock->Now();
    record.document.version = 1;
    if (existing.has_value()) {
      const bool changed = existing->document.info.sha256 != record.document.info.sha256 ||
                           existing->text_sha256 != record.text_sha256;
      record.document.version = existing->document.version + (changed ? 1 : 0);
    }
    RAGMESH_ASSIGN_OR_RETURN(rows, DocumentRows(record, upsert.document->text));
    owner = std::move(record.document);
  } else {
    if (!existing.has_value()) {
      return NotFound("document", document_id,
                      "Write the document before chunks that are to be added to it.");
    }
    for (std::size_t i = 0; i < upsert.chunks.size(); ++i) {
      if (upsert.chunks[i].chunk.range.end > existing->text_bytes)
        return InvalidField(absl::StrCat("chunks[", i, "].range"),
                            "ends beyond the document's text");
      replaced.insert(Hex(upsert.chunks[i].id));
    }
    owner = existing->document;
  }
  result.document_version = owner.version;
  std::vector<std::string> ids;
  for (std::size_t i = 0; i < upsert.chunks.size(); ++i) {
    stages::StoredChunk& stored = upsert.chunks[i];
    ids.push_back(stored.id);
    const std::string content = Sha256Hex(stages::EmbeddingText(stored.chunk));
    if (!stored.content_sha256.empty() && stored.content_sha256 != content) {
      return InvalidField(absl::StrCat("chunks[", i, "].content_sha256"),
                          "is not the SHA-256 of the chunk's context and text",
                          "Leave it empty to have it computed.");
    }
    stored.document_id = document_id;
    stored.document_version = owner.version;
    stored.document_name = owner.name;
    stored.content_sha256 = content;
    RAGMESH_ASSIGN_OR_RETURN(Row row, ChunkRow(owner, stored, i));
    rows.push_back(std::move(row));
  }
  for (const std::string& among : InEach("chunk", ids)) {
    RAGMESH_ASSIGN_OR_RETURN(
        const auto taken,
        client_->Query(listed.name,
                       absl::StrCat(LiveExpression(listed.tenant()), " && ", among,
                                    " && document != \"", Hex(document_id), "\""),
                       {"key", "chunk"}, 1, seen, call));
    if (!taken.empty()) return AlreadyExists("chunk", FromHex(taken[0].chunk));
  }
  std::set<std::string> keys;
  std::size_t bytes = 0;
  for (Row& row : rows) {
    row.tenant = listed.tenant();
    keys.insert(row.key);
    bytes += row.record.size() + row.meta.size() + row.labels.size() + row.key.size() +
             row.document.size() + listed.config().dimension * sizeof(float);
  }
  std::vector<std::string> stale;
  for (const Row& row : old) {
    const bool goes = upsert.document.has_value() || replaced.count(row.chunk) > 0;
    if (!goes) continue;
    if (row.kind == kChunkRow) ++result.chunks_removed;
    if (keys.count(row.key) > 0) continue;
    stale.push_back(row.key);
    rows.push_back(Tombstone(row.key, row.kind, listed.tenant()));
  }
  if (rows.size() > kMaxRowsPerWrite) {
    return LimitExceeded("chunks", static_cast<long long>(rows.size()),
                         static_cast<long long>(kMaxRowsPerWrite), "rows",
                         "Write the document with its first chunks, then the others without the "
                         "document.");
  }
  if (bytes > kMaxRequestBytes) {
    return LimitExceeded("chunks", static_cast<long long>(bytes),
                         static_cast<long long>(kMaxRequestBytes), "bytes",
                         "Write the document with its first chunks, then the others without the "
                         "document.");
  }
  RAGMESH_ASSIGN_OR_RETURN(result.sequence,
                           client_->Upsert(listed.name, listed.config().dimension, rows, call));
  Saw(listed.name, result.sequence);
  result.chunks_written = static_cast<std::uint32_t>(upsert.chunks.size());
  // They are not live, so it does not matter when they go.
  if (!stale.empty()) client_->Delete(listed.name, stale, call).IgnoreError();
  return result;
}

absl::StatusOr<stages::DeleteResult> MilvusStore::Delete(const stages::CollectionId& id,
                                                         const stages::DeleteSelector& what,
                                                         const CallContext& caller) {
  const CallContext call = Bounded(caller);
  RAGMESH_ASSIGN_OR_RETURN(const Listed listed, Find(id, call));
  const auto writer = WriterOf(listed.name);
  absl::MutexLock lock(writer.get());
  const std::uint64_t seen = SeenOf(listed.name);
  const std::string live = LiveExpression(listed.tenant());
  std::vector<std::string> conditions;
  if (const auto* chunks = std::get_if<stages::ChunkIds>(&what)) {
    RAGMESH_RETURN_IF_ERROR(vector_store::ValidateIds("chunk_ids", chunks->ids));
    for (const std::string& among : InEach("chunk", chunks->ids))
      conditions.push_back(absl::StrCat("kind == ", kChunkRow, " && ", among));
  } else if (const auto* documents = std::get_if<stages::DocumentIds>(&what)) {
    RAGMESH_RETURN_IF_ERROR(vector_store::ValidateIds("document_ids", documents->ids));
    conditions = InEach("document", documents->ids);
  } else {
    const auto& filter = std::get<stages::Filter>(what);
    RAGMESH_RETURN_IF_ERROR(vector_store::ValidateFilter(filter));
    const auto checked = CheckFilter(listed, filter, {stages::kAllLabels}, call);
    const auto detail = GetErrorDetail(checked);
    // A delete may name a field that nothing has.
    if (!checked.ok() && !(detail.has_value() && detail->reason == "UNKNOWN_FILTER_FIELD"))
      return checked;
    RAGMESH_ASSIGN_OR_RETURN(const auto rows,
                             client_->Query(listed.name,
                                            absl::StrCat(live, " && kind == ", kDocumentRow, " && ",
                                                         FilterExpression(filter)),
                                            {"key", "document"}, 0, seen, call));
    std::vector<std::string> ids;
    for (const Row& row : rows) ids.push_back(FromHex(row.document));
    conditions = InEach("document", ids);
  }
  std::vector<std::string> keys;
  stages::DeleteResult result;
  for (const std::string& condition : conditions) {
    RAGMESH_ASSIGN_OR_RETURN(const auto rows,
                             client_->Query(listed.name, absl::StrCat(live, " && ", condition),
                                            {"key", "kind"}, 0, seen, call));
    for (const Row& row : rows) {
      keys.push_back(row.key);
      result.documents += row.kind == kDocumentRow ? 1 : 0;
      result.chunks += row.kind == kChunkRow ? 1 : 0;
    }
  }
  result.sequence = seen;
  if (keys.empty()) return result;
  // Milvus deletes some rows at a time when they are very many, so they stop being live first.
  std::vector<Row> tombstones;
  for (const std::string& key : keys)
    tombstones.push_back(Tombstone(key, kChunkRow, listed.tenant()));
  RAGMESH_ASSIGN_OR_RETURN(
      result.sequence, client_->Upsert(listed.name, listed.config().dimension, tombstones, call));
  Saw(listed.name, result.sequence);
  client_->Delete(listed.name, keys, call).IgnoreError();
  return result;
}

}  // namespace ragmesh::milvus_store
