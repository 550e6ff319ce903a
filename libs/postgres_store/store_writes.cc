// The writing half of PostgresStore. A write is checked and analysed before its transaction, which
// locks the row of its collection first: so writes to one collection follow each other, and what a
// write reads stays as it is until it commits.
#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/base/sha256.h"
#include "libs/base/status_macros.h"
#include "libs/postgres_store/postgres_store.h"
#include "libs/postgres_store/schema.h"
#include "libs/vector_store/filter.h"
#include "libs/vector_store/indexed_text.h"
#include "libs/vector_store/validation.h"

namespace ragmesh::postgres_store {
namespace {

using Numbers = std::vector<std::int64_t>;

constexpr int kMaxAttempts = 3;               // at a write that met another
constexpr std::size_t kChunksPerCheck = 64;   // analysed between two looks at the call
constexpr std::size_t kCopyBytes = 8u << 20;  // of one COPY, so that memory stays small

absl::Status NoKeys() {
  return MakeError(absl::StatusCode::kUnimplemented, "this store keeps no idempotency keys",
                   {.reason = "NO_IDEMPOTENCY_KEYS",
                    .field = "idempotency_key",
                    .next_step = "Leave idempotency_key empty; a document written again replaces "
                                 "itself."});
}

struct PreparedChunk {
  lexical::ChunkTerms terms;
  std::string content_sha256;
};

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

// A document as it is stored now.
struct StoredDocumentRow {
  std::int64_t number = 0;
  vector_store::DocumentRecord record;
};

// One write to one collection whose row is locked. What it has done to the collection is in `row`,
// and written back by Finish.
class CollectionWriter {
 public:
  CollectionWriter(Transaction& transaction, CollectionRow row)
      : transaction_(transaction), row_(std::move(row)) {}

  CollectionRow& row() { return row_; }

  absl::StatusOr<std::optional<StoredDocumentRow>> FindDocument(const std::string& id) {
    Statement find;
    find.Add("SELECT d.number, d.record FROM documents d WHERE ", ScopeSql(row_.scope(), &find),
             " AND d.id = ", find.Bytes(id));
    RAGMESH_ASSIGN_OR_RETURN(const Result found, transaction_.Query(find));
    if (found.rows() == 0) return std::optional<StoredDocumentRow>();
    StoredDocumentRow stored;
    stored.number = found.Int8(0, 0);
    RAGMESH_ASSIGN_OR_RETURN(stored.record, vector_store::DecodeDocument(found.Bytes(0, 1)));
    return std::optional(std::move(stored));
  }

  // Numbers of those of `ids` that are there, with the numbers of their documents.
  absl::StatusOr<std::map<std::string, std::pair<std::int64_t, std::int64_t>>> FindChunks(
      const std::vector<std::string>& ids) {
    Statement find;
    find.Add("SELECT c.id, c.number, c.document FROM chunks c WHERE c.collection = ",
             find.Int4(row_.number), " AND c.tenant = ", find.Text(row_.scope().tenant),
             " AND c.id = ANY(", find.ByteArrays(ids), ")");
    RAGMESH_ASSIGN_OR_RETURN(const Result found, transaction_.Query(find));
    std::map<std::string, std::pair<std::int64_t, std::int64_t>> chunks;
    for (int i = 0; i < found.rows(); ++i)
      chunks[found.String(i, 0)] = {found.Int8(i, 1), found.Int8(i, 2)};
    return chunks;
  }

  absl::StatusOr<Numbers> ChunksOf(const Numbers& documents) {
    Statement find;
    find.Add("SELECT number FROM chunks WHERE collection = ", find.Int4(row_.number),
             " AND tenant = ", find.Text(row_.scope().tenant), " AND document = ANY(",
             find.Int8s(documents), ")");
    RAGMESH_ASSIGN_OR_RETURN(const Result found, transaction_.Query(find));
    Numbers numbers;
    for (int i = 0; i < found.rows(); ++i) numbers.push_back(found.Int8(i, 0));
    return numbers;
  }

  absl::Status RemoveChunks(const Numbers& chunks) {
    if (chunks.empty()) return absl::OkStatus();
    // The terms of a chunk stand in its row, so that its postings are found by their keys.
    Statement postings;
    postings.Add("DELETE FROM postings p USING (SELECT number, unnest(terms) AS term FROM ",
                 ThoseChunks("chunks", "number", chunks, &postings),
                 ") x WHERE p.term = x.term AND p.chunk = x.number");
    RAGMESH_RETURN_IF_ERROR(transaction_.Query(postings).status());
    Statement terms;
    terms.Add(
        "UPDATE terms t SET chunks = t.chunks - x.chunks FROM (SELECT term, count(*) AS chunks "
        "FROM (SELECT unnest(terms) AS term FROM ",
        ThoseChunks("chunks", "number", chunks, &terms),
        ") u GROUP BY term) x WHERE t.id = x.term RETURNING t.id, t.chunks");
    RAGMESH_ASSIGN_OR_RETURN(const Result counted, transaction_.Query(terms));
    for (int i = 0; i < counted.rows(); ++i) {
      if (counted.Int8(i, 1) == 0) unused_terms_.push_back(counted.Int8(i, 0));
    }
    Statement entries;
    entries.Add("DELETE FROM ", ThoseChunks("entries", "chunk", chunks, &entries),
                " RETURNING total_length, title_length, heading_length");
    RAGMESH_ASSIGN_OR_RETURN(const Result removed, transaction_.Query(entries));
    for (int i = 0; i < removed.rows(); ++i) {
      row_.statistics.Remove({static_cast<std::uint32_t>(removed.Int8(i, 0)),
                              static_cast<std::uint16_t>(removed.Int4(i, 1)),
                              static_cast<std::uint16_t>(removed.Int4(i, 2))});
    }
    if (row_.config().dimension > 0) {
      Statement vectors;
      vectors.Add("DELETE FROM ", VectorsTable(row_.number), " WHERE chunk = ANY(",
                  vectors.Int8s(chunks), ")");
      RAGMESH_RETURN_IF_ERROR(transaction_.Query(vectors).status());
    }
    Statement rows;
    rows.Add("DELETE FROM ", ThoseChunks("chunks", "number", chunks, &rows));
    return transaction_.Query(rows).status();
  }

  absl::Status RemoveDocuments(const Numbers& documents) {
    if (documents.empty()) return absl::OkStatus();
    Statement fields;
    fields.Add("DELETE FROM fields WHERE collection = ", fields.Int4(row_.number),
               " AND document = ANY(", fields.Int8s(documents), ")");
    RAGMESH_RETURN_IF_ERROR(transaction_.Query(fields).status());
    Statement rows;
    rows.Add("DELETE FROM documents d WHERE ", ScopeSql(row_.scope(), &rows),
             " AND d.number = ANY(", rows.Int8s(documents), ") RETURNING d.record");
    RAGMESH_ASSIGN_OR_RETURN(const Result removed, transaction_.Query(rows));
    for (int i = 0; i < removed.rows(); ++i) {
      RAGMESH_ASSIGN_OR_RETURN(const vector_store::DocumentRecord record,
                               vector_store::DecodeDocument(removed.Bytes(i, 0)));
      row_.text_bytes -= record.text_bytes;
      --row_.documents;
    }
    return absl::OkStatus();
  }

  absl::Status AddDocument(std::int64_t number, const vector_store::DocumentRecord& record,
                           absl::string_view text) {
    const stages::StoredDocument& document = record.document;
    Statement insert;
    insert.Add(
        "INSERT INTO documents (collection, number, tenant, id, name, media_type, language, "
        "labels, record, body) VALUES (",
        insert.Int4(row_.number), ", ", insert.Int8(number), ", ", insert.Text(row_.scope().tenant),
        ", ", insert.Bytes(document.id), ", ", insert.Bytes(document.name), ", ",
        insert.Bytes(document.info.media_type), ", ", insert.Bytes(document.info.language), ", ",
        insert.ByteArrays(document.acl_labels), ", ", insert.Bytes(vector_store::Encode(record)),
        ", ", insert.Bytes(vector_store::EncodeText(text)), ")");
    RAGMESH_RETURN_IF_ERROR(transaction_.Query(insert).status());
    row_.text_bytes += record.text_bytes;
    ++row_.documents;
    return AddFields(number, document.metadata);
  }

  // The numbers of all terms of `prepared`, which are counted in each of its chunks.
  absl::StatusOr<std::map<std::string, std::int64_t>> CountTerms(
      const std::vector<PreparedChunk>& prepared) {
    std::map<std::string, std::int64_t> chunks_with;
    for (const PreparedChunk& chunk : prepared) {
      for (const auto& term : chunk.terms.terms) ++chunks_with[term.term];
    }
    std::vector<std::string> terms;
    Numbers counts;
    for (const auto& [term, count] : chunks_with) {
      terms.push_back(term);
      counts.push_back(count);
    }
    if (terms.empty()) return chunks_with;
    Statement upsert;
    upsert.Add("INSERT INTO terms (collection, term, chunks) SELECT ", upsert.Int4(row_.number),
               ", x.term, x.chunks FROM unnest(", upsert.ByteArrays(terms), ", ",
               upsert.Int8s(counts),
               ") AS x(term, chunks) ON CONFLICT (collection, term) DO UPDATE SET chunks = "
               "terms.chunks + excluded.chunks RETURNING term, id, xmax = 0");
    RAGMESH_ASSIGN_OR_RETURN(const Result numbered, transaction_.Query(upsert));
    for (int i = 0; i < numbered.rows(); ++i) {
      chunks_with[numbered.String(i, 0)] = numbered.Int8(i, 1);
      if (numbered.Bool(i, 2)) ++row_.terms;
    }
    return chunks_with;
  }

  absl::Status AddChunks(std::int64_t document, const std::vector<stages::StoredChunk>& chunks,
                         const std::vector<PreparedChunk>& prepared) {
    if (chunks.empty()) return absl::OkStatus();
    RAGMESH_ASSIGN_OR_RETURN(const auto term_ids, CountTerms(prepared));
    const std::int64_t first = static_cast<std::int64_t>(row_.next_chunk);
    row_.next_chunk += chunks.size();
    const std::string& tenant = row_.scope().tenant;
    const auto number_of = [&](std::size_t i) { return first + static_cast<std::int64_t>(i); };
    RAGMESH_RETURN_IF_ERROR(CopyEach(
        "chunks (collection, number, tenant, document, id, ordinal, terms, record, tokens)",
        chunks.size(), [&](std::size_t i, CopyRows* rows) {
          Numbers terms;
          for (const auto& term : prepared[i].terms.terms) terms.push_back(term_ids.at(term.term));
          rows->Row(9);
          rows->Int4(row_.number);
          rows->Int8(number_of(i));
          rows->Bytes(tenant);
          rows->Int8(document);
          rows->Bytes(chunks[i].id);
          rows->Int8(chunks[i].chunk.ordinal);
          rows->Int8s(terms);
          rows->Bytes(vector_store::Encode(
              vector_store::ChunkRecord{chunks[i], static_cast<std::uint64_t>(document)}));
          if (chunks[i].tokens.empty()) return rows->Null();
          rows->Bytes(vector_store::Encode(chunks[i].tokens));
        }));
    RAGMESH_RETURN_IF_ERROR(
        CopyEach("entries (collection, chunk, tenant, document, total_length, title_length, "
                 "heading_length)",
                 chunks.size(), [&](std::size_t i, CopyRows* rows) {
                   const auto lengths = lexical::Lengths::Of(prepared[i].terms.lengths);
                   row_.statistics.Add(lengths);
                   rows->Row(7);
                   rows->Int4(row_.number);
                   rows->Int8(number_of(i));
                   rows->Bytes(tenant);
                   rows->Int8(document);
                   rows->Int8(lengths.total);
                   rows->Int4(lengths.title);
                   rows->Int4(lengths.heading);
                 }));
    RAGMESH_RETURN_IF_ERROR(CopyEach("postings (term, chunk, occurrences, in_title, in_heading)",
                                     chunks.size(), [&](std::size_t i, CopyRows* rows) {
                                       for (const auto& term : prepared[i].terms.terms) {
                                         const auto occurrences =
                                             lexical::Occurrences::Of(term.counts);
                                         rows->Row(5);
                                         rows->Int8(term_ids.at(term.term));
                                         rows->Int8(number_of(i));
                                         rows->Int4(occurrences.count);
                                         rows->Int2(occurrences.title);
                                         rows->Int2(occurrences.heading);
                                       }
                                     }));
    if (row_.config().dimension == 0) return absl::OkStatus();
    return CopyEach(absl::StrCat(VectorsTable(row_.number), " (chunk, tenant, document, vector)"),
                    chunks.size(), [&](std::size_t i, CopyRows* rows) {
                      rows->Row(4);
                      rows->Int8(number_of(i));
                      rows->Bytes(tenant);
                      rows->Int8(document);
                      rows->Vector(chunks[i].vector);
                    });
  }

  // Ends the write: the collection gets its next sequence, and all is committed.
  absl::Status Finish() {
    ++row_.sequence;
    row_.chunks = row_.statistics.documents;
    if (!unused_terms_.empty()) {
      Statement terms;
      terms.Add("DELETE FROM terms WHERE chunks = 0 AND id = ANY(", terms.Int8s(unused_terms_),
                ")");
      RAGMESH_ASSIGN_OR_RETURN(const Result removed, transaction_.Query(terms));
      row_.terms -= removed.affected();
    }
    Statement update;
    update.Add("UPDATE collections SET sequence = ", update.Uint(row_.sequence),
               ", next_document = ", update.Uint(row_.next_document),
               ", next_chunk = ", update.Uint(row_.next_chunk),
               ", documents = ", update.Uint(row_.documents),
               ", chunks = ", update.Uint(row_.chunks), ", terms = ", update.Uint(row_.terms),
               ", text_bytes = ", update.Uint(row_.text_bytes),
               ", total_length = ", update.Uint(row_.statistics.total_length),
               ", title_length = ", update.Uint(row_.statistics.title_length),
               ", heading_length = ", update.Uint(row_.statistics.heading_length),
               " WHERE number = ", update.Int4(row_.number));
    RAGMESH_RETURN_IF_ERROR(transaction_.Query(update).status());
    return transaction_.Commit();
  }

 private:
  std::string ThoseChunks(const char* table, const char* number, const Numbers& chunks,
                          Statement* statement) const {
    return absl::StrCat(table, " WHERE collection = ", statement->Int4(row_.number),
                        " AND tenant = ", statement->Text(row_.record.config.id.tenant), " AND ",
                        number, " = ANY(", statement->Int8s(chunks), ")");
  }

  // Rows that `put` writes for each of `count` items, in as many COPYs as memory asks for.
  template <typename PutItem>
  absl::Status CopyEach(const std::string& table, std::size_t count, const PutItem& put) {
    const std::string sql = absl::StrCat("COPY ", table, " FROM STDIN (FORMAT binary)");
    CopyRows rows;
    bool any = false;
    for (std::size_t i = 0; i < count; ++i) {
      put(i, &rows);
      any = true;
      if (rows.size_bytes() < kCopyBytes) continue;
      RAGMESH_RETURN_IF_ERROR(transaction_.Copy(sql, std::exchange(rows, CopyRows())));
      any = false;
    }
    return any ? transaction_.Copy(sql, std::move(rows)) : absl::OkStatus();
  }

  absl::Status AddFields(std::int64_t document, const stages::Metadata& metadata) {
    std::vector<std::string> fields, strings;
    Numbers kinds;
    std::string numbers;  // one array literal, for numeric has no simple binary form
    const auto add = [&](const std::string& field, FieldKind kind, const std::string& string,
                         const std::string& number) {
      fields.push_back(field);
      kinds.push_back(kind);
      strings.push_back(string);
      absl::StrAppend(&numbers, numbers.empty() ? "{" : ",", number.empty() ? "NULL" : number);
    };
    for (const auto& [field, value] : metadata) {
      if (const auto* text = std::get_if<std::string>(&value)) {
        add(field, kStringField, *text, "");
      } else if (const auto* list = std::get_if<std::vector<std::string>>(&value)) {
        add(field, kListField, "", "");
        for (const std::string& text : *list) add(field, kListElement, text, "");
      } else {
        const FieldKind kind = std::holds_alternative<bool>(value)         ? kBoolField
                               : std::holds_alternative<absl::Time>(value) ? kTimeField
                                                                           : kNumberField;
        add(field, kind, "", NumericText(value));
      }
    }
    if (fields.empty()) return absl::OkStatus();
    Statement insert;
    insert.Add(
        "INSERT INTO fields (collection, document, field, kind, string, number) SELECT ",
        insert.Int4(row_.number), ", ", insert.Int8(document),
        ", x.field, x.kind, CASE WHEN x.kind IN (0,4) THEN x.string END, x.number FROM unnest(",
        insert.ByteArrays(fields), ", ", insert.Int8s(kinds), ", ", insert.ByteArrays(strings),
        ", ", insert.Text(numbers + "}"), "::numeric[]) AS x(field, kind, string, number)");
    return transaction_.Query(insert).status();
  }

  Transaction& transaction_;
  CollectionRow row_;
  Numbers unused_terms_;  // of removed chunks; a chunk that is added may use them again
};

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
    written = [&]() -> absl::StatusOr<stages::UpsertResult> {
      const std::string document_id =
          upsert.document.has_value() ? upsert.document->id : upsert.chunks[0].document_id;
      RAGMESH_ASSIGN_OR_RETURN(const auto existing, writer.FindDocument(document_id));
      stages::UpsertResult result;
      std::int64_t document = 0;
      std::string document_name;
      Numbers removed;
      std::optional<vector_store::DocumentRecord> record;
      if (upsert.document.has_value()) {
        record = {*upsert.document, upsert.document->text.size(), Sha256Hex(upsert.document->text)};
        record->document.text.clear();
        record->document.updated = options_.clock->Now();
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
        for (std::size_t i = 0; i < upsert.chunks.size(); ++i) {
          if (upsert.chunks[i].chunk.range.end > existing->record.text_bytes) {
            return InvalidField(absl::StrCat("chunks[", i, "].range"),
                                "ends beyond the document's text");
          }
        }
        RAGMESH_ASSIGN_OR_RETURN(prepared, Prepare(*analyzer, upsert.chunks,
                                                   existing->record.document.info.title, call));
      }
      std::vector<std::string> ids;
      for (const stages::StoredChunk& chunk : upsert.chunks) ids.push_back(chunk.id);
      RAGMESH_ASSIGN_OR_RETURN(const auto taken, writer.FindChunks(ids));
      for (std::size_t i = 0; i < upsert.chunks.size(); ++i) {
        stages::StoredChunk& stored = upsert.chunks[i];
        if (const auto it = taken.find(stored.id); it != taken.end()) {
          // A chunk of this document is replaced; a chunk of another is not ours to take.
          if (!existing.has_value() || it->second.second != existing->number)
            return AlreadyExists("chunk", stored.id);
          if (!upsert.document.has_value()) removed.push_back(it->second.first);
        }
        stored.document_id = document_id;
        stored.document_version = result.document_version;
        stored.document_name = document_name;
        stored.content_sha256 = prepared[i].content_sha256;
      }
      RAGMESH_RETURN_IF_ERROR(writer.RemoveChunks(removed));
      if (record.has_value()) {
        if (existing.has_value())
          RAGMESH_RETURN_IF_ERROR(writer.RemoveDocuments({existing->number}));
        RAGMESH_RETURN_IF_ERROR(writer.AddDocument(document, *record, upsert.document->text));
      }
      RAGMESH_RETURN_IF_ERROR(writer.AddChunks(document, upsert.chunks, prepared));
      RAGMESH_RETURN_IF_ERROR(writer.Finish());
      result.sequence = writer.row().sequence;
      result.chunks_written = static_cast<std::uint32_t>(upsert.chunks.size());
      result.chunks_removed = static_cast<std::uint32_t>(removed.size());
      return result;
    }();
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
    for (const auto& [chunk_id, numbers] : found) chunks.push_back(numbers.first);
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
