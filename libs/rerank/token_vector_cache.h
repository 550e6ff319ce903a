// Token vectors of passages seen before, so that a passage that keeps being found is encoded once.
#ifndef RAGMESH_LIBS_RERANK_TOKEN_VECTOR_CACHE_H_
#define RAGMESH_LIBS_RERANK_TOKEN_VECTOR_CACHE_H_

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "libs/embedding/token_vectors.h"

namespace ragmesh::rerank {

// Least recently used goes first, bounded in bytes. Keys are SHA-256 of what the encoder read, so
// no two texts share an entry; values are what a miss computes, so a hit gives the same scores.
// Thread-safe.
class TokenVectorCache {
 public:
  using Vectors = std::shared_ptr<const embedding::TokenVectors>;

  struct Stats {
    std::uint64_t hits = 0;
    std::uint64_t misses = 0;
    std::size_t entries = 0;
    std::size_t bytes = 0;
  };

  // 0 bytes: nothing is kept.
  explicit TokenVectorCache(std::size_t max_bytes) : max_bytes_(max_bytes) {}

  // Null on a miss.
  Vectors Get(const std::string& key);

  // Keeps `vectors` unless they alone are over the bound.
  void Put(const std::string& key, Vectors vectors);

  Stats stats() const;

 private:
  struct Entry {
    std::string key;
    Vectors vectors;
  };
  static std::size_t BytesOf(const Entry& entry);

  const std::size_t max_bytes_;
  mutable absl::Mutex mutex_;
  std::list<Entry> entries_ ABSL_GUARDED_BY(mutex_);  // most recently used first
  absl::flat_hash_map<std::string, std::list<Entry>::iterator> index_ ABSL_GUARDED_BY(mutex_);
  std::size_t bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  std::uint64_t hits_ ABSL_GUARDED_BY(mutex_) = 0;
  std::uint64_t misses_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace ragmesh::rerank

#endif  // RAGMESH_LIBS_RERANK_TOKEN_VECTOR_CACHE_H_
