#include "libs/generation/kv_cache.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/check.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"

namespace ragmesh::generation {

absl::StatusOr<std::unique_ptr<KvPool>> KvPool::Create(const KvShape& shape, std::size_t bytes) {
  const std::size_t blocks = bytes / shape.BlockBytes();
  if (blocks == 0) {
    return InvalidField(
        "kv_bytes", absl::StrCat("must hold at least one block of ", shape.BlockBytes(), " bytes"));
  }
  RAGMESH_ASSIGN_OR_RETURN(PageArena arena, PageArena::Allocate(blocks * shape.BlockBytes()));
  return std::unique_ptr<KvPool>(new KvPool(shape, std::move(arena), blocks));
}

KvPool::KvPool(const KvShape& shape, PageArena arena, std::size_t blocks)
    : shape_(shape), arena_(std::move(arena)), holders_(blocks, 0) {
  // The first ones first: those in use then stand together, and memory grows with what is needed.
  for (std::size_t id = blocks; id > 0; --id) free_.push_back(static_cast<Id>(id - 1));
}

std::optional<KvPool::Id> KvPool::Take() {
  if (free_.empty()) return std::nullopt;
  const Id id = free_.back();
  free_.pop_back();
  prepared_ = std::max<std::size_t>(prepared_, id + std::size_t{1});
  holders_[id] = 1;
  return id;
}

bool KvPool::Prepare(std::size_t ahead) {
  const std::size_t without = blocks() - prepared_;  // all of them free
  if (without == 0 || free_.size() - without >= ahead) return false;
  std::memset(Data(static_cast<Id>(prepared_++)), 0, shape_.BlockBytes());
  return true;
}

void KvPool::Release(Id id) {
  RAGMESH_CHECK(holders_[id] > 0, "a block is released more often than held");
  if (--holders_[id] == 0) free_.push_back(id);
}

absl::StatusOr<std::unique_ptr<KvCache>> KvCache::Create(const KvShape& shape,
                                                         std::size_t capacity) {
  const std::size_t blocks = (capacity + quant::kBlockPositions - 1) / quant::kBlockPositions;
  RAGMESH_ASSIGN_OR_RETURN(auto pool, KvPool::Create(shape, blocks * shape.BlockBytes()));
  auto cache = std::make_unique<KvCache>(pool.get());
  cache->own_ = std::move(pool);
  cache->Reserve(capacity);
  return cache;
}

bool KvCache::Reserve(std::size_t positions) {
  while (capacity() < positions) {
    const std::optional<KvPool::Id> id = pool_->Take();
    if (!id.has_value()) return false;
    ids_.push_back(*id);
    blocks_.push_back(pool_->Data(*id));
  }
  return true;
}

void KvCache::Append(KvPool::Id id) {
  pool_->Hold(id);
  ids_.push_back(id);
  blocks_.push_back(pool_->Data(id));
}

bool KvCache::AppendCopy(KvPool::Id id) {
  if (!Reserve(capacity() + 1)) return false;
  std::memcpy(pool_->Data(ids_.back()), pool_->Data(id), shape().BlockBytes());
  return true;
}

void KvCache::Clear() {
  for (const KvPool::Id id : ids_) pool_->Release(id);
  ids_.clear();
  blocks_.clear();
}

}  // namespace ragmesh::generation
