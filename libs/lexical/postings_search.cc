// The best slots of an image.
//
// Slots are taken in ranges of 64. First every range gets an upper bound of what its slots can
// score, in 16 bits, rounded up: the sum over the terms of the most that a posting of the term in
// the range can add. Frequent terms have a 4-bit code for each range, whose meaning follows from
// the query's settings (PostingList::LevelBounds); the lists of rare terms are read instead. Then
// ranges are scored exactly, the promising ones first, until no other range can reach the worst of
// the best (compare Mallia, Suel, Tonellotto: Faster Learned Sparse Retrieval with Block-Max
// Pruning, SIGIR 2024). Scores are sums in the order of the query's terms, so they are the same
// bits as those of InvertedIndex::ScoreAll.
#include <algorithm>
#include <array>
#include <cmath>
#include <memory>
#include <vector>

#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/lexical/postings_image.h"

namespace ragmesh::lexical {
namespace {

// Bounds are whole numbers of a step; all terms together at their highest are this many.
constexpr double kSteps = 60000;
constexpr std::uint16_t kMostSteps = 0xFFFF;

// Ranges are scored in passes, each of them over the bounds down to this part of the last.
constexpr double kNextPass = 0.9;

struct Posting {
  std::uint32_t slot;
  double contribution;
};

// A term's list while one query runs.
struct List {
  PostingList postings;
  double weight = 0;
  // Of a frequent term: the block that is unpacked, and where in it the last range ended.
  std::uint32_t block = 0, index = 0;
  std::uint32_t unpacked_block = 0xFFFFFFFF;
  PostingBlock* unpacked = nullptr;
  std::array<std::uint16_t, kLevels + 1> table;
  // Of a rare term: its postings, all of them, in Scratch::rare.
  std::size_t begin = 0, end = 0, next = 0;
};

// Kept between the queries of one thread, so that none allocates once the thread has seen its like.
struct Scratch {
  std::vector<List> lists;
  std::vector<std::unique_ptr<PostingBlock>> blocks;
  std::vector<Posting> rare;
  std::vector<std::uint16_t> bounds;  // by range
  std::vector<std::uint32_t> ranges;
  PostingBlock block;

  PostingBlock* Block(std::size_t i) {
    while (blocks.size() <= i) blocks.push_back(std::make_unique<PostingBlock>());
    return blocks[i].get();
  }
};

Scratch& ThreadScratch() {
  thread_local Scratch scratch;
  return scratch;
}

absl::Status BrokenBlock() {
  return Corrupt("postings image", "has postings that follow no layout");
}

class RangeSearch {
 public:
  RangeSearch(const PostingsImage& image, const Scorer& scorer,
              absl::Span<const std::uint64_t> allowed, std::uint32_t base, TopSlots* best)
      : image_(image),
        scorer_(scorer),
        kernels_(image.kernels()),
        allowed_(
            allowed.first(std::min<std::size_t>(allowed.size(), RangeCount(image.slot_count())))),
        base_(base),
        best_(best),
        scratch_(ThreadScratch()) {}

  absl::Status Run(absl::Span<const QueryTerm> terms) {
    RAGMESH_RETURN_IF_ERROR(OpenLists(terms));
    if (scratch_.lists.empty() || allowed_.empty()) return absl::OkStatus();
    RAGMESH_RETURN_IF_ERROR(BoundRanges());
    return ScoreRanges();
  }

 private:
  absl::Status OpenLists(absl::Span<const QueryTerm> terms) {
    scratch_.lists.clear();
    double most = 0;
    for (const QueryTerm& term : terms) {
      if (!(term.weight > 0)) continue;
      const auto entry = image_.Find(term.term);
      if (!entry.has_value()) continue;
      List list;
      RAGMESH_ASSIGN_OR_RETURN(list.postings, image_.List(*entry));
      list.weight = term.weight;
      most += term.weight;
      scratch_.lists.push_back(list);
    }
    step_ = most / kSteps;
    return absl::OkStatus();
  }

  // At least the steps of `bound`, one more for what rounding may have taken from it.
  std::uint16_t StepsUp(double bound) const {
    return static_cast<std::uint16_t>(std::min<double>(bound / step_ + 2, kMostSteps));
  }
  // A range with fewer steps has no score that reaches `bar`.
  std::uint16_t StepsOf(double bar) const {
    return static_cast<std::uint16_t>(std::clamp<double>(bar / step_, 1, kMostSteps));
  }

  absl::Status BoundRanges() {
    scratch_.rare.clear();
    scratch_.bounds.assign(PaddedRangeCount(image_.slot_count()), 0);
    std::size_t frequent = 0;
    for (List& list : scratch_.lists) {
      if (!list.postings.has_codes()) {
        RAGMESH_RETURN_IF_ERROR(ReadRare(&list));
        continue;
      }
      list.unpacked = scratch_.Block(frequent++);
      std::array<double, kLevels + 1> levels;
      if (!list.postings.LevelBounds(scorer_, list.weight, &levels)) return BrokenBlock();
      list.table[0] = 0;
      for (std::size_t i = 1; i <= kLevels; ++i)
        list.table[i] = levels[i] > 0 ? StepsUp(levels[i]) : std::uint16_t{0};
      kernels_.add_codes(list.postings.codes(), scratch_.bounds.size(), list.table.data(),
                         scratch_.bounds.data());
    }
    return absl::OkStatus();
  }

  absl::Status ReadRare(List* list) {
    list->begin = scratch_.rare.size();
    PostingBlock& block = scratch_.block;
    std::uint32_t range = 0;
    double most = 0;  // that a posting of the range adds
    const auto bound_range = [&] {
      if (most == 0) return;
      std::uint16_t& bound = scratch_.bounds[range];
      bound =
          static_cast<std::uint16_t>(std::min<std::uint32_t>(bound + StepsUp(most), kMostSteps));
    };
    for (std::uint32_t b = 0; b < list->postings.block_count(); ++b) {
      if (!list->postings.Unpack(b, kernels_, &block)) return BrokenBlock();
      for (std::uint32_t i = 0; i < block.size; ++i) {
        const std::uint32_t slot = block.slots[i];
        const double frequency = Frequency(block, i);
        if (!(frequency > 0)) continue;
        const double adds =
            Scorer::Contribution(list->weight, frequency, image_.NormAt(scorer_, slot));
        scratch_.rare.push_back({slot, adds});
        if (slot / kRangeSlots != range) {
          bound_range();
          range = slot / kRangeSlots;
          most = 0;
        }
        most = std::max(most, adds);
      }
    }
    bound_range();
    list->end = scratch_.rare.size();
    return absl::OkStatus();
  }

  double Frequency(const PostingBlock& block, std::uint32_t i) const {
    return scorer_.plain() ? block.counts[i] : scorer_.Frequency(block.At(i));
  }

  absl::Status ScoreRanges() {
    const auto& bounds = scratch_.bounds;
    scratch_.ranges.resize(bounds.size());
    std::uint16_t high = kernels_.largest(bounds.data(), bounds.size());
    while (high > 0) {
      const std::uint16_t bar = StepsOf(best_->bar());
      if (high < bar) break;
      const auto low = std::max<std::uint16_t>(bar, static_cast<std::uint16_t>(high * kNextPass));
      const std::size_t found =
          kernels_.select(bounds.data(), bounds.size(), low, high, scratch_.ranges.data());
      RAGMESH_RETURN_IF_ERROR(Pass({scratch_.ranges.data(), found}));
      high = static_cast<std::uint16_t>(low - 1);
    }
    return absl::OkStatus();
  }

  // Ranges ascend, so that each list is walked forwards.
  absl::Status Pass(absl::Span<const std::uint32_t> ranges) {
    for (List& list : scratch_.lists) {
      list.block = list.index = 0;
      list.unpacked_block = 0xFFFFFFFF;
      list.next = list.begin;
    }
    std::uint16_t bar = StepsOf(best_->bar());
    for (const std::uint32_t range : ranges) {
      if (range >= allowed_.size() || allowed_[range] == 0 || scratch_.bounds[range] < bar)
        continue;
      RAGMESH_RETURN_IF_ERROR(ScoreRange(range));
      bar = StepsOf(best_->bar());
    }
    return absl::OkStatus();
  }

  absl::Status ScoreRange(std::uint32_t range) {
    scores_.fill(0);
    const std::uint32_t begin = range * kRangeSlots;
    for (List& list : scratch_.lists) {
      if (!list.postings.has_codes()) {
        AddRare(begin, &list);
      } else if (Code(list, range) != 0) {
        RAGMESH_RETURN_IF_ERROR(AddFrequent(begin, &list));
      }
    }
    const double bar = best_->bar();
    for (std::uint64_t bits = allowed_[range]; bits != 0; bits &= bits - 1) {
      const auto i = static_cast<std::uint32_t>(__builtin_ctzll(bits));
      if (scores_[i] > 0 && scores_[i] >= bar) best_->Offer(base_ + begin + i, scores_[i]);
    }
    return absl::OkStatus();
  }

  static std::uint8_t Code(const List& list, std::uint32_t range) {
    const std::uint8_t pair = list.postings.codes()[range / 64 * 32 + range % 32];
    return range % 64 < 32 ? pair & 15 : pair >> 4;
  }

  void AddRare(std::uint32_t begin, List* list) {
    const Posting* const end = scratch_.rare.data() + list->end;
    const Posting* at = scratch_.rare.data() + list->next;
    const auto before = [begin](const Posting& posting) { return posting.slot < begin; };
    for (std::ptrdiff_t step = 1; at != end && before(*at); step *= 2) {  // gallop
      const Posting* const far = end - at > step ? at + step : end;
      if (far != end && before(*far)) {
        at = far;
        continue;
      }
      at = std::partition_point(at, far, before);
      break;
    }
    for (; at != end && at->slot - begin < kRangeSlots; ++at)
      scores_[at->slot - begin] += at->contribution;
    list->next = static_cast<std::size_t>(at - scratch_.rare.data());
  }

  absl::Status AddFrequent(std::uint32_t begin, List* list) {
    list->block = list->postings.Seek(list->block, begin);
    for (; list->block < list->postings.block_count(); ++list->block) {
      PostingBlock& block = *list->unpacked;
      if (list->unpacked_block != list->block) {
        if (!list->postings.Unpack(list->block, kernels_, &block)) return BrokenBlock();
        list->unpacked_block = list->block;
        list->index = 0;
      }
      const auto first = block.slots.begin();
      std::uint32_t i = static_cast<std::uint32_t>(
          std::lower_bound(first + list->index, first + block.size, begin) - first);
      for (; i < block.size && block.slots[i] - begin < kRangeSlots; ++i) {
        const double frequency = Frequency(block, i);
        if (!(frequency > 0)) continue;
        scores_[block.slots[i] - begin] +=
            Scorer::Contribution(list->weight, frequency, image_.NormAt(scorer_, block.slots[i]));
      }
      list->index = i;
      if (i < block.size) break;  // the range ends before the block does
    }
    return absl::OkStatus();
  }

  const PostingsImage& image_;
  const Scorer& scorer_;
  const linalg::PostingsKernels& kernels_;
  const absl::Span<const std::uint64_t> allowed_;
  const std::uint32_t base_;
  TopSlots* const best_;
  Scratch& scratch_;
  double step_ = 1;
  std::array<double, kRangeSlots> scores_;
};

}  // namespace

absl::Status PostingsImage::Search(absl::Span<const QueryTerm> terms, const Scorer& scorer,
                                   absl::Span<const std::uint64_t> allowed, std::uint32_t base,
                                   TopSlots* best) const {
  return RangeSearch(*this, scorer, allowed, base, best).Run(terms);
}

}  // namespace ragmesh::lexical
