// What a write does to the tables of one collection.
#ifndef RAGMESH_LIBS_POSTGRES_STORE_COLLECTION_WRITER_H_
#define RAGMESH_LIBS_POSTGRES_STORE_COLLECTION_WRITER_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/lexical/analyzer.h"
#include "libs/postgres_store/postgres_store.h"
#include "libs/postgres_store/transaction.h"
#include "libs/stages/vector_store.h"
#include "libs/vector_store/records.h"

namespace ragmesh::postgres_store {

using Numbers = std::vector<std::int64_t>;

// What is computed of a chunk before the transaction of its write.
struct PreparedChunk {
  lexical::ChunkTerms terms;
  std::string content_sha256;
};

// A document as it is stored now.
struct StoredDocumentRow {
  std::int64_t number = 0;
  vector_store::DocumentRecord record;
};

struct StoredChunkKey {
  std::int64_t number = 0;
  std::int64_t document = 0;
};

// One write to one collection whose row the transaction has locked. What it has done to the
// collection is in row(), and written back by Finish; without that, nothing has changed.
class CollectionWriter {
 public:
  CollectionWriter(Transaction& transaction, CollectionRow row)
      : transaction_(transaction), row_(std::move(row)) {}

  CollectionRow& row() { return row_; }

  absl::StatusOr<std::optional<StoredDocumentRow>> FindDocument(const std::string& id);
  // Those of `ids` that are there.
  absl::StatusOr<std::map<std::string, StoredChunkKey>> FindChunks(
      const std::vector<std::string>& ids);
  absl::StatusOr<Numbers> ChunksOf(const Numbers& documents);

  absl::Status RemoveChunks(const Numbers& chunks);
  // Their chunks are removed before.
  absl::Status RemoveDocuments(const Numbers& documents);
  absl::Status AddDocument(std::int64_t number, const vector_store::DocumentRecord& record,
                           absl::string_view text);
  // `prepared[i]` is of `chunks[i]`.
  absl::Status AddChunks(std::int64_t document, const std::vector<stages::StoredChunk>& chunks,
                         const std::vector<PreparedChunk>& prepared);

  // Ends the write: the collection gets its next sequence, and all is committed.
  absl::Status Finish();

 private:
  absl::Status AddFields(std::int64_t document, const stages::Metadata& metadata);
  // The numbers of all terms of `prepared`, which are counted in each of its chunks.
  absl::StatusOr<std::map<std::string, std::int64_t>> CountTerms(
      const std::vector<PreparedChunk>& prepared);

  Transaction& transaction_;
  CollectionRow row_;
  Numbers unused_terms_;  // of removed chunks; a chunk that is added may use them again
};

}  // namespace ragmesh::postgres_store

#endif  // RAGMESH_LIBS_POSTGRES_STORE_COLLECTION_WRITER_H_
