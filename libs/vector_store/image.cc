#include "libs/vector_store/image.h"

#include <algorithm>
#include <utility>

#include "libs/base/check.h"
#include "libs/base/status_macros.h"

namespace ragmesh::vector_store {
namespace {

using vector_index::SlotSet;

// A change to a set that views share.
class SlotEdit {
 public:
  SlotEdit(SharedSlots from, std::uint32_t size) : from_(std::move(from)), size_(size) {}
  void Add(std::uint32_t slot) { Mine().Add(slot); }
  void Remove(std::uint32_t slot) { Mine().Remove(slot); }
  SharedSlots Take() {
    if (from_->size() < size_) Mine();
    return mine_ == nullptr ? std::move(from_) : std::move(mine_);
  }

 private:
  SlotSet& Mine() {
    if (mine_ == nullptr) {
      mine_ = std::make_shared<SlotSet>(*from_);
      mine_->Resize(std::max(size_, from_->size()));
    }
    return *mine_;
  }

  SharedSlots from_;
  std::uint32_t size_;
  std::shared_ptr<SlotSet> mine_;
};

}  // namespace

Image::Image(std::uint32_t dimension) : dimension_(dimension) {
  absl::MutexLock lock(&mutex_);
  BeginTail();
  SetBases();
}

// Vectors that come are coded around the mean of those that came, as soon as there is one.
void Image::BeginTail() {
  const State* largest = nullptr;
  for (const State& state : parts_) {
    if (state.view.part->frame() == nullptr) continue;
    if (largest == nullptr || state.view.live->size() > largest->view.live->size())
      largest = &state;
  }
  tail_ = std::make_shared<Tail>(largest != nullptr ? TailCoding{largest->view.part->frame()}
                                                    : TailCoding::Around(dimension_, {}));
  parts_.push_back(StateOf({.part = tail_,
                            .live = std::make_shared<const SlotSet>(),
                            .live_documents = std::make_shared<const SlotSet>(),
                            .removed = std::make_shared<lexical::RemovedChunks>(),
                            .bounds = std::nullopt}));
}

Image::State Image::StateOf(FixedPart part) {
  State state;
  state.view = {.part = std::move(part.part),
                .live = std::move(part.live),
                .live_documents = std::move(part.live_documents),
                .removed = part.removed};
  state.view.live_count = state.view.live->Count();
  state.removed = std::move(part.removed);
  state.bounds = part.bounds;
  return state;
}

// Where slots and indexes of each part begin. Those of fixed parts do not grow.
void Image::SetBases() {
  std::uint32_t base = 0, document_base = 0;
  live_documents_ = 0;
  for (State& state : parts_) {
    state.view.base = base;
    state.view.document_base = document_base;
    base += state.view.live->size();
    document_base += state.view.live_documents->size();
    live_documents_ += state.view.live_documents->Count();
  }
}

std::shared_ptr<Tail> Image::WritersTail() const {
  absl::ReaderMutexLock lock(&mutex_);
  return tail_;
}

std::vector<Image::Placed> Image::Place(absl::Span<const ImageChange* const> changes) {
  const std::shared_ptr<Tail> tail = WritersTail();
  std::vector<Placed> placed;
  placed.reserve(changes.size());
  for (const ImageChange* const change : changes) {
    placed.push_back({tail->rows(), tail->documents(), {}});
    placed.back().arriving =
        tail->AddChunks(change->document_number, change->document, change->new_chunks);
    if (change->is_new) tail->AddDocument(change->document_number, change->document);
  }
  return placed;
}

void Image::Apply(const ImageChange& change) {
  const ImageChange* const changes[] = {&change};
  Show(change, std::move(Place(changes)[0]));
}

void Image::Show(const ImageChange& change, Placed placed) {
  // What no other thread changes: this is the only writer.
  const std::shared_ptr<Tail> tail = WritersTail();
  std::vector<State> parts;
  {
    absl::ReaderMutexLock lock(&mutex_);
    parts = parts_;
  }
  const auto rows = static_cast<std::uint32_t>(placed.arriving.size());
  std::vector<SlotEdit> live, live_documents;
  for (const State& state : parts) {
    const bool is_tail = state.view.part == tail;
    live.emplace_back(state.view.live, is_tail ? placed.first_row + rows : 0);
    live_documents.emplace_back(state.view.live_documents,
                                is_tail ? placed.first_document + (change.is_new ? 1 : 0) : 0);
  }
  const auto part_of = [&parts](std::uint32_t slot, std::uint32_t PartView::*base) {
    std::size_t i = parts.size() - 1;
    while (parts[i].view.*base > slot) --i;
    return i;
  };
  std::vector<std::uint64_t> gone(parts.size());
  for (const ImageChange::RemovedChunk& removed : change.removed_chunks) {
    const std::size_t i = part_of(removed.slot, &PartView::base);
    live[i].Remove(removed.slot - parts[i].view.base);
    ++gone[i];
  }
  for (const std::uint32_t index : change.removed_documents) {
    const std::size_t i = part_of(index, &PartView::document_base);
    live_documents[i].Remove(index - parts[i].view.document_base);
  }
  for (std::uint32_t row = 0; row < rows; ++row) live.back().Add(placed.first_row + row);
  if (change.is_new) live_documents.back().Add(placed.first_document);
  tail->Activate(placed.arriving);

  // Shown. Who reads a record that has gone since their view waits for this.
  {
    absl::MutexLock lock(&mutex_);
    for (std::size_t i = 0; i < parts_.size(); ++i) {
      PartView& view = parts_[i].view;
      view.live = live[i].Take();
      view.live_documents = live_documents[i].Take();
      view.live_count -= gone[i];
    }
    parts_.back().view.live_count += rows;
    live_documents_ += (change.is_new ? 1 : 0);
    live_documents_ -= change.removed_documents.size();
    sequence_ = change.sequence;
    text_bytes_ = change.text_bytes;
  }
  // What has gone is found no more, and now it stops to count in frequencies.
  for (const ImageChange::RemovedChunk& removed : change.removed_chunks) {
    const std::size_t i = part_of(removed.slot, &PartView::base);
    if (i + 1 == parts.size()) {
      tail->Deactivate(removed.terms);
    } else {
      absl::MutexLock lock(&terms_mutex_);
      parts[i].removed->Add(removed.terms);
    }
  }
}

ImageView Image::View(absl::Span<const std::string> principal_labels) const {
  std::vector<PartView> parts;
  absl::ReaderMutexLock lock(&mutex_);
  parts.reserve(parts_.size());
  for (const State& state : parts_) parts.push_back(state.view);
  return ImageView(sequence_, std::move(parts), Principal::WithLabels(principal_labels));
}

template <typename Result>
Result Image::WithTerms(const ImageView& view, const ChunkSets* allowed,
                        absl::FunctionRef<Result(absl::Span<const lexical::SearchPart>)> search)
    const ABSL_NO_THREAD_SAFETY_ANALYSIS {
  absl::ReaderMutexLock lock(&terms_mutex_);
  std::vector<std::unique_ptr<absl::ReaderMutexLock>> locks;
  std::vector<lexical::SearchPart> parts;
  for (std::size_t i = 0; i < view.parts().size(); ++i) {
    const PartView& part = view.parts()[i];
    if (absl::Mutex* const mutex = part.part->terms_mutex(); mutex != nullptr)
      locks.push_back(std::make_unique<absl::ReaderMutexLock>(mutex));
    parts.push_back(
        {&part.part->terms(), part.base,
         allowed == nullptr ? absl::Span<const std::uint64_t>() : allowed->parts[i]->words(),
         part.removed.get()});
  }
  return search(parts);
}

absl::StatusOr<lexical::FoundSlots> Image::SearchLexical(
    const ImageView& view, const lexical::Query& query, const lexical::Bm25& bm25,
    const ChunkSets& allowed, std::size_t limit, vector_index::TieBreak comes_first) const {
  return WithTerms<absl::StatusOr<lexical::FoundSlots>>(
      view, &allowed, [&](absl::Span<const lexical::SearchPart> parts) {
        return lexical::SearchIndex(parts, query, bm25, limit, comes_first);
      });
}

absl::StatusOr<ChunkSets> Image::MatchingLexical(const ImageView& view, const lexical::Query& query,
                                                 const ChunkSets& allowed) const {
  RAGMESH_ASSIGN_OR_RETURN(const auto bits,
                           WithTerms<absl::StatusOr<std::vector<lexical::SlotBits>>>(
                               view, &allowed, [&](absl::Span<const lexical::SearchPart> parts) {
                                 return lexical::MatchingSlots(parts, query);
                               }));
  ChunkSets matching;
  for (std::size_t i = 0; i < bits.size(); ++i) {
    auto slots = std::make_shared<SlotSet>(allowed.parts[i]->size());
    slots->AddWords(bits[i].data(), nullptr);
    matching.count += slots->Count();
    matching.parts.push_back(std::move(slots));
  }
  return matching;
}

absl::StatusOr<std::vector<double>> Image::ScoreLexical(
    const ImageView& view, const lexical::Query& query, const lexical::Bm25& bm25,
    absl::Span<const std::uint32_t> slots) const {
  return WithTerms<absl::StatusOr<std::vector<double>>>(
      view, nullptr, [&](absl::Span<const lexical::SearchPart> parts) {
        return lexical::ScoreIndex(parts, query, bm25, slots);
      });
}

absl::StatusOr<std::vector<std::vector<lexical::TermScore>>> Image::ExplainLexical(
    const ImageView& view, const lexical::Query& query, const lexical::Bm25& bm25,
    absl::Span<const std::uint32_t> slots) const {
  return WithTerms<absl::StatusOr<std::vector<std::vector<lexical::TermScore>>>>(
      view, nullptr, [&](absl::Span<const lexical::SearchPart> parts) {
        return lexical::ExplainIndex(parts, query, bm25, slots);
      });
}

std::uint64_t Image::sequence() const {
  absl::ReaderMutexLock lock(&mutex_);
  return sequence_;
}

stages::CollectionStats Image::Stats() const {
  absl::ReaderMutexLock lock(&mutex_);
  stages::CollectionStats stats;
  stats.documents = live_documents_;
  for (const State& state : parts_) {
    stats.chunks += state.view.live_count;
    stats.terms += state.view.part->term_count();
    stats.memory_bytes += state.view.part->memory_bytes();
  }
  stats.text_bytes = text_bytes_;
  stats.sequence = sequence_;
  return stats;
}

bool Image::AwaitAfter(std::uint64_t sequence, absl::Time deadline) const {
  const auto newer = [this, sequence]()
                         ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return sequence_ > sequence; };
  absl::ReaderMutexLock lock(&mutex_);
  return mutex_.AwaitWithDeadline(absl::Condition(&newer), deadline);
}

void Image::CompactTail() {
  constexpr std::uint64_t kWorthIt = 1024;
  std::shared_ptr<Tail> tail;
  PartView view;
  {
    absl::ReaderMutexLock lock(&mutex_);
    tail = tail_;
    view = parts_.back().view;
  }
  const std::uint64_t live_documents = view.live_documents->Count();
  const std::uint64_t dead = view.live->size() - view.live_count;
  const std::uint64_t dead_documents = view.live_documents->size() - live_documents;
  if ((dead <= kWorthIt || dead <= view.live_count) &&
      (dead_documents <= kWorthIt || dead_documents <= live_documents))
    return;
  std::shared_ptr<Tail> compacted = tail->Compacted(*view.live, *view.live_documents);
  SlotSet live(static_cast<std::uint32_t>(view.live_count));
  live.Invert();
  SlotSet documents(static_cast<std::uint32_t>(live_documents));
  documents.Invert();
  State state = StateOf({.part = compacted,
                         .live = std::make_shared<const SlotSet>(std::move(live)),
                         .live_documents = std::make_shared<const SlotSet>(std::move(documents)),
                         .removed = std::make_shared<lexical::RemovedChunks>(),
                         .bounds = std::nullopt});
  absl::MutexLock lock(&mutex_);
  parts_.back() = std::move(state);
  tail_ = std::move(compacted);
  SetBases();
}

std::uint32_t Image::tail_rows() const {
  absl::ReaderMutexLock lock(&mutex_);
  return parts_.back().view.live->size();
}

std::uint32_t Image::tail_documents() const {
  absl::ReaderMutexLock lock(&mutex_);
  return parts_.back().view.live_documents->size();
}

void Image::Freeze(const NumberPair& bounds) {
  absl::MutexLock lock(&mutex_);
  parts_.back().bounds = bounds;
  BeginTail();
  SetBases();
}

std::vector<FixedPart> Image::Fixed() const {
  std::vector<FixedPart> fixed;
  absl::ReaderMutexLock lock(&mutex_);
  for (std::size_t i = 0; i + 1 < parts_.size(); ++i) {
    const State& state = parts_[i];
    fixed.push_back(
        {state.view.part, state.view.live, state.view.live_documents, state.removed, state.bounds});
  }
  return fixed;
}

void Image::Replace(absl::Span<const std::shared_ptr<const Part>> replaced,
                    std::optional<FixedPart> by) {
  const auto goes = [replaced](const State& state) {
    return std::find(replaced.begin(), replaced.end(), state.view.part) != replaced.end();
  };
  absl::MutexLock lock(&mutex_);
  const auto first = std::find_if(parts_.begin(), parts_.end(), goes);
  RAGMESH_CHECK(first != parts_.end(), "a part that is replaced is there");
  const auto at = first - parts_.begin();
  parts_.erase(std::remove_if(parts_.begin(), parts_.end(), goes), parts_.end());
  if (by.has_value()) parts_.insert(parts_.begin() + at, StateOf(*std::move(by)));
  SetBases();
}

void Image::Add(FixedPart part) {
  absl::MutexLock lock(&mutex_);
  parts_.insert(parts_.end() - 1, StateOf(std::move(part)));
  SetBases();
}

}  // namespace ragmesh::vector_store
