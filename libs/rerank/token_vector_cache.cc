#include "libs/rerank/token_vector_cache.h"

#include <utility>

namespace ragmesh::rerank {

TokenVectorCache::Vectors TokenVectorCache::Get(const std::string& key) {
  absl::MutexLock lock(&mutex_);
  const auto it = index_.find(key);
  if (it == index_.end()) {
    ++misses_;
    return nullptr;
  }
  ++hits_;
  entries_.splice(entries_.begin(), entries_, it->second);
  return it->second->vectors;
}

void TokenVectorCache::Put(const std::string& key, Vectors vectors) {
  Entry entry{key, std::move(vectors)};
  const std::size_t bytes = BytesOf(entry);
  absl::MutexLock lock(&mutex_);
  if (bytes > max_bytes_ || index_.contains(key)) return;
  entries_.push_front(std::move(entry));
  index_[key] = entries_.begin();
  bytes_ += bytes;
  while (bytes_ > max_bytes_) {
    bytes_ -= BytesOf(entries_.back());
    index_.erase(entries_.back().key);
    entries_.pop_back();
  }
}

TokenVectorCache::Stats TokenVectorCache::stats() const {
  absl::MutexLock lock(&mutex_);
  return {hits_, misses_, entries_.size(), bytes_};
}

std::size_t TokenVectorCache::BytesOf(const Entry& entry) {
  constexpr std::size_t kOverheadBytes =
      256;  // list and map nodes, control block, both copies of the key
  return entry.vectors->bytes.size() + entry.vectors->rows.size() * sizeof(linalg::QuantizedRow) +
         2 * entry.key.size() + kOverheadBytes;
}

}  // namespace ragmesh::rerank
