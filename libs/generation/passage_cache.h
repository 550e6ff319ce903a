// Keys and values of passages that prompts are made of, wherever in a prompt they stand. A passage
// is read once by itself; a prompt that has it takes the result over, turned to its place, and
// reads only its beginning anew, which is where a passage that stands by itself differs most from
// one that follows others (Hu et al. 2024, "EPIC"; Yao et al. 2024, "CacheBlend").
#ifndef RAGMESH_LIBS_GENERATION_PASSAGE_CACHE_H_
#define RAGMESH_LIBS_GENERATION_PASSAGE_CACHE_H_

#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/types/span.h"
#include "libs/generation/kv_cache.h"
#include "libs/generation/passage_folder.h"

namespace ragmesh::generation {

// Holds at most `max_blocks` blocks of a pool, least recently used passages given up first. What is
// kept goes to a folder too, where there is one, and can be read back from it. Tenants share
// nothing. Not thread-safe; the pool outlives it.
class PassageCache {
 public:
  using Keys = std::shared_ptr<const KvCache>;

  // `folder` may be null.
  PassageCache(std::size_t max_blocks, std::unique_ptr<PassageFolder> folder)
      : max_blocks_(max_blocks), folder_(std::move(folder)) {}

  // Of the passage read by itself, its first token at position 0; nullptr when it is not here.
  Keys Find(const std::string& tenant, absl::Span<const std::uint32_t> tokens);
  // The passage on its way from disk, as PassageFolder::Read().
  std::shared_ptr<PassageFolder::Reading> Read(const std::string& tenant,
                                               absl::Span<const std::uint32_t> tokens,
                                               absl::AnyInvocable<void()> on_end);
  // Passages that are larger than all that may be held are kept on disk alone.
  void Keep(const std::string& tenant, absl::Span<const std::uint32_t> tokens, Keys keys);
  // Gives up the least recently used one; its blocks are free once no stream takes over from it.
  // False when there is none.
  bool Evict();

  std::size_t blocks() const { return blocks_; }

 private:
  using Name = std::pair<std::string, std::vector<std::uint32_t>>;
  struct Entry {
    Name name;
    Keys keys;
    std::string key;  // in the folder
  };

  const std::size_t max_blocks_;
  const std::unique_ptr<PassageFolder> folder_;
  std::size_t blocks_ = 0;
  std::list<Entry> entries_;  // most recently used first
  absl::flat_hash_map<Name, std::list<Entry>::iterator> by_name_;
};

}  // namespace ragmesh::generation

#endif  // RAGMESH_LIBS_GENERATION_PASSAGE_CACHE_H_
