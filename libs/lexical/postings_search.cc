// The best slots of an image.
//
// Slots are taken in ranges of 64. First every range gets an upper bound of what its slots can
// score, in 16 bits, rounded up: the sum over the terms of the most that a posting of the term in
// the range can add. Frequent terms have a 4-bit code for each range, whose meaning follows from
// the query's settings (PostingList::LevelBounds); the lists of rare terms are read instead, which
// gives sums by slot. Then ranges are scored exactly, the promising ones first, until no other
// range can reach the worst of the best (compare Mallia, Suel, Tonellotto: Faster Learned Sparse
// Retrieval with Block-Max Pruning, SIGIR 2024). Where neighbours have little in common, codes say
// little: then lists of more terms are read, the rarest first, as long as that costs less than
// scoring what is left, and the terms whose codes are still used are those that a MaxScore search
// would call not essential (Turtle, Flood 1995). Scores are sums in the order of the query's terms,
// so they are the same bits as those of InvertedIndex::ScoreAll.
#include <algorithm>
#include <array>
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

// Ranges are scored in passes: the first takes so many of the best, each later one more, and a pass
// ends where bounds fall below this part of where it began looking.
constexpr std::size_t kFirstRanges = 16;
constexpr std::size_t kMoreRanges = 4;
constexpr double kLookFurther = 0.9;

// What scoring a range costs, in postings read. Measured; it decides speed, not results.
constexpr std::size_t kPostingsPerRange = 64;

// With more candidates a range is scored as a whole.
constexpr std::size_t kMostProbed = 6;

// Most that a thread keeps between queries: 16 MB of postings, half a megabyte of blocks.
constexpr std::size_t kKeptPostings = 1 << 20;
constexpr std::size_t kKeptBlocks = 256;

struct Posting {
  std::uint32_t slot;
  double contribution;
};

// A term's list while one query runs.
struct List {
  PostingList postings;
  double weight = 0;
  // Not read: codes bound it; the block that is unpacked, and where in it the last range ended.
  std::uint32_t block = 0, index = 0;
  std::uint32_t unpacked_block = 0xFFFFFFFF;
  PostingBlock* unpacked = nullptr;
  std::array<std::uint16_t, kLevels + 1> table;
  // Read: its postings that are allowed, in Scratch::read.
  bool is_read = false;
  std::size_t begin = 0, end = 0, next = 0;
};

// Kept between the queries of one thread, so that none allocates once the thread has seen its like.
struct Scratch {
  std::vector<List> lists;
  std::vector<std::unique_ptr<PostingBlock>> blocks;
  std::vector<Posting> read;
  std::vector<std::uint16_t> slot_steps;   // sums of what was read; all 0 between queries
  std::vector<std::uint16_t> range_steps;  // the largest of slot_steps in each range
  std::vector<std::uint16_t> code_steps;   // by range, of lists that were not read
  std::vector<std::uint16_t> bounds;       // both together; 0 once the range is scored
  std::vector<std::uint32_t> ranges;
  std::vector<std::uint32_t> scored;
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

std::uint16_t AddSteps(std::uint32_t a, std::uint32_t b) {
  return static_cast<std::uint16_t>(std::min<std::uint32_t>(a + b, kMostSteps));
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
        scratch_(ThreadScratch()),
        norms_(scorer.norms()),
        short_totals_(scorer.plain() ? image.short_totals() : nullptr) {}

  ~RangeSearch() {
    for (const Posting& posting : scratch_.read) scratch_.slot_steps[posting.slot] = 0;
    scratch_.read.clear();
    if (scratch_.read.capacity() > kKeptPostings) scratch_.read.shrink_to_fit();
    if (scratch_.blocks.size() > kKeptBlocks) scratch_.blocks.resize(kKeptBlocks);
  }

  absl::Status Run(absl::Span<const QueryTerm> terms) {
    RAGMESH_RETURN_IF_ERROR(OpenLists(terms));
    if (scratch_.lists.empty() || allowed_.empty()) return absl::OkStatus();
    const std::size_t ranges = PaddedRangeCount(image_.slot_count());
    if (scratch_.slot_steps.size() < ranges * kRangeSlots)
      scratch_.slot_steps.resize(ranges * kRangeSlots, 0);
    scratch_.range_steps.assign(ranges, 0);
    scratch_.bounds.resize(ranges);
    scratch_.ranges.resize(ranges);
    scratch_.scored.clear();
    for (List& list : scratch_.lists) {
      if (list.postings.has_codes()) {
        RAGMESH_RETURN_IF_ERROR(ReadCodes(&list));
      } else {
        RAGMESH_RETURN_IF_ERROR(Read(&list));
      }
    }
    BoundRanges();
    return ScoreRanges();
  }

 private:
  absl::Status OpenLists(absl::Span<const QueryTerm> terms) {
    scratch_.lists.clear();
    double most = 0;
    std::size_t with_codes = 0;
    for (const QueryTerm& term : terms) {
      if (!(term.weight > 0)) continue;
      const auto entry = image_.Find(term.term);
      if (!entry.has_value()) continue;
      List& list = scratch_.lists.emplace_back();
      RAGMESH_ASSIGN_OR_RETURN(list.postings, image_.List(*entry));
      list.weight = term.weight;
      most += term.weight;
      if (list.postings.has_codes()) list.unpacked = scratch_.Block(with_codes++);
    }
    steps_per_score_ = most > 0 ? kSteps / most : 0;
    return absl::OkStatus();
  }

  // At least the steps of `bound`, one more for what rounding may have taken from it.
  std::uint16_t StepsUp(double bound) const {
    return static_cast<std::uint16_t>(std::min<double>(bound * steps_per_score_ + 2, kMostSteps));
  }
  // A range with fewer steps has no score that reaches the bar.
  std::uint16_t Bar() const {
    return static_cast<std::uint16_t>(
        std::clamp<double>(best_->bar() * steps_per_score_, 1, kMostSteps));
  }

  double Frequency(const PostingBlock& block, std::uint32_t i) const {
    return scorer_.plain() ? block.counts[i] : scorer_.Frequency(block.At(i));
  }

  // The usual case is short enough to be put in place.
  double Norm(std::uint32_t slot) const {
    if (short_totals_ != nullptr) {
      const auto total = LoadLittle<std::uint16_t>(short_totals_ + 2 * std::size_t{slot});
      if (total < norms_.size()) return norms_[total];
    }
    return image_.NormAt(scorer_, slot);
  }

  absl::Status ReadCodes(List* list) {
    std::array<double, kLevels + 1> levels;
    if (!list->postings.LevelBounds(scorer_, list->weight, &levels)) return BrokenBlock();
    for (std::size_t i = 0; i <= kLevels; ++i)
      list->table[i] = levels[i] > 0 ? StepsUp(levels[i]) : std::uint16_t{0};
    return absl::OkStatus();
  }

  absl::Status Read(List* list) {
    list->is_read = true;
    list->begin = list->end = scratch_.read.size();
    PostingBlock& block = scratch_.block;
    for (std::uint32_t b = 0; b < list->postings.block_count(); ++b) {
      if (!list->postings.Unpack(b, kernels_, &block)) return BrokenBlock();
      for (std::uint32_t i = 0; i < block.size; ++i) {
        const std::uint32_t slot = block.slots[i];
        if (!IsSet(allowed_, slot)) continue;
        const double frequency = Frequency(block, i);
        if (!(frequency > 0)) continue;
        const double adds = Scorer::Contribution(list->weight, frequency, Norm(slot));
        scratch_.read.push_back({slot, adds});
        std::uint16_t& steps = scratch_.slot_steps[slot];
        steps = AddSteps(steps, StepsUp(adds));
        std::uint16_t& most = scratch_.range_steps[slot / kRangeSlots];
        most = std::max(most, steps);
      }
    }
    list->end = scratch_.read.size();
    return absl::OkStatus();
  }

  void BoundRanges() {
    scratch_.code_steps.assign(scratch_.bounds.size(), 0);
    for (const List& list : scratch_.lists) {
      if (!list.is_read)
        kernels_.add_codes(list.postings.codes(), scratch_.bounds.size(), list.table.data(),
                           scratch_.code_steps.data());
    }
    for (std::size_t range = 0; range < scratch_.bounds.size(); ++range)
      scratch_.bounds[range] = AddSteps(scratch_.code_steps[range], scratch_.range_steps[range]);
    for (const std::uint32_t range : scratch_.scored) scratch_.bounds[range] = 0;
  }

  // The ranges that are left with bounds from `low` on, into Scratch::ranges.
  absl::Span<const std::uint32_t> Select(std::uint16_t low) {
    return {scratch_.ranges.data(), kernels_.select(scratch_.bounds.data(), scratch_.bounds.size(),
                                                    low, kMostSteps, scratch_.ranges.data())};
  }

  absl::Status ScoreRanges() {
    for (std::size_t wanted = kFirstRanges;; wanted *= kMoreRanges) {
      const std::uint16_t bar = Bar();
      std::uint16_t low = kernels_.largest(scratch_.bounds.data(), scratch_.bounds.size());
      if (low < bar) return absl::OkStatus();
      absl::Span<const std::uint32_t> ranges;
      do {
        low = std::max(bar, static_cast<std::uint16_t>(low * kLookFurther));
        ranges = Select(low);
      } while (ranges.size() < wanted && low > bar);
      RAGMESH_RETURN_IF_ERROR(Pass(ranges));
      RAGMESH_RETURN_IF_ERROR(ReadMore());
    }
  }

  // Reads further lists, the rarest first, while one costs less than scoring the ranges left.
  absl::Status ReadMore() {
    while (true) {
      List* rarest = nullptr;
      for (List& list : scratch_.lists) {
        if (!list.is_read &&
            (rarest == nullptr || list.postings.documents() < rarest->postings.documents()))
          rarest = &list;
      }
      if (rarest == nullptr) return absl::OkStatus();
      const std::size_t left = Select(Bar()).size();
      if (left * kPostingsPerRange < rarest->postings.documents()) return absl::OkStatus();
      RAGMESH_RETURN_IF_ERROR(Read(rarest));
      BoundRanges();
    }
  }

  // Ranges ascend, so that each list is walked forwards.
  absl::Status Pass(absl::Span<const std::uint32_t> ranges) {
    for (List& list : scratch_.lists) {
      list.block = list.index = 0;
      list.unpacked_block = 0xFFFFFFFF;
      list.next = list.begin;
    }
    for (const std::uint32_t range : ranges) {
      if (range < allowed_.size() && allowed_[range] != 0 && scratch_.bounds[range] >= Bar())
        RAGMESH_RETURN_IF_ERROR(ScoreRange(range));
      scratch_.bounds[range] = 0;
      scratch_.scored.push_back(range);
    }
    return absl::OkStatus();
  }

  absl::Status ScoreRange(std::uint32_t range) {
    const std::uint32_t begin = range * kRangeSlots;
    const std::uint16_t bar = Bar(), codes = scratch_.code_steps[range];
    // Slots that need more than the codes say must have it from the lists that were read.
    std::array<std::uint32_t, kRangeSlots> candidates;
    const std::size_t found = codes >= bar
                                  ? kRangeSlots
                                  : kernels_.select(scratch_.slot_steps.data() + begin, kRangeSlots,
                                                    static_cast<std::uint16_t>(bar - codes),
                                                    kMostSteps, candidates.data());
    if (found > kMostProbed) return ScoreWhole(range);
    for (std::size_t i = 0; i < found; ++i) {
      if (((allowed_[range] >> candidates[i]) & 1) == 0) continue;
      double score = 0;
      RAGMESH_RETURN_IF_ERROR(AddRange(range, begin + candidates[i], 1, &score));
      if (score > 0) best_->Offer(base_ + begin + candidates[i], score);
    }
    return absl::OkStatus();
  }

  absl::Status ScoreWhole(std::uint32_t range) {
    std::array<double, kRangeSlots> scores = {};
    const std::uint32_t begin = range * kRangeSlots;
    RAGMESH_RETURN_IF_ERROR(AddRange(range, begin, kRangeSlots, scores.data()));
    const double bar = best_->bar();
    for (std::uint64_t bits = allowed_[range]; bits != 0; bits &= bits - 1) {
      const auto i = static_cast<std::uint32_t>(__builtin_ctzll(bits));
      if (scores[i] > 0 && scores[i] >= bar) best_->Offer(base_ + begin + i, scores[i]);
    }
    return absl::OkStatus();
  }

  // Adds to scores[i] what all terms add to slot begin + i, for i < count, in one range.
  absl::Status AddRange(std::uint32_t range, std::uint32_t begin, std::uint32_t count,
                        double* scores) {
    for (List& list : scratch_.lists) {
      if (list.is_read) {
        AddRead(begin, count, &list, scores);
      } else if (Code(list, range) != 0) {
        RAGMESH_RETURN_IF_ERROR(AddPacked(begin, count, &list, scores));
      }
    }
    return absl::OkStatus();
  }

  static std::uint8_t Code(const List& list, std::uint32_t range) {
    const std::uint8_t pair = list.postings.codes()[range / 64 * 32 + range % 32];
    return range % 64 < 32 ? pair & 15 : pair >> 4;
  }

  void AddRead(std::uint32_t begin, std::uint32_t count, List* list, double* scores) {
    const Posting* const end = scratch_.read.data() + list->end;
    const Posting* at = scratch_.read.data() + list->next;
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
    for (; at != end && at->slot - begin < count; ++at)
      scores[at->slot - begin] += at->contribution;
    list->next = static_cast<std::size_t>(at - scratch_.read.data());
  }

  absl::Status AddPacked(std::uint32_t begin, std::uint32_t count, List* list, double* scores) {
    list->block = list->postings.Seek(list->block, begin);
    for (; list->block < list->postings.block_count(); ++list->block) {
      PostingBlock& block = *list->unpacked;
      if (list->unpacked_block != list->block) {
        if (!list->postings.Unpack(list->block, kernels_, &block)) return BrokenBlock();
        list->unpacked_block = list->block;
        list->index = 0;
      }
      const auto first = block.slots.begin();
      auto i = static_cast<std::uint32_t>(
          std::lower_bound(first + list->index, first + block.size, begin) - first);
      for (; i < block.size && block.slots[i] - begin < count; ++i) {
        const double frequency = Frequency(block, i);
        if (!(frequency > 0)) continue;
        scores[block.slots[i] - begin] +=
            Scorer::Contribution(list->weight, frequency, Norm(block.slots[i]));
      }
      list->index = i;
      if (i < block.size) break;  // what was asked for ends before the block does
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
  const absl::Span<const double> norms_;
  const char* const short_totals_;  // lengths of two bytes, if they alone make the norm
  double steps_per_score_ = 0;
};

}  // namespace

absl::Status PostingsImage::Search(absl::Span<const QueryTerm> terms, const Scorer& scorer,
                                   absl::Span<const std::uint64_t> allowed, std::uint32_t base,
                                   TopSlots* best) const {
  return RangeSearch(*this, scorer, allowed, base, best).Run(terms);
}

}  // namespace ragmesh::lexical
