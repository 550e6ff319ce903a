// Keeps the k best of a stream of scored slots.
#ifndef RAGMESH_LIBS_VECTOR_INDEX_TOP_K_H_
#define RAGMESH_LIBS_VECTOR_INDEX_TOP_K_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"

namespace ragmesh::vector_index {

struct ScoredSlot {
  std::uint32_t slot = 0;
  double score = 0;
};

// Decides between equal scores, so that the same data gives the same ranking whatever order it was
// stored in. Must be a strict order over all slots.
using TieBreak = absl::FunctionRef<bool(std::uint32_t a, std::uint32_t b)>;

// Memory is k entries; a slot that is not among the best so far costs one comparison. Not
// thread-safe.
class TopK {
 public:
  // `comes_first` is borrowed and must outlive the object.
  TopK(std::size_t k, TieBreak comes_first) : k_(k), comes_first_(comes_first) {}

  void Offer(std::uint32_t slot, double score) {
    if (heap_.size() < k_) {
      heap_.push_back({slot, score});
      std::push_heap(heap_.begin(), heap_.end(), Order());
    } else if (k_ > 0 && Better({slot, score}, heap_.front())) {
      std::pop_heap(heap_.begin(), heap_.end(), Order());
      heap_.back() = {slot, score};
      std::push_heap(heap_.begin(), heap_.end(), Order());
    }
  }

  // Best first. Leaves the object empty.
  std::vector<ScoredSlot> Take() {
    std::sort(heap_.begin(), heap_.end(), Order());
    return std::exchange(heap_, {});
  }

 private:
  bool Better(const ScoredSlot& a, const ScoredSlot& b) const {
    return a.score != b.score ? a.score > b.score : comes_first_(a.slot, b.slot);
  }
  // With "better" as less-than, the heap's front is the worst kept.
  struct BetterFirst {
    const TopK* top;
    bool operator()(const ScoredSlot& a, const ScoredSlot& b) const { return top->Better(a, b); }
  };
  BetterFirst Order() const { return {this}; }

  const std::size_t k_;
  const TieBreak comes_first_;
  std::vector<ScoredSlot> heap_;
};

}  // namespace ragmesh::vector_index

#endif  // RAGMESH_LIBS_VECTOR_INDEX_TOP_K_H_
