#include "libs/vector_store/image_lists.h"

#include <algorithm>

#include "libs/base/status_macros.h"

namespace ragmesh::vector_store {

using ranking::ListedChunk;

absl::string_view ImageLists::DensePlanName() const {
  switch (scope_.dense.PlanFor(scope_.allowed.count)) {
    case DensePlan::kExact:
      return "exact scan";
    case DensePlan::kFew:
      return "full scan";
    case DensePlan::kSigned:
      return "lists of sign codes";
  }
  return "";
}

absl::StatusOr<std::vector<ListedChunk>> ImageLists::DenseList(std::size_t limit,
                                                               const CallContext& call) {
  const auto comes_first = [this](std::uint32_t a, std::uint32_t b) {
    return ChunkId(a) < ChunkId(b);
  };
  RAGMESH_ASSIGN_OR_RETURN(const auto found, SearchDense(scope_.view, scope_.query, scope_.allowed,
                                                         limit, comes_first, scope_.dense, call));
  std::vector<ListedChunk> list;
  for (const vector_index::ScoredSlot& entry : found) list.push_back({entry.slot, entry.score});
  return list;
}

absl::StatusOr<std::vector<ListedChunk>> ImageLists::LexicalList(std::size_t limit,
                                                                 const CallContext& /*call*/) {
  const auto comes_first = [this](std::uint32_t a, std::uint32_t b) {
    return ChunkId(a) < ChunkId(b);
  };
  RAGMESH_ASSIGN_OR_RETURN(const lexical::FoundSlots found,
                           scope_.image.SearchLexical(scope_.view, scope_.words, scope_.bm25,
                                                      scope_.allowed, limit, comes_first));
  prefix_cut_ = prefix_cut_ || found.prefix_cut;
  std::vector<ListedChunk> list;
  for (const lexical::ScoredSlot& entry : found.best) list.push_back({entry.slot, entry.score});
  return list;
}

absl::Status ImageLists::FillScores(std::vector<ranking::Candidate>* candidates,
                                    const CallContext& /*call*/) {
  std::vector<std::uint32_t> unscored;
  std::vector<float> vector(scope_.query.size());
  for (ranking::Candidate& candidate : *candidates) {
    if (!candidate.dense_score.has_value()) {
      RAGMESH_RETURN_IF_ERROR(scope_.view.ReadVector(candidate.item, vector.data()));
      candidate.dense_score =
          scope_.dense.kernels->dot(scope_.query.data(), vector.data(), scope_.query.size());
    }
    if (!candidate.lexical_score.has_value()) unscored.push_back(candidate.item);
  }
  if (unscored.empty()) return absl::OkStatus();
  std::sort(unscored.begin(), unscored.end());
  RAGMESH_ASSIGN_OR_RETURN(
      const std::vector<double> scores,
      scope_.image.ScoreLexical(scope_.view, scope_.words, scope_.bm25, unscored));
  for (ranking::Candidate& candidate : *candidates) {
    if (candidate.lexical_score.has_value()) continue;
    const auto it = std::lower_bound(unscored.begin(), unscored.end(), candidate.item);
    candidate.lexical_score = scores[static_cast<std::size_t>(it - unscored.begin())];
  }
  return absl::OkStatus();
}

absl::Status ImageLists::PrepareCosines(const std::vector<std::uint32_t>& items,
                                        const CallContext& /*call*/) {
  for (const std::uint32_t item : items) {
    std::vector<float>& vector = vectors_[item];
    vector.resize(scope_.dimension);
    RAGMESH_RETURN_IF_ERROR(scope_.view.ReadVector(item, vector.data()));
  }
  return absl::OkStatus();
}

double ImageLists::Cosine(std::uint32_t a, std::uint32_t b) const {
  return scope_.dense.kernels->dot(vectors_.at(a).data(), vectors_.at(b).data(), scope_.dimension);
}

}  // namespace ragmesh::vector_store
