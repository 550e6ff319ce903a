#include "libs/vector_store/candidates.h"

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

std::vector<ScoredSlot> LexicalList(const SearchScope& scope, std::size_t limit) {
  const auto comes_first = [&scope](std::uint32_t a, std::uint32_t b) {
    return scope.view.chunks[a].id < scope.view.chunks[b].id;
  };
  return scope.image.SearchLexical(scope.terms, scope.bm25, scope.allowed, limit, comes_first);
}

void FillScores(const SearchScope& scope, std::vector<ranking::Candidate>* candidates) {
  std::vector<std::uint32_t> unlisted;  // that the lexical list did not propose
  for (ranking::Candidate& candidate : *candidates) {
    if (!candidate.dense_score.has_value()) {
      candidate.dense_score = scope.flat.kernels->dot(
          scope.query.data(), scope.view.rows.Row(candidate.item), scope.view.rows.dimension);
    }
    if (!candidate.lexical_score.has_value()) unlisted.push_back(candidate.item);
  }
  const auto terms = scope.image.ExplainLexical(scope.terms, scope.bm25, unlisted);
  std::size_t next = 0;
  for (ranking::Candidate& candidate : *candidates) {
    if (candidate.lexical_score.has_value()) continue;
    double score = 0;
    for (const stages::TermScore& term : terms[next]) score += term.score;
    candidate.lexical_score = score;
    ++next;
  }
}

double CosineOf(const SearchScope& scope, std::uint32_t a, std::uint32_t b) {
  return scope.flat.kernels->dot(scope.view.rows.Row(a), scope.view.rows.Row(b),
                                 scope.view.rows.dimension);
}

}  // namespace ragmesh::vector_store
