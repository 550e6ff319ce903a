// The search of rows in lists of sign codes, whatever holds them. Only the indexes include this.
#ifndef RAGMESH_LIBS_VECTOR_INDEX_LIST_SEARCH_H_
#define RAGMESH_LIBS_VECTOR_INDEX_LIST_SEARCH_H_

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <numeric>
#include <vector>

#include "absl/types/span.h"
#include "libs/linalg/kernels.h"
#include "libs/vector_index/coding.h"
#include "libs/vector_index/list_index.h"
#include "libs/vector_index/shortlist.h"

namespace ragmesh::vector_index {

// Memory of one thread's searches, kept from one to the next.
struct ListScratch {
  std::vector<std::uint32_t> every;  // 0, 1, 2 and so on
  std::vector<float> cosines;
  std::vector<std::uint32_t> order;
  std::vector<const std::uint8_t*> blocks;
  std::vector<float> bases, estimates, maxima, sorted;
  std::vector<std::uint32_t> first_rows;
  std::vector<std::uint64_t> allowed;

  static ListScratch& OfThread();
};

// One search. Source has
//   absl::Span<const ListEntry> lists() const;
//   const std::uint8_t* block(std::uint32_t) const;
//   void Score(absl::Span<const std::uint32_t> rows, float* scores) const;  // of this query
template <typename Source>
class ListSearch {
 public:
  ListSearch(const Source& source, const linalg::Kernels& kernels, const linalg::SignScan& query,
             absl::Span<const std::uint64_t> allowed, std::uint32_t base, Shortlist* shortlist)
      : source_(source),
        kernels_(kernels),
        query_(query),
        allowed_(allowed),
        base_(base),
        shortlist_(*shortlist),
        scratch_(ListScratch::OfThread()) {}

  // Scores every allowed row.
  void SearchAllowed() {
    for (std::size_t word = 0; word < allowed_.size(); ++word)
      AddRows(static_cast<std::uint32_t>(word * 64), allowed_[word]);
    Flush();
  }

  // Looks at the lists in `order`, whose products with the query are `cosines` in the order of
  // lists, and stops where they fall by `margin` below the bar.
  void SearchLists(absl::Span<const std::uint32_t> order, absl::Span<const float> cosines,
                   float margin) {
    Clear();
    std::uint32_t round = kFirstRound, gathered = 0;
    for (const std::uint32_t list : order) {
      if (shortlist_.full() && cosines[list] < shortlist_.bar() - margin) break;
      gathered += Gather(source_.lists()[list], cosines[list]);
      if (gathered < round) continue;
      Scan();
      gathered = 0;
      round = kRound;
    }
    Scan();
    Flush();
  }

 private:
  static constexpr std::size_t kSignLanes = linalg::kSignLanes;
  // Rows whose estimates are made before the bar is raised: few at first, when there is none yet.
  static constexpr std::uint32_t kFirstRound = 2048, kRound = 8192;
  static constexpr std::size_t kPending = 64;  // rows that are scored together

  // 64 bits from bit `first` on; those beyond the end are not set.
  static std::uint64_t BitsAt(absl::Span<const std::uint64_t> words, std::uint32_t first) {
    const std::size_t word = first / 64;
    const unsigned shift = first % 64;
    const std::uint64_t low = word < words.size() ? words[word] >> shift : 0;
    if (shift == 0 || word + 1 >= words.size()) return low;
    return low | words[word + 1] << (64 - shift);
  }

  static bool HasAtMostTwo(std::uint64_t bits) {
    bits &= bits - 1;
    return (bits & (bits - 1)) == 0;
  }

  void Clear() {
    scratch_.blocks.clear();
    scratch_.bases.clear();
    scratch_.first_rows.clear();
    scratch_.allowed.clear();
  }

  // Takes a list's blocks that have allowed rows. Returns how many rows will be estimated.
  std::uint32_t Gather(const ListEntry& entry, float cosine) {
    const float base = cosine * entry.length;
    std::uint32_t gathered = 0;
    for (std::uint32_t done = 0, block = entry.first_block; done < entry.rows;
         done += kSignLanes, ++block) {
      const std::uint32_t left = entry.rows - done;
      std::uint64_t allowed = BitsAt(allowed_, entry.first_row + done);
      if (left < kSignLanes) allowed &= (std::uint64_t{1} << left) - 1;
      if (allowed == 0) continue;
      // A row's bytes cost half of what the signs of a whole block cost.
      if (HasAtMostTwo(allowed)) {
        AddRows(entry.first_row + done, allowed);
        continue;
      }
      scratch_.blocks.push_back(source_.block(block));
      scratch_.bases.push_back(base);
      scratch_.first_rows.push_back(entry.first_row + done);
      scratch_.allowed.push_back(allowed);
      gathered += kSignLanes;
    }
    return gathered;
  }

  // Estimates the gathered rows and computes those that are above the bar.
  void Scan() {
    const std::size_t blocks = scratch_.blocks.size();
    if (blocks == 0) return;
    scratch_.estimates.resize(blocks * kSignLanes);
    scratch_.maxima.resize(blocks);
    kernels_.scan_signs(query_, scratch_.blocks.data(), scratch_.bases.data(), blocks,
                        scratch_.estimates.data(), scratch_.maxima.data());
    float done = std::numeric_limits<float>::infinity();
    if (!shortlist_.full()) {
      // The k best blocks give k rows, whose scores make a first bar.
      float start = -std::numeric_limits<float>::infinity();
      if (blocks > shortlist_.k()) {
        scratch_.sorted = scratch_.maxima;
        const auto kth = scratch_.sorted.begin() + static_cast<std::ptrdiff_t>(shortlist_.k());
        std::nth_element(scratch_.sorted.begin(), kth, scratch_.sorted.end(), std::greater<>());
        start = *kth;
      }
      AddBetween(start, done);
      Flush();
      done = start;
    }
    AddBetween(shortlist_.bar(), done);
    Clear();
  }

  // Rows whose estimate is above `low` and not above `high`.
  void AddBetween(float low, float high) {
    if (!(low < high)) return;
    for (std::size_t b = 0; b < scratch_.blocks.size(); ++b) {
      if (!(scratch_.maxima[b] > low)) continue;
      const float* const estimates = scratch_.estimates.data() + b * kSignLanes;
      std::uint64_t rows = kernels_.above(estimates, low) & scratch_.allowed[b];
      if (scratch_.maxima[b] > high) rows &= ~kernels_.above(estimates, high);
      AddRows(scratch_.first_rows[b], rows);
      low = std::max(low, shortlist_.bar());
    }
  }

  void AddRows(std::uint32_t first, std::uint64_t rows) {
    for (; rows != 0; rows &= rows - 1) {
      pending_[pending_count_++] = first + static_cast<std::uint32_t>(std::countr_zero(rows));
      if (pending_count_ == kPending) Flush();
    }
  }

  void Flush() {
    source_.Score({pending_.data(), pending_count_}, scores_.data());
    for (std::size_t i = 0; i < pending_count_; ++i)
      shortlist_.Offer(base_ + pending_[i], scores_[i]);
    pending_count_ = 0;
  }

  const Source& source_;
  const linalg::Kernels& kernels_;
  const linalg::SignScan& query_;
  const absl::Span<const std::uint64_t> allowed_;
  const std::uint32_t base_;
  Shortlist& shortlist_;
  ListScratch& scratch_;
  std::size_t pending_count_ = 0;
  std::array<std::uint32_t, kPending> pending_;
  std::array<float, kPending> scores_;
};

}  // namespace ragmesh::vector_index

#endif  // RAGMESH_LIBS_VECTOR_INDEX_LIST_SEARCH_H_
