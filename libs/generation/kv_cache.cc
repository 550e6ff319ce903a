#include "libs/generation/kv_cache.h"

#include <sys/mman.h>

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"

namespace ragmesh::generation {

absl::StatusOr<std::unique_ptr<KvCache>> KvCache::Create(const KvShape& shape,
                                                         std::size_t capacity) {
  const std::size_t bytes = shape.BytesPerToken() * capacity;
  void* data = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (data == MAP_FAILED)
    return ErrnoError(absl::StrCat("reserve ", bytes, " bytes of KV cache"), errno);
  return std::unique_ptr<KvCache>(new KvCache(shape, capacity, static_cast<char*>(data), bytes));
}

KvCache::~KvCache() { munmap(data_, bytes_); }

}  // namespace ragmesh::generation
