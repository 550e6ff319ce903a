// A part whose rows lie in a segment's files.
#ifndef RAGMESH_LIBS_VECTOR_STORE_SEALED_PART_H_
#define RAGMESH_LIBS_VECTOR_STORE_SEALED_PART_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "libs/segment/segment.h"
#include "libs/vector_store/part.h"

namespace ragmesh::vector_store {

class SealedPart final : public Part {
 public:
  // `number` is the segment's in its collection.
  SealedPart(std::uint64_t number, std::shared_ptr<const segment::Segment> segment);

  std::uint64_t number() const { return number_; }
  const segment::Segment& segment() const { return *segment_; }

  std::uint32_t rows() const override { return segment_->rows(); }
  segment::CatalogChunk chunk(std::uint32_t row) const override { return segment_->chunk(row); }
  std::uint64_t chunk_number(std::uint32_t row) const override {
    return segment_->catalog().chunk_number(row);
  }
  absl::Status ReadVectors(absl::Span<const std::uint32_t> rows, float* out) const override {
    return segment_->ReadVectors(rows, out);
  }
  lexical::PostingsSource postings() const override { return segment_->postings(); }

  std::uint32_t documents() const override { return segment_->catalog().documents(); }
  absl::string_view document_id(std::uint32_t index) const override {
    return segment_->catalog().document(index).id;
  }
  std::uint64_t document_number(std::uint32_t index) const override {
    return segment_->catalog().document(index).number;
  }
  absl::StatusOr<std::shared_ptr<const DocumentRecord>> Document(
      std::uint32_t index) const override;
  absl::StatusOr<std::string> EncodedDocument(std::uint32_t index) const override;
  std::optional<std::uint32_t> FindChunk(absl::string_view id,
                                         const vector_index::SlotSet& live) const override;
  std::optional<std::uint32_t> FindDocument(absl::string_view id,
                                            const vector_index::SlotSet& live) const override;
  std::optional<std::uint32_t> FindNumber(std::uint64_t document_number) const override {
    return segment_->catalog().FindNumber(document_number);
  }
  std::vector<std::uint32_t> ChunksOf(std::uint64_t document_number) const override;
  std::vector<std::uint32_t> DocumentsAfter(const std::string* id, std::size_t limit,
                                            const vector_index::SlotSet& among) const override;
  absl::StatusOr<vector_index::SlotSet> Matching(const Principal& principal,
                                                 const stages::Filter* filter, std::uint32_t rows,
                                                 const CallContext& call) const override;
  bool HasField(absl::string_view field, const vector_index::SlotSet& among) const override {
    return segment_->columns().HasField(field, among);
  }
  absl::StatusOr<VectorRun> Vectors(std::uint32_t first, std::uint32_t count,
                                    float* room) const override;
  void SearchVectors(const linalg::Kernels& kernels, const float* query, float recall,
                     const vector_index::SlotSet& allowed, std::uint64_t allowed_count,
                     std::uint32_t base, vector_index::Shortlist* shortlist) const override;
  float score_slack() const override;
  std::shared_ptr<const vector_index::Frame> frame() const override;
  const lexical::IndexPart& terms() const override { return segment_->terms(); }
  absl::Mutex* terms_mutex() const override { return nullptr; }
  std::uint64_t term_count() const override { return segment_->terms().terms(); }
  std::uint64_t memory_bytes() const override { return segment_->memory_bytes(); }

 private:
  const std::uint64_t number_;
  const std::shared_ptr<const segment::Segment> segment_;
};

}  // namespace ragmesh::vector_store

#endif  // RAGMESH_LIBS_VECTOR_STORE_SEALED_PART_H_
