// Keys and values of prompts that have been read, for those that begin alike: a radix tree over
// blocks of tokens, as in vLLM and SGLang. What is found is what would be computed, bit for bit.
#ifndef RAGMESH_LIBS_GENERATION_PREFIX_CACHE_H_
#define RAGMESH_LIBS_GENERATION_PREFIX_CACHE_H_

#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "libs/generation/kv_cache.h"

namespace ragmesh::generation {

// Holds blocks of the pool until Evict() gives them back, least recently used ones first. Prompts
// of different salts share nothing, so that nobody can tell from the time of an answer what another
// tenant has asked. Not thread-safe; the pool outlives it.
class PrefixCache {
 public:
  explicit PrefixCache(KvPool* pool) : pool_(pool) {}
  ~PrefixCache();
  PrefixCache(const PrefixCache&) = delete;
  PrefixCache& operator=(const PrefixCache&) = delete;

  // Appends to `cache`, which is empty, what is kept of the beginning of `tokens`: whole blocks as
  // they are, and a copy of one more that begins alike, as long as there is memory for it. Returns
  // how many tokens that is.
  std::size_t Find(absl::string_view salt, absl::Span<const std::uint32_t> tokens, KvCache* cache);

  // Keeps the first blocks of `cache`, which hold all of `tokens` that fills whole blocks. Blocks
  // that are here already stay, and the cache's own copy of them is not kept.
  void Keep(absl::string_view salt, absl::Span<const std::uint32_t> tokens, const KvCache& cache);

  // Gives up at least `blocks` blocks that nobody else holds, or all of them. Returns how many.
  std::size_t Evict(std::size_t blocks);

  std::size_t blocks() const { return recent_.size(); }

 private:
  struct Node {
    Node* parent = nullptr;
    KvPool::Id block = 0;
    std::list<Node*>::iterator place;  // in recent_
    absl::flat_hash_map<std::vector<std::uint32_t>, std::unique_ptr<Node>> children;
  };

  static std::vector<std::uint32_t> Block(absl::Span<const std::uint32_t> tokens, std::size_t i);
  // The child whose block has the longest common beginning with `tokens`, and how long that is.
  static std::pair<const Node*, std::size_t> Nearest(const Node& node,
                                                     absl::Span<const std::uint32_t> tokens);
  // The end of a way first, so that nothing outlives what it goes on from.
  void Touch(Node* last);
  void Remove(Node* node);

  KvPool* const pool_;
  absl::flat_hash_map<std::string, std::unique_ptr<Node>> roots_;  // by salt
  std::list<Node*> recent_;                                        // most recently used first
};

}  // namespace ragmesh::generation

#endif  // RAGMESH_LIBS_GENERATION_PREFIX_CACHE_H_
