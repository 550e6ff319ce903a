// The writing half of PostgresStore. A write is checked and analysed before its transaction, which
// locks the row of its collection first: so writes to one collection follow each other, and what a
// write reads stays as it is until it commits.
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "libs/base/error.h"
#include "libs/base/sha256.h"
#include "libs/base/status_macros.h"
#include "libs/postgres_store/collection_writer.h"
#include "libs/postgres_store/filter_sql.h"
#include "libs/postgres_store/postgres_store.h"
#include "libs/vector_store/filter.h"
#include "libs/vector_store/indexed_text.h"
#include "libs/vector_store/validation.h"

namespace ragmesh::postgres_store {
namespace {

constexpr int kMaxAttempts = 3;              // at a write that met another
constexpr std::size_t kChunksPerCheck = 64;  // analysed between two looks at the call

absl::Status NoKeys() {
  return MakeError(absl::StatusCode::kUnimplemented, "this store keeps no idempotency keys",
                   {.reason = "NO_IDEMPOTENCY_KEYS",
                    .field = "idempotency_key",
                    .next_step = "Leave idempotency_key empty; a document written again replaces "
                                 "itself."});
}

absl::StatusOr<std::vector<PreparedChunk>> Prepare(const lexical::Analyzer& analyzer,
                                                   const std::vector<stages::StoredChunk>& chunks,
                                                   absl::string_view title,
                                                   const CallContext& call) {
  std::vector<PreparedChunk> prepared(chunks.size());
  for (std::size_t i = 0; i < chunks.size(); ++i) {
    if (i % kChunksPerCheck == 0) RAGMESH_RETURN_IF_ERROR(call.Check());
    prepared[i].content_sha256 = Sha256Hex(stages::EmbeddingText(chunks[i].chunk));
    if (!chunks[i].content_sha256.empty() &&
        chunks[i].content_sha256 != prepared[i].content_sha256) {
      return InvalidField(absl::StrCat("chunks[", i, "].content_sha256"),
                          "is not the SHA-256 of the chunk's context and text",
                          "Leave it empty to have it computed.");
    }
    prepared[i].terms = vector_store::IndexedTerms(analyzer, title, chunks[i].chunk);
  }
  return prepared;
}

// The write itself; `upsert` gets what the store fills in of a chunk. `prepared` of the chunks of
// an upsert without a document is filled in too, since the document's title is among their terms.
absl::StatusOr<stages::UpsertResult> WriteLocked(CollectionWriter& writer,
                                                 const lexical::Analyzer& analyzer, absl::Time now,
                                                 const CallContext& call, stages::Upsert* upsert,
                                                 std::vector<PreparedChunk>* prepared) {
  const std::string document_id =
      upsert->document.has_value() ? upsert->document->id : upsert->chunks[0].document_id;
  RAGMESH_ASSIGN_OR_RETURN(const auto existing, writer.FindDocument(document_id));
  stages::UpsertResult result;
  std::int64_t document = 0;
  std::string document_name;
  Numbers removed;
  std::optional<vector_store::DocumentRecord> record;
  if (upsert->document.has_value()) {
    record = {*upsert->document, upsert->document->text.size(), Sha256Hex(upsert->document->text)};
    record->document.text.clear();
    record->document.updated = now;
    record->document.version = 1;
    if (existing.has_value()) {
      const vector_store::DocumentRecord& old = existing->record;
      const bool changed = old.document.info.sha256 != record->document.info.sha256 ||
                           old.text_sha256 != record->text_sha256;
      record->document.version = old.document.version + (changed ? 1 : 0);
      RAGMESH_ASSIGN_OR_RETURN(removed, writer.ChunksOf({existing->number}));
    }
    document = static_cast<std::int64_t>(writer.row().next_document++);
    document_name = record->document.name;
    result.document_version = record->document.version;
  } else {
    if (!existing.has_value()) {
      return NotFound("document", document_id,
                      "Write the document before chunks that are to be added to it.");
    }
    document = existing->number;
    document_name = existing->record.document.name;
    result.document_version = existing->record.document.version;
    for (std::size_t i = 0; i < upsert->chunks.size(); ++i) {
      if (upsert->chunks[i].chunk.range.end > existing->record.text_bytes) {
        return InvalidField(absl::StrCat("chunks[", i, "].range"),
                            "ends beyond the document's text");
      }
    }
    RAGMESH_ASSIGN_OR_RETURN(
        *prepared, Prepare(analyzer, upsert->chunks, existing->record.document.info.title, call));
  }
  std::vector<std::string> ids;
  for (const stages::StoredChunk& chunk : upsert->chunks) ids.push_back(chunk.id);
  RAGMESH_ASSIGN_OR_RETURN(const auto taken, writer.FindChunks(ids));
  for (std::size_t i = 0; i < upsert->chunks.size(); ++i) {
    stages::StoredChunk& stored = upsert->chunks[i];
    if (const auto it = taken.find(stored.id); it != taken.end()) {
      // A chunk of this document is replaced; a chunk of another is not ours to take.
      if (!existing.has_value() || it->second.document != existing->number)
        return AlreadyExists("chunk", stored.id);
      if (!upsert->document.has_value()) removed.push_back(it->second.number);
    }
    stored.document_id = document_id;
    stored.document_version = result.document_version;
    stored.document_name = document_name;
    stored.content_sha256 = (*prepared)[i].content_sha256;
  }
  RAGMESH_RETURN_IF_ERROR(writer.RemoveChunks(removed));
  if (record.has_value()) {
    if (existing.has_value()) RAGMESH_RETURN_IF_ERROR(writer.RemoveDocuments({existing->number}));
    RAGMESH_RETURN_IF_ERROR(writer.AddDocument(document, *record, upsert->document->text));
  }
  RAGMESH_RETURN_IF_ERROR(writer.AddChunks(document, upsert->chunks, *prepared));
  RAGMESH_RETURN_IF_ERROR(writer.Finish());
  result.sequence = writer.row().sequence;
  result.chunks_written = static_cast<std::uint32_t>(upsert->chunks.size());
  result.chunks_removed = static_cast<std::uint32_t>(removed.size());
  return result;
}

}  // namespace

absl::StatusOr<stages::UpsertResult> PostgresStore::Write(const stages::CollectionId& id,
                                                          const std::string& embedder_digest,
                                                          stages::Upsert upsert,
                                                          const CallContext& caller) {
  const CallContext call = Bounded(caller);
  RAGMESH_RETURN_IF_ERROR(call.Check());
  RAGMESH_RETURN_IF_ERROR(vector_store::ValidateId(id));
  CollectionRow known;
  {
    RAGMESH_ASSIGN_OR_RETURN(Transaction transaction, Begin(Transaction::Mode::kRead, call));
    RAGMESH_ASSIGN_OR_RETURN(known, FindCollection(transaction, id, /*lock=*/false));
  }
  RAGMESH_RETURN_IF_ERROR(vector_store::ValidateUpsert(known.config(), embedder_digest, upsert));
  if (!upsert.idempotency_key.empty()) return NoKeys();
  const auto analyzer = AnalyzerOf(known.config().language);
  std::vector<PreparedChunk> prepared;
  if (upsert.document.has_value()) {
    RAGMESH_ASSIGN_OR_RETURN(prepared,
                             Prepare(*analyzer, upsert.chunks, upsert.document->info.title, call));
  }
  absl::StatusOr<stages::UpsertResult> written = absl::AbortedError("");
  for (int attempt = 0; attempt < kMaxAttempts && absl::IsAborted(written.status()); ++attempt) {
    RAGMESH_ASSIGN_OR_RETURN(Transaction transaction, Begin(Transaction::Mode::kWrite, call));
    RAGMESH_ASSIGN_OR_RETURN(CollectionRow row, FindCollection(transaction, id, /*lock=*/true));
    if (row.number != known.number)  // deleted and made anew in between
      return NotFound("collection", id.name, "Create the collection first.");
    CollectionWriter writer(transaction, std::move(row));
    written = WriteLocked(writer, *analyzer, options_.clock->Now(), call, &upsert, &prepared);
  }
  return written;
}

absl::StatusOr<stages::DeleteResult> PostgresStore::Delete(const stages::CollectionId& id,
                                                           const stages::DeleteSelector& what,
                                                           const CallContext& caller) {
  const CallContext call = Bounded(caller);
  RAGMESH_RETURN_IF_ERROR(call.Check());
  RAGMESH_RETURN_IF_ERROR(vector_store::ValidateId(id));
  RAGMESH_ASSIGN_OR_RETURN(Transaction transaction, Begin(Transaction::Mode::kWrite, call));
  RAGMESH_ASSIGN_OR_RETURN(CollectionRow row, FindCollection(transaction, id, /*lock=*/true));
  CollectionWriter writer(transaction, std::move(row));
  const Scope scope = writer.row().scope();
  Numbers documents, chunks;
  if (const auto* ids = std::get_if<stages::ChunkIds>(&what)) {
    RAGMESH_RETURN_IF_ERROR(vector_store::ValidateIds("chunk_ids", ids->ids));
    RAGMESH_ASSIGN_OR_RETURN(const auto found, writer.FindChunks(ids->ids));
    for (const auto& [chunk_id, key] : found) chunks.push_back(key.number);
  } else {
    Statement find;
    find.Add("SELECT d.number FROM documents d WHERE ", ScopeSql(scope, &find));
    if (const auto* named = std::get_if<stages::DocumentIds>(&what)) {
      RAGMESH_RETURN_IF_ERROR(vector_store::ValidateIds("document_ids", named->ids));
      find.Add(" AND d.id = ANY(", find.ByteArrays(named->ids), ")");
    } else {
      const auto& filter = std::get<stages::Filter>(what);
      RAGMESH_RETURN_IF_ERROR(vector_store::ValidateFilter(filter));
      find.Add(" AND ", FilterSql(filter, &find));
    }
    RAGMESH_ASSIGN_OR_RETURN(const Result found, transaction.Query(find));
    for (int i = 0; i < found.rows(); ++i) documents.push_back(found.Int8(i, 0));
    if (!documents.empty()) {
      RAGMESH_ASSIGN_OR_RETURN(chunks, writer.ChunksOf(documents));
    }
  }
  stages::DeleteResult result{documents.size(), chunks.size(), writer.row().sequence};
  if (documents.empty() && chunks.empty()) return result;
  RAGMESH_RETURN_IF_ERROR(writer.RemoveChunks(chunks));
  RAGMESH_RETURN_IF_ERROR(writer.RemoveDocuments(documents));
  RAGMESH_RETURN_IF_ERROR(writer.Finish());
  result.sequence = writer.row().sequence;
  return result;
}

}  // namespace ragmesh::postgres_store
