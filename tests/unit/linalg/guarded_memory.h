// Memory that ends where a page begins that nobody may touch.
#ifndef RAGMESH_TESTS_UNIT_LINALG_GUARDED_MEMORY_H_
#define RAGMESH_TESTS_UNIT_LINALG_GUARDED_MEMORY_H_

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>

#include "libs/base/check.h"

namespace ragmesh::linalg {

// Kernels are assembly and intrinsics, into which no sanitizer looks: operands that lie at the end
// of such memory make a load or store behind them a crash.
class GuardedMemory {
 public:
  explicit GuardedMemory(std::size_t capacity_bytes) {
    const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    size_ = (capacity_bytes + page - 1) / page * page;
    void* const start =
        mmap(nullptr, size_ + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    RAGMESH_CHECK(start != MAP_FAILED, "no memory");
    start_ = static_cast<std::byte*>(start);
    mapped_ = size_ + page;
    RAGMESH_CHECK(mprotect(start_ + size_, page, PROT_NONE) == 0, "no guard page");
  }
  ~GuardedMemory() { munmap(start_, mapped_); }
  GuardedMemory(const GuardedMemory&) = delete;
  GuardedMemory& operator=(const GuardedMemory&) = delete;

  // The last `count` values of it, bytes set to 0xFF, which makes floats NaN. What an earlier call
  // returned is lost.
  template <typename T>
  T* Last(std::size_t count) {
    RAGMESH_CHECK(count * sizeof(T) <= size_, "more than there is");
    std::byte* const data = start_ + size_ - count * sizeof(T);
    std::fill_n(data, count * sizeof(T), std::byte{0xFF});
    return reinterpret_cast<T*>(data);
  }

 private:
  std::byte* start_;
  std::size_t size_;
  std::size_t mapped_;
};

}  // namespace ragmesh::linalg

#endif  // RAGMESH_TESTS_UNIT_LINALG_GUARDED_MEMORY_H_
