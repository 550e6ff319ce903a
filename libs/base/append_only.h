// An array that only grows and whose elements never move.
//
// One writer appends while others read: an element may be read without a lock by whoever learned,
// under a lock that the writer held after appending it, that the array has it.
#ifndef RAGMESH_LIBS_BASE_APPEND_ONLY_H_
#define RAGMESH_LIBS_BASE_APPEND_ONLY_H_

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

namespace ragmesh {

// Where element `index` lies in blocks of which each is twice as long as the one before, the first
// of `first` elements, a power of two: so few blocks that their directory never has to move.
struct BlockPlace {
  std::uint32_t block;
  std::uint32_t offset;
};
inline constexpr std::uint32_t kMaxGrowingBlocks = 32;
constexpr BlockPlace PlaceInBlocks(std::uint32_t index, std::uint32_t first) {
  const auto block = static_cast<std::uint32_t>(std::bit_width(index / first + 1)) - 1;
  return {block, index - first * ((1u << block) - 1)};
}

// Append must not run twice at the same time. At most 2^31 elements.
template <typename T>
class AppendOnly {
 public:
  // Returns the element's index.
  std::uint32_t Append(T value) {
    const BlockPlace place = PlaceInBlocks(size_, kFirst);
    std::unique_ptr<T[]>& block = blocks_[place.block];
    if (block == nullptr) block = std::make_unique<T[]>(std::size_t{kFirst} << place.block);
    block[place.offset] = std::move(value);
    return size_++;
  }
  // The writer's.
  std::uint32_t size() const { return size_; }
  const T& operator[](std::uint32_t i) const {
    const BlockPlace place = PlaceInBlocks(i, kFirst);
    return blocks_[place.block][place.offset];
  }

 private:
  static constexpr std::uint32_t kFirst = 16;

  std::uint32_t size_ = 0;
  std::array<std::unique_ptr<T[]>, kMaxGrowingBlocks> blocks_;
};

}  // namespace ragmesh

#endif  // RAGMESH_LIBS_BASE_APPEND_ONLY_H_
