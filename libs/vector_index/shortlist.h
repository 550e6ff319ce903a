// The rows of a search that may be among its k best while scores are approximate.
#ifndef RAGMESH_LIBS_VECTOR_INDEX_SHORTLIST_H_
#define RAGMESH_LIBS_VECTOR_INDEX_SHORTLIST_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <utility>
#include <vector>

namespace ragmesh::vector_index {

// Scores are wrong by up to half of `slack`: whatever scores more than `slack` below the k-th best
// is not among the k best. Memory is a few times k. Not thread-safe.
class Shortlist {
 public:
  struct Entry {
    float score;
    std::uint32_t row;
  };

  Shortlist(std::size_t k, float slack) : k_(k), slack_(slack) { best_.reserve(k); }

  // The k-th best score so far; minus infinity while there are fewer.
  float bar() const { return bar_; }
  bool full() const { return best_.size() == k_; }
  std::size_t k() const { return k_; }

  void Offer(std::uint32_t row, float score) {
    if (!(score >= bar_ - slack_)) return;  // a NaN is no score
    entries_.push_back({score, row});
    if (best_.size() < k_) {
      best_.push_back(score);
      std::push_heap(best_.begin(), best_.end(), std::greater<>());
      if (best_.size() == k_) bar_ = best_.front();
    } else if (score > bar_) {
      std::pop_heap(best_.begin(), best_.end(), std::greater<>());
      best_.back() = score;
      std::push_heap(best_.begin(), best_.end(), std::greater<>());
      bar_ = best_.front();
    }
    if (entries_.size() >= 4 * k_ + 256) DropHopeless();
  }

  // In no particular order. Leaves the object empty.
  std::vector<Entry> Take() {
    DropHopeless();
    best_.clear();
    bar_ = -std::numeric_limits<float>::infinity();
    return std::exchange(entries_, {});
  }

 private:
  void DropHopeless() {
    std::erase_if(entries_, [this](const Entry& entry) { return !(entry.score >= bar_ - slack_); });
  }

  const std::size_t k_;
  const float slack_;
  float bar_ = -std::numeric_limits<float>::infinity();
  std::vector<float> best_;  // a heap, the worst in front
  std::vector<Entry> entries_;
};

}  // namespace ragmesh::vector_index

#endif  // RAGMESH_LIBS_VECTOR_INDEX_SHORTLIST_H_
