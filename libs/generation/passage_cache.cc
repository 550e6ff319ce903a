#include "libs/generation/passage_cache.h"

namespace ragmesh::generation {

PassageCache::Keys PassageCache::Find(const std::string& tenant,
                                      absl::Span<const std::uint32_t> tokens) {
  const auto found = by_name_.find(Name(tenant, {tokens.begin(), tokens.end()}));
  if (found == by_name_.end()) return nullptr;
  entries_.splice(entries_.begin(), entries_, found->second);
  if (folder_ != nullptr) folder_->Touch(found->second->key);
  return found->second->keys;
}

std::shared_ptr<PassageFolder::Reading> PassageCache::Read(const std::string& tenant,
                                                           absl::Span<const std::uint32_t> tokens,
                                                           absl::AnyInvocable<void()> on_end) {
  if (folder_ == nullptr) return nullptr;
  const std::size_t blocks = (tokens.size() + quant::kBlockPositions - 1) / quant::kBlockPositions;
  return folder_->Read(folder_->Key(tenant, tokens), blocks, std::move(on_end));
}

void PassageCache::Keep(const std::string& tenant, absl::Span<const std::uint32_t> tokens,
                        Keys keys) {
  const std::size_t blocks = keys->ids().size();
  std::string key;
  if (folder_ != nullptr) {
    key = folder_->Key(tenant, tokens);
    folder_->Write(key, *keys);
  }
  Name name(tenant, {tokens.begin(), tokens.end()});
  if (blocks > max_blocks_ || by_name_.contains(name)) return;
  while (blocks_ + blocks > max_blocks_) Evict();
  entries_.push_front({name, std::move(keys), std::move(key)});
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
