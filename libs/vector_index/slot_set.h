// A set of slot numbers as bits: which rows a search may see.
#ifndef RAGMESH_LIBS_VECTOR_INDEX_SLOT_SET_H_
#define RAGMESH_LIBS_VECTOR_INDEX_SLOT_SET_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"

namespace ragmesh::vector_index {

// A value type; not thread-safe while it changes.
class SlotSet {
 public:
  // Holds slots below `size`, none of them at first. New slots from a later Resize are absent too.
  explicit SlotSet(std::uint32_t size = 0) { Resize(size); }
  void Resize(std::uint32_t size) {
    size_ = size;
    words_.resize((static_cast<std::size_t>(size) + 63) / 64, 0);
  }

  void Add(std::uint32_t slot) { words_[slot / 64] |= 1ull << (slot % 64); }
  void Remove(std::uint32_t slot) { words_[slot / 64] &= ~(1ull << (slot % 64)); }
  bool Contains(std::uint32_t slot) const {
    return slot < size_ && ((words_[slot / 64] >> (slot % 64)) & 1);
  }

  std::uint32_t size() const { return size_; }
  std::uint64_t Count() const {
    // Without the instruction for it, which not every x86-64 has, std::popcount is a call for each
    // word. Counts by bytes are added up while they fit a byte, in loops that become wide ones.
    constexpr std::size_t kTogether = 31;
    constexpr std::uint64_t kEvenBytes = 0x00FF00FF00FF00FF;
    std::uint64_t count = 0;
    for (std::size_t begin = 0; begin < words_.size(); begin += kTogether) {
      const std::size_t end = std::min(begin + kTogether, words_.size());
      std::uint64_t bytes = 0;
      for (std::size_t i = begin; i < end; ++i) bytes += CountsByByte(words_[i]);
      const std::uint64_t pairs = (bytes & kEvenBytes) + (bytes >> 8 & kEvenBytes);
      count += pairs * 0x0001000100010001 >> 48;
    }
    return count;
  }
  absl::Span<const std::uint64_t> words() const { return words_; }

  // Adds the slots of `more`, as many words as this set has and no slot beyond size(), without
  // those of `less` when it is not null.
  void AddWords(const std::uint64_t* more, const std::uint64_t* less) {
    for (std::size_t i = 0; i < words_.size(); ++i)
      words_[i] |= less == nullptr ? more[i] : more[i] & ~less[i];
  }
  // Keeps what both have; `other` has the same size.
  void Intersect(const SlotSet& other) {
    for (std::size_t i = 0; i < words_.size(); ++i) words_[i] &= other.words_[i];
  }
  void Unite(const SlotSet& other) { AddWords(other.words_.data(), nullptr); }
  // Turns what is there into what is not.
  void Invert() {
    for (std::uint64_t& word : words_) word = ~word;
    if (size_ % 64 != 0) words_.back() &= (std::uint64_t{1} << (size_ % 64)) - 1;
  }

 private:
  static std::uint64_t CountsByByte(std::uint64_t word) {
    word -= word >> 1 & 0x5555555555555555;
    word = (word & 0x3333333333333333) + (word >> 2 & 0x3333333333333333);
    return (word + (word >> 4)) & 0x0F0F0F0F0F0F0F0F;
  }

  std::uint32_t size_ = 0;
  std::vector<std::uint64_t> words_;
};

}  // namespace ragmesh::vector_index

#endif  // RAGMESH_LIBS_VECTOR_INDEX_SLOT_SET_H_
