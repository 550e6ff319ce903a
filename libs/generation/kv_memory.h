// All memory of keys and values: what streams hold, and what is kept of prompts and passages until
// a stream needs its room.
#ifndef RAGMESH_LIBS_GENERATION_KV_MEMORY_H_
#define RAGMESH_LIBS_GENERATION_KV_MEMORY_H_

#include <cstddef>
#include <memory>
#include <utility>

#include "libs/generation/kv_cache.h"
#include "libs/generation/passage_cache.h"
#include "libs/generation/prefix_cache.h"

namespace ragmesh::generation {

// Not thread-safe.
struct KvMemory {
  // Kept passages take at most `passage_share` of the pool.
  KvMemory(std::unique_ptr<KvPool> blocks, double passage_share,
           std::unique_ptr<PassageFolder> folder)
      : pool(std::move(blocks)),
        kept(pool.get()),
        passages(static_cast<std::size_t>(passage_share * static_cast<double>(pool->blocks())),
                 std::move(folder)) {}

  // Blocks that are free, or would be if nothing were kept.
  std::size_t Room() const { return pool->free_blocks() + kept.blocks() + passages.blocks(); }
  // Gives up some of what is kept. False when there is nothing of it.
  bool Evict() { return kept.Evict(1) > 0 || passages.Evict(); }

  const std::unique_ptr<KvPool> pool;
  PrefixCache kept;
  PassageCache passages;
};

}  // namespace ragmesh::generation

#endif  // RAGMESH_LIBS_GENERATION_KV_MEMORY_H_
