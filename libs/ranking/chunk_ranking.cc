#include "libs/ranking/chunk_ranking.h"

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "libs/base/status_macros.h"
#include "libs/ranking/diversity.h"
#include "libs/ranking/document_quota.h"
#include "libs/ranking/fusion.h"

namespace ragmesh::ranking {
namespace {

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

std::vector<Candidate> Unite(const std::vector<ListedChunk>& dense,
                             const std::vector<ListedChunk>& lexical) {
  std::vector<Candidate> candidates;
  absl::flat_hash_map<std::uint32_t, std::size_t> places;
  const auto candidate_of = [&](std::uint32_t item) -> Candidate& {
    const auto [it, inserted] = places.try_emplace(item, candidates.size());
    if (inserted) candidates.push_back({.item = item});
    return candidates[it->second];
  };
  for (std::size_t i = 0; i < dense.size(); ++i) {
    Candidate& candidate = candidate_of(dense[i].item);
    candidate.dense_score = dense[i].score;
    candidate.dense_rank = static_cast<std::uint32_t>(i + 1);
  }
  for (std::size_t i = 0; i < lexical.size(); ++i) {
    Candidate& candidate = candidate_of(lexical[i].item);
    candidate.lexical_score = lexical[i].score;
    candidate.lexical_rank = static_cast<std::uint32_t>(i + 1);
  }
  return candidates;
}

absl::StatusOr<std::vector<Candidate>> RankHybrid(const stages::SearchRequest& request,
                                                  ListSource& source,
                                                  stages::SearchExplanation* explanation,
                                                  const CallContext& call) {
  const std::size_t limit = request.fusion->candidates;
  RAGMESH_ASSIGN_OR_RETURN(const auto dense, source.DenseList(limit, call));
  source.Ended("dense");
  RAGMESH_ASSIGN_OR_RETURN(const auto lexical, source.LexicalList(limit, call));
  source.Ended("lexical");
  explanation->dense_listed = static_cast<std::uint32_t>(dense.size());
  explanation->lexical_listed = static_cast<std::uint32_t>(lexical.size());
  std::vector<Candidate> candidates = Unite(dense, lexical);
  RAGMESH_RETURN_IF_ERROR(source.FillScores(&candidates, call));
  source.Ended("score");
  const FusionScales scales = Fuse(
      *request.fusion,
      [&source](std::uint32_t a, std::uint32_t b) { return source.ChunkId(a) < source.ChunkId(b); },
      &candidates);
  explanation->dense_scale = scales.dense;
  explanation->lexical_scale = scales.lexical;
  source.Ended("fuse");
  return candidates;
}

// Whether the best of `list` are as many documents, or hits, as are wanted.
bool ServesQuota(const ListSource& source, const std::vector<ListedChunk>& list,
                 DocumentQuota quota) {
  for (const ListedChunk& entry : list) {
    const std::uint64_t document = source.DocumentOf(entry.item);
    if (quota.Admits(document)) quota.Take(document);
  }
  return quota.Served();
}

absl::StatusOr<std::vector<Candidate>> RankOneList(const stages::SearchRequest& request,
                                                   ListSource& source, std::size_t longest_list,
                                                   stages::SearchExplanation* explanation,
                                                   const CallContext& call) {
  const bool dense = request.mode == stages::SearchMode::kDense;
  std::size_t limit = request.diversity.has_value() ? PoolSize(request) : MostHits(request);
  std::vector<ListedChunk> list;
  while (true) {
    RAGMESH_RETURN_IF_ERROR(call.Check());
    RAGMESH_ASSIGN_OR_RETURN(
        list, dense ? source.DenseList(limit, call) : source.LexicalList(limit, call));
    if (list.size() < limit || limit >= longest_list || ServesQuota(source, list, QuotaOf(request)))
      break;
    limit = std::min<std::size_t>(longest_list, limit * kLengthen);
  }
  source.Ended(dense ? "dense" : "lexical");
  (dense ? explanation->dense_listed : explanation->lexical_listed) =
      static_cast<std::uint32_t>(list.size());
  std::vector<Candidate> candidates = dense ? Unite(list, {}) : Unite({}, list);
  for (std::size_t i = 0; i < candidates.size(); ++i) candidates[i].score = list[i].score;
  return candidates;
}

absl::StatusOr<std::vector<Pick>> PickHits(const stages::SearchRequest& request,
                                           const std::vector<Candidate>& candidates,
                                           ListSource& source, const CallContext& call) {
  const std::size_t pool = request.diversity.has_value()
                               ? std::min(PoolSize(request), candidates.size())
                               : candidates.size();
  std::vector<double> scores;
  std::vector<std::uint32_t> items;
  for (std::size_t i = 0; i < pool; ++i) {
    scores.push_back(candidates[i].score);
    items.push_back(candidates[i].item);
  }
  const auto document_of = [&](std::size_t place) { return source.DocumentOf(items[place]); };
  const Ranked ranked{scores, document_of};
  if (!request.diversity.has_value()) return PickBest(ranked, QuotaOf(request));
  RAGMESH_RETURN_IF_ERROR(source.PrepareCosines(items, call));
  return PickDiverse(
      ranked, QuotaOf(request), request.diversity->lambda,
      [&](std::size_t a, std::size_t b) { return source.Cosine(items[a], items[b]); },
      [&call] { return call.Check(); });
}

}  // namespace

absl::StatusOr<RankedHits> RankChunks(const stages::SearchRequest& request, ListSource& source,
                                      std::size_t longest_list, const CallContext& call) {
  RankedHits ranked;
  ranked.explanation.fusion = *request.fusion;
  ranked.explanation.bm25 = *request.bm25;
  RAGMESH_ASSIGN_OR_RETURN(
      const std::vector<Candidate> candidates,
      request.mode == stages::SearchMode::kHybrid
          ? RankHybrid(request, source, &ranked.explanation, call)
          : RankOneList(request, source, longest_list, &ranked.explanation, call));
  ranked.explanation.candidates = static_cast<std::uint32_t>(candidates.size());
  RAGMESH_ASSIGN_OR_RETURN(const auto picks, PickHits(request, candidates, source, call));
  for (const Pick& pick : picks) {
    RankedHit hit{.candidate = candidates[pick.place], .score = pick.score};
    if (request.diversity.has_value()) {
      hit.relevance = pick.relevance;
      hit.similarity = pick.similarity;
    }
    ranked.hits.push_back(std::move(hit));
  }
  source.Ended("select");
  return ranked;
}

stages::SearchHit HitOf(const stages::SearchRequest& request, const RankedHit& ranked) {
  stages::SearchHit hit;
  hit.score = ranked.score;
  hit.dense_score = ranked.candidate.dense_score;
  hit.lexical_score = ranked.candidate.lexical_score;
  hit.dense_rank = ranked.candidate.dense_rank;
  hit.lexical_rank = ranked.candidate.lexical_rank;
  if (request.mode == stages::SearchMode::kHybrid) hit.fused_score = ranked.candidate.score;
  if (request.explain) {
    hit.explanation = stages::HitExplanation{.terms = {},
                                             .dense_part = ranked.candidate.dense_part,
                                             .lexical_part = ranked.candidate.lexical_part,
                                             .relevance = ranked.relevance,
                                             .similarity = ranked.similarity};
  }
  return hit;
}

}  // namespace ragmesh::ranking
