#include "libs/generation/page_arena.h"

#include <sys/mman.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"

namespace ragmesh::generation {

absl::StatusOr<PageArena> PageArena::Allocate(std::size_t bytes) {
  constexpr std::size_t kHugePage = std::size_t{2} << 20;
  PageArena arena;
  arena.bytes_ = (bytes + kHugePage - 1) / kHugePage * kHugePage;
  void* data =
      mmap(nullptr, arena.bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (data == MAP_FAILED) {
    arena.bytes_ = 0;
    return absl::ResourceExhaustedError(
        absl::StrCat("no memory for ", bytes, " bytes of weights: ", strerror(errno)));
  }
  arena.data_ = static_cast<std::uint8_t*>(data);
  madvise(data, arena.bytes_, MADV_HUGEPAGE);  // ordinary pages do as well, a little slower
  return arena;
}

PageArena::~PageArena() {
  if (data_ != nullptr) munmap(data_, bytes_);
}

}  // namespace ragmesh::generation
