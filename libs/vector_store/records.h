// What the store keeps on disk, as plain structs with their encodings; record_keys.h has the keys
// they lie under.
//
// Documents and chunks get numbers that are never used twice, so a record is written once and never
// changed: a reader either gets the very record its search saw, or finds it gone.
#ifndef RAGMESH_LIBS_VECTOR_STORE_RECORDS_H_
#define RAGMESH_LIBS_VECTOR_STORE_RECORDS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "libs/lexical/analyzer.h"
#include "libs/stages/vector_store.h"

namespace ragmesh::vector_store {

// Rises when a layout changes so that older builds cannot read it.
inline constexpr std::uint32_t kFormatVersion = 4;

struct CollectionRecord {
  stages::CollectionConfig config;
  absl::Time created;
  std::string analyzer_version;  // lexical::Analyzer::Version() that made the index entries
};

// Changes with every write to the collection.
struct CollectionState {
  std::uint64_t sequence = 0;
  std::uint64_t next_document = 1;
  std::uint64_t next_chunk = 1;
  // How many there are, so that records that went missing show. nullopt in a record of version 1.
  std::optional<std::uint64_t> documents = 0;
  std::optional<std::uint64_t> chunks = 0;
  // Of all documents' texts. nullopt in a record of version 2.
  std::optional<std::uint64_t> text_bytes = 0;
};

struct DocumentRecord {
  stages::StoredDocument document;  // without `text`
  std::uint64_t text_bytes = 0;
  std::string text_sha256;
};

struct ChunkRecord {
  stages::StoredChunk chunk;  // without `vector` and `tokens`
  std::uint64_t document_number = 0;
};

// All that the in-memory image needs to know of a chunk, apart from its vector.
struct IndexEntry {
  std::string chunk_id;
  std::uint64_t document_number = 0;
  std::uint32_t ordinal = 0;
  lexical::ChunkTerms terms;
};

// What a write under an idempotency key was, and how it was answered.
struct ReplayRecord {
  std::uint64_t sequence = 0;  // of the write, which orders the keys of a collection by age
  absl::Time committed;
  std::string content_sha256;
  bool is_delete = false;
  stages::UpsertResult upserted;  // one of the two
  stages::DeleteResult deleted;
};

// The records that writes have many of can be appended where they are to stand, from what they are
// made of.
void AppendChunk(const stages::StoredChunk& chunk, std::uint64_t document_number, std::string* out);
void AppendIndexEntry(absl::string_view chunk_id, std::uint64_t document_number,
                      std::uint32_t ordinal, const lexical::ChunkTerms& terms, std::string* out);
void AppendText(absl::string_view text, std::string* out);
void AppendVector(absl::Span<const float> vector, std::string* out);
void AppendTokens(const stages::PassageTokens& tokens, std::string* out);

std::string Encode(const CollectionRecord& record);
std::string Encode(const CollectionState& state);
std::string Encode(const DocumentRecord& record);
std::string Encode(const ChunkRecord& record);
std::string Encode(const IndexEntry& entry);
std::string EncodeText(absl::string_view text);
std::string EncodeVector(absl::Span<const float> vector);
std::string Encode(const stages::PassageTokens& tokens);
std::string Encode(const ReplayRecord& record);
std::string EncodeFilter(const stages::Filter& filter);  // to compare filters; not stored
std::string EncodeFormat(std::uint32_t version);
std::string EncodeCounter(std::uint64_t value);

// DATA_LOSS / CORRUPT_DATA on bytes that no Encode made, FAILED_PRECONDITION / NEWER_FORMAT on a
// later layout.
absl::StatusOr<CollectionRecord> DecodeCollection(absl::string_view value);
absl::StatusOr<CollectionState> DecodeState(absl::string_view value);
absl::StatusOr<DocumentRecord> DecodeDocument(absl::string_view value);
absl::StatusOr<ChunkRecord> DecodeChunk(absl::string_view value);
absl::StatusOr<IndexEntry> DecodeIndexEntry(absl::string_view value);
absl::StatusOr<std::string> DecodeText(absl::string_view value);
absl::StatusOr<std::vector<float>> DecodeVector(absl::string_view value);
absl::StatusOr<stages::PassageTokens> DecodeTokens(absl::string_view value);
absl::StatusOr<ReplayRecord> DecodeReplay(absl::string_view value);
absl::StatusOr<std::uint32_t> DecodeFormat(absl::string_view value);
absl::StatusOr<std::uint64_t> DecodeCounter(absl::string_view value);

}  // namespace ragmesh::vector_store

#endif  // RAGMESH_LIBS_VECTOR_STORE_RECORDS_H_
