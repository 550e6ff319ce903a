#include "libs/generation/passage_cache.h"

namespace ragmesh::generation {

PassageCache::Keys PassageCache::Find(const std::string& tenant,
                                      absl::Span<const std::uint32_t> tokens) {
  const auto found = by_name_.find(Name(tenant, {tokens.begin(), tokens.end()}));
  if (found == by_name_.end()) return nullptr;
  entries_.splice(entries_.begin(), entries_, found->second);
  return found->second->keys;
}

void PassageCache::Keep(const std::string& tenant, absl::Span<const std::uint32_t> tokens,
                        Keys keys) {
  const std::size_t blocks = keys->ids().size();
  Name name(tenant, {tokens.begin(), tokens.end()});
  if (blocks > max_blocks_ || by_name_.contains(name)) return;
  while (blocks_ + blocks > max_blocks_) Evict();
  entries_.push_front({name, std::move(keys)});
  by_name_[std::move(name)] = entries_.begin();
  blocks_ += blocks;
}

bool PassageCache::Evict() {
  if (entries_.empty()) return false;
  blocks_ -= entries_.back().keys->ids().size();
  by_name_.erase(entries_.back().name);
  entries_.pop_back();
  return true;
}

}  // namespace ragmesh::generation
