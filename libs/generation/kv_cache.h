// The keys and values of streams: what attention reads back for every earlier position. They stand
// in blocks of 32 positions out of one pool, so that a stream takes memory as it grows, and streams
// with a common beginning share its blocks.
#ifndef RAGMESH_LIBS_GENERATION_KV_CACHE_H_
#define RAGMESH_LIBS_GENERATION_KV_CACHE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "libs/generation/page_arena.h"
#include "libs/quant/kv_block.h"

namespace ragmesh::generation {

struct KvShape {
  std::size_t layers = 0;
  std::size_t heads = 0;  // of keys and values
  std::size_t head_dim = 0;
  quant::KvType type = quant::KvType::kF16;

  std::size_t HeadBytes() const { return quant::KvLayout(type, head_dim).bytes; }
  std::size_t BlockBytes() const { return layers * heads * HeadBytes(); }
  // Where a layer's head begins in a block.
  std::size_t Offset(std::size_t layer, std::size_t head) const {
    return (layer * heads + head) * HeadBytes();
  }
};

// Blocks that fit into so many bytes: the whole of the memory that keys and values may take.
// Address space is taken at once, memory as blocks are first written. A block belongs to all who
// hold it. Not thread-safe.
class KvPool {
 public:
  using Id = std::uint32_t;

  // RESOURCE_EXHAUSTED when the address space is refused; INVALID_ARGUMENT when not even one block
  // fits.
  static absl::StatusOr<std::unique_ptr<KvPool>> Create(const KvShape& shape, std::size_t bytes);

  const KvShape& shape() const { return shape_; }
  std::size_t blocks() const { return holders_.size(); }
  std::size_t free_blocks() const { return free_.size(); }
  bool used() const { return prepared_ > 0; }  // whether a block was ever taken
  std::uint8_t* Data(Id id) const { return arena_.data() + id * shape_.BlockBytes(); }

  // A block with one holder; nullopt when all are taken.
  std::optional<Id> Take();
  // Has the system clear the memory of one more block, unless `ahead` free ones have theirs: it
  // does so when memory is first written, for longer than a pass takes. False when nothing was
  // done.
  bool Prepare(std::size_t ahead);
  void Hold(Id id) { ++holders_[id]; }
  void Release(Id id);
  std::size_t holders(Id id) const { return holders_[id]; }

 private:
  KvPool(const KvShape& shape, PageArena arena, std::size_t blocks);

  const KvShape shape_;
  const PageArena arena_;
  std::vector<std::uint32_t> holders_;
  std::vector<Id> free_;      // those that were used before at the end, taken first
  std::size_t prepared_ = 0;  // the first ones: they have memory
};

// The blocks of one stream, in order of position. A position is valid once written in every layer;
// writing it again replaces it, and is allowed only in blocks that nobody else holds. Not
// thread-safe; distinct positions may be written at the same time. The pool outlives it.
class KvCache {
 public:
  explicit KvCache(KvPool* pool) : pool_(pool) {}
  // In a pool of its own, for those who run one stream.
  static absl::StatusOr<std::unique_ptr<KvCache>> Create(const KvShape& shape,
                                                         std::size_t capacity);
  ~KvCache() { Clear(); }
  KvCache(const KvCache&) = delete;
  KvCache& operator=(const KvCache&) = delete;

  const KvShape& shape() const { return pool_->shape(); }
  std::size_t capacity() const { return ids_.size() * quant::kBlockPositions; }

  // Makes room for `positions` in all. False when the pool has no more blocks; what there was
  // stays.
  bool Reserve(std::size_t positions);
  // Goes on with a block whose positions are written, and becomes a holder of it.
  void Append(KvPool::Id id);
  // Goes on with a block of its own that has the content of another. False when the pool has none.
  bool AppendCopy(KvPool::Id id);
  void Clear();

  absl::Span<const KvPool::Id> ids() const { return ids_; }
  // Of all layers and heads, in order of position; until the next change.
  const std::uint8_t* const* blocks() const { return blocks_.data(); }
  std::uint8_t* Block(std::size_t position) const {
    return pool_->Data(ids_[position / quant::kBlockPositions]);
  }

 private:
  std::unique_ptr<KvPool> own_;
  KvPool* pool_;
  std::vector<KvPool::Id> ids_;
  std::vector<const std::uint8_t*> blocks_;
};

}  // namespace ragmesh::generation

#endif  // RAGMESH_LIBS_GENERATION_KV_CACHE_H_
