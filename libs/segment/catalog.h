// What a segment knows of its chunks and documents apart from vectors and terms: who they are and
// what belongs to what. Read where it lies.
#ifndef RAGMESH_LIBS_SEGMENT_CATALOG_H_
#define RAGMESH_LIBS_SEGMENT_CATALOG_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "libs/segment/section_file.h"
#include "libs/segment/string_table.h"

namespace ragmesh::segment {

// A chunk is known by its row in the segment. Views are borrowed.
struct CatalogChunk {
  absl::string_view id;
  std::uint64_t number = 0;
  std::uint64_t document_number = 0;  // of its document, which may be in another segment
  std::uint32_t ordinal = 0;
};

// A document is known by its index in the segment, which follows its number.
struct CatalogDocument {
  absl::string_view id;
  std::uint64_t number = 0;
  absl::string_view record;  // as the owner encodes it
};

// Collects what a catalog is written from. Not thread-safe.
class CatalogBuilder {
 public:
  // In the order of rows.
  void AddChunk(const CatalogChunk& chunk);
  // In the order of numbers.
  void AddDocument(const CatalogDocument& document);
  absl::Status Write(SectionWriter* file);

 private:
  StringTableBuilder chunk_ids_, document_ids_, records_;
  std::vector<std::string> ids_;  // of chunks, for the order among those of one document
  std::vector<std::uint64_t> chunk_numbers_, chunk_documents_, document_numbers_;
  std::vector<std::uint32_t> ordinals_;
  std::vector<std::string> sorted_ids_;  // of documents
};

// Thread-safe. Borrows the file.
class Catalog {
 public:
  Catalog() = default;
  // Checks all of it against the file's digests but the records. DATA_LOSS / CORRUPT_DATA.
  static absl::StatusOr<Catalog> Open(const SectionFile& file);

  std::uint32_t chunks() const { return static_cast<std::uint32_t>(chunk_numbers_.size()); }
  CatalogChunk chunk(std::uint32_t row) const;
  std::uint64_t chunk_number(std::uint32_t row) const { return chunk_numbers_[row]; }
  std::optional<std::uint32_t> FindChunk(absl::string_view id) const { return chunk_ids_.Find(id); }
  // Rows of a document's chunks that lie here, by ordinal, then id; the document itself need not.
  absl::Span<const std::uint32_t> ChunksOf(std::uint64_t document_number) const;

  std::uint32_t documents() const { return static_cast<std::uint32_t>(document_numbers_.size()); }
  // Without its record, which is not checked yet.
  CatalogDocument document(std::uint32_t index) const;
  // DATA_LOSS / CORRUPT_DATA when its bytes do not check out.
  absl::StatusOr<absl::string_view> Record(std::uint32_t index) const;
  std::optional<std::uint32_t> FindDocument(absl::string_view id) const {
    return document_ids_.Find(id);
  }
  std::optional<std::uint32_t> FindNumber(std::uint64_t document_number) const;
  // Indexes in the order of ids.
  absl::Span<const std::uint32_t> documents_by_id() const { return documents_by_id_; }

 private:
  const SectionFile* file_ = nullptr;
  StringTable chunk_ids_, document_ids_, records_;
  absl::Span<const std::uint64_t> chunk_numbers_, document_numbers_;
  absl::Span<const std::uint64_t> owners_;  // document numbers of chunks, ascending
  absl::Span<const std::uint32_t> chunk_owners_, ordinals_;
  absl::Span<const std::uint32_t> owner_ends_, owner_chunks_, documents_by_id_;
};

}  // namespace ragmesh::segment

#endif  // RAGMESH_LIBS_SEGMENT_CATALOG_H_
