// How many hits of how many documents are still wanted.
#ifndef RAGMESH_LIBS_RANKING_DOCUMENT_QUOTA_H_
#define RAGMESH_LIBS_RANKING_DOCUMENT_QUOTA_H_

#include <cstddef>
#include <cstdint>

#include "absl/container/flat_hash_map.h"

namespace ragmesh::ranking {

// Without a limit per document (0): `top_k` hits of any documents. With one: hits of the first
// `top_k` documents that are taken, so many of each. Not thread-safe.
class DocumentQuota {
 public:
  DocumentQuota(std::size_t top_k, std::uint32_t max_per_document)
      : top_k_(top_k), max_per_document_(max_per_document) {}

  bool Admits(std::uint64_t document) const {
    if (max_per_document_ == 0) return hits_ < top_k_;
    const auto it = taken_.find(document);
    return it == taken_.end() ? taken_.size() < top_k_ : it->second < max_per_document_;
  }
  // `document` must be admitted.
  void Take(std::uint64_t document) {
    ++hits_;
    if (max_per_document_ > 0 && ++taken_[document] == max_per_document_) ++full_;
  }
  // Nothing more is admitted.
  bool Full() const { return max_per_document_ == 0 ? hits_ >= top_k_ : full_ >= top_k_; }
  // As many documents as are wanted, or hits where documents do not count, have been taken.
  bool Served() const { return max_per_document_ == 0 ? Full() : taken_.size() >= top_k_; }

 private:
  const std::size_t top_k_;
  const std::uint32_t max_per_document_;
  std::size_t hits_ = 0;
  std::size_t full_ = 0;  // documents that have all the hits they may have
  absl::flat_hash_map<std::uint64_t, std::uint32_t> taken_;
};

}  // namespace ragmesh::ranking

#endif  // RAGMESH_LIBS_RANKING_DOCUMENT_QUOTA_H_
