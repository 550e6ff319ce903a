#include "libs/vector_store/search.h"

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "libs/base/status_macros.h"
#include "libs/ranking/diversity.h"
#include "libs/ranking/fusion.h"
#include "libs/vector_store/limits.h"

namespace ragmesh::vector_store {
namespace {

using ranking::Candidate;
using ranking::DocumentQuota;
using ranking::Pick;
using vector_index::ScoredSlot;

// How much longer a list gets when it has too few documents.
constexpr std::size_t kLengthen = 4;

DocumentQuota QuotaOf(const stages::SearchRequest& request) {
  return DocumentQuota(request.top_k, request.max_per_document);
}

std::size_t MostHits(const stages::SearchRequest& request) {
  return std::size_t{request.top_k} * std::max(1u, request.max_per_document);
}

// How many of the best a diverse choice is from.
std::size_t PoolSize(const stages::SearchRequest& request) {
  return std::max(MostHits(request), std::size_t{request.diversity->candidates});
}

std::vector<Candidate> Unite(const std::vector<ScoredSlot>& dense,
                             const std::vector<ScoredSlot>& lexical) {
  std::vector<Candidate> candidates;
  absl::flat_hash_map<std::uint32_t, std::size_t> places;
  const auto candidate_of = [&](std::uint32_t slot) -> Candidate& {
    const auto [it, inserted] = places.try_emplace(slot, candidates.size());
    if (inserted) candidates.push_back({.item = slot});
    return candidates[it->second];
  };
  for (std::size_t i = 0; i < dense.size(); ++i) {
    Candidate& candidate = candidate_of(dense[i].slot);
    candidate.dense_score = dense[i].score;
    candidate.dense_rank = static_cast<std::uint32_t>(i + 1);
  }
  for (std::size_t i = 0; i < lexical.size(); ++i) {
    Candidate& candidate = candidate_of(lexical[i].slot);
    candidate.lexical_score = lexical[i].score;
    candidate.lexical_rank = static_cast<std::uint32_t>(i + 1);
  }
  return candidates;
}

absl::StatusOr<std::vector<Candidate>> RankHybrid(const SearchScope& scope,
                                                  const stages::SearchRequest& request,
                                                  RankedHits* ranked, StepTimer* timer,
                                                  const CallContext& call) {
  stages::SearchExplanation* const explanation = &ranked->explanation;
  const std::size_t limit = request.fusion->candidates;
  RAGMESH_ASSIGN_OR_RETURN(const auto dense, DenseList(scope, limit, call));
  timer->End("dense");
  RAGMESH_ASSIGN_OR_RETURN(const auto lexical, LexicalList(scope, limit, &ranked->prefix_cut));
  timer->End("lexical");
  explanation->dense_listed = static_cast<std::uint32_t>(dense.size());
  explanation->lexical_listed = static_cast<std::uint32_t>(lexical.size());
  std::vector<Candidate> candidates = Unite(dense, lexical);
  RAGMESH_RETURN_IF_ERROR(FillScores(scope, &candidates));
  timer->End("score");
  const auto comes_first = [&scope](std::uint32_t a, std::uint32_t b) {
    return scope.view.chunk(a).id < scope.view.chunk(b).id;
  };
  const ranking::FusionScales scales = ranking::Fuse(*request.fusion, comes_first, &candidates);
  explanation->dense_scale = scales.dense;
  explanation->lexical_scale = scales.lexical;
  timer->End("fuse");
  return candidates;
}

// Whether the best of `list` are as many documents, or hits, as are wanted.
bool ServesQuota(const SearchScope& scope, const std::vector<ScoredSlot>& list,
                 DocumentQuota quota) {
  for (const ScoredSlot& entry : list) {
    const std::uint64_t document = scope.view.chunk(entry.slot).document_number;
    if (quota.Admits(document)) quota.Take(document);
  }
  return quota.Served();
}

absl::StatusOr<std::vector<Candidate>> RankOneList(const SearchScope& scope,
                                                   const stages::SearchRequest& request,
                                                   RankedHits* ranked, StepTimer* timer,
                                                   const CallContext& call) {
  stages::SearchExplanation* const explanation = &ranked->explanation;
  const bool dense = request.mode == stages::SearchMode::kDense;
  std::size_t limit = request.diversity.has_value() ? PoolSize(request) : MostHits(request);
  std::vector<ScoredSlot> list;
  while (true) {
    RAGMESH_RETURN_IF_ERROR(call.Check());
    if (dense) {
      RAGMESH_ASSIGN_OR_RETURN(list, DenseList(scope, limit, call));
    } else {
      RAGMESH_ASSIGN_OR_RETURN(list, LexicalList(scope, limit, &ranked->prefix_cut));
    }
    if (list.size() < limit || limit >= kMaxTopK || ServesQuota(scope, list, QuotaOf(request)))
      break;
    limit = std::min<std::size_t>(kMaxTopK, limit * kLengthen);
  }
  timer->End(dense ? "dense" : "lexical");
  (dense ? explanation->dense_listed : explanation->lexical_listed) =
      static_cast<std::uint32_t>(list.size());
  std::vector<Candidate> candidates = dense ? Unite(list, {}) : Unite({}, list);
  for (std::size_t i = 0; i < candidates.size(); ++i) candidates[i].score = list[i].score;
  return candidates;
}

absl::StatusOr<std::vector<Pick>> PickHits(const SearchScope& scope,
                                           const stages::SearchRequest& request,
                                           const std::vector<Candidate>& candidates,
                                           const CallContext& call) {
  const std::size_t pool = request.diversity.has_value()
                               ? std::min(PoolSize(request), candidates.size())
                               : candidates.size();
  std::vector<double> scores;
  for (std::size_t i = 0; i < pool; ++i) scores.push_back(candidates[i].score);
  const auto document_of = [&](std::size_t place) -> std::uint64_t {
    return scope.view.chunk(candidates[place].item).document_number;
  };
  const ranking::Ranked ranked{scores, document_of};
  if (!request.diversity.has_value()) return ranking::PickBest(ranked, QuotaOf(request));
  absl::Status read;
  auto picks = ranking::PickDiverse(
      ranked, QuotaOf(request), request.diversity->lambda,
      [&](std::size_t a, std::size_t b) {
        const auto cosine = CosineOf(scope, candidates[a].item, candidates[b].item);
        read.Update(cosine.status());
        return cosine.value_or(0);
      },
      [&] { return read.ok() ? call.Check() : read; });
  RAGMESH_RETURN_IF_ERROR(read);
  return picks;
}

}  // namespace

absl::StatusOr<RankedHits> RankChunks(const SearchScope& scope,
                                      const stages::SearchRequest& request, StepTimer* timer,
                                      const CallContext& call) {
  RankedHits ranked;
  stages::SearchExplanation& explanation = ranked.explanation;
  explanation.fusion = *request.fusion;
  explanation.bm25 = *request.bm25;
  if (request.mode != stages::SearchMode::kLexical)
    explanation.dense_plan = std::string(DensePlanName(scope));
  RAGMESH_ASSIGN_OR_RETURN(const std::vector<Candidate> candidates,
                           request.mode == stages::SearchMode::kHybrid
                               ? RankHybrid(scope, request, &ranked, timer, call)
                               : RankOneList(scope, request, &ranked, timer, call));
  explanation.candidates = static_cast<std::uint32_t>(candidates.size());
  RAGMESH_ASSIGN_OR_RETURN(const auto picks, PickHits(scope, request, candidates, call));
  for (const Pick& pick : picks) {
    RankedHit hit{.candidate = candidates[pick.place], .score = pick.score};
    if (request.diversity.has_value()) {
      hit.relevance = pick.relevance;
      hit.similarity = pick.similarity;
    }
    ranked.hits.push_back(std::move(hit));
  }
  timer->End("select");
  return ranked;
}

}  // namespace ragmesh::vector_store
