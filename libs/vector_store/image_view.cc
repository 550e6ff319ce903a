#include "libs/vector_store/image_view.h"

#include <algorithm>
#include <bit>
#include <tuple>
#include <utility>

#include "libs/base/status_macros.h"
#include "libs/vector_store/filter.h"

namespace ragmesh::vector_store {

using vector_index::SlotSet;

std::uint64_t ImageView::live_chunks() const {
  std::uint64_t count = 0;
  for (const PartView& part : parts_) count += part.live_count;
  return count;
}

// Parts are few, and the largest come first.
const PartView& ImageView::PartOf(std::uint32_t slot) const {
  std::size_t i = 0;
  while (i + 1 < parts_.size() && parts_[i + 1].base <= slot) ++i;
  return parts_[i];
}

const PartView& ImageView::PartOfDocument(std::uint32_t index) const {
  std::size_t i = 0;
  while (i + 1 < parts_.size() && parts_[i + 1].document_base <= index) ++i;
  return parts_[i];
}

segment::CatalogChunk ImageView::chunk(std::uint32_t slot) const {
  const PartView& part = PartOf(slot);
  return part.part->chunk(slot - part.base);
}

absl::Status ImageView::ReadVector(std::uint32_t slot, float* out) const {
  const PartView& part = PartOf(slot);
  const std::uint32_t row = slot - part.base;
  return part.part->ReadVectors(absl::MakeConstSpan(&row, 1), out);
}

absl::string_view ImageView::document_id(std::uint32_t index) const {
  const PartView& part = PartOfDocument(index);
  return part.part->document_id(index - part.document_base);
}

std::uint64_t ImageView::document_number(std::uint32_t index) const {
  const PartView& part = PartOfDocument(index);
  return part.part->document_number(index - part.document_base);
}

absl::StatusOr<std::shared_ptr<const DocumentRecord>> ImageView::Document(
    std::uint32_t index) const {
  const PartView& part = PartOfDocument(index);
  return part.part->Document(index - part.document_base);
}

std::optional<std::uint32_t> ImageView::FindChunk(absl::string_view id) const {
  for (std::size_t i = parts_.size(); i-- > 0;) {
    const PartView& part = parts_[i];
    if (const auto row = part.part->FindChunk(id, *part.live); row.has_value())
      return part.base + *row;
  }
  return std::nullopt;
}

std::optional<std::uint32_t> ImageView::FindDocument(absl::string_view id) const {
  for (std::size_t i = parts_.size(); i-- > 0;) {
    const PartView& part = parts_[i];
    if (const auto index = part.part->FindDocument(id, *part.live_documents); index.has_value())
      return part.document_base + *index;
  }
  return std::nullopt;
}

std::optional<std::uint32_t> ImageView::FindNumber(std::uint64_t document_number) const {
  for (std::size_t i = parts_.size(); i-- > 0;) {
    const PartView& part = parts_[i];
    const auto index = part.part->FindNumber(document_number);
    if (index.has_value() && part.live_documents->Contains(*index))
      return part.document_base + *index;
  }
  return std::nullopt;
}

std::vector<std::uint32_t> ImageView::ChunksOf(std::uint64_t document_number) const {
  std::vector<std::uint32_t> slots;
  for (const PartView& part : parts_) {
    for (const std::uint32_t row : part.part->ChunksOf(document_number)) {
      if (part.live->Contains(row)) slots.push_back(part.base + row);
    }
  }
  std::sort(slots.begin(), slots.end(), [this](std::uint32_t a, std::uint32_t b) {
    const segment::CatalogChunk first = chunk(a), second = chunk(b);
    return std::tie(first.ordinal, first.id) < std::tie(second.ordinal, second.id);
  });
  return slots;
}

std::vector<std::uint32_t> ImageView::DocumentsAfter(const std::string* id,
                                                     std::size_t limit) const {
  std::vector<std::uint32_t> found;
  for (const PartView& part : parts_) {
    for (const std::uint32_t index : part.part->DocumentsAfter(id, limit, *part.live_documents))
      found.push_back(part.document_base + index);
  }
  if (parts_.size() > 1) {
    std::sort(found.begin(), found.end(),
              [this](std::uint32_t a, std::uint32_t b) { return document_id(a) < document_id(b); });
  }
  if (found.size() > limit) found.resize(limit);
  return found;
}

std::vector<std::uint32_t> ImageView::Documents() const {
  std::vector<std::uint32_t> found;
  for (const PartView& part : parts_) {
    for (std::uint32_t index = 0; index < part.live_documents->size(); ++index) {
      if (part.live_documents->Contains(index)) found.push_back(part.document_base + index);
    }
  }
  return found;
}

absl::StatusOr<bool> ImageView::Sees(std::uint32_t document,
                                     const std::optional<stages::Filter>& filter) const {
  if (principal_.sees_all && !filter.has_value()) return true;
  RAGMESH_ASSIGN_OR_RETURN(const auto record, Document(document));
  return principal_.Sees(record->document) &&
         (!filter.has_value() || Matches(*filter, FilterSubject::Of(record->document)));
}

absl::StatusOr<ChunkSets> VisibleChunks(const ImageView& view, const CallContext& call) {
  ChunkSets visible;
  for (const PartView& part : view.parts()) {
    RAGMESH_RETURN_IF_ERROR(call.Check());
    if (view.principal().sees_all) {
      visible.parts.push_back(part.live);
      visible.count += part.live_count;
      continue;
    }
    SlotSet seen(part.live->size());
    if (!view.principal().labels.empty()) {
      RAGMESH_ASSIGN_OR_RETURN(
          seen, part.part->Matching(view.principal(), nullptr, part.live->size(), call));
      seen.Intersect(*part.live);
    }
    visible.count += seen.Count();
    visible.parts.push_back(std::make_shared<const SlotSet>(std::move(seen)));
  }
  return visible;
}

absl::StatusOr<ChunkSets> MatchingChunks(const ImageView& view, const ChunkSets& visible,
                                         const stages::Filter& filter, const CallContext& call) {
  const Principal everybody{.sees_all = true, .labels = {}};
  ChunkSets matching;
  for (std::size_t i = 0; i < view.parts().size(); ++i) {
    RAGMESH_RETURN_IF_ERROR(call.Check());
    const PartView& part = view.parts()[i];
    RAGMESH_ASSIGN_OR_RETURN(SlotSet rows,
                             part.part->Matching(everybody, &filter, part.live->size(), call));
    rows.Intersect(*visible.parts[i]);
    matching.count += rows.Count();
    matching.parts.push_back(std::make_shared<const SlotSet>(std::move(rows)));
  }
  return matching;
}

}  // namespace ragmesh::vector_store
