#include "libs/vector_store/candidates.h"

#include <algorithm>

#include "libs/base/status_macros.h"

namespace ragmesh::vector_store {

using vector_index::ScoredSlot;

absl::StatusOr<std::vector<ScoredSlot>> DenseList(const SearchScope& scope, std::size_t limit,
                                                  const CallContext& call) {
  const auto comes_first = [&scope](std::uint32_t a, std::uint32_t b) {
    return scope.view.chunks[a].id < scope.view.chunks[b].id;
  };
  return vector_index::FlatSearch(scope.view.rows, scope.query, scope.allowed, limit, comes_first,
                                  scope.flat, call);
}

absl::StatusOr<std::vector<ScoredSlot>> LexicalList(const SearchScope& scope, std::size_t limit,
                                                    bool* prefix_cut) {
  const auto comes_first = [&scope](std::uint32_t a, std::uint32_t b) {
    return scope.view.chunks[a].id < scope.view.chunks[b].id;
  };
  RAGMESH_ASSIGN_OR_RETURN(
      const lexical::FoundSlots found,
      scope.image.SearchLexical(scope.words, scope.bm25, scope.allowed, limit, comes_first));
  *prefix_cut = *prefix_cut || found.prefix_cut;
  std::vector<ScoredSlot> list;
  for (const lexical::ScoredSlot& entry : found.best) list.push_back({entry.slot, entry.score});
  return list;
}

absl::Status FillScores(const SearchScope& scope, std::vector<ranking::Candidate>* candidates) {
  std::vector<std::uint32_t> unscored;
  for (ranking::Candidate& candidate : *candidates) {
    if (!candidate.dense_score.has_value()) {
      candidate.dense_score = scope.flat.kernels->dot(
          scope.query.data(), scope.view.rows.Row(candidate.item), scope.view.rows.dimension);
    }
    if (!candidate.lexical_score.has_value()) unscored.push_back(candidate.item);
  }
  if (unscored.empty()) return absl::OkStatus();
  std::sort(unscored.begin(), unscored.end());
  RAGMESH_ASSIGN_OR_RETURN(const std::vector<double> scores,
                           scope.image.ScoreLexical(scope.words, scope.bm25, unscored));
  for (ranking::Candidate& candidate : *candidates) {
    if (candidate.lexical_score.has_value()) continue;
    const auto it = std::lower_bound(unscored.begin(), unscored.end(), candidate.item);
    candidate.lexical_score = scores[static_cast<std::size_t>(it - unscored.begin())];
  }
  return absl::OkStatus();
}

double CosineOf(const SearchScope& scope, std::uint32_t a, std::uint32_t b) {
  return scope.flat.kernels->dot(scope.view.rows.Row(a), scope.view.rows.Row(b),
                                 scope.view.rows.dimension);
}

}  // namespace ragmesh::vector_store
