#include "libs/vector_store/sealed_part.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <utility>

#include "libs/base/status_macros.h"
#include "libs/vector_index/coding.h"

namespace ragmesh::vector_store {

using vector_index::SlotSet;

SealedPart::SealedPart(std::uint64_t number, std::shared_ptr<const segment::Segment> segment)
    : number_(number), segment_(std::move(segment)) {}

absl::StatusOr<std::shared_ptr<const DocumentRecord>> SealedPart::Document(
    std::uint32_t index) const {
  RAGMESH_ASSIGN_OR_RETURN(const absl::string_view bytes, segment_->catalog().Record(index));
  RAGMESH_ASSIGN_OR_RETURN(DocumentRecord record, DecodeDocument(bytes));
  return std::make_shared<const DocumentRecord>(std::move(record));
}

absl::StatusOr<std::string> SealedPart::EncodedDocument(std::uint32_t index) const {
  RAGMESH_ASSIGN_OR_RETURN(const absl::string_view bytes, segment_->catalog().Record(index));
  return std::string(bytes);
}

std::optional<std::uint32_t> SealedPart::FindChunk(absl::string_view id,
                                                   const SlotSet& live) const {
  const auto row = segment_->catalog().FindChunk(id);
  return row.has_value() && live.Contains(*row) ? row : std::nullopt;
}

std::optional<std::uint32_t> SealedPart::FindDocument(absl::string_view id,
                                                      const SlotSet& live) const {
  const auto index = segment_->catalog().FindDocument(id);
  return index.has_value() && live.Contains(*index) ? index : std::nullopt;
}

std::vector<std::uint32_t> SealedPart::ChunksOf(std::uint64_t document_number) const {
  const auto rows = segment_->catalog().ChunksOf(document_number);
  return {rows.begin(), rows.end()};
}

std::vector<std::uint32_t> SealedPart::DocumentsAfter(const std::string* id, std::size_t limit,
                                                      const SlotSet& among) const {
  const auto by_id = segment_->catalog().documents_by_id();
  auto it = by_id.begin();
  if (id != nullptr) {
    it = std::upper_bound(
        by_id.begin(), by_id.end(), *id,
        [this](absl::string_view a, std::uint32_t index) { return a < document_id(index); });
  }
  std::vector<std::uint32_t> found;
  for (; it != by_id.end() && found.size() < limit; ++it) {
    if (among.Contains(*it)) found.push_back(*it);
  }
  return found;
}

absl::StatusOr<SlotSet> SealedPart::Matching(const Principal& principal,
                                             const stages::Filter* filter, std::uint32_t /*rows*/,
                                             const CallContext& call) const {
  RAGMESH_RETURN_IF_ERROR(call.Check());
  SlotSet matching(rows());
  if (filter != nullptr) {
    matching = segment_->columns().Matching(*filter);
  } else {
    matching.Invert();
  }
  if (!principal.sees_all)
    matching.Intersect(segment_->labels().WithAny(segment::kLabels, principal.labels));
  return matching;
}

absl::StatusOr<Part::VectorRun> SealedPart::Vectors(std::uint32_t first, std::uint32_t count,
                                                    float* room) const {
  std::array<std::uint32_t, kRowsPerRun> rows;
  std::iota(rows.begin(), rows.begin() + count, first);
  RAGMESH_RETURN_IF_ERROR(segment_->ReadVectors(absl::MakeSpan(rows.data(), count), room));
  return VectorRun{room, segment_->dimension()};
}

void SealedPart::SearchVectors(const linalg::Kernels& kernels, const float* query, float recall,
                               const SlotSet& allowed, std::uint64_t allowed_count,
                               std::uint32_t base, vector_index::Shortlist* shortlist) const {
  const vector_index::ListIndex& lists = *segment_->lists();
  const vector_index::SearchMargins margins = lists.MarginsFor(recall);
  const vector_index::CodedQuery coded(lists.frame(), query, margins.code);
  lists.Search(kernels, coded, margins, allowed.words(), allowed_count, base, shortlist);
}

float SealedPart::score_slack() const {
  return segment_->lists() == nullptr ? 0 : segment_->lists()->frame().byte_slack();
}

std::shared_ptr<const vector_index::Frame> SealedPart::frame() const {
  return segment_->lists() == nullptr ? nullptr : segment_->lists()->shared_frame();
}

}  // namespace ragmesh::vector_store
