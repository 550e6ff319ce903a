// One large block of memory in pages of 2 MB where the system grants them, for weights that are
// read from end to end at every token.
#ifndef RAGMESH_LIBS_GENERATION_PAGE_ARENA_H_
#define RAGMESH_LIBS_GENERATION_PAGE_ARENA_H_

#include <cstddef>
#include <cstdint>
#include <utility>

#include "absl/status/statusor.h"

namespace ragmesh::generation {

// Owns its memory; zero at first.
class PageArena {
 public:
  PageArena() = default;
  // RESOURCE_EXHAUSTED when the system refuses.
  static absl::StatusOr<PageArena> Allocate(std::size_t bytes);
  ~PageArena();
  PageArena(PageArena&& other) noexcept { *this = std::move(other); }
  PageArena& operator=(PageArena&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }

  std::uint8_t* data() const { return data_; }
  std::size_t bytes() const { return bytes_; }

 private:
  std::uint8_t* data_ = nullptr;
  std::size_t bytes_ = 0;
};

}  // namespace ragmesh::generation

#endif  // RAGMESH_LIBS_GENERATION_PAGE_ARENA_H_
