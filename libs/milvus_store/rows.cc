#include "libs/milvus_store/rows.h"

#include <cstdio>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/milvus_store/filter_expr.h"

namespace ragmesh::milvus_store {
namespace {

absl::Status CheckSize(const std::string& field, std::size_t size, std::size_t limit) {
  if (size <= limit) return absl::OkStatus();
  return LimitExceeded(field, static_cast<long long>(size), static_cast<long long>(limit), "bytes",
                       "Milvus keeps no more in one row.");
}

// '!' sorts before every hexadecimal digit, so a shorter id comes before a longer one.
std::string Key(absl::string_view document_id, std::int64_t kind, absl::string_view rest) {
  return absl::StrCat(Hex(document_id), "!", kind, rest.empty() ? "" : "!", rest);
}

std::string Padded(std::size_t number) {
  char text[24];
  std::snprintf(text, sizeof(text), "%010zu", number);
  return text;
}

Row RowOf(const stages::StoredDocument& document, std::int64_t kind) {
  Row row;
  row.kind = kind;
  row.document = Hex(document.id);
  return row;
}

}  // namespace

std::string DocumentKey(absl::string_view document_id) {
  return Key(document_id, kDocumentRow, "");
}
std::string TextKey(absl::string_view document_id, std::size_t part) {
  return Key(document_id, kTextRow, Padded(part));
}
std::string ChunkKey(absl::string_view document_id, std::uint32_t ordinal,
                     absl::string_view chunk_id) {
  return Key(document_id, kChunkRow, absl::StrCat(Padded(ordinal), "!", Hex(chunk_id)));
}

std::string EncodeRecord(absl::string_view bytes) { return absl::Base64Escape(bytes); }

absl::StatusOr<std::string> DecodeRecord(const Row& row) {
  std::string bytes;
  if (absl::Base64Unescape(row.record, &bytes)) return bytes;
  return Corrupt(absl::StrCat("row ", row.key.substr(0, 64)), "is not base 64",
                 "Restore the server's data.");
}

Row Tombstone(const std::string& key, std::int64_t kind, const std::string& tenant) {
  Row row;
  row.key = key;
  row.kind = kind;
  row.live = 0;
  row.tenant = tenant;
  return row;
}

absl::StatusOr<std::vector<Row>> DocumentRows(const vector_store::DocumentRecord& record,
                                              absl::string_view text) {
  RAGMESH_RETURN_IF_ERROR(CheckSize("document.text", text.size(), kMaxDocumentBytes));
  Row head = RowOf(record.document, kDocumentRow);
  head.key = DocumentKey(record.document.id);
  head.labels = LabelsJson(record.document.acl_labels);
  head.meta = MetaJson(record.document);
  const std::string bytes = vector_store::Encode(record);
  RAGMESH_RETURN_IF_ERROR(CheckSize("document", bytes.size(), kMaxRecordBytes));
  RAGMESH_RETURN_IF_ERROR(CheckSize("document.metadata", head.meta.size(), kMaxJsonBytes));
  head.record = EncodeRecord(bytes);
  std::vector<Row> rows = {head};
  const std::string sealed = vector_store::EncodeText(text);
  for (std::size_t at = 0, part = 0; at < sealed.size(); at += kMaxRecordBytes, ++part) {
    Row row = RowOf(record.document, kTextRow);
    row.key = TextKey(record.document.id, part);
    row.labels = head.labels;
    row.record = EncodeRecord(absl::string_view(sealed).substr(at, kMaxRecordBytes));
    rows.push_back(std::move(row));
  }
  return rows;
}

absl::StatusOr<Row> ChunkRow(const stages::StoredDocument& document,
                             const stages::StoredChunk& chunk, std::size_t index) {
  Row row = RowOf(document, kChunkRow);
  row.key = ChunkKey(document.id, chunk.chunk.ordinal, chunk.id);
  row.chunk = Hex(chunk.id);
  row.labels = LabelsJson(document.acl_labels);
  row.meta = MetaJson(document);
  const std::string bytes = vector_store::Encode(vector_store::ChunkRecord{chunk, 0});
  RAGMESH_RETURN_IF_ERROR(
      CheckSize(absl::StrCat("chunks[", index, "]"), bytes.size(), kMaxRecordBytes));
  row.record = EncodeRecord(bytes);
  row.vector = chunk.vector;
  return row;
}

absl::StatusOr<stages::StoredChunk> ReadChunk(const Row& row, bool vector) {
  RAGMESH_ASSIGN_OR_RETURN(const std::string bytes, DecodeRecord(row));
  RAGMESH_ASSIGN_OR_RETURN(vector_store::ChunkRecord record, vector_store::DecodeChunk(bytes));
  if (vector) record.chunk.vector = row.vector;
  return std::move(record.chunk);
}

}  // namespace ragmesh::milvus_store
