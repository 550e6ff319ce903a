// Runs a retrieval test set through the stages exactly as the gateway would, and measures each way
// of ranking.
#ifndef RAGMESH_BENCH_QUALITY_RETRIEVAL_QUALITY_H_
#define RAGMESH_BENCH_QUALITY_RETRIEVAL_QUALITY_H_

#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "bench/datasets/ir_dataset.h"
#include "libs/stages/embedder.h"
#include "libs/stages/reranker.h"
#include "libs/stages/vector_store.h"

namespace ragmesh::bench {

struct QualityRow {
  std::string
      ranking;  // "dense", "lexical", "hybrid rrf", "hybrid z-score", "reranked", "reranked top 10"
  double ndcg_at_10 = 0;
  double recall_at_10 = 0;
  double recall_at_100 = 0;
  double mrr_at_10 = 0;
  double seconds_per_query = 0;
  double scored_per_query = 0;  // candidates that the reranker's model read
};

struct QualityOptions {
  std::uint32_t rerank_candidates = 100;  // of the reciprocal-rank list, as the reference did
  stages::RerankWeights rerank_weights;
  double dense_weight = stages::Fusion().dense_weight;  // of the z-score row
  std::uint32_t fusion_candidates = stages::Fusion().candidates;
  // Dense weights to try: one row "z-score <weight>" each instead of all others.
  std::vector<double> sweep;
  std::function<std::size_t()> scored;  // candidates that the reranker's model has read so far
  std::function<void(const std::string& what, std::size_t done, std::size_t total)> on_progress;
};

// Makes a collection named after the set, one chunk per document (title and text), and asks every
// query in every mode. "reranked" asks for all candidates in order, "reranked top 10" for as many
// as nDCG@10 looks at, as a gateway does: there a reranker may leave candidates out.
absl::StatusOr<std::vector<QualityRow>> MeasureRetrieval(const IrDataset& dataset,
                                                         stages::Embedder& embedder,
                                                         stages::VectorStore& store,
                                                         stages::Reranker& reranker,
                                                         const QualityOptions& options);

}  // namespace ragmesh::bench

#endif  // RAGMESH_BENCH_QUALITY_RETRIEVAL_QUALITY_H_
