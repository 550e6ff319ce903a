// The reading half of StoredCollection.
//
// A read takes a view of the image, decides there what it may see, and then fetches the records.
// Records never change and numbers are never used twice, so a record is either the one the view
// means or gone; when it is gone, a newer write has been committed, and the read starts over on a
// view that includes it.
#include <algorithm>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/vector_index/flat_search.h"
#include "libs/vector_store/fusion.h"
#include "libs/vector_store/limits.h"
#include "libs/vector_store/page_token.h"
#include "libs/vector_store/stored_collection.h"
#include "libs/vector_store/validation.h"

namespace ragmesh::vector_store {
namespace {

using vector_index::ScoredSlot;
using vector_index::SlotSet;

// Each further attempt means that yet another write replaced what was being read.
constexpr int kMaxAttempts = 16;

// Longest wait for a committed write to become visible; it is only memory work away.
constexpr absl::Duration kMaxPublishTime = absl::Seconds(5);

constexpr std::size_t kTokensPerStep = 16;  // read between two looks at their bytes

constexpr std::size_t kDocumentsPerStep = 1024;  // listed between two looks at the call

stages::StoredDocument WithoutText(DocumentRecord record) { return std::move(record.document); }

bool IsVisible(const ImageView& view, std::uint32_t document,
               const std::optional<stages::Filter>& filter) {
  const ImageDocument& entry = view.documents[document];
  return view.live_documents.Contains(document) && view.principal.Sees(entry) &&
         (!filter.has_value() || Matches(*filter, entry.subject()));
}

}  // namespace

std::shared_ptr<Image> StoredCollection::image() const {
  absl::MutexLock lock(&mutex_);
  return image_;
}

stages::CollectionConfig StoredCollection::config() const {
  absl::MutexLock lock(&mutex_);
  return record_.config;
}

absl::Status StoredCollection::CheckAlive() const {
  absl::MutexLock lock(&mutex_);
  return removed_ ? NotFound("collection", record_.config.id.name) : absl::OkStatus();
}

bool StoredCollection::AwaitNewer(const std::shared_ptr<Image>& image,
                                  std::uint64_t sequence) const {
  const absl::Time deadline = absl::Now() + kMaxPublishTime;
  while (absl::Now() < deadline) {
    // A compaction may have put another image in the place of the one the view is of.
    if (image->AwaitAfter(sequence, absl::Now() + absl::Milliseconds(10)) || this->image() != image)
      return true;
    if (!CheckAlive().ok()) return true;
  }
  return false;
}

// `read(image, view)` returns StatusOr<optional<Result>>: nullopt when a record of the view is
// gone.
template <typename Result, typename Read>
absl::StatusOr<Result> StoredCollection::ReadConsistently(
    const std::vector<std::string>& principal_labels, const CallContext& call,
    const Read& read) const {
  RAGMESH_RETURN_IF_ERROR(ValidatePrincipal(principal_labels));
  for (int attempt = 0; attempt < kMaxAttempts; ++attempt) {
    RAGMESH_RETURN_IF_ERROR(call.Check());
    RAGMESH_RETURN_IF_ERROR(CheckAlive());
    const std::shared_ptr<Image> image = this->image();
    const ImageView view = image->View(principal_labels);
    absl::StatusOr<std::optional<Result>> result = read(*image, view);
    RAGMESH_RETURN_IF_ERROR(result.status());
    if (result->has_value()) return **std::move(result);
    if (!AwaitNewer(image, view.sequence)) {
      return Corrupt("vector store", "lacks records that its index names",
                     "Restore the store from a snapshot.");
    }
  }
  return Unavailable("CONTENDED", "what is being read is being rewritten all the time",
                     "Try again.");
}

absl::StatusOr<std::optional<std::vector<stages::StoredChunk>>> StoredCollection::FetchChunks(
    const ImageView& view, absl::Span<const std::uint32_t> slots, stages::ChunkParts parts) const {
  std::vector<std::string> keys;
  keys.reserve(slots.size());
  for (const std::uint32_t slot : slots) keys.push_back(ItemKey(number_, view.chunks[slot].number));
  RAGMESH_ASSIGN_OR_RETURN(const auto values,
                           resources_->database->MultiGet(Family::kChunks, keys));
  std::vector<stages::StoredChunk> chunks;
  chunks.reserve(slots.size());
  for (std::size_t i = 0; i < slots.size(); ++i) {
    if (!values[i].has_value()) return std::optional<std::vector<stages::StoredChunk>>();
    RAGMESH_ASSIGN_OR_RETURN(ChunkRecord record, DecodeChunk(*values[i]));
    chunks.push_back(std::move(record.chunk));
    if (parts.vector && view.rows.dimension > 0) {
      const float* row = view.rows.Row(slots[i]);
      chunks.back().vector.assign(row, row + view.rows.dimension);
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
      [&](const Image& image,
          const ImageView& view) -> absl::StatusOr<std::optional<stages::StoredDocument>> {
        const auto index = image.FindDocument(document_id);
        // An index beyond the view belongs to a write that is newer than it.
        if (index.has_value() && *index >= view.documents.size())
          return std::optional<stages::StoredDocument>();
        if (!index.has_value() || !IsVisible(view, *index, std::nullopt))
          return NotFound("document", document_id);
        const std::string key = ItemKey(number_, view.documents[*index].number);
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
      [&](const Image& image,
          const ImageView& view) -> absl::StatusOr<std::optional<stages::DocumentPage>> {
        // One more than a page, to know whether there is a next one.
        std::vector<std::uint32_t> found;
        std::optional<std::string> after = start;
        while (found.size() <= page.size) {
          RAGMESH_RETURN_IF_ERROR(call.Check());
          const std::vector<std::uint32_t> step = image.DocumentsAfter(after, kDocumentsPerStep);
          if (step.empty()) break;
          for (const std::uint32_t index : step) {
            if (index >= view.documents.size()) return std::optional<stages::DocumentPage>();
            if (found.size() <= page.size && IsVisible(view, index, filter)) found.push_back(index);
          }
          after = view.documents[step.back()].id;
        }
        stages::DocumentPage result;
        if (found.size() > page.size) {
          found.pop_back();
          result.next_token = EncodePageToken(
              {Listing::kDocuments, number_, view.documents[found.back()].id, 0, ""});
        }
        std::vector<std::string> keys;
        for (const std::uint32_t index : found)
          keys.push_back(ItemKey(number_, view.documents[index].number));
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
      principal_labels, call,
      [&](const Image& image, const ImageView& view) -> absl::StatusOr<std::optional<Chunks>> {
        std::vector<std::uint32_t> slots;
        for (const std::string& id : chunk_ids) {
          const auto slot = image.FindChunk(id);
          if (!slot.has_value()) continue;
          if (*slot >= view.chunks.size()) return std::optional<Chunks>();
          if (IsVisible(view, view.chunks[*slot].document, std::nullopt)) slots.push_back(*slot);
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
      [&](const Image& image,
          const ImageView& view) -> absl::StatusOr<std::optional<stages::ChunkPage>> {
        std::vector<std::uint32_t> found;
        // False when the image has moved on: the document is newer than the view, or gone since.
        const auto take = [&](std::uint32_t document) {
          if (document >= view.documents.size()) return false;
          if (!IsVisible(view, document, std::nullopt)) return true;
          const bool resumes =
              start.has_value() && view.documents[document].id == start->document_id;
          const auto slots = image.ChunksOf(document);
          if (!slots.has_value()) return false;
          for (const std::uint32_t slot : *slots) {
            if (found.size() > page.size) break;
            if (slot >= view.chunks.size()) return false;
            const ImageChunk& chunk = view.chunks[slot];
            if (resumes &&
                std::tie(chunk.ordinal, chunk.id) <= std::tie(start->ordinal, start->chunk_id))
              continue;
            found.push_back(slot);
          }
          return true;
        };
        if (!document_id.empty()) {
          const auto index = image.FindDocument(document_id);
          if (!index.has_value()) return NotFound("document", document_id);
          if (*index < view.documents.size() && !IsVisible(view, *index, std::nullopt)) {
            return NotFound("document", document_id);
          }
          if (!take(*index)) return std::optional<stages::ChunkPage>();
        } else {
          std::optional<std::string> after;
          if (start.has_value()) {
            const auto resumed = image.FindDocument(start->document_id);
            if (resumed.has_value() && !take(*resumed)) return std::optional<stages::ChunkPage>();
            after = start->document_id;
          }
          while (found.size() <= page.size) {
            RAGMESH_RETURN_IF_ERROR(call.Check());
            const std::vector<std::uint32_t> step = image.DocumentsAfter(after, kDocumentsPerStep);
            if (step.empty()) break;
            for (const std::uint32_t index : step) {
              if (!take(index)) return std::optional<stages::ChunkPage>();
            }
            after = view.documents[step.back()].id;
          }
        }
        stages::ChunkPage result;
        if (found.size() > page.size) {
          found.resize(page.size);
          const ImageChunk& last = view.chunks[found.back()];
          result.next_token = EncodePageToken(
              {Listing::kChunks, number_, view.documents[last.document].id, last.ordinal, last.id});
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
  RAGMESH_ASSIGN_OR_RETURN(const SlotSet allowed,
                           AllowedChunks(image()->View(principal_labels), filter, call));
  return allowed.Count();
}

absl::StatusOr<std::vector<RankedChunk>> StoredCollection::Rank(
    const Image& image, const ImageView& view, const stages::SearchRequest& request,
    const SlotSet& allowed, const CallContext& call) const {
  const stages::CollectionConfig settings = config();
  const stages::Fusion fusion = request.fusion.value_or(settings.fusion);
  const std::size_t limit = request.mode == stages::SearchMode::kHybrid
                                ? fusion.candidates
                                : static_cast<std::size_t>(request.top_k);
  const auto comes_first = [&view](std::uint32_t a, std::uint32_t b) {
    return view.chunks[a].id < view.chunks[b].id;
  };
  std::vector<ScoredSlot> lexical, dense;
  if (request.mode != stages::SearchMode::kDense) {
    lexical = image.SearchLexical(analyzer_.Terms(request.query_text),
                                  {settings.bm25_k1, settings.bm25_b}, allowed, limit, comes_first);
  }
  if (request.mode != stages::SearchMode::kLexical) {
    RAGMESH_ASSIGN_OR_RETURN(
        dense, vector_index::FlatSearch(
                   view.rows, request.query_vector, allowed, limit, comes_first,
                   {resources_->kernels, resources_->executor, resources_->search_threads}, call));
  }
  if (request.mode == stages::SearchMode::kHybrid)
    return Fuse(dense, lexical, fusion, request.top_k, comes_first);
  std::vector<RankedChunk> ranked;
  for (std::size_t i = 0; i < dense.size(); ++i) {
    ranked.push_back({.slot = dense[i].slot,
                      .score = dense[i].score,
                      .dense_score = dense[i].score,
                      .dense_rank = static_cast<std::uint32_t>(i + 1)});
  }
  for (std::size_t i = 0; i < lexical.size(); ++i) {
    ranked.push_back({.slot = lexical[i].slot,
                      .score = lexical[i].score,
                      .lexical_score = lexical[i].score,
                      .lexical_rank = static_cast<std::uint32_t>(i + 1)});
  }
  return ranked;
}

absl::StatusOr<stages::SearchResult> StoredCollection::Search(const stages::SearchRequest& request,
                                                              const CallContext& call) const {
  RAGMESH_RETURN_IF_ERROR(ValidateSearch(config(), request));
  const absl::Time begun = absl::Now();
  auto found = ReadConsistently<stages::SearchResult>(
      request.principal_labels, call,
      [&](const Image& image,
          const ImageView& view) -> absl::StatusOr<std::optional<stages::SearchResult>> {
        RAGMESH_ASSIGN_OR_RETURN(const SlotSet allowed, AllowedChunks(view, request.filter, call));
        stages::SearchResult result;
        result.sequence = view.sequence;
        result.candidates = allowed.Count();
        RAGMESH_ASSIGN_OR_RETURN(const auto ranked, Rank(image, view, request, allowed, call));
        std::vector<std::uint32_t> slots;
        for (const RankedChunk& chunk : ranked) slots.push_back(chunk.slot);
        RAGMESH_ASSIGN_OR_RETURN(auto chunks, FetchChunks(view, slots, request.parts));
        if (!chunks.has_value()) return std::optional<stages::SearchResult>();
        for (std::size_t i = 0; i < ranked.size(); ++i) {
          result.hits.push_back({std::move((*chunks)[i]), ranked[i].score, ranked[i].dense_score,
                                 ranked[i].lexical_score, ranked[i].dense_rank,
                                 ranked[i].lexical_rank});
        }
        return std::optional(std::move(result));
      });
  if (resources_->observer != nullptr)
    resources_->observer->Searched(request.mode, absl::Now() - begun, found.status());
  return found;
}

}  // namespace ragmesh::vector_store
