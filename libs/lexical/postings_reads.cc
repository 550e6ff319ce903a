// What queries ask of an image besides the best: whole lists, positions, beginnings of terms, and
// the scores of given slots.
#include <algorithm>

#include "absl/strings/match.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/lexical/postings_image.h"

namespace ragmesh::lexical {
namespace {

absl::Status BrokenBlock() {
  return Corrupt("postings image", "has postings that follow no layout");
}

// Finds slots in one list, as long as they ascend.
class ListCursor {
 public:
  ListCursor(const PostingList& list, const linalg::PostingsKernels& kernels)
      : list_(list), kernels_(kernels) {}

  // Whether the list holds the slot; false and failed() on a block that follows no layout.
  bool Advance(std::uint32_t slot) {
    const std::uint32_t block = list_.Seek(block_, slot);
    if (block == list_.block_count()) return false;
    if (block != block_ || !unpacked_) {
      block_ = block;
      index_ = 0;
      unpacked_ = true;
      failed_ = failed_ || !list_.Unpack(block, kernels_, &postings_);
    }
    if (failed_) return false;
    const auto begin = postings_.slots.begin(), end = begin + postings_.size;
    index_ = static_cast<std::uint32_t>(std::lower_bound(begin + index_, end, slot) - begin);
    return index_ < postings_.size && postings_.slots[index_] == slot;
  }
  bool failed() const { return failed_; }
  std::uint32_t block() const { return block_; }
  std::uint32_t index() const { return index_; }
  const PostingBlock& postings() const { return postings_; }

 private:
  const PostingList& list_;
  const linalg::PostingsKernels& kernels_;
  std::uint32_t block_ = 0, index_ = 0;
  bool unpacked_ = false, failed_ = false;
  PostingBlock postings_;
};

}  // namespace

absl::Status PostingsImage::ForEachSlot(absl::string_view term,
                                        absl::FunctionRef<void(std::uint32_t)> found) const {
  const auto entry = Find(term);
  if (!entry.has_value()) return absl::OkStatus();
  RAGMESH_ASSIGN_OR_RETURN(const PostingList list, List(*entry));
  PostingBlock block;
  for (std::uint32_t b = 0; b < list.block_count(); ++b) {
    if (!list.Unpack(b, *kernels_, &block)) return BrokenBlock();
    for (std::uint32_t i = 0; i < block.size; ++i) found(block.slots[i]);
  }
  return absl::OkStatus();
}

absl::Status PostingsImage::ForEachPositions(
    absl::string_view term, absl::Span<const std::uint32_t> slots,
    absl::FunctionRef<void(std::uint32_t, absl::Span<const std::uint32_t>)> found) const {
  const auto entry = Find(term);
  if (!entry.has_value()) return absl::OkStatus();
  RAGMESH_ASSIGN_OR_RETURN(const PostingList list, List(*entry));
  ListCursor cursor(list, *kernels_);
  std::vector<std::uint32_t> positions;
  for (const std::uint32_t slot : slots) {
    if (!cursor.Advance(slot)) continue;
    positions.clear();
    RAGMESH_RETURN_IF_ERROR(
        ReadPositions(*entry, list, cursor.block(), cursor.postings(), cursor.index(), &positions));
    found(slot, positions);
  }
  return cursor.failed() ? BrokenBlock() : absl::OkStatus();
}

absl::Status PostingsImage::ForEachOccurrence(
    absl::string_view term, absl::Span<const std::uint32_t> slots,
    absl::FunctionRef<void(std::size_t, const Occurrences&, const Lengths&)> found) const {
  const auto entry = Find(term);
  if (!entry.has_value()) return absl::OkStatus();
  RAGMESH_ASSIGN_OR_RETURN(const PostingList list, List(*entry));
  ListCursor cursor(list, *kernels_);
  for (std::size_t i = 0; i < slots.size(); ++i) {
    if (cursor.Advance(slots[i]))
      found(i, cursor.postings().At(cursor.index()), LengthsAt(slots[i]));
  }
  return cursor.failed() ? BrokenBlock() : absl::OkStatus();
}

bool PostingsImage::ForEachTerm(absl::string_view prefix, std::size_t limit,
                                absl::FunctionRef<void(absl::string_view)> found) const {
  TermDictionary::Cursor cursor = dictionary_.Near(prefix);
  std::size_t count = 0;
  while (cursor.Next()) {
    if (cursor.term() < prefix) continue;
    if (!absl::StartsWith(cursor.term(), prefix)) break;
    if (count++ == limit) return false;
    found(cursor.term());
  }
  return true;
}

absl::Status PostingsImage::Score(absl::Span<const QueryTerm> terms, const Scorer& scorer,
                                  absl::Span<const std::uint32_t> slots,
                                  absl::Span<double> scores) const {
  std::fill(scores.begin(), scores.end(), 0.0);
  for (const QueryTerm& term : terms) {
    const auto entry = term.weight > 0 ? Find(term.term) : std::nullopt;
    if (!entry.has_value()) continue;
    RAGMESH_ASSIGN_OR_RETURN(const PostingList list, List(*entry));
    ListCursor cursor(list, *kernels_);
    for (std::size_t i = 0; i < slots.size(); ++i) {
      if (slots[i] >= slots_ || !cursor.Advance(slots[i])) continue;
      const double frequency = scorer.Frequency(cursor.postings().At(cursor.index()));
      if (frequency > 0)
        scores[i] += Scorer::Contribution(term.weight, frequency, NormAt(scorer, slots[i]));
    }
    if (cursor.failed()) return BrokenBlock();
  }
  return absl::OkStatus();
}

}  // namespace ragmesh::lexical
