// Keeps the k best slots of a search over several parts of an index.
#ifndef RAGMESH_LIBS_LEXICAL_TOP_SLOTS_H_
#define RAGMESH_LIBS_LEXICAL_TOP_SLOTS_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"

namespace ragmesh::lexical {

struct ScoredSlot {
  std::uint32_t slot = 0;
  double score = 0;
  bool operator==(const ScoredSlot&) const = default;
};

// Decides between equal scores: a strict order over all slots.
using ComesFirst = absl::FunctionRef<bool(std::uint32_t a, std::uint32_t b)>;

// Scores are above 0. Memory is k entries. Not thread-safe.
class TopSlots {
 public:
  // `comes_first` is borrowed and must outlive the object.
  TopSlots(std::size_t k, ComesFirst comes_first) : k_(k), comes_first_(comes_first) {
    heap_.reserve(std::min<std::size_t>(k, 1024));
  }

  // A score below this is not among the best; an equal one may be. 0 while there is room, and
  // infinite where nothing is wanted.
  double bar() const { return heap_.size() < k_ ? 0 : k_ == 0 ? kNever : heap_.front().score; }

  void Offer(std::uint32_t slot, double score) {
    if (score < bar()) return;
    const ScoredSlot offered{slot, score};
    if (heap_.size() == k_) {
      if (k_ == 0 || !Better(offered, heap_.front())) return;
      std::pop_heap(heap_.begin(), heap_.end(), Order());
      heap_.back() = offered;
    } else {
      heap_.push_back(offered);
    }
    std::push_heap(heap_.begin(), heap_.end(), Order());
  }

  // Best first. Leaves the object empty.
  std::vector<ScoredSlot> Take() {
    std::sort(heap_.begin(), heap_.end(), Order());
    return std::exchange(heap_, {});
  }

 private:
  static constexpr double kNever = 1e300;

  bool Better(const ScoredSlot& a, const ScoredSlot& b) const {
    return a.score != b.score ? a.score > b.score : comes_first_(a.slot, b.slot);
  }
  struct BetterFirst {
    const TopSlots* top;
    bool operator()(const ScoredSlot& a, const ScoredSlot& b) const { return top->Better(a, b); }
  };
  BetterFirst Order() const { return {this}; }  // the heap's front is the worst kept

  const std::size_t k_;
  const ComesFirst comes_first_;
  std::vector<ScoredSlot> heap_;
};

}  // namespace ragmesh::lexical

#endif  // RAGMESH_LIBS_LEXICAL_TOP_SLOTS_H_
