// quality_bench: retrieval quality on SciFact (test) and Cranfield, beside what a reference
// implementation reached on the same data. docs/benchmarks.md explains the columns.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "bench/models/bench_models.h"
#include "bench/quality/retrieval_quality.h"
#include "libs/concurrency/thread_pool.h"
#include "libs/flags/flag_set.h"
#include "libs/rerank/late_interaction_reranker.h"
#include "libs/vector_store/store.h"

namespace {

using ragmesh::bench::IrDataset;
using ragmesh::bench::QualityRow;

// nDCG@10 of the reference implementations (sentence-transformers, bm25s) with default settings.
struct Reference {
  const char* dataset;
  const char* ranking;
  double ndcg_at_10;
};
constexpr Reference kReferences[] = {
    {"scifact test", "dense", .645},      {"scifact test", "lexical", .686},
    {"scifact test", "hybrid rrf", .714}, {"scifact test", "hybrid z-score", .732},
    {"scifact test", "reranked", .736},   {"scifact test", "reranked top 10", .736},
    {"cranfield", "dense", .500},         {"cranfield", "lexical", .522},
    {"cranfield", "hybrid rrf", .554},    {"cranfield", "hybrid z-score", .562},
    {"cranfield", "reranked", .566},      {"cranfield", "reranked top 10", .566},
};

double ReferenceOf(const std::string& dataset, const std::string& ranking) {
  for (const Reference& reference : kReferences) {
    if (dataset == reference.dataset && ranking == reference.ranking) return reference.ndcg_at_10;
  }
  return 0;
}

void Print(const IrDataset& dataset, const std::vector<QualityRow>& rows, bool json) {
  if (!json) {
    std::printf("\n%s: %zu documents, %zu queries\n", dataset.name.c_str(),
                dataset.documents.size(), dataset.queries.size());
    std::printf("%-16s %8s %10s %8s %8s %8s %10s %12s\n", "", "nDCG@10", "reference", "R@10",
                "R@100", "MRR@10", "ms/query", "scored/query");
  }
  for (const QualityRow& row : rows) {
    const double reference = ReferenceOf(dataset.name, row.ranking);
    if (json) {
      std::printf("{\"name\":\"%s, %s\",\"unit\":\"nDCG@10\",\"ours\":%.4f,\"peer\":%.3f}\n",
                  dataset.name.c_str(), row.ranking.c_str(), row.ndcg_at_10, reference);
    } else {
      std::printf("%-16s %8.4f %10.3f %8.4f %8.4f %8.4f %10.1f %12.1f\n", row.ranking.c_str(),
                  row.ndcg_at_10, reference, row.recall_at_10, row.recall_at_100, row.mrr_at_10,
                  1000 * row.seconds_per_query, row.scored_per_query);
    }
  }
}

int Complain(const absl::Status& status) {
  std::fprintf(stderr, "quality_bench: %s\n", status.ToString().c_str());
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  std::string only, split = "test", precision = "auto";
  std::int64_t candidates = 100, cache_bytes = std::int64_t{4} << 30;
  ragmesh::rerank::Cascade cascade;
  ragmesh::stages::RerankWeights weights;
  ragmesh::stages::Fusion fusion;
  std::int64_t fusion_candidates = fusion.candidates;
  bool json = false, special = true, sweep = false;
  ragmesh::flags::FlagSet flags("quality_bench", "Measures retrieval quality.", "quality_bench");
  flags.String("only", &only, "Only the data set with this in its name.");
  flags.Choice("split", &split, {"test", "train"}, "SciFact queries to ask.");
  flags.Choice("precision", &precision, {"auto", "f32", "bf16", "int8"},
               "What the encoder computes in, as --embedder_precision of the embedder.");
  flags.Int("candidates", &candidates, {1, 512}, "passages", "Candidates handed to the reranker.");
  flags.Double("dense_weight", &fusion.dense_weight, {0, 1}, "", "Of the z-score row.");
  flags.Int("fusion_candidates", &fusion_candidates, {1, 10000}, "passages",
            "Taken from each list before fusion.");
  flags.Bool("sweep", &sweep, "The z-score row alone, for dense weights from 0 to 1.");
  flags.Double("cascade_margin", &cascade.margin, {0, 1e9}, "standard errors",
               "How much better than predicted a candidate may be that was left out.");
  flags.Double("model_weight", &weights.model, {0, 1}, "",
               "Of the model's score; the two retrieval scores share the rest.");
  flags.Bytes("cache", &cache_bytes, {0, std::int64_t{1} << 40},
              "For token vectors of passages; the default holds all documents, 0 gives the time of "
              "passages never seen before.");
  flags.Bool("special_tokens", &special, "Compare [CLS] and [SEP] in late interaction too.");
  flags.Bool("json", &json, "One JSON object a line.");
  flags.ParseOrExit(argc, argv);

  const char* data = std::getenv("RAGMESH_TESTDATA");
  if (data == nullptr) return Complain(absl::NotFoundError("RAGMESH_TESTDATA is not set"));
  std::vector<IrDataset> datasets;
  for (auto loaded : {ragmesh::bench::LoadBeir(absl::StrCat(data, "/ir/scifact"), split),
                      ragmesh::bench::LoadCranfield(absl::StrCat(data, "/ir/cranfield"))}) {
    if (!loaded.ok()) return Complain(loaded.status());
    if (loaded->name.find(only) != std::string::npos) datasets.push_back(*std::move(loaded));
  }

  ragmesh::ThreadPool compute("compute", ragmesh::AvailableCpus(), 4096);
  auto embedder = ragmesh::bench::OpenEmbedder(
      compute, "auto", ragmesh::linalg::ParsePrecision(precision), ragmesh::AvailableCpus());
  if (!embedder.ok()) return Complain(embedder.status());
  ragmesh::rerank::LateInteractionReranker::Options rerank;
  rerank.include_special_tokens = special;
  rerank.cache_bytes = static_cast<std::size_t>(cache_bytes);
  rerank.cascade = cascade;
  std::size_t scored = 0;  // one request at a time
  rerank.on_ranked = [&scored](std::size_t some, std::size_t) { scored += some; };
  ragmesh::rerank::LateInteractionReranker reranker(rerank, (*embedder)->encoder());

  const std::string folder =
      absl::StrCat(std::filesystem::temp_directory_path().string(), "/ragmesh-quality-", getpid());
  int exit = 0;
  {
    auto store = ragmesh::vector_store::Store::Open({.path = folder});
    if (!store.ok()) return Complain(store.status());
    ragmesh::bench::QualityOptions options;
    options.rerank_candidates = static_cast<std::uint32_t>(candidates);
    weights.lexical = weights.dense = (1 - weights.model) / 2;
    options.rerank_weights = weights;
    options.dense_weight = fusion.dense_weight;
    options.fusion_candidates = static_cast<std::uint32_t>(fusion_candidates);
    for (int step = 0; sweep && step <= 20; ++step) options.sweep.push_back(step / 20.0);
    options.scored = [&scored] { return scored; };
    absl::Time shown = absl::Now();
    options.on_progress = [&shown](const std::string& what, std::size_t done, std::size_t total) {
      if (absl::Now() - shown < absl::Seconds(3)) return;
      shown = absl::Now();
      std::fprintf(stderr, "%s: %zu of %zu\n", what.c_str(), done, total);
    };
    for (const IrDataset& dataset : datasets) {
      const auto rows =
          ragmesh::bench::MeasureRetrieval(dataset, **embedder, **store, reranker, options);
      if (!rows.ok()) {
        exit = Complain(rows.status());
        break;
      }
      Print(dataset, *rows, json);
    }
  }
  std::filesystem::remove_all(folder);
  return exit;
}
