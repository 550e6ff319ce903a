// An array that only grows and whose elements never move.
//
// A reader that copied a view reads its elements without a lock while a writer appends: the writer
// touches only memory past the view's end.
#ifndef RAGMESH_LIBS_VECTOR_STORE_APPEND_ONLY_H_
#define RAGMESH_LIBS_VECTOR_STORE_APPEND_ONLY_H_

#include <array>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

namespace ragmesh::vector_store {

// Append and view() must not run at the same time; elements are not to be changed once another
// thread may have a view.
template <typename T>
class AppendOnly {
 public:
  static constexpr std::uint32_t kPerBlock = 256;
  using Block = std::array<T, kPerBlock>;

  class View {
   public:
    std::uint32_t size() const { return size_; }
    const T& operator[](std::uint32_t i) const { return (*blocks_[i / kPerBlock])[i % kPerBlock]; }

   private:
    friend class AppendOnly;
    std::uint32_t size_ = 0;
    std::vector<std::shared_ptr<const Block>> blocks_;
  };

  // Returns the element's index.
  std::uint32_t Append(T value) {
    if (size_ % kPerBlock == 0) blocks_.push_back(std::make_shared<Block>());
    (*blocks_.back())[size_ % kPerBlock] = std::move(value);
    return size_++;
  }
  View view() const {
    View view;
    view.size_ = size_;
    view.blocks_.assign(blocks_.begin(), blocks_.end());
    return view;
  }
  std::uint32_t size() const { return size_; }
  const T& operator[](std::uint32_t i) const { return (*blocks_[i / kPerBlock])[i % kPerBlock]; }

 private:
  std::uint32_t size_ = 0;
  std::vector<std::shared_ptr<Block>> blocks_;
};

}  // namespace ragmesh::vector_store

#endif  // RAGMESH_LIBS_VECTOR_STORE_APPEND_ONLY_H_
