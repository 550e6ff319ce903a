#include "libs/vector_store/candidates.h"

#include <algorithm>

#include "libs/base/status_macros.h"

namespace ragmesh::vector_store {

using vector_index::ScoredSlot;

absl::StatusOr<std::vector<ScoredSlot>> DenseList(const SearchScope& scope, std::size_t limit,
                                                  const CallContext& call) {
  const auto comes_first = [&scope](std::uint32_t a, std::uint32_t b) {
    return scope.view.chunk(a).id < scope.view.chunk(b).id;
  };
  return SearchDense(scope.view, scope.query, scope.allowed, limit, comes_first, scope.dense, call);
}

absl::string_view DensePlanName(const SearchScope& scope) {
  return scope.dense.PlanFor(scope.allowed.count) == DensePlan::kExact ? "exact scan"
                                                                       : "lists of sign codes";
}

absl::StatusOr<std::vector<ScoredSlot>> LexicalList(const SearchScope& scope, std::size_t limit,
                                                    bool* prefix_cut) {
  const auto comes_first = [&scope](std::uint32_t a, std::uint32_t b) {
    return scope.view.chunk(a).id < scope.view.chunk(b).id;
  };
  RAGMESH_ASSIGN_OR_RETURN(const lexical::FoundSlots found,
                           scope.image.SearchLexical(scope.view, scope.words, scope.bm25,
                                                     scope.allowed, limit, comes_first));
  *prefix_cut = *prefix_cut || found.prefix_cut;
  std::vector<ScoredSlot> list;
  for (const lexical::ScoredSlot& entry : found.best) list.push_back({entry.slot, entry.score});
  return list;
}

absl::Status FillScores(const SearchScope& scope, std::vector<ranking::Candidate>* candidates) {
  std::vector<std::uint32_t> unscored;
  for (ranking::Candidate& candidate : *candidates) {
    if (!candidate.dense_score.has_value()) {
      RAGMESH_ASSIGN_OR_RETURN(const float* const vector, scope.view.Vector(candidate.item));
      candidate.dense_score =
          scope.dense.kernels->dot(scope.query.data(), vector, scope.query.size());
    }
    if (!candidate.lexical_score.has_value()) unscored.push_back(candidate.item);
  }
  if (unscored.empty()) return absl::OkStatus();
  std::sort(unscored.begin(), unscored.end());
  RAGMESH_ASSIGN_OR_RETURN(const std::vector<double> scores,
                           scope.image.ScoreLexical(scope.view, scope.words, scope.bm25, unscored));
  for (ranking::Candidate& candidate : *candidates) {
    if (candidate.lexical_score.has_value()) continue;
    const auto it = std::lower_bound(unscored.begin(), unscored.end(), candidate.item);
    candidate.lexical_score = scores[static_cast<std::size_t>(it - unscored.begin())];
  }
  return absl::OkStatus();
}

absl::StatusOr<double> CosineOf(const SearchScope& scope, std::uint32_t a, std::uint32_t b) {
  RAGMESH_ASSIGN_OR_RETURN(const float* const first, scope.view.Vector(a));
  RAGMESH_ASSIGN_OR_RETURN(const float* const second, scope.view.Vector(b));
  return scope.dense.kernels->dot(first, second, scope.dimension);
}

}  // namespace ragmesh::vector_store
