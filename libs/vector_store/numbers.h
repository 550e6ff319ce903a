// The numbers that a collection's documents and chunks get: each once, rising.
#ifndef RAGMESH_LIBS_VECTOR_STORE_NUMBERS_H_
#define RAGMESH_LIBS_VECTOR_STORE_NUMBERS_H_

#include <cstdint>
#include <set>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace ragmesh::vector_store {

// A document's and a chunk's.
struct NumberPair {
  std::uint64_t document = 1;
  std::uint64_t chunk = 1;
};

// Thread-safe. Writes take numbers before they know when they will be committed, so that a write
// with low numbers may come after one with high ones.
class Numbers {
 public:
  // Numbers that a write has taken. While it lives they may still be committed.
  class Lease {
   public:
    Lease() = default;
    ~Lease() {
      if (numbers_ != nullptr) numbers_->Return(first_);
    }
    Lease(Lease&& other) noexcept { *this = std::move(other); }
    Lease& operator=(Lease&& other) noexcept {
      std::swap(numbers_, other.numbers_);
      std::swap(first_, other.first_);
      return *this;
    }
    bool taken() const { return numbers_ != nullptr; }
    std::uint64_t document() const { return first_.document; }
    std::uint64_t first_chunk() const { return first_.chunk; }

   private:
    friend class Numbers;
    Numbers* numbers_ = nullptr;
    NumberPair first_;
  };

  // Where numbers begin; before any is taken.
  void Start(const NumberPair& next) ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    next_ = next;
  }
  Lease Take(std::uint64_t documents, std::uint64_t chunks) ABSL_LOCKS_EXCLUDED(mutex_) {
    Lease lease;
    absl::MutexLock lock(&mutex_);
    lease.numbers_ = this;
    lease.first_ = next_;
    documents_.insert(next_.document);
    chunks_.insert(next_.chunk);
    next_.document += documents;
    next_.chunk += chunks;
    return lease;
  }
  NumberPair next() const ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    return next_;
  }
  // What is lower will not be committed any more, unless it is already.
  NumberPair Lowest() const ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    return {documents_.empty() ? next_.document : *documents_.begin(),
            chunks_.empty() ? next_.chunk : *chunks_.begin()};
  }

 private:
  void Return(const NumberPair& first) ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    documents_.erase(documents_.find(first.document));
    chunks_.erase(chunks_.find(first.chunk));
  }

  mutable absl::Mutex mutex_;
  NumberPair next_ ABSL_GUARDED_BY(mutex_);
  std::multiset<std::uint64_t> documents_ ABSL_GUARDED_BY(mutex_), chunks_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace ragmesh::vector_store

#endif  // RAGMESH_LIBS_VECTOR_STORE_NUMBERS_H_
