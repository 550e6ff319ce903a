// The parts of a StoredCollection: opening its segments, and making segments of what was a tail.
//
// A segment is written beside everything else, and then takes the place of the parts it was made of
// in one commit, while no write is under way. What was taken out of those parts meanwhile is taken
// out of it too.
#include <algorithm>
#include <bit>
#include <map>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "libs/base/check.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/segment/segment_writer.h"
#include "libs/vector_store/record_keys.h"
#include "libs/vector_store/sealed_part.h"
#include "libs/vector_store/stored_collection.h"
#include "libs/vector_store/writer_pause.h"

namespace ragmesh::vector_store {
namespace {

using vector_index::SlotSet;

// So many segments of about one size are merged into one, which is then so many times as large:
// each chunk is written again a few times, and few segments are searched.
constexpr std::size_t kSegmentsPerMerge = 4;
// None larger than this comes of a merge: what it takes to write it again has to end.
constexpr std::uint64_t kMaxMergedRows = 8'000'000;
// A segment is written anew when more than one in so many of its rows has gone, or of documents.
constexpr std::uint64_t kRewriteShare = 4;
constexpr std::uint64_t kFewGone = 256;  // too few to write anything anew

// What a segment takes on disk besides vectors, for each row, roughly; and what is left to writes.
constexpr std::uint64_t kTypicalRowBytes = 2000;
constexpr std::uint64_t kLeftToWrites = 64u << 20;

SharedSlots AllOf(std::uint32_t size) {
  auto slots = std::make_shared<SlotSet>(size);
  slots->Invert();
  return slots;
}

template <typename Visit>
void ForEachSlot(const SlotSet& slots, const Visit& visit) {
  for (std::size_t word = 0; word < slots.words().size(); ++word) {
    for (std::uint64_t bits = slots.words()[word]; bits != 0; bits &= bits - 1)
      visit(
          static_cast<std::uint32_t>(word * 64 + static_cast<std::size_t>(std::countr_zero(bits))));
  }
}

// Those of `a` that are not in `b`, which is as large.
SlotSet Difference(const SlotSet& a, const SlotSet& b) {
  SlotSet rest = b;
  rest.Invert();
  rest.Intersect(a);
  return rest;
}

bool HasManyGone(const SlotSet& live) {
  const std::uint64_t gone = live.size() - live.Count();
  return gone > kFewGone && gone * kRewriteShare > live.size();
}

}  // namespace

// ---- Opening ----

// Empty when the segments are not all there, or not those that the record means.
absl::StatusOr<std::vector<std::shared_ptr<SealedPart>>> StoredCollection::OpenSegments() const {
  std::vector<std::shared_ptr<SealedPart>> opened;
  for (const SegmentRecord& record : parts_.segments) {
    const std::string stem = resources_->segments->Stem(number_, record.number);
    RAGMESH_ASSIGN_OR_RETURN(auto segment, segment::Segment::Open(stem, dimension_));
    if (segment->digest() != record.digest)
      return Corrupt(stem, "is not the segment that the store wrote");
    opened.push_back(std::make_shared<SealedPart>(record.number, std::move(segment)));
  }
  return opened;
}

absl::Status StoredCollection::LoadSegments() {
  Database& database = *resources_->database;
  RAGMESH_ASSIGN_OR_RETURN(const auto value,
                           database.Get(Family::kSegments, CollectionKey(number_)));
  if (!value.has_value()) return absl::OkStatus();
  const auto record = DecodeParts(*value);
  if (record.ok()) parts_ = *record;
  auto opened = record.ok()
                    ? OpenSegments()
                    : absl::StatusOr<std::vector<std::shared_ptr<SealedPart>>>(record.status());
  if (!opened.ok()) {
    if (resources_->observer != nullptr) resources_->observer->SegmentsLost(opened.status());
    return ForgetSegments();
  }
  std::vector<SlotSet> live, live_documents;
  std::vector<std::shared_ptr<lexical::RemovedChunks>> removed;
  for (const auto& part : *opened) {
    live.push_back(*AllOf(part->rows()));
    live_documents.push_back(*AllOf(part->documents()));
    removed.push_back(std::make_shared<lexical::RemovedChunks>());
  }
  const auto at = database.Walk(Family::kRemoved, CollectionKey(number_));
  for (; at->Valid(); at->Next()) {
    RAGMESH_ASSIGN_OR_RETURN(const RemovedItem item, ParseRemovedKey(at->key()));
    if (item.is_document) {
      for (std::size_t i = 0; i < opened->size(); ++i) {
        const auto index = (*opened)[i]->FindNumber(item.number);
        if (index.has_value()) live_documents[i].Remove(*index);
      }
      continue;
    }
    RAGMESH_ASSIGN_OR_RETURN(const IndexEntry entry, DecodeIndexEntry(at->value()));
    for (std::size_t i = 0; i < opened->size(); ++i) {
      const auto row = (*opened)[i]->segment().catalog().FindChunk(entry.chunk_id);
      if (!row.has_value() || (*opened)[i]->chunk(*row).number != item.number) continue;
      live[i].Remove(*row);
      removed[i]->Add(entry.terms);
    }
  }
  RAGMESH_RETURN_IF_ERROR(at->status());
  for (std::size_t i = 0; i < opened->size(); ++i) {
    image_->Add({.part = std::move((*opened)[i]),
                 .live = std::make_shared<const SlotSet>(std::move(live[i])),
                 .live_documents = std::make_shared<const SlotSet>(std::move(live_documents[i])),
                 .removed = std::move(removed[i]),
                 .bounds = std::nullopt});
  }
  return absl::OkStatus();
}

// What they held comes from the other records.
absl::Status StoredCollection::ForgetSegments() {
  Database& database = *resources_->database;
  RAGMESH_ASSIGN_OR_RETURN(const auto value,
                           database.Get(Family::kSegments, CollectionKey(number_)));
  if (!value.has_value()) return absl::OkStatus();
  const PartsRecord record = DecodeParts(*value).value_or(PartsRecord());
  for (const SegmentRecord& segment : record.segments)
    resources_->segments->Remove(resources_->segments->Stem(number_, segment.number));
  parts_ = PartsRecord{.next_segment = record.next_segment};
  WriteSet writes;
  writes.Delete(Family::kSegments, CollectionKey(number_));
  const auto at = database.Walk(Family::kRemoved, CollectionKey(number_));
  for (; at->Valid(); at->Next()) writes.Delete(Family::kRemoved, at->key());
  RAGMESH_RETURN_IF_ERROR(at->status());
  return database.Commit(writes);
}

void StoredCollection::RemoveSegments() {
  for (const FixedPart& fixed : image_->Fixed()) {
    if (const auto* const sealed = dynamic_cast<const SealedPart*>(fixed.part.get()))
      resources_->segments->Remove(resources_->segments->Stem(number_, sealed->number()));
  }
}

// Numbers of chunks that lie in segments although records of the tail may have lower ones.
absl::flat_hash_set<std::uint64_t> StoredCollection::SealedChunks() const {
  absl::flat_hash_set<std::uint64_t> chunks;
  for (const FixedPart& fixed : image_->Fixed()) {
    for (std::uint32_t row = 0; row < fixed.part->rows(); ++row) {
      const std::uint64_t number = fixed.part->chunk_number(row);
      if (number >= parts_.first_chunk) chunks.insert(number);
    }
  }
  return chunks;
}

// ---- Sealing ----

bool StoredCollection::TailIsFull() const {
  return image_->tail_rows() >= resources_->seal_rows ||
         image_->tail_documents() >= resources_->seal_rows;
}

// A tail that is not a segment yet, else segments of about one size, else one with many gaps.
std::vector<FixedPart> StoredCollection::PartsToSeal() const {
  std::map<int, std::vector<FixedPart>> by_size;
  std::optional<FixedPart> sparse;
  for (FixedPart& part : image_->Fixed()) {
    if (part.bounds.has_value()) return {part};
    if (HasManyGone(*part.live) || HasManyGone(*part.live_documents)) sparse = part;
    const std::uint64_t rows = part.live->Count();
    if (rows * kSegmentsPerMerge > kMaxMergedRows) continue;
    by_size[std::bit_width(rows / resources_->seal_rows) / 2].push_back(std::move(part));
  }
  for (auto& [size, parts] : by_size) {
    if (parts.size() >= kSegmentsPerMerge) return std::move(parts);
  }
  if (sparse.has_value()) return {*std::move(sparse)};
  return {};
}

// A segment never takes the space that writes need.
bool StoredCollection::HasSpaceFor(absl::Span<const FixedPart> parts) const {
  const DatabaseHealth health = resources_->database->Health();
  if (health.disk_full || health.read_only_reason.has_value()) return false;
  std::uint64_t rows = 0;
  for (const FixedPart& part : parts) rows += part.live->Count();
  const std::uint64_t row_bytes = dimension_ * (sizeof(float) + 2) + kTypicalRowBytes;
  // 0: the file system does not tell.
  return health.free_bytes == 0 || health.free_bytes >= rows * row_bytes + kLeftToWrites;
}

absl::StatusOr<bool> StoredCollection::SealOnce(const CallContext& call) {
  std::vector<FixedPart> parts;
  std::uint64_t number = 0;
  std::optional<ImageView> view;
  {
    const WriterPause pause(this);
    if (!CheckAlive().ok()) return false;
    if (TailIsFull()) image_->Freeze(numbers_.Lowest());
    parts = PartsToSeal();
    if (parts.empty() || !HasSpaceFor(parts)) return false;
    number = parts_.next_segment++;
    view = image_->View({});
  }
  const absl::Time begun = absl::Now();
  const std::string stem = resources_->segments->Stem(number_, number);
  resources_->segments->Remove(stem);  // of a writing that came to nothing
  absl::Status status = WriteParts(parts, *view, stem, call);
  if (status.ok()) status = Publish(parts, number);
  if (!status.ok()) resources_->segments->Remove(stem);
  // A store that closes is no failure.
  if (resources_->observer != nullptr && !absl::IsCancelled(status))
    resources_->observer->Sealed(parts.size(), absl::Now() - begun, status);
  RAGMESH_RETURN_IF_ERROR(status);
  return true;
}

absl::Status StoredCollection::WriteParts(absl::Span<const FixedPart> parts, const ImageView& view,
                                          const std::string& stem, const CallContext& call) const {
  segment::SegmentContent content;
  content.dimension = dimension_;
  struct Source {
    std::uint64_t number;
    const Part* part;
    std::uint32_t index;
  };
  std::vector<Source> sources;
  for (const FixedPart& part : parts) {
    content.parts.push_back({part.part.get(), part.live.get()});
    ForEachSlot(*part.live_documents, [&](std::uint32_t index) {
      sources.push_back({part.part->document_number(index), part.part.get(), index});
    });
  }
  std::sort(sources.begin(), sources.end(),
            [](const Source& a, const Source& b) { return a.number < b.number; });
  std::vector<std::string> records;
  records.reserve(sources.size());
  for (const Source& source : sources) {
    if (records.size() % 1024 == 0) RAGMESH_RETURN_IF_ERROR(call.Check());
    RAGMESH_ASSIGN_OR_RETURN(std::string record, source.part->EncodedDocument(source.index));
    records.push_back(std::move(record));
    content.documents.push_back(
        {source.part->document_id(source.index), source.number, records.back()});
  }
  std::shared_ptr<const DocumentRecord> described;
  const auto describe = [&](std::uint64_t number) -> absl::StatusOr<const stages::StoredDocument*> {
    const auto index = view.FindNumber(number);
    if (!index.has_value()) return Corrupt("chunk", "belongs to no document");
    RAGMESH_ASSIGN_OR_RETURN(described, view.Document(*index));
    return &described->document;
  };
  RAGMESH_RETURN_IF_ERROR(
      segment::WriteSegment(stem, *resources_->kernels, content, describe, call));
  return resources_->segments->Sync();
}

// Rows and documents of `parts` that were alive when the segment was written and are not now.
absl::Status StoredCollection::TakeOut(absl::Span<const FixedPart> parts,
                                       absl::Span<const FixedPart> now, const SealedPart& segment,
                                       FixedPart* by) const {
  SlotSet live = *by->live, live_documents = *by->live_documents;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    std::vector<segment::CatalogChunk> chunks;
    std::vector<std::string> keys;
    ForEachSlot(Difference(*parts[i].live, *now[i].live), [&](std::uint32_t row) {
      chunks.push_back(parts[i].part->chunk(row));
      keys.push_back(RemovedChunkKey(number_, chunks.back().number));
    });
    RAGMESH_ASSIGN_OR_RETURN(const auto entries,
                             resources_->database->MultiGet(Family::kRemoved, keys));
    for (std::size_t c = 0; c < chunks.size(); ++c) {
      const auto row = segment.segment().catalog().FindChunk(chunks[c].id);
      if (!entries[c].has_value() || !row.has_value() ||
          segment.chunk(*row).number != chunks[c].number)
        return Corrupt("segment", "does not hold what it was made of");
      RAGMESH_ASSIGN_OR_RETURN(const IndexEntry entry, DecodeIndexEntry(*entries[c]));
      live.Remove(*row);
      by->removed->Add(entry.terms);
    }
    absl::Status found;
    ForEachSlot(Difference(*parts[i].live_documents, *now[i].live_documents),
                [&](std::uint32_t index) {
                  const auto at = segment.FindNumber(parts[i].part->document_number(index));
                  if (!at.has_value())
                    return found.Update(Corrupt("segment", "does not hold what it was made of"));
                  live_documents.Remove(*at);
                });
    RAGMESH_RETURN_IF_ERROR(found);
  }
  by->live = std::make_shared<const SlotSet>(std::move(live));
  by->live_documents = std::make_shared<const SlotSet>(std::move(live_documents));
  return absl::OkStatus();
}

absl::Status StoredCollection::Publish(absl::Span<const FixedPart> parts, std::uint64_t number) {
  const std::string stem = resources_->segments->Stem(number_, number);
  RAGMESH_ASSIGN_OR_RETURN(auto opened, segment::Segment::Open(stem, dimension_));
  const auto segment = std::make_shared<const SealedPart>(number, std::move(opened));
  FixedPart by{.part = segment,
               .live = AllOf(segment->rows()),
               .live_documents = AllOf(segment->documents()),
               .removed = std::make_shared<lexical::RemovedChunks>(),
               .bounds = std::nullopt};
  const bool is_empty = segment->rows() == 0 && segment->documents() == 0;
  const WriterPause pause(this);
  if (!CheckAlive().ok()) {
    resources_->segments->Remove(stem);
    return absl::OkStatus();
  }
  std::vector<FixedPart> now;
  PartsRecord record = parts_;
  record.sequence = state_.sequence;
  record.segments.clear();
  for (FixedPart& fixed : image_->Fixed()) {
    const bool goes = std::any_of(parts.begin(), parts.end(),
                                  [&](const FixedPart& part) { return part.part == fixed.part; });
    if (goes) {
      if (now.empty() && !is_empty)
        record.segments.push_back({number, segment->segment().digest()});
      now.push_back(std::move(fixed));
    } else if (const auto* const sealed = dynamic_cast<const SealedPart*>(fixed.part.get())) {
      record.segments.push_back({sealed->number(), sealed->segment().digest()});
    }
  }
  RAGMESH_CHECK(now.size() == parts.size(), "parts that are sealed stay in the image");
  RAGMESH_RETURN_IF_ERROR(TakeOut(parts, now, *segment, &by));
  WriteSet writes;
  for (const FixedPart& part : parts) {
    if (part.bounds.has_value()) {
      record.first_chunk = part.bounds->chunk;
      record.first_document = part.bounds->document;
    }
    // What the segment does not hold needs no record that it is gone.
    ForEachSlot(Difference(*AllOf(part.live->size()), *part.live), [&](std::uint32_t row) {
      writes.Delete(Family::kRemoved, RemovedChunkKey(number_, part.part->chunk(row).number));
    });
    ForEachSlot(Difference(*AllOf(part.live_documents->size()), *part.live_documents),
                [&](std::uint32_t index) {
                  writes.Delete(Family::kRemoved,
                                RemovedDocumentKey(number_, part.part->document_number(index)));
                });
  }
  writes.Put(Family::kSegments, CollectionKey(number_), Encode(record));
  RAGMESH_RETURN_IF_ERROR(resources_->database->Commit(writes));
  parts_ = std::move(record);
  std::vector<std::shared_ptr<const Part>> replaced;
  for (const FixedPart& part : parts) replaced.push_back(part.part);
  image_->Replace(replaced, is_empty ? std::nullopt : std::optional(std::move(by)));
  if (is_empty) resources_->segments->Remove(stem);
  for (const FixedPart& part : parts) {
    if (const auto* const sealed = dynamic_cast<const SealedPart*>(part.part.get()))
      resources_->segments->Remove(resources_->segments->Stem(number_, sealed->number()));
  }
  CountMemory(image_->Stats().memory_bytes);
  return absl::OkStatus();
}

}  // namespace ragmesh::vector_store
