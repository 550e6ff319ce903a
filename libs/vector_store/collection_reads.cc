// The reading half of StoredCollection, but for searches: see read_consistently.h for how reads
// stay consistent.
#include <algorithm>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/vector_store/filter.h"
#include "libs/vector_store/filter_fields.h"
#include "libs/vector_store/limits.h"
#include "libs/vector_store/page_token.h"
#include "libs/vector_store/read_consistently.h"
#include "libs/vector_store/record_keys.h"
#include "libs/vector_store/stored_collection.h"
#include "libs/vector_store/validation.h"

namespace ragmesh::vector_store {
namespace {

// Longest wait for a committed write to become visible; it is only memory work away.
constexpr absl::Duration kMaxPublishTime = absl::Seconds(5);

constexpr std::size_t kTokensPerStep = 16;  // read between two looks at their bytes

constexpr std::size_t kDocumentsPerStep = 1024;  // listed between two looks at the call

stages::StoredDocument WithoutText(DocumentRecord record) { return std::move(record.document); }

}  // namespace

stages::CollectionConfig StoredCollection::config() const {
  absl::MutexLock lock(&mutex_);
  return record_.config;
}

absl::Status StoredCollection::CheckAlive() const {
  absl::MutexLock lock(&mutex_);
  return removed_ ? NotFound("collection", record_.config.id.name) : absl::OkStatus();
}

bool StoredCollection::AwaitNewer(std::uint64_t sequence) const {
  const absl::Time deadline = absl::Now() + kMaxPublishTime;
  while (absl::Now() < deadline) {
    if (image_->AwaitAfter(sequence, absl::Now() + absl::Milliseconds(10))) return true;
    if (!CheckAlive().ok()) return true;
  }
  return false;
}

absl::StatusOr<std::optional<std::vector<stages::StoredChunk>>> StoredCollection::FetchChunks(
    const ImageView& view, absl::Span<const std::uint32_t> slots, stages::ChunkParts parts) const {
  std::vector<std::string> keys;
  keys.reserve(slots.size());
  for (const std::uint32_t slot : slots) keys.push_back(ItemKey(number_, view.chunk(slot).number));
  RAGMESH_ASSIGN_OR_RETURN(const auto values,
                           resources_->database->MultiGet(Family::kChunks, keys));
  std::vector<stages::StoredChunk> chunks;
  chunks.reserve(slots.size());
  for (std::size_t i = 0; i < slots.size(); ++i) {
    if (!values[i].has_value()) return std::optional<std::vector<stages::StoredChunk>>();
    RAGMESH_ASSIGN_OR_RETURN(ChunkRecord record, DecodeChunk(*values[i]));
    chunks.push_back(std::move(record.chunk));
    if (parts.vector && dimension_ > 0) {
      chunks.back().vector.resize(dimension_);
      RAGMESH_RETURN_IF_ERROR(view.ReadVector(slots[i], chunks.back().vector.data()));
    }
  }
  if (parts.tokens) RAGMESH_RETURN_IF_ERROR(AddTokens(keys, &chunks));
  return std::optional(std::move(chunks));
}

// A chunk may have none, and one that has gone since its record was read needs none.
absl::Status StoredCollection::AddTokens(absl::Span<const std::string> keys,
                                         std::vector<stages::StoredChunk>* chunks) const {
  std::size_t bytes = 0;
  for (std::size_t first = 0; first < keys.size(); first += kTokensPerStep) {
    RAGMESH_ASSIGN_OR_RETURN(
        const auto values,
        resources_->database->MultiGet(Family::kTokens, keys.subspan(first, kTokensPerStep)));
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (!values[i].has_value()) continue;
      bytes += values[i]->size();
      if (bytes > kMaxTokenBytesPerAnswer) return absl::OkStatus();
      RAGMESH_ASSIGN_OR_RETURN((*chunks)[first + i].tokens, DecodeTokens(*values[i]));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<stages::StoredDocument> StoredCollection::GetDocument(
    const std::string& document_id, const std::vector<std::string>& principal_labels,
    const CallContext& call) const {
  return ReadConsistently<stages::StoredDocument>(
      principal_labels, call,
      [&](const ImageView& view) -> absl::StatusOr<std::optional<stages::StoredDocument>> {
        const auto index = view.FindDocument(document_id);
        if (!index.has_value()) return NotFound("document", document_id);
        RAGMESH_ASSIGN_OR_RETURN(const bool seen, view.Sees(*index, std::nullopt));
        if (!seen) return NotFound("document", document_id);
        const std::string key = ItemKey(number_, view.document_number(*index));
        RAGMESH_ASSIGN_OR_RETURN(const auto value,
                                 resources_->database->Get(Family::kDocuments, key));
        RAGMESH_ASSIGN_OR_RETURN(const auto text, resources_->database->Get(Family::kTexts, key));
        if (!value.has_value() || !text.has_value()) return std::optional<stages::StoredDocument>();
        RAGMESH_ASSIGN_OR_RETURN(DocumentRecord record, DecodeDocument(*value));
        RAGMESH_ASSIGN_OR_RETURN(record.document.text, DecodeText(*text));
        return std::optional(std::move(record.document));
      });
}

absl::StatusOr<stages::DocumentPage> StoredCollection::ListDocuments(
    const std::optional<stages::Filter>& filter, const std::vector<std::string>& principal_labels,
    const stages::Page& page, const CallContext& call) const {
  RAGMESH_RETURN_IF_ERROR(ValidatePage(page));
  if (filter.has_value()) RAGMESH_RETURN_IF_ERROR(ValidateFilter(*filter));
  std::optional<std::string> start;
  if (!page.token.empty()) {
    RAGMESH_ASSIGN_OR_RETURN(PageToken token,
                             DecodePageToken(Listing::kDocuments, number_, page.token));
    start = std::move(token.document_id);
  }
  return ReadConsistently<stages::DocumentPage>(
      principal_labels, call,
      [&](const ImageView& view) -> absl::StatusOr<std::optional<stages::DocumentPage>> {
        if (filter.has_value()) {
          RAGMESH_ASSIGN_OR_RETURN(const ChunkSets visible, VisibleChunks(view, call));
          RAGMESH_RETURN_IF_ERROR(CheckFilterFields(view, visible, *filter, call));
        }
        // One more than a page, to know whether there is a next one.
        std::vector<std::uint32_t> found;
        std::optional<std::string> after = start;
        while (found.size() <= page.size) {
          RAGMESH_RETURN_IF_ERROR(call.Check());
          const std::vector<std::uint32_t> step =
              view.DocumentsAfter(after.has_value() ? &*after : nullptr, kDocumentsPerStep);
          if (step.empty()) break;
          for (const std::uint32_t index : step) {
            if (found.size() > page.size) break;
            RAGMESH_ASSIGN_OR_RETURN(const bool seen, view.Sees(index, filter));
            if (seen) found.push_back(index);
          }
          after = std::string(view.document_id(step.back()));
        }
        stages::DocumentPage result;
        if (found.size() > page.size) {
          found.pop_back();
          result.next_token = EncodePageToken(
              {Listing::kDocuments, number_, std::string(view.document_id(found.back())), 0, ""});
        }
        std::vector<std::string> keys;
        for (const std::uint32_t index : found)
          keys.push_back(ItemKey(number_, view.document_number(index)));
        RAGMESH_ASSIGN_OR_RETURN(const auto values,
                                 resources_->database->MultiGet(Family::kDocuments, keys));
        for (const auto& value : values) {
          if (!value.has_value()) return std::optional<stages::DocumentPage>();
          RAGMESH_ASSIGN_OR_RETURN(DocumentRecord record, DecodeDocument(*value));
          result.documents.push_back(WithoutText(std::move(record)));
        }
        return std::optional(std::move(result));
      });
}

absl::StatusOr<std::vector<stages::StoredChunk>> StoredCollection::GetChunks(
    const std::vector<std::string>& chunk_ids, const std::vector<std::string>& principal_labels,
    stages::ChunkParts parts, const CallContext& call) const {
  RAGMESH_RETURN_IF_ERROR(ValidateIds("chunk_ids", chunk_ids));
  using Chunks = std::vector<stages::StoredChunk>;
  return ReadConsistently<Chunks>(
      principal_labels, call, [&](const ImageView& view) -> absl::StatusOr<std::optional<Chunks>> {
        std::vector<std::uint32_t> slots;
        for (const std::string& id : chunk_ids) {
          const auto slot = view.FindChunk(id);
          if (!slot.has_value()) continue;
          const auto document = view.FindNumber(view.chunk(*slot).document_number);
          if (!document.has_value()) return std::optional<Chunks>();
          RAGMESH_ASSIGN_OR_RETURN(const bool seen, view.Sees(*document, std::nullopt));
          if (seen) slots.push_back(*slot);
        }
        return FetchChunks(view, slots, parts);
      });
}

absl::StatusOr<stages::ChunkPage> StoredCollection::ListChunks(
    const std::string& document_id, const std::vector<std::string>& principal_labels,
    stages::ChunkParts parts, const stages::Page& page, const CallContext& call) const {
  RAGMESH_RETURN_IF_ERROR(ValidatePage(page));
  std::optional<PageToken> start;
  if (!page.token.empty()) {
    RAGMESH_ASSIGN_OR_RETURN(start, DecodePageToken(Listing::kChunks, number_, page.token));
  }
  return ReadConsistently<stages::ChunkPage>(
      principal_labels, call,
      [&](const ImageView& view) -> absl::StatusOr<std::optional<stages::ChunkPage>> {
        std::vector<std::uint32_t> found;
        const auto take = [&](std::uint32_t document) -> absl::Status {
          RAGMESH_ASSIGN_OR_RETURN(const bool seen, view.Sees(document, std::nullopt));
          if (!seen) return absl::OkStatus();
          const bool resumes =
              start.has_value() && view.document_id(document) == start->document_id;
          for (const std::uint32_t slot : view.ChunksOf(view.document_number(document))) {
            if (found.size() > page.size) break;
            const segment::CatalogChunk chunk = view.chunk(slot);
            if (resumes && std::pair(chunk.ordinal, chunk.id) <=
                               std::pair(start->ordinal, absl::string_view(start->chunk_id)))
              continue;
            found.push_back(slot);
          }
          return absl::OkStatus();
        };
        if (!document_id.empty()) {
          const auto index = view.FindDocument(document_id);
          if (!index.has_value()) return NotFound("document", document_id);
          RAGMESH_ASSIGN_OR_RETURN(const bool seen, view.Sees(*index, std::nullopt));
          if (!seen) return NotFound("document", document_id);
          RAGMESH_RETURN_IF_ERROR(take(*index));
        } else {
          std::optional<std::string> after;
          if (start.has_value()) {
            if (const auto resumed = view.FindDocument(start->document_id); resumed.has_value())
              RAGMESH_RETURN_IF_ERROR(take(*resumed));
            after = start->document_id;
          }
          while (found.size() <= page.size) {
            RAGMESH_RETURN_IF_ERROR(call.Check());
            const std::vector<std::uint32_t> step =
                view.DocumentsAfter(after.has_value() ? &*after : nullptr, kDocumentsPerStep);
            if (step.empty()) break;
            for (const std::uint32_t index : step) {
              if (found.size() > page.size) break;
              RAGMESH_RETURN_IF_ERROR(take(index));
            }
            after = std::string(view.document_id(step.back()));
          }
        }
        stages::ChunkPage result;
        if (found.size() > page.size) {
          found.resize(page.size);
          const segment::CatalogChunk last = view.chunk(found.back());
          const auto owner = view.FindNumber(last.document_number);
          if (!owner.has_value()) return std::optional<stages::ChunkPage>();
          result.next_token =
              EncodePageToken({Listing::kChunks, number_, std::string(view.document_id(*owner)),
                               last.ordinal, std::string(last.id)});
        }
        RAGMESH_ASSIGN_OR_RETURN(auto chunks, FetchChunks(view, found, parts));
        if (!chunks.has_value()) return std::optional<stages::ChunkPage>();
        result.chunks = *std::move(chunks);
        return std::optional(std::move(result));
      });
}

absl::StatusOr<std::uint64_t> StoredCollection::CountChunks(
    const std::optional<stages::Filter>& filter, const std::vector<std::string>& principal_labels,
    const CallContext& call) const {
  RAGMESH_RETURN_IF_ERROR(ValidatePrincipal(principal_labels));
  if (filter.has_value()) RAGMESH_RETURN_IF_ERROR(ValidateFilter(*filter));
  RAGMESH_RETURN_IF_ERROR(CheckAlive());
  RAGMESH_ASSIGN_OR_RETURN(const ChunkSets allowed,
                           AllowedChunks(image_->View(principal_labels), filter, call));
  return allowed.count;
}

}  // namespace ragmesh::vector_store
