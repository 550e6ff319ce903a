// Two rankings -> one.
#ifndef RAGMESH_LIBS_VECTOR_STORE_FUSION_H_
#define RAGMESH_LIBS_VECTOR_STORE_FUSION_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/types/span.h"
#include "libs/stages/vector_store.h"
#include "libs/vector_index/top_k.h"

namespace ragmesh::vector_store {

struct RankedChunk {
  std::uint32_t slot = 0;
  double score = 0;
  std::optional<double> dense_score;
  std::optional<double> lexical_score;
  std::optional<std::uint32_t> dense_rank;  // from 1
  std::optional<std::uint32_t> lexical_rank;
};

// Both lists best first. Z-score: each list's scores are brought to mean 0 and deviation 1 over
// that list, a chunk that a list lacks gets its lowest, and the sum is weighted; a list whose
// scores are all equal, or that is empty, contributes 0. Reciprocal rank: the sum of 1 /
// (rank_constant + rank) over the lists that have the chunk. Highest first, ties by `comes_first`,
// at most `top_k`.
std::vector<RankedChunk> Fuse(absl::Span<const vector_index::ScoredSlot> dense,
                              absl::Span<const vector_index::ScoredSlot> lexical,
                              const stages::Fusion& fusion, std::size_t top_k,
                              vector_index::TieBreak comes_first);

}  // namespace ragmesh::vector_store

#endif  // RAGMESH_LIBS_VECTOR_STORE_FUSION_H_
