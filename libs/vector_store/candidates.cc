#include "libs/vector_store/candidates.h"

#include "absl/container/flat_hash_map.h"

namespace ragmesh::vector_store {

using vector_index::ScoredSlot;
using vector_index::SlotSet;

absl::StatusOr<std::vector<ScoredSlot>> DenseList(const SearchScope& scope, std::size_t limit,
                                                  const CallContext& call) {
  const auto comes_first = [&scope](std::uint32_t a, std::uint32_t b) {
    return scope.view.chunks[a].id < scope.view.chunks[b].id;
  };
  return vector_index::FlatSearch(scope.view.rows, scope.query, scope.allowed, limit, comes_first,
                                  scope.flat, call);
}

std::vector<ScoredSlot> LexicalList(const SearchScope& scope, std::size_t limit) {
  const auto comes_first = [&scope](std::uint32_t a, std::uint32_t b) {
    return scope.view.chunks[a].id < scope.view.chunks[b].id;
  };
  return scope.image.SearchLexical(scope.terms, scope.bm25, scope.allowed, limit, comes_first);
}

void FillScores(const SearchScope& scope, std::vector<ranking::Candidate>* candidates) {
  SlotSet unscored(scope.view.chunks.size());
  std::size_t count = 0;
  for (ranking::Candidate& candidate : *candidates) {
    if (!candidate.dense_score.has_value()) {
      candidate.dense_score = scope.flat.kernels->dot(
          scope.query.data(), scope.view.rows.Row(candidate.item), scope.view.rows.dimension);
    }
    if (!candidate.lexical_score.has_value()) {
      unscored.Add(candidate.item);
      ++count;
    }
  }
  if (count == 0) return;
  // A search of just these chunks adds up their terms as a search of all does.
  absl::flat_hash_map<std::uint32_t, double> scores;
  for (const ScoredSlot& found :
       scope.image.SearchLexical(scope.terms, scope.bm25, unscored, count,
                                 [](std::uint32_t a, std::uint32_t b) { return a < b; })) {
    scores[found.slot] = found.score;
  }
  for (ranking::Candidate& candidate : *candidates) {
    if (candidate.lexical_score.has_value()) continue;
    const auto it = scores.find(candidate.item);
    candidate.lexical_score = it == scores.end() ? 0.0 : it->second;
  }
}

double CosineOf(const SearchScope& scope, std::uint32_t a, std::uint32_t b) {
  return scope.flat.kernels->dot(scope.view.rows.Row(a), scope.view.rows.Row(b),
                                 scope.view.rows.dimension);
}

}  // namespace ragmesh::vector_store
