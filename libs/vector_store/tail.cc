#include "libs/vector_store/tail.h"

#include <algorithm>
#include <iterator>
#include <set>
#include <utility>

#include "libs/base/check.h"
#include "libs/base/status_macros.h"
#include "libs/vector_store/filter.h"

namespace ragmesh::vector_store {
namespace {

using vector_index::SlotSet;

// Chunks put into the inverted index per exclusive section: some tens of microseconds that searches
// may have to wait for.
constexpr std::size_t kChunksPerSection = 8;
constexpr std::size_t kChunksPerActivation = 64;

constexpr std::uint32_t kRowsPerCheck = 4096;  // looked at between two looks at the call

// CodedQuery's, for all recalls up to kHighRecall and above: three and four deviations.
constexpr double kCodeMargin = 1.8, kWideCodeMargin = 2.4;
constexpr float kHighRecall = 0.995f;

std::uint64_t MemoryOf(const DocumentRecord& record) {
  constexpr std::uint64_t kPerField = 128;  // a map node and its value
  const stages::StoredDocument& document = record.document;
  std::uint64_t bytes = sizeof(DocumentRecord) + document.id.size() + document.name.size() +
                        document.uri.size() + document.info.title.size() +
                        document.info.sha256.size() + record.text_sha256.size() +
                        document.metadata.size() * kPerField;
  for (const std::string& label : document.acl_labels) bytes += sizeof(label) + label.size();
  return bytes;
}

}  // namespace

std::shared_ptr<const DocumentRecord> ImageRecord(DocumentRecord record) {
  record.document.info.properties.clear();
  record.document.info.coverage = {};
  return std::make_shared<const DocumentRecord>(std::move(record));
}

Principal Principal::WithLabels(absl::Span<const std::string> labels) {
  Principal principal{.sees_all = false, .labels = {labels.begin(), labels.end()}};
  std::sort(principal.labels.begin(), principal.labels.end());
  principal.sees_all =
      std::binary_search(principal.labels.begin(), principal.labels.end(), stages::kAllLabels);
  return principal;
}

bool Principal::Sees(const stages::StoredDocument& document) const {
  return sees_all || std::any_of(document.acl_labels.begin(), document.acl_labels.end(),
                                 [this](const std::string& label) {
                                   return std::binary_search(labels.begin(), labels.end(), label);
                                 });
}

TailCoding TailCoding::Around(std::uint32_t dimension, absl::Span<const float> mean) {
  if (dimension == 0) return {};
  const std::vector<float> zero(mean.empty() ? dimension : 0, 0.0f);
  return {std::make_shared<const vector_index::Frame>(dimension, mean.empty() ? zero : mean)};
}

Tail::Tail(const TailCoding& coding) : coding_(coding) {
  if (coding.frame == nullptr) return;
  rows_.emplace(static_cast<std::uint32_t>(coding.frame->dimension()));
  codes_.emplace(coding.frame);
}

std::uint32_t Tail::OwnerIndex(std::uint64_t number,
                               const std::shared_ptr<const DocumentRecord>& record) {
  const auto [it, inserted] = owner_by_number_.try_emplace(number, owners_.size());
  if (inserted) {
    owners_.Append({number, record});
    rows_of_.emplace_back();
    record_bytes_ += MemoryOf(*record);
  }
  return it->second;
}

// Keys of the look-ups lie in the newest entry of an id.
std::uint32_t Tail::AppendDocument(std::uint32_t owner) {
  const std::string& id = owners_[owner].record->document.id;
  std::uint32_t previous = kNone;
  if (const auto it = document_by_id_.find(id); it != document_by_id_.end()) {
    previous = it->second;
    document_by_id_.erase(it);
  }
  const std::uint32_t index = documents_.Append({owner, previous});
  document_by_id_.emplace(id, index);
  document_by_number_[owners_[owner].number] = index;
  document_count_ = documents_.size();
  return index;
}

std::uint32_t Tail::AppendChunk(Chunk chunk) {
  if (const auto it = chunk_by_id_.find(chunk.id); it != chunk_by_id_.end()) {
    chunk.previous = it->second;
    chunk_by_id_.erase(it);
  }
  const std::uint32_t owner = chunk.owner;
  const std::uint32_t row = chunks_.Append(std::move(chunk));
  chunk_by_id_.emplace(chunks_[row].id, row);
  rows_of_[owner].push_back(row);
  row_count_ = chunks_.size();
  return row;
}

std::uint32_t Tail::AddDocument(std::uint64_t number,
                                std::shared_ptr<const DocumentRecord> record) {
  absl::MutexLock lock(&mutex_);
  return AppendDocument(OwnerIndex(number, record));
}

std::vector<lexical::InvertedIndex::Document> Tail::AddChunks(
    std::uint64_t document_number, const std::shared_ptr<const DocumentRecord>& document,
    absl::Span<const NewChunk> chunks) {
  std::vector<lexical::InvertedIndex::Document> interned;
  if (chunks.empty()) return interned;
  interned.reserve(chunks.size());
  std::uint32_t owner = 0;
  {
    absl::MutexLock lock(&mutex_);
    owner = OwnerIndex(document_number, document);
  }
  for (std::size_t begin = 0; begin < chunks.size(); begin += kChunksPerSection) {
    const auto section = chunks.subspan(begin, kChunksPerSection);
    if (rows_.has_value()) {
      for (const NewChunk& chunk : section) {
        rows_->Append(chunk.vector);
        codes_->Append(chunk.vector);
      }
    }
    absl::MutexLock lock(&mutex_);
    for (const NewChunk& chunk : section) {
      interned.push_back(lexical_.Intern(*chunk.terms));
      lexical_.Append(AppendChunk({chunk.id, chunk.number, owner, chunk.ordinal}), interned.back());
      interned.back().positions = {};
    }
  }
  return interned;
}

void Tail::Activate(absl::Span<const lexical::InvertedIndex::Document> chunks) {
  for (std::size_t begin = 0; begin < chunks.size(); begin += kChunksPerActivation) {
    absl::MutexLock lock(&mutex_);
    for (const auto& chunk : chunks.subspan(begin, kChunksPerActivation)) lexical_.Activate(chunk);
  }
}

void Tail::Deactivate(const lexical::ChunkTerms& terms) {
  std::optional<lexical::InvertedIndex::Document> document;
  {
    absl::ReaderMutexLock lock(&mutex_);
    document = lexical_.FindAll(terms);
  }
  RAGMESH_CHECK(document.has_value(), "the terms of a stored chunk are in the index");
  absl::MutexLock lock(&mutex_);
  lexical_.Deactivate(*document);
}

std::shared_ptr<Tail> Tail::Compacted(const SlotSet& live, const SlotSet& live_documents) const {
  auto tail = std::make_shared<Tail>(coding_);
  absl::ReaderMutexLock lock(&mutex_);
  absl::MutexLock new_lock(&tail->mutex_);
  for (std::uint32_t index = 0; index < document_count_; ++index) {
    if (!live_documents.Contains(index)) continue;
    const Owner& owner = owners_[documents_[index].owner];
    tail->AppendDocument(tail->OwnerIndex(owner.number, owner.record));
  }
  std::vector<std::uint32_t> new_rows(row_count_, lexical::InvertedIndex::kDropped);
  for (std::uint32_t row = 0; row < row_count_; ++row) {
    if (!live.Contains(row)) continue;
    const Chunk& chunk = chunks_[row];
    const Owner& owner = owners_[chunk.owner];
    new_rows[row] = tail->AppendChunk(
        {chunk.id, chunk.number, tail->OwnerIndex(owner.number, owner.record), chunk.ordinal});
    if (!rows_.has_value()) continue;
    const absl::Span<const float> vector(rows_->Row(row), rows_->dimension());
    tail->rows_->Append(vector);
    tail->codes_->Append(vector);
  }
  tail->lexical_ = lexical_.Compacted(new_rows);
  return tail;
}

std::uint32_t Tail::rows() const {
  absl::ReaderMutexLock lock(&mutex_);
  return row_count_;
}

segment::CatalogChunk Tail::chunk(std::uint32_t row) const {
  const Chunk& chunk = chunks_[row];
  return {chunk.id, chunk.number, owners_[chunk.owner].number, chunk.ordinal};
}

absl::Status Tail::ReadVectors(absl::Span<const std::uint32_t> rows, float* out) const {
  for (const std::uint32_t row : rows) {
    std::copy_n(rows_->Row(row), rows_->dimension(), out);
    out += rows_->dimension();
  }
  return absl::OkStatus();
}

lexical::PostingsSource Tail::postings() const ABSL_NO_THREAD_SAFETY_ANALYSIS {
  return {.index = &lexical_};
}

std::uint32_t Tail::documents() const {
  absl::ReaderMutexLock lock(&mutex_);
  return document_count_;
}

absl::string_view Tail::document_id(std::uint32_t index) const {
  return owners_[documents_[index].owner].record->document.id;
}

std::uint64_t Tail::document_number(std::uint32_t index) const {
  return owners_[documents_[index].owner].number;
}

absl::StatusOr<std::shared_ptr<const DocumentRecord>> Tail::Document(std::uint32_t index) const {
  return owners_[documents_[index].owner].record;
}

absl::StatusOr<std::string> Tail::EncodedDocument(std::uint32_t index) const {
  return Encode(*owners_[documents_[index].owner].record);
}

std::optional<std::uint32_t> Tail::FindChunk(absl::string_view id, const SlotSet& live) const {
  absl::ReaderMutexLock lock(&mutex_);
  const auto it = chunk_by_id_.find(id);
  std::uint32_t row = it == chunk_by_id_.end() ? kNone : it->second;
  while (row != kNone && !live.Contains(row)) row = chunks_[row].previous;
  return row == kNone ? std::nullopt : std::optional(row);
}

// The document in `live` that has the id of `newest`, or kNone.
std::uint32_t Tail::LiveOf(std::uint32_t newest, const SlotSet& live) const {
  std::uint32_t index = newest;
  while (index != kNone && !live.Contains(index)) index = documents_[index].previous;
  return index;
}

std::optional<std::uint32_t> Tail::FindDocument(absl::string_view id, const SlotSet& live) const {
  absl::ReaderMutexLock lock(&mutex_);
  const auto it = document_by_id_.find(id);
  if (it == document_by_id_.end()) return std::nullopt;
  const std::uint32_t index = LiveOf(it->second, live);
  return index == kNone ? std::nullopt : std::optional(index);
}

std::optional<std::uint32_t> Tail::FindNumber(std::uint64_t document_number) const {
  absl::ReaderMutexLock lock(&mutex_);
  const auto it = document_by_number_.find(document_number);
  return it == document_by_number_.end() ? std::nullopt : std::optional(it->second);
}

std::vector<std::uint32_t> Tail::ChunksOf(std::uint64_t document_number) const {
  absl::ReaderMutexLock lock(&mutex_);
  const auto it = owner_by_number_.find(document_number);
  return it == owner_by_number_.end() ? std::vector<std::uint32_t>() : rows_of_[it->second];
}

std::vector<std::uint32_t> Tail::DocumentsAfter(const std::string* id, std::size_t limit,
                                                const SlotSet& among) const {
  std::vector<std::uint32_t> found;
  absl::ReaderMutexLock lock(&mutex_);
  auto it = id == nullptr ? document_by_id_.begin() : document_by_id_.upper_bound(*id);
  for (; it != document_by_id_.end() && found.size() < limit; ++it) {
    const std::uint32_t index = LiveOf(it->second, among);
    if (index != kNone) found.push_back(index);
  }
  return found;
}

template <typename Takes>
absl::StatusOr<SlotSet> Tail::RowsOfOwners(std::uint32_t rows, const Takes& takes,
                                           const CallContext& call) const {
  enum : char { kUnknown, kTaken, kLeft };
  std::vector<char> known;  // by owner
  SlotSet taken(rows);
  for (std::uint32_t row = 0; row < rows; ++row) {
    if (row % kRowsPerCheck == 0) RAGMESH_RETURN_IF_ERROR(call.Check());
    const std::uint32_t owner = chunks_[row].owner;
    if (owner >= known.size()) known.resize(owner + 1, kUnknown);
    if (known[owner] == kUnknown)
      known[owner] = takes(owners_[owner].record->document) ? kTaken : kLeft;
    if (known[owner] == kTaken) taken.Add(row);
  }
  return taken;
}

absl::StatusOr<SlotSet> Tail::Matching(const Principal& principal, const stages::Filter* filter,
                                       std::uint32_t rows, const CallContext& call) const {
  return RowsOfOwners(
      rows,
      [&](const stages::StoredDocument& document) {
        return principal.Sees(document) &&
               (filter == nullptr || Matches(*filter, FilterSubject::Of(document)));
      },
      call);
}

bool Tail::HasField(absl::string_view field, const SlotSet& among) const {
  std::uint32_t last = kNone;  // owner looked at
  for (std::uint32_t row = 0; row < among.size(); ++row) {
    const std::uint32_t owner = chunks_[row].owner;
    if (owner == last || !among.Contains(row)) continue;
    last = owner;
    const stages::Metadata& metadata = owners_[owner].record->document.metadata;
    if (metadata.find(std::string(field)) != metadata.end()) return true;
  }
  return false;
}

static_assert(Part::kRowsPerRun == vector_index::kFirstRows);
absl::StatusOr<Part::VectorRun> Tail::Vectors(std::uint32_t first, std::uint32_t /*count*/,
                                              float* /*room*/) const {
  return VectorRun{rows_->Row(first), rows_->stride()};
}

void Tail::SearchVectors(const linalg::Kernels& kernels, const float* query, float recall,
                         const SlotSet& allowed, std::uint64_t allowed_count, std::uint32_t base,
                         vector_index::Shortlist* shortlist) const {
  const std::uint32_t rows = allowed.size();
  const vector_index::CodedQuery coded(*coding_.frame, query,
                                       recall > kHighRecall ? kWideCodeMargin : kCodeMargin);
  SearchGrowing(kernels, codes_->view(rows), rows_->view(rows), query, coded, allowed.words(),
                allowed_count, base, shortlist);
}

std::uint64_t Tail::term_count() const {
  absl::ReaderMutexLock lock(&mutex_);
  return lexical_.terms();
}

std::uint64_t Tail::memory_bytes() const {
  constexpr std::uint64_t kPerChunk = sizeof(Chunk) + 60;  // with its places in the look-ups
  absl::ReaderMutexLock lock(&mutex_);
  std::uint64_t bytes = lexical_.memory_bytes() + row_count_ * kPerChunk + record_bytes_;
  // Rounded up to the blocks that hold them: each row counts although its block is not full.
  if (rows_.has_value())
    bytes += std::uint64_t{row_count_} *
             (rows_->dimension() * sizeof(float) + coding_.frame->block_bytes() / 64);
  return bytes;
}

}  // namespace ragmesh::vector_store
