// The rows that a document is in Milvus.
//
// A document is one row, its text rows of their own after it, each chunk one more. Keys begin with
// the document's id and go on with the kind of row, so that rows in the order of their keys are
// documents in the order of their ids with chunks in the order of their ordinals.
#ifndef RAGMESH_LIBS_MILVUS_STORE_ROWS_H_
#define RAGMESH_LIBS_MILVUS_STORE_ROWS_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/milvus_store/milvus_client.h"
#include "libs/stages/vector_store.h"
#include "libs/vector_store/records.h"

namespace ragmesh::milvus_store {

inline constexpr std::int64_t kDocumentRow = 0, kTextRow = 1, kChunkRow = 2;
inline constexpr std::int64_t kListRow = 0;  // a collection's, in the list of all

// A text of Milvus has at most 65,535 bytes; this is as much before base 64.
inline constexpr std::size_t kMaxRecordBytes = 49'000;
inline constexpr std::size_t kMaxJsonBytes = 65'000;
inline constexpr std::size_t kMaxDocumentBytes = 16u << 20;
// One request of Milvus, which has to take a document as a whole.
inline constexpr std::size_t kMaxRowsPerWrite = 10'000;
inline constexpr std::size_t kMaxRequestBytes = 48u << 20;

std::string DocumentKey(absl::string_view document_id);
std::string TextKey(absl::string_view document_id, std::size_t part);
std::string ChunkKey(absl::string_view document_id, std::uint32_t ordinal,
                     absl::string_view chunk_id);

std::string EncodeRecord(absl::string_view bytes);
absl::StatusOr<std::string> DecodeRecord(const Row& row);  // DATA_LOSS

// What is written over a row that is to be seen no more, until Milvus has deleted it.
Row Tombstone(const std::string& key, std::int64_t kind, const std::string& tenant);
// The row of the document and those of its text. RESOURCE_EXHAUSTED / LIMIT_EXCEEDED.
absl::StatusOr<std::vector<Row>> DocumentRows(const vector_store::DocumentRecord& record,
                                              absl::string_view text);
// The row of a chunk of that document.
absl::StatusOr<Row> ChunkRow(const stages::StoredDocument& document,
                             const stages::StoredChunk& chunk, std::size_t index);
absl::StatusOr<stages::StoredChunk> ReadChunk(const Row& row, bool vector);

}  // namespace ragmesh::milvus_store

#endif  // RAGMESH_LIBS_MILVUS_STORE_ROWS_H_
