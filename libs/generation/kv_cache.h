// The keys and values of one stream: what attention reads back for every earlier position.
#ifndef RAGMESH_LIBS_GENERATION_KV_CACHE_H_
#define RAGMESH_LIBS_GENERATION_KV_CACHE_H_

#include <cstddef>
#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"

namespace ragmesh::generation {

struct KvShape {
  std::size_t layers = 0;
  std::size_t heads = 0;  // of keys and values
  std::size_t head_dim = 0;
  bool half = false;  // f16, else f32

  std::size_t ElementBytes() const { return half ? 2 : 4; }
  std::size_t BytesPerToken() const { return 2 * layers * heads * head_dim * ElementBytes(); }
};

// Room for `capacity` positions. Address space is taken at once and memory only as positions are
// written, so a short answer in a long context stays small. Not thread-safe; distinct positions may
// be written at the same time. A position is valid once written in every layer; writing it again
// replaces it. So a stream that shares a prefix with an earlier one can begin with a cache whose
// first positions are already there.
class KvCache {
 public:
  // RESOURCE_EXHAUSTED when the address space is refused.
  static absl::StatusOr<std::unique_ptr<KvCache>> Create(const KvShape& shape,
                                                         std::size_t capacity);
  ~KvCache();
  KvCache(const KvCache&) = delete;
  KvCache& operator=(const KvCache&) = delete;

  const KvShape& shape() const { return shape_; }
  std::size_t capacity() const { return capacity_; }
  std::size_t bytes() const { return bytes_; }

  // [position][head_dim] of one head.
  void* Keys(std::size_t layer, std::size_t head) const { return At(layer, head); }
  void* Values(std::size_t layer, std::size_t head) const {
    return At(shape_.layers + layer, head);
  }

 private:
  KvCache(const KvShape& shape, std::size_t capacity, char* data, std::size_t bytes)
      : shape_(shape), capacity_(capacity), data_(data), bytes_(bytes) {}

  void* At(std::size_t plane, std::size_t head) const {
    return data_ +
           (plane * shape_.heads + head) * capacity_ * shape_.head_dim * shape_.ElementBytes();
  }

  const KvShape shape_;
  const std::size_t capacity_;
  char* const data_;
  const std::size_t bytes_;
};

}  // namespace ragmesh::generation

#endif  // RAGMESH_LIBS_GENERATION_KV_CACHE_H_
