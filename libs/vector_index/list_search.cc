// The search of a ListIndex.
#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <numeric>

#include "libs/vector_index/list_index.h"

namespace ragmesh::vector_index {
namespace {

using linalg::kSignLanes;

// Rows whose estimates are made before the bar is raised: few at first, when there is none yet.
constexpr std::uint32_t kFirstRound = 2048, kRound = 8192;

// When there are fewer allowed rows than one in so many, they are gone through without the lists.
constexpr std::uint64_t kSparse = 256;

constexpr std::size_t kPending = 64;  // rows whose bytes are read together

// 64 bits from bit `first` on; those beyond the end are not set.
std::uint64_t BitsAt(absl::Span<const std::uint64_t> words, std::uint32_t first) {
  const std::size_t word = first / 64;
  const unsigned shift = first % 64;
  const std::uint64_t low = word < words.size() ? words[word] >> shift : 0;
  if (shift == 0 || word + 1 >= words.size()) return low;
  return low | words[word + 1] << (64 - shift);
}

// Memory of one thread's searches, kept from one to the next.
struct Scratch {
  std::vector<std::uint32_t> every;  // 0, 1, 2 and so on
  std::vector<std::int32_t> products;
  std::vector<std::uint32_t> order;
  std::vector<const std::uint8_t*> blocks;
  std::vector<float> bases, estimates, maxima, sorted;
  std::vector<std::uint32_t> first_rows;
  std::vector<std::uint64_t> allowed;
};

Scratch& ThreadScratch() {
  thread_local Scratch scratch;
  return scratch;
}

// List numbers by product, the largest first; equal to within a 1024th of the range, by number.
void RankLists(absl::Span<const std::int32_t> products, std::vector<std::uint32_t>* order) {
  constexpr std::size_t kBuckets = 1024;
  const auto [least, most] = std::minmax_element(products.begin(), products.end());
  const float scale = static_cast<float>(kBuckets - 1) /
                      std::max(1.0f, static_cast<float>(std::int64_t{*most} - *least));
  const auto bucket = [&, top = *most](std::int32_t product) {
    return static_cast<std::size_t>(static_cast<float>(std::int64_t{top} - product) * scale);
  };
  std::array<std::uint32_t, kBuckets + 1> begin = {};
  for (const std::int32_t product : products) ++begin[bucket(product) + 1];
  std::partial_sum(begin.begin(), begin.end(), begin.begin());
  order->resize(products.size());
  for (std::uint32_t i = 0; i < products.size(); ++i) (*order)[begin[bucket(products[i])]++] = i;
}

bool HasAtMostTwo(std::uint64_t bits) {
  bits &= bits - 1;
  return (bits & (bits - 1)) == 0;
}

}  // namespace

// One search of one index.
class ListSearch {
 public:
  ListSearch(const ListIndex& index, const linalg::Kernels& kernels, const CodedQuery& query,
             absl::Span<const std::uint64_t> allowed, std::uint32_t base, Shortlist* shortlist)
      : index_(index),
        kernels_(kernels),
        query_(query),
        allowed_(allowed),
        base_(base),
        size_(index.frame().size()),
        block_bytes_(index.frame().block_bytes()),
        shortlist_(*shortlist),
        scratch_(ThreadScratch()) {}

  void SearchAllowed() {
    for (std::size_t word = 0; word < allowed_.size(); ++word)
      AddRows(static_cast<std::uint32_t>(word * 64), allowed_[word]);
    Flush();
  }

  void SearchLists(float list_margin) {
    RankAll();
    const float scale = query_.byte_scale();
    std::uint32_t round = kFirstRound, gathered = 0;
    for (const std::uint32_t list : scratch_.order) {
      const float cosine = scale * static_cast<float>(scratch_.products[list]);
      if (shortlist_.full() && cosine < shortlist_.bar() - list_margin) break;
      gathered += Gather(index_.lists()[list], cosine);
      if (gathered < round) continue;
      Scan();
      gathered = 0;
      round = kRound;
    }
    Scan();
    Flush();
  }

 private:
  void RankAll() {
    const std::size_t lists = index_.lists().size();
    const std::size_t had = scratch_.every.size();
    if (had < lists) {
      scratch_.every.resize(lists);
      std::iota(scratch_.every.begin() + static_cast<std::ptrdiff_t>(had), scratch_.every.end(),
                static_cast<std::uint32_t>(had));
    }
    scratch_.products.resize(lists);
    kernels_.dot_listed_i8(query_.bytes(), index_.directions_, size_, scratch_.every.data(), lists,
                           size_, scratch_.products.data());
    RankLists(scratch_.products, &scratch_.order);
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
      scratch_.blocks.push_back(index_.blocks_ + block * block_bytes_);
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
    kernels_.scan_signs(query_.scan(), scratch_.blocks.data(), scratch_.bases.data(), blocks,
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
    scratch_.blocks.clear();
    scratch_.bases.clear();
    scratch_.first_rows.clear();
    scratch_.allowed.clear();
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
    kernels_.dot_listed_i8(query_.bytes(), index_.bytes_, size_, pending_.data(), pending_count_,
                           size_, products_.data());
    for (std::size_t i = 0; i < pending_count_; ++i) {
      shortlist_.Offer(base_ + pending_[i], query_.byte_scale() * static_cast<float>(products_[i]));
    }
    pending_count_ = 0;
  }

  const ListIndex& index_;
  const linalg::Kernels& kernels_;
  const CodedQuery& query_;
  const absl::Span<const std::uint64_t> allowed_;
  const std::uint32_t base_;
  const std::size_t size_, block_bytes_;
  Shortlist& shortlist_;
  Scratch& scratch_;
  std::size_t pending_count_ = 0;
  std::array<std::uint32_t, kPending> pending_;
  std::array<std::int32_t, kPending> products_;
};

void ListIndex::Search(const linalg::Kernels& kernels, const CodedQuery& query,
                       const SearchMargins& margins, absl::Span<const std::uint64_t> allowed,
                       std::uint64_t allowed_count, std::uint32_t base,
                       Shortlist* shortlist) const {
  if (allowed_count == 0 || shortlist->k() == 0) return;
  ListSearch search(*this, kernels, query, allowed, base, shortlist);
  if (allowed_count <= std::max<std::uint64_t>(rows_ / kSparse, shortlist->k())) {
    search.SearchAllowed();
  } else {
    search.SearchLists(margins.list);
  }
}

}  // namespace ragmesh::vector_index
