// What a dense search finds, held against brute force in double precision, at sizes from one chunk
// up. Each kind of index has the least share of the true nearest that it must find.
#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>
#include <set>

#include "absl/strings/str_cat.h"
#include "tests/proof/vector_store/proof.h"

namespace ragmesh::vector_store {
namespace {

constexpr std::uint64_t kGateSize = 2'000, kFullSize = 100'000;
constexpr std::uint64_t kSizes[] = {1, 2, 3, 7, 10, 50, 100, 500, 1'000, 2'000, 10'000, 100'000};
constexpr std::uint32_t kDimension = 32, kTopK = 10;
constexpr int kQueries = 50;
constexpr std::size_t kChunksPerWrite = 1'000;
// Two that differ by less than the rounding of their sums may come in either order.
constexpr double kTie = 1e-6;

struct IndexKind {
  const char* name;
  double floor;  // of recall at kTopK
  void (*configure)(stages::CollectionConfig*);
};
constexpr IndexKind kKinds[] = {
    {"exact", 1.0, [](stages::CollectionConfig* config) { config->dense_recall = 1; }},
    {"default", 0.98, [](stages::CollectionConfig*) {}},
    {"coarse", 0.85, [](stages::CollectionConfig* config) { config->dense_recall = 0.9; }},
};

std::vector<float> RandomUnit(std::mt19937* random) {
  std::normal_distribution<float> normal;
  std::vector<float> vector(kDimension);
  double square = 0;
  for (float& value : vector) {
    value = normal(*random);
    square += value * value;
  }
  for (float& value : vector) value = static_cast<float>(value / std::sqrt(square));
  return vector;
}

double Dot(const std::vector<float>& a, const std::vector<float>& b) {
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0, std::plus<>(),
                            [](double x, double y) { return x * y; });
}

std::string ChunkId(std::size_t n) { return absl::StrCat("c", n); }

absl::Status Fill(Store* store, const IndexKind& kind,
                  const std::vector<std::vector<float>>& vectors) {
  const CallContext call(absl::InfiniteFuture());
  stages::CollectionConfig config;
  config.id = {"default", absl::StrCat(kind.name, "-", vectors.size())};
  config.dimension = kDimension;
  config.embedder_digest = "digest";
  kind.configure(&config);
  if (const auto made = store->CreateCollection(config, call); !made.ok()) return made.status();
  for (std::size_t first = 0; first < vectors.size(); first += kChunksPerWrite) {
    stages::Upsert upsert;
    upsert.document.emplace();
    upsert.document->id = absl::StrCat("d", first);
    for (std::size_t i = first; i < std::min(vectors.size(), first + kChunksPerWrite); ++i) {
      stages::StoredChunk chunk;
      chunk.id = ChunkId(i);
      chunk.vector = vectors[i];
      upsert.chunks.push_back(std::move(chunk));
    }
    if (const auto written = store->Write(config.id, "digest", std::move(upsert), call);
        !written.ok())
      return written.status();
  }
  return absl::OkStatus();
}

// The share of the true nearest that a search finds.
absl::StatusOr<double> Recall(Store* store, const IndexKind& kind,
                              const std::vector<std::vector<float>>& vectors,
                              const std::vector<float>& query) {
  stages::SearchRequest request;
  request.collection = {"default", absl::StrCat(kind.name, "-", vectors.size())};
  request.mode = stages::SearchMode::kDense;
  request.query_vector = query;
  request.embedder_digest = "digest";
  request.top_k = kTopK;
  request.principal_labels = {stages::kAllLabels};
  const auto found = store->Search(request, CallContext(absl::InfiniteFuture()));
  if (!found.ok()) return found.status();
  std::vector<double> scores;
  for (const auto& vector : vectors) scores.push_back(Dot(vector, query));
  std::vector<double> sorted = scores;
  const std::size_t wanted = std::min<std::size_t>(kTopK, vectors.size());
  std::nth_element(sorted.begin(), sorted.begin() + static_cast<std::ptrdiff_t>(wanted) - 1,
                   sorted.end(), std::greater<>());
  const double least = sorted[wanted - 1];
  std::set<std::string> right;
  for (const auto& hit : found->hits) {
    const std::size_t n = std::stoul(hit.chunk.id.substr(1));
    if (scores[n] >= least - kTie) right.insert(hit.chunk.id);
  }
  return static_cast<double>(right.size()) / static_cast<double>(wanted);
}

}  // namespace

void ProveRecall(Proof* proof) {
  const std::uint64_t largest = proof->CountOr(kGateSize, kFullSize);
  std::mt19937 random(static_cast<unsigned>(proof->seed()));
  const ScratchFolder folder;
  StoreOptions options;
  options.path = folder.path() + "/store";
  const auto store = Store::Open(options);
  if (!store.ok()) return proof->Fail(store.status().ToString());
  for (const IndexKind& kind : kKinds) {
    for (const std::uint64_t size : kSizes) {
      if (size > largest) continue;
      std::vector<std::vector<float>> vectors(size);
      for (auto& vector : vectors) vector = RandomUnit(&random);
      if (const absl::Status filled = Fill(store->get(), kind, vectors); !filled.ok())
        return proof->Fail(filled.ToString());
      double sum = 0;
      for (int i = 0; i < kQueries; ++i) {
        const auto recall = Recall(store->get(), kind, vectors, RandomUnit(&random));
        if (!recall.ok()) return proof->Fail(recall.status().ToString());
        sum += *recall;
        proof->Done();
      }
      if (sum / kQueries < kind.floor)
        proof->Fail(absl::StrCat(kind.name, " index of ", size, " finds ", sum / kQueries,
                                 " of the nearest, less than ", kind.floor));
    }
    proof->Count(absl::StrCat("largest ", kind.name, " index"), largest);
  }
}

}  // namespace ragmesh::vector_store
