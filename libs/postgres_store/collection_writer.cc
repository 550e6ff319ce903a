#include "libs/postgres_store/collection_writer.h"

#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "libs/base/status_macros.h"
#include "libs/postgres_store/filter_sql.h"
#include "libs/postgres_store/schema.h"
#include "libs/postgres_store/statement.h"

namespace ragmesh::postgres_store {
namespace {

constexpr std::size_t kCopyBytes = 8u << 20;  // of one COPY, so that memory stays small

// "TABLE WHERE ...": the rows of `chunks`.
std::string ThoseChunks(const CollectionRow& row, const char* table, const char* number,
                        const Numbers& chunks, Statement* statement) {
  return absl::StrCat(table, " WHERE collection = ", statement->Int4(row.number),
                      " AND tenant = ", statement->Text(row.scope().tenant), " AND ", number,
                      " = ANY(", statement->Int8s(chunks), ")");
}

// Rows that `put` writes for each of `count` items, in as many COPYs as memory asks for.
template <typename PutItem>
absl::Status CopyEach(Transaction& transaction, const std::string& table, std::size_t count,
                      const PutItem& put) {
  const std::string sql = absl::StrCat("COPY ", table, " FROM STDIN (FORMAT binary)");
  CopyRows rows;
  bool any = false;
  for (std::size_t i = 0; i < count; ++i) {
    put(i, &rows);
    any = true;
    if (rows.size_bytes() < kCopyBytes) continue;
    RAGMESH_RETURN_IF_ERROR(transaction.Copy(sql, std::exchange(rows, CopyRows())));
    any = false;
  }
  return any ? transaction.Copy(sql, std::move(rows)) : absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::optional<StoredDocumentRow>> CollectionWriter::FindDocument(
    const std::string& id) {
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

absl::StatusOr<std::map<std::string, StoredChunkKey>> CollectionWriter::FindChunks(
    const std::vector<std::string>& ids) {
  Statement find;
  find.Add("SELECT c.id, c.number, c.document FROM chunks c WHERE c.collection = ",
           find.Int4(row_.number), " AND c.tenant = ", find.Text(row_.scope().tenant),
           " AND c.id = ANY(", find.ByteArrays(ids), ")");
  RAGMESH_ASSIGN_OR_RETURN(const Result found, transaction_.Query(find));
  std::map<std::string, StoredChunkKey> chunks;
  for (int i = 0; i < found.rows(); ++i)
    chunks[found.String(i, 0)] = {found.Int8(i, 1), found.Int8(i, 2)};
  return chunks;
}

absl::StatusOr<Numbers> CollectionWriter::ChunksOf(const Numbers& documents) {
  Statement find;
  find.Add("SELECT number FROM chunks WHERE collection = ", find.Int4(row_.number),
           " AND tenant = ", find.Text(row_.scope().tenant), " AND document = ANY(",
           find.Int8s(documents), ")");
  RAGMESH_ASSIGN_OR_RETURN(const Result found, transaction_.Query(find));
  Numbers numbers;
  for (int i = 0; i < found.rows(); ++i) numbers.push_back(found.Int8(i, 0));
  return numbers;
}

absl::Status CollectionWriter::RemoveChunks(const Numbers& chunks) {
  if (chunks.empty()) return absl::OkStatus();
  // The terms of a chunk stand in its row, so that its postings are found by their keys.
  Statement postings;
  postings.Add("DELETE FROM postings p USING (SELECT number, unnest(terms) AS term FROM ",
               ThoseChunks(row_, "chunks", "number", chunks, &postings),
               ") x WHERE p.term = x.term AND p.chunk = x.number");
  RAGMESH_RETURN_IF_ERROR(transaction_.Query(postings).status());
  Statement terms;
  terms.Add(
      "UPDATE terms t SET chunks = t.chunks - x.chunks FROM (SELECT term, count(*) AS chunks "
      "FROM (SELECT unnest(terms) AS term FROM ",
      ThoseChunks(row_, "chunks", "number", chunks, &terms),
      ") u GROUP BY term) x WHERE t.id = x.term RETURNING t.id, t.chunks");
  RAGMESH_ASSIGN_OR_RETURN(const Result counted, transaction_.Query(terms));
  for (int i = 0; i < counted.rows(); ++i) {
    if (counted.Int8(i, 1) == 0) unused_terms_.push_back(counted.Int8(i, 0));
  }
  Statement entries;
  entries.Add("DELETE FROM ", ThoseChunks(row_, "entries", "chunk", chunks, &entries),
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
  rows.Add("DELETE FROM ", ThoseChunks(row_, "chunks", "number", chunks, &rows));
  return transaction_.Query(rows).status();
}

absl::Status CollectionWriter::RemoveDocuments(const Numbers& documents) {
  if (documents.empty()) return absl::OkStatus();
  Statement fields;
  fields.Add("DELETE FROM fields WHERE collection = ", fields.Int4(row_.number),
             " AND document = ANY(", fields.Int8s(documents), ")");
  RAGMESH_RETURN_IF_ERROR(transaction_.Query(fields).status());
  Statement rows;
  rows.Add("DELETE FROM documents d WHERE ", ScopeSql(row_.scope(), &rows), " AND d.number = ANY(",
           rows.Int8s(documents), ") RETURNING d.record");
  RAGMESH_ASSIGN_OR_RETURN(const Result removed, transaction_.Query(rows));
  for (int i = 0; i < removed.rows(); ++i) {
    RAGMESH_ASSIGN_OR_RETURN(const vector_store::DocumentRecord record,
                             vector_store::DecodeDocument(removed.Bytes(i, 0)));
    row_.text_bytes -= record.text_bytes;
    --row_.documents;
  }
  return absl::OkStatus();
}

absl::Status CollectionWriter::AddDocument(std::int64_t number,
                                           const vector_store::DocumentRecord& record,
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

absl::Status CollectionWriter::AddFields(std::int64_t document, const stages::Metadata& metadata) {
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
      insert.ByteArrays(fields), ", ", insert.Int8s(kinds), ", ", insert.ByteArrays(strings), ", ",
      insert.Text(numbers + "}"), "::numeric[]) AS x(field, kind, string, number)");
  return transaction_.Query(insert).status();
}

absl::StatusOr<std::map<std::string, std::int64_t>> CollectionWriter::CountTerms(
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

absl::Status CollectionWriter::AddChunks(std::int64_t document,
                                         const std::vector<stages::StoredChunk>& chunks,
                                         const std::vector<PreparedChunk>& prepared) {
  if (chunks.empty()) return absl::OkStatus();
  RAGMESH_ASSIGN_OR_RETURN(const auto term_ids, CountTerms(prepared));
  const std::int64_t first = static_cast<std::int64_t>(row_.next_chunk);
  row_.next_chunk += chunks.size();
  const std::string& tenant = row_.scope().tenant;
  const auto number_of = [&](std::size_t i) { return first + static_cast<std::int64_t>(i); };
  RAGMESH_RETURN_IF_ERROR(
      CopyEach(transaction_,
               "chunks (collection, number, tenant, document, id, ordinal, terms, record, tokens)",
               chunks.size(), [&](std::size_t i, CopyRows* rows) {
                 Numbers terms;
                 for (const auto& term : prepared[i].terms.terms)
                   terms.push_back(term_ids.at(term.term));
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
      CopyEach(transaction_,
               "entries (collection, chunk, tenant, document, total_length, title_length, "
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
  RAGMESH_RETURN_IF_ERROR(
      CopyEach(transaction_, "postings (term, chunk, occurrences, in_title, in_heading)",
               chunks.size(), [&](std::size_t i, CopyRows* rows) {
                 for (const auto& term : prepared[i].terms.terms) {
                   const auto occurrences = lexical::Occurrences::Of(term.counts);
                   rows->Row(5);
                   rows->Int8(term_ids.at(term.term));
                   rows->Int8(number_of(i));
                   rows->Int4(occurrences.count);
                   rows->Int2(occurrences.title);
                   rows->Int2(occurrences.heading);
                 }
               }));
  if (row_.config().dimension == 0) return absl::OkStatus();
  return CopyEach(transaction_,
                  absl::StrCat(VectorsTable(row_.number), " (chunk, tenant, document, vector)"),
                  chunks.size(), [&](std::size_t i, CopyRows* rows) {
                    rows->Row(4);
                    rows->Int8(number_of(i));
                    rows->Bytes(tenant);
                    rows->Int8(document);
                    rows->Vector(chunks[i].vector);
                  });
}

absl::Status CollectionWriter::Finish() {
  ++row_.sequence;
  row_.chunks = row_.statistics.documents;
  if (!unused_terms_.empty()) {
    Statement terms;
    terms.Add("DELETE FROM terms WHERE chunks = 0 AND id = ANY(", terms.Int8s(unused_terms_), ")");
    RAGMESH_ASSIGN_OR_RETURN(const Result removed, transaction_.Query(terms));
    row_.terms -= removed.affected();
  }
  Statement update;
  update.Add("UPDATE collections SET sequence = ", update.Uint(row_.sequence),
             ", next_document = ", update.Uint(row_.next_document),
             ", next_chunk = ", update.Uint(row_.next_chunk),
             ", documents = ", update.Uint(row_.documents), ", chunks = ", update.Uint(row_.chunks),
             ", terms = ", update.Uint(row_.terms), ", text_bytes = ", update.Uint(row_.text_bytes),
             ", total_length = ", update.Uint(row_.statistics.total_length),
             ", title_length = ", update.Uint(row_.statistics.title_length),
             ", heading_length = ", update.Uint(row_.statistics.heading_length),
             " WHERE number = ", update.Int4(row_.number));
  RAGMESH_RETURN_IF_ERROR(transaction_.Query(update).status());
  return transaction_.Commit();
}

}  // namespace ragmesh::postgres_store
