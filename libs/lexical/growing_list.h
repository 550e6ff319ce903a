// Many lists that grow side by side, as an inverted index has them for each of its terms.
//
// Most of them stay tiny, and each new chunk appends to a hundred anywhere in memory. So a list is
// sixteen bytes, its items lie in a piece of a shared ListMemory, and appending touches these two
// places only.
#ifndef RAGMESH_LIBS_LEXICAL_GROWING_LIST_H_
#define RAGMESH_LIBS_LEXICAL_GROWING_LIST_H_

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <type_traits>
#include <vector>

#include "absl/types/span.h"

namespace ragmesh::lexical {

// Hands out pieces whose sizes are powers of two, and hands those that came back out again. All go
// with it. Not thread-safe; one that was moved from may only be destroyed or assigned to.
class ListMemory {
 public:
  static constexpr std::size_t kLeastPiece = 16;

  // A piece of 2^log2 bytes, at least kLeastPiece of them.
  void* Take(int log2) {
    if (void* const piece = returned_[log2]; piece != nullptr) {
      std::memcpy(&returned_[log2], piece, sizeof(void*));
      return piece;
    }
    const std::size_t bytes = std::size_t{1} << log2;
    if (bytes > left_) AddBlock(bytes);
    char* const piece = next_;
    next_ += bytes;
    left_ -= bytes;
    return piece;
  }
  void Return(void* piece, int log2) {
    std::memcpy(piece, &returned_[log2], sizeof(void*));
    returned_[log2] = piece;
  }
  std::uint64_t bytes() const { return bytes_; }  // taken from the system

 private:
  static constexpr std::size_t kLeastBlock = 4 << 10, kMostBlock = 256 << 10;

  // Blocks grow with what there is already, so that a small index takes little.
  void AddBlock(std::size_t piece) {
    left_ = std::max(piece, std::clamp<std::size_t>(bytes_, kLeastBlock, kMostBlock));
    blocks_.push_back(std::make_unique_for_overwrite<char[]>(left_));
    next_ = blocks_.back().get();
    bytes_ += left_;
  }

  std::vector<std::unique_ptr<char[]>> blocks_;
  char* next_ = nullptr;  // in the newest block
  std::size_t left_ = 0;
  std::uint64_t bytes_ = 0;
  std::array<void*, 64> returned_{};  // by log2; each piece begins with the address of the next
};

// Borrows its items' memory from the ListMemory it is always given.
template <typename T>
class GrowingList {
  static_assert(std::is_trivially_copyable_v<T> && alignof(T) <= ListMemory::kLeastPiece);

 public:
  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  const T* begin() const { return items_; }
  const T* end() const { return items_ + size_; }
  const T& operator[](std::size_t i) const { return items_[i]; }

  void Append(const T& item, ListMemory* memory) {
    *Room(1, memory) = item;
    ++size_;
  }
  // Where `count` more items may be written; then Added says how many of them were.
  T* Room(std::size_t count, ListMemory* memory) {
    if (count > capacity_ - size_) Grow(count, memory);
    return items_ + size_;
  }
  void Added(std::size_t count) { size_ += static_cast<std::uint32_t>(count); }

 private:
  static int Log2(std::size_t items) {
    return std::bit_width(std::max(items * sizeof(T), ListMemory::kLeastPiece) - 1);
  }
  void Grow(std::size_t count, ListMemory* memory) {
    const int log2 = Log2(size_ + count);
    T* const items = static_cast<T*>(memory->Take(log2));
    if (capacity_ > 0) {
      std::memcpy(items, items_, size_ * sizeof(T));
      memory->Return(items_, Log2(capacity_));
    }
    items_ = items;
    capacity_ = static_cast<std::uint32_t>((std::size_t{1} << log2) / sizeof(T));
  }

  T* items_ = nullptr;
  std::uint32_t size_ = 0, capacity_ = 0;
};

}  // namespace ragmesh::lexical

#endif  // RAGMESH_LIBS_LEXICAL_GROWING_LIST_H_
