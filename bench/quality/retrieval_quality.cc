#include "bench/quality/retrieval_quality.h"

#include <algorithm>
#include <cstdio>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "absl/time/clock.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/ranking/ranking_metrics.h"

namespace ragmesh::bench {
namespace {

constexpr std::size_t kEmbedBatch = 64;
constexpr char kLabel[] = "public";

std::string FullText(const IrDocument& document) {
  return document.title.empty() ? document.text : absl::StrCat(document.title, " ", document.text);
}

// One run over one dataset.
class Run {
 public:
  Run(const IrDataset& dataset, stages::Embedder& embedder, stages::VectorStore& store,
      stages::Reranker& reranker, const QualityOptions& options)
      : dataset_(dataset),
        embedder_(embedder),
        store_(store),
        reranker_(reranker),
        options_(options) {
    collection_.name = absl::StrReplaceAll(dataset.name, {{" ", "-"}});
  }

  absl::StatusOr<std::vector<QualityRow>> Measure();

 private:
  using Ranking = std::vector<std::string>;
  struct Asked {
    std::vector<float> vector;
    stages::SearchResult fused;  // reciprocal-rank list with texts, what the reranker gets
  };

  void Progress(const std::string& what, std::size_t done, std::size_t total) {
    if (options_.on_progress) options_.on_progress(what, done, total);
  }
  absl::StatusOr<std::vector<float>> EmbedDocuments();
  absl::Status Fill(const std::vector<float>& vectors);
  absl::StatusOr<stages::SearchResult> Search(const IrQuery& query,
                                              const std::vector<float>& vector,
                                              stages::SearchMode mode,
                                              const stages::Fusion& fusion);
  absl::StatusOr<Ranking> Rerank(const IrQuery& query, const stages::SearchResult& fused,
                                 std::uint32_t top_k);

  template <typename RankOne>
  absl::StatusOr<QualityRow> MeasureRow(const std::string& name, RankOne rank_one);

  const IrDataset& dataset_;
  stages::Embedder& embedder_;
  stages::VectorStore& store_;
  stages::Reranker& reranker_;
  const QualityOptions& options_;
  stages::CollectionId collection_;
  stages::StageInfo info_;
  const CallContext call_{absl::InfiniteFuture()};
};

absl::StatusOr<std::vector<float>> Run::EmbedDocuments() {
  std::vector<float> vectors;
  const auto& documents = dataset_.documents;
  for (std::size_t begin = 0; begin < documents.size(); begin += kEmbedBatch) {
    stages::EmbedRequest request;
    for (std::size_t i = begin; i < std::min(begin + kEmbedBatch, documents.size()); ++i) {
      request.texts.push_back(FullText(documents[i]));
    }
    RAGMESH_ASSIGN_OR_RETURN(const auto embeddings, embedder_.Embed(request, call_));
    for (const auto& embedding : embeddings) {
      vectors.insert(vectors.end(), embedding.values.begin(), embedding.values.end());
    }
    Progress("embedding documents", begin + request.texts.size(), documents.size());
  }
  return vectors;
}

absl::Status Run::Fill(const std::vector<float>& vectors) {
  stages::CollectionConfig config{.id = collection_};
  config.embedder_model = info_.model.name;
  config.embedder_digest = info_.model.digest;
  config.dimension = info_.model.dimension;
  RAGMESH_RETURN_IF_ERROR(store_.CreateCollection(config, call_).status());
  // The whole set is one stored document here: what is measured is the ranking of chunks, and one
  // write is quicker than thousands. Chunk ids are the set's document ids.
  stages::Upsert upsert;
  upsert.document.emplace();
  upsert.document->id = "all";
  upsert.document->acl_labels = {kLabel};
  std::uint64_t offset = 0;
  for (std::size_t i = 0; i < dataset_.documents.size(); ++i) {
    stages::StoredChunk chunk;
    chunk.id = dataset_.documents[i].id;
    chunk.document_id = "all";
    chunk.chunk.ordinal = static_cast<std::uint32_t>(i);
    chunk.chunk.text = FullText(dataset_.documents[i]);
    chunk.chunk.range = {offset, offset + chunk.chunk.text.size()};
    chunk.chunk.overlap_begin = offset;
    offset = chunk.chunk.range.end + 2;
    if (upsert.document.has_value())
      absl::StrAppend(&upsert.document->text, i == 0 ? "" : "\n\n", chunk.chunk.text);
    const auto begin = vectors.begin() + static_cast<std::ptrdiff_t>(i * info_.model.dimension);
    chunk.vector.assign(begin, begin + info_.model.dimension);
    upsert.chunks.push_back(std::move(chunk));
  }
  return store_.Write(collection_, info_.model.digest, std::move(upsert), call_).status();
}

absl::StatusOr<stages::SearchResult> Run::Search(const IrQuery& query,
                                                 const std::vector<float>& vector,
                                                 stages::SearchMode mode,
                                                 const stages::Fusion& fusion) {
  stages::SearchRequest request{.collection = collection_, .mode = mode};
  if (mode != stages::SearchMode::kDense) request.query_text = query.text;
  if (mode != stages::SearchMode::kLexical) {
    request.query_vector = vector;
    request.embedder_digest = info_.model.digest;
  }
  request.top_k = 100;
  request.fusion = fusion;
  request.principal_labels = {kLabel};
  return store_.Search(request, call_);
}

absl::StatusOr<Run::Ranking> Run::Rerank(const IrQuery& query, const stages::SearchResult& fused,
                                         std::uint32_t top_k) {
  stages::RerankRequest request{
      .query = query.text, .weights = options_.rerank_weights, .top_k = top_k};
  const std::size_t count = std::min<std::size_t>(fused.hits.size(), options_.rerank_candidates);
  for (std::size_t i = 0; i < count; ++i) {
    const stages::SearchHit& hit = fused.hits[i];
    request.candidates.push_back({hit.chunk.chunk.text, hit.dense_score, hit.lexical_score});
  }
  RAGMESH_ASSIGN_OR_RETURN(const auto order, reranker_.Rerank(request, call_));
  Ranking ranking;
  for (const auto& place : order) ranking.push_back(fused.hits[place.index].chunk.id);
  return ranking;
}

template <typename RankOne>
absl::StatusOr<QualityRow> Run::MeasureRow(const std::string& name, RankOne rank_one) {
  QualityRow row{.ranking = name};
  const absl::Time begin = absl::Now();
  const std::size_t scored_before = options_.scored();
  for (std::size_t i = 0; i < dataset_.queries.size(); ++i) {
    RAGMESH_ASSIGN_OR_RETURN(const Ranking ranked, rank_one(i));
    const auto& grades = dataset_.queries[i].grades;
    row.ndcg_at_10 += ranking::Ndcg(ranked, grades, 10);
    row.recall_at_10 += ranking::Recall(ranked, grades, 10);
    row.recall_at_100 += ranking::Recall(ranked, grades, 100);
    row.mrr_at_10 += ranking::ReciprocalRank(ranked, grades, 10);
    Progress(name, i + 1, dataset_.queries.size());
  }
  const double count = std::max<double>(1, static_cast<double>(dataset_.queries.size()));
  row.ndcg_at_10 /= count;
  row.recall_at_10 /= count;
  row.recall_at_100 /= count;
  row.mrr_at_10 /= count;
  row.scored_per_query = static_cast<double>(options_.scored() - scored_before) / count;
  row.seconds_per_query = absl::ToDoubleSeconds(absl::Now() - begin) / count;
  return row;
}

absl::StatusOr<std::vector<QualityRow>> Run::Measure() {
  RAGMESH_ASSIGN_OR_RETURN(info_, embedder_.Info(call_));
  if (!info_.ready) return Unavailable("MODEL_NOT_LOADED", info_.not_ready_reason);
  RAGMESH_ASSIGN_OR_RETURN(const auto vectors, EmbedDocuments());
  RAGMESH_RETURN_IF_ERROR(Fill(vectors));

  std::vector<Asked> asked(dataset_.queries.size());
  for (std::size_t i = 0; i < asked.size(); ++i) {
    stages::EmbedRequest request{.texts = {dataset_.queries[i].text},
                                 .input_type = stages::InputType::kQuery};
    RAGMESH_ASSIGN_OR_RETURN(auto embeddings, embedder_.Embed(request, call_));
    asked[i].vector = std::move(embeddings[0].values);
  }

  const auto searched = [&](stages::SearchMode mode, const stages::Fusion& fusion, bool keep) {
    return [&, mode, fusion, keep](std::size_t i) -> absl::StatusOr<Ranking> {
      RAGMESH_ASSIGN_OR_RETURN(auto result,
                               Search(dataset_.queries[i], asked[i].vector, mode, fusion));
      Ranking ranking;
      for (const auto& hit : result.hits) ranking.push_back(hit.chunk.id);
      if (keep) asked[i].fused = std::move(result);
      return ranking;
    };
  };
  using Mode = stages::SearchMode;
  std::vector<QualityRow> rows;
  const auto add = [&rows](absl::StatusOr<QualityRow> row) {
    if (row.ok()) rows.push_back(*row);
    return row.status();
  };
  const stages::Fusion z_score{.dense_weight = options_.dense_weight,
                               .candidates = options_.fusion_candidates};
  if (!options_.sweep.empty()) {
    for (const double weight : options_.sweep) {
      stages::Fusion fusion = z_score;
      fusion.dense_weight = weight;
      RAGMESH_RETURN_IF_ERROR(add(MeasureRow(absl::StrFormat("z-score %.2f", weight),
                                             searched(Mode::kHybrid, fusion, false))));
    }
    return rows;
  }
  stages::Fusion reciprocal_rank = z_score;
  reciprocal_rank.method = stages::FusionMethod::kReciprocalRank;
  RAGMESH_RETURN_IF_ERROR(add(MeasureRow("dense", searched(Mode::kDense, {}, false))));
  RAGMESH_RETURN_IF_ERROR(add(MeasureRow("lexical", searched(Mode::kLexical, {}, false))));
  RAGMESH_RETURN_IF_ERROR(
      add(MeasureRow("hybrid rrf", searched(Mode::kHybrid, reciprocal_rank, true))));
  RAGMESH_RETURN_IF_ERROR(
      add(MeasureRow("hybrid z-score", searched(Mode::kHybrid, z_score, false))));
  const auto reranked = [&](std::uint32_t top_k) {
    return [&, top_k](std::size_t i) { return Rerank(dataset_.queries[i], asked[i].fused, top_k); };
  };
  RAGMESH_RETURN_IF_ERROR(add(MeasureRow("reranked", reranked(0))));
  RAGMESH_RETURN_IF_ERROR(add(MeasureRow("reranked top 10", reranked(10))));
  return rows;
}

}  // namespace

absl::StatusOr<std::vector<QualityRow>> MeasureRetrieval(const IrDataset& dataset,
                                                         stages::Embedder& embedder,
                                                         stages::VectorStore& store,
                                                         stages::Reranker& reranker,
                                                         const QualityOptions& options) {
  return Run(dataset, embedder, store, reranker, options).Measure();
}

}  // namespace ragmesh::bench
