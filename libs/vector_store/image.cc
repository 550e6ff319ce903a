#include "libs/vector_store/image.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "libs/base/check.h"
#include "libs/base/status_macros.h"

namespace ragmesh::vector_store {
namespace {

using vector_index::SlotSet;

// Chunks put in place per exclusive section: some 0.3 ms of work that searches may have to wait
// for.
constexpr std::size_t kChunksPerSection = 64;

// Documents judged between two looks at the call.
constexpr std::uint32_t kDocumentsPerCheck = 1024;

std::uint64_t MemoryOf(const ImageDocument& document) {
  constexpr std::uint64_t kPerField = 128;  // a map node and its value
  return sizeof(ImageDocument) + document.id.size() + document.name.size() + document.title.size() +
         document.sha256.size() + document.text_sha256.size() +
         document.metadata.size() * kPerField + document.labels.size() * sizeof(std::uint32_t);
}

}  // namespace

bool Principal::Sees(const ImageDocument& document) const {
  return sees_all || std::any_of(document.labels.begin(), document.labels.end(),
                                 [this](std::uint32_t label) { return labels.contains(label); });
}

Image::Image(std::uint32_t dimension) : dimension_(dimension) {
  if (dimension > 0) rows_.emplace(dimension);
}

std::uint32_t Image::LabelNumber(const std::string& label) {
  return label_numbers_.try_emplace(label, static_cast<std::uint32_t>(label_numbers_.size()))
      .first->second;
}

std::uint32_t Image::AddDocument(ImageDocument document) {
  text_bytes_ += document.text_bytes;
  document_bytes_ += MemoryOf(document);
  const std::string id = document.id;
  const std::uint32_t index = documents_.Append(std::move(document));
  live_documents_.Resize(index + 1);
  live_documents_.Add(index);
  slots_of_.resize(index + 1);
  document_by_id_[id] = index;
  return index;
}

void Image::RemoveChunk(std::uint32_t slot, const lexical::InvertedIndex::Document& terms) {
  const ImageChunk& chunk = chunks_[slot];
  live_chunks_.Remove(slot);
  --live_chunk_count_;
  lexical_.Deactivate(terms);
  chunk_by_id_.erase(chunk.id);
  std::vector<std::uint32_t>& siblings = slots_of_[chunk.document];
  siblings.erase(std::remove(siblings.begin(), siblings.end(), slot), siblings.end());
}

void Image::ShowChunk(std::uint32_t slot) {
  const ImageChunk& chunk = chunks_[slot];
  live_chunks_.Add(slot);
  ++live_chunk_count_;
  chunk_by_id_[chunk.id] = slot;
  slots_of_[chunk.document].push_back(slot);
}

std::optional<std::uint32_t> Image::Apply(const ImageChange& change) {
  const ImageChange* const changes[] = {&change};
  return Show(change, std::move(Place(changes)[0]));
}

std::vector<Image::Placed> Image::Place(absl::Span<const ImageChange* const> changes) {
  std::vector<Placed> placed;
  placed.reserve(changes.size());
  std::uint32_t documents_before = 0;
  for (const ImageChange* const change : changes) {
    placed.push_back(PlaceOne(*change, documents_before));
    if (change->document.has_value()) ++documents_before;
  }
  return placed;
}

Image::Placed Image::PlaceOne(const ImageChange& change, std::uint32_t documents_before) {
  // What no other thread changes may be read here without the lock: this is the only writer.
  Placed placed;
  placed.owner = change.target.value_or(0);
  {
    absl::ReaderMutexLock lock(&mutex_);
    placed.first_slot = chunks_.size();
    if (change.document.has_value())
      placed.owner = documents_.size() + documents_before;  // the entry that Show adds
  }
  // Visible to nobody: the slots are not live yet.
  placed.arriving.reserve(change.new_chunks.size());
  for (std::size_t begin = 0; begin < change.new_chunks.size(); begin += kChunksPerSection) {
    const std::size_t end = std::min(begin + kChunksPerSection, change.new_chunks.size());
    absl::MutexLock lock(&mutex_);
    for (std::size_t i = begin; i < end; ++i) {
      const ImageChange::NewChunk& chunk = change.new_chunks[i];
      const std::uint32_t slot =
          chunks_.Append({chunk.id, chunk.number, placed.owner, chunk.ordinal});
      if (rows_.has_value()) rows_->Append(chunk.vector);
      placed.arriving.push_back(lexical_.Intern(*chunk.terms));
      lexical_.Append(slot, placed.arriving.back());
    }
    live_chunks_.Resize(chunks_.size());
  }
  placed.leaving.reserve(change.removed_chunks.size());
  for (const ImageChange::RemovedChunk& removed : change.removed_chunks) {
    absl::ReaderMutexLock lock(&mutex_);
    auto document = lexical_.FindAll(removed.terms);
    RAGMESH_CHECK(document.has_value(), "the terms of a stored chunk are in the index");
    placed.leaving.push_back(*std::move(document));
  }
  return placed;
}

std::optional<std::uint32_t> Image::Show(const ImageChange& change, Placed placed) {
  absl::MutexLock lock(&mutex_);
  for (const std::uint32_t index : change.removed_documents) slots_of_[index].clear();
  for (std::size_t i = 0; i < placed.leaving.size(); ++i)
    RemoveChunk(change.removed_chunks[i].slot, placed.leaving[i]);
  for (const std::uint32_t index : change.removed_documents) {
    live_documents_.Remove(index);
    text_bytes_ -= documents_[index].text_bytes;
    document_by_id_.erase(documents_[index].id);
  }
  std::optional<std::uint32_t> added;
  if (change.document.has_value()) {
    const stages::StoredDocument& stored = change.document->document;
    ImageDocument document{change.document_number,
                           stored.id,
                           stored.version,
                           stored.name,
                           stored.info.title,
                           stored.info.media_type,
                           stored.info.language,
                           stored.info.sha256,
                           change.document->text_sha256,
                           change.document->text_bytes,
                           stored.metadata,
                           {}};
    for (const std::string& label : stored.acl_labels)
      document.labels.push_back(LabelNumber(label));
    added = AddDocument(std::move(document));
  }
  for (std::size_t i = 0; i < placed.arriving.size(); ++i) {
    lexical_.Activate(placed.arriving[i]);
    ShowChunk(placed.first_slot + static_cast<std::uint32_t>(i));
  }
  if (!placed.arriving.empty()) {
    std::vector<std::uint32_t>& slots = slots_of_[placed.owner];
    std::sort(slots.begin(), slots.end(),
              [this](std::uint32_t a, std::uint32_t b) ABSL_NO_THREAD_SAFETY_ANALYSIS {
                return std::tie(chunks_[a].ordinal, chunks_[a].id) <
                       std::tie(chunks_[b].ordinal, chunks_[b].id);
              });
  }
  sequence_ = change.sequence;
  return added;
}

ImageView Image::View(absl::Span<const std::string> principal_labels) const {
  ImageView view;
  absl::ReaderMutexLock lock(&mutex_);
  view.sequence = sequence_;
  view.live_chunks = live_chunks_;
  view.live_documents = live_documents_;
  view.documents = documents_.view();
  view.chunks = chunks_.view();
  if (rows_.has_value()) view.rows = rows_->view();
  for (const std::string& label : principal_labels) {
    if (label == stages::kAllLabels) view.principal.sees_all = true;
    const auto it = label_numbers_.find(label);
    if (it != label_numbers_.end()) view.principal.labels.insert(it->second);
  }
  return view;
}

absl::StatusOr<lexical::FoundSlots> Image::SearchLexical(const lexical::Query& query,
                                                         const lexical::Bm25& bm25,
                                                         const SlotSet& allowed, std::size_t limit,
                                                         vector_index::TieBreak comes_first) const {
  absl::ReaderMutexLock lock(&mutex_);
  const lexical::SearchPart part{&lexical_, 0, allowed.words(), nullptr};
  return lexical::SearchIndex({&part, 1}, query, bm25, limit, comes_first);
}

absl::StatusOr<std::vector<double>> Image::ScoreLexical(
    const lexical::Query& query, const lexical::Bm25& bm25,
    absl::Span<const std::uint32_t> slots) const {
  absl::ReaderMutexLock lock(&mutex_);
  const lexical::SearchPart part{&lexical_, 0, {}, nullptr};
  return lexical::ScoreIndex({&part, 1}, query, bm25, slots);
}

absl::StatusOr<std::vector<std::vector<lexical::TermScore>>> Image::ExplainLexical(
    const lexical::Query& query, const lexical::Bm25& bm25,
    absl::Span<const std::uint32_t> slots) const {
  absl::ReaderMutexLock lock(&mutex_);
  const lexical::SearchPart part{&lexical_, 0, {}, nullptr};
  return lexical::ExplainIndex({&part, 1}, query, bm25, slots);
}

std::optional<std::uint32_t> Image::FindDocument(absl::string_view id) const {
  absl::ReaderMutexLock lock(&mutex_);
  const auto it = document_by_id_.find(id);
  return it == document_by_id_.end() ? std::nullopt : std::optional(it->second);
}

std::optional<std::uint32_t> Image::FindChunk(absl::string_view id) const {
  absl::ReaderMutexLock lock(&mutex_);
  const auto it = chunk_by_id_.find(id);
  return it == chunk_by_id_.end() ? std::nullopt : std::optional(it->second);
}

std::optional<std::vector<std::uint32_t>> Image::ChunksOf(std::uint32_t document) const {
  absl::ReaderMutexLock lock(&mutex_);
  if (!live_documents_.Contains(document)) return std::nullopt;
  return slots_of_[document];
}

std::vector<std::uint32_t> Image::DocumentsAfter(const std::optional<std::string>& id,
                                                 std::size_t limit) const {
  std::vector<std::uint32_t> indexes;
  absl::ReaderMutexLock lock(&mutex_);
  auto it = id.has_value() ? document_by_id_.upper_bound(*id) : document_by_id_.begin();
  for (; it != document_by_id_.end() && indexes.size() < limit; ++it) indexes.push_back(it->second);
  return indexes;
}

std::uint64_t Image::sequence() const {
  absl::ReaderMutexLock lock(&mutex_);
  return sequence_;
}

stages::CollectionStats Image::Stats() const {
  constexpr std::uint64_t kPerChunk =
      sizeof(ImageChunk) + 48;  // with its entry in the look-up by id
  absl::ReaderMutexLock lock(&mutex_);
  stages::CollectionStats stats;
  stats.documents = document_by_id_.size();
  stats.chunks = live_chunk_count_;
  stats.terms = lexical_.terms();
  stats.text_bytes = text_bytes_;
  stats.memory_bytes = (rows_.has_value() ? rows_->memory_bytes() : 0) + lexical_.memory_bytes() +
                       chunks_.size() * kPerChunk + document_bytes_;
  stats.sequence = sequence_;
  return stats;
}

bool Image::AwaitAfter(std::uint64_t sequence, absl::Time deadline) const {
  const auto newer = [this, sequence]()
                         ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return sequence_ > sequence; };
  absl::ReaderMutexLock lock(&mutex_);
  return mutex_.AwaitWithDeadline(absl::Condition(&newer), deadline);
}

bool Image::WantsCompaction() const {
  constexpr std::uint64_t kWorthIt = 1024;
  absl::ReaderMutexLock lock(&mutex_);
  const std::uint64_t dead_chunks = chunks_.size() - live_chunk_count_;
  const std::uint64_t dead_documents = documents_.size() - document_by_id_.size();
  return (dead_chunks > kWorthIt && dead_chunks > live_chunk_count_) ||
         (dead_documents > kWorthIt && dead_documents > document_by_id_.size());
}

std::shared_ptr<Image> Image::Compacted() const {
  auto image = std::make_shared<Image>(dimension_);
  absl::ReaderMutexLock lock(&mutex_);
  absl::MutexLock new_lock(&image->mutex_);
  image->label_numbers_ = label_numbers_;
  std::vector<std::uint32_t> new_document(documents_.size(), 0);
  for (std::uint32_t index = 0; index < documents_.size(); ++index) {
    if (live_documents_.Contains(index))
      new_document[index] = image->AddDocument(documents_[index]);
  }
  std::vector<std::uint32_t> new_slot(chunks_.size(), lexical::InvertedIndex::kDropped);
  for (std::uint32_t slot = 0; slot < chunks_.size(); ++slot) {
    if (!live_chunks_.Contains(slot)) continue;
    ImageChunk chunk = chunks_[slot];
    chunk.document = new_document[chunk.document];
    new_slot[slot] = image->chunks_.Append(std::move(chunk));
    if (rows_.has_value()) image->rows_->Append({rows_->Row(slot), dimension_});
  }
  image->lexical_ = lexical_.Compacted(new_slot);
  image->live_chunks_.Resize(image->chunks_.size());
  for (std::uint32_t index = 0; index < documents_.size(); ++index) {
    if (!live_documents_.Contains(index)) continue;
    for (const std::uint32_t slot : slots_of_[index])
      image->ShowChunk(new_slot[slot]);  // in their order
  }
  image->sequence_ = sequence_;
  return image;
}

absl::StatusOr<SlotSet> AllowedChunks(const ImageView& view,
                                      const std::optional<stages::Filter>& filter,
                                      const CallContext& call) {
  if (view.principal.sees_all && !filter.has_value()) return view.live_chunks;
  SlotSet allowed(view.chunks.size());
  if (!view.principal.sees_all && view.principal.labels.empty()) return allowed;
  SlotSet documents(view.documents.size());
  for (std::uint32_t index = 0; index < view.documents.size(); ++index) {
    if (index % kDocumentsPerCheck == 0) RAGMESH_RETURN_IF_ERROR(call.Check());
    if (!view.live_documents.Contains(index)) continue;
    const ImageDocument& document = view.documents[index];
    if (!view.principal.Sees(document)) continue;
    if (!filter.has_value() || Matches(*filter, document.subject())) documents.Add(index);
  }
  for (std::uint32_t slot = 0; slot < view.chunks.size(); ++slot) {
    if (view.live_chunks.Contains(slot) && documents.Contains(view.chunks[slot].document))
      allowed.Add(slot);
  }
  return allowed;
}

}  // namespace ragmesh::vector_store
