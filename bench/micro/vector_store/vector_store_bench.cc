// Search latency over 10,000 and 100,000 chunks of 384 dimensions, durable writes per second, and
// the time to open.
#include <benchmark/benchmark.h>

#include <cmath>
#include <cstdio>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "libs/concurrency/thread_pool.h"
#include "libs/testing/test_data.h"
#include "libs/vector_store/store.h"

namespace ragmesh::vector_store {
namespace {

constexpr std::uint32_t kDimension = 384;
constexpr int kChunksPerDocument = 100;
constexpr int kWordsPerChunk = 60;
const stages::CollectionId kCollection{"default", "bench"};
const CallContext kCall(absl::InfiniteFuture());

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

// Words by Zipf's law over a vocabulary of 20,000.
std::string RandomText(std::mt19937* random, int words) {
  std::uniform_real_distribution<double> uniform;
  std::string text;
  for (int i = 0; i < words; ++i) {
    text += "w" + std::to_string(static_cast<int>(std::pow(20'000.0, uniform(*random)))) + "q ";
  }
  return text;
}

stages::Upsert RandomDocument(std::mt19937* random, int number, int chunks) {
  stages::Upsert upsert;
  upsert.document.emplace();
  upsert.document->id = "d" + std::to_string(number);
  upsert.document->acl_labels = {"staff"};
  for (int i = 0; i < chunks; ++i) {
    stages::StoredChunk chunk;
    chunk.id = upsert.document->id + "-" + std::to_string(i);
    chunk.chunk.ordinal = static_cast<std::uint32_t>(i);
    chunk.chunk.text = RandomText(random, kWordsPerChunk);
    chunk.vector = RandomUnit(random);
    upsert.chunks.push_back(std::move(chunk));
  }
  return upsert;
}

// A store of `chunks` chunks, filled once and opened again, so that searches run on what opening
// builds.
struct Filled {
  testing::TempDir dir;
  ThreadPool pool{"search", 2, 64};
  std::unique_ptr<Store> store;

  explicit Filled(int chunks) {
    std::mt19937 random(1);
    Open();
    stages::CollectionConfig config;
    config.id = kCollection;
    config.dimension = kDimension;
    config.embedder_digest = "digest";
    (void)store->CreateCollection(config, kCall);
    for (int i = 0; i < chunks / kChunksPerDocument; ++i) {
      if (!store
               ->Write(kCollection, "digest", RandomDocument(&random, i, kChunksPerDocument), kCall)
               .ok())
        std::abort();
    }
    Open();
    const auto stats = store->GetCollection(kCollection, kCall)->stats;
    std::fprintf(stderr,
                 "%d chunks: RocksDB opened in %.3f s, image built in %.3f s, %.1f MB in memory, "
                 "%.1f MB on disk\n",
                 chunks, absl::ToDoubleSeconds(store->open_report().database_time),
                 absl::ToDoubleSeconds(store->open_report().image_time), stats.memory_bytes / 1e6,
                 stats.disk_bytes / 1e6);
  }
  void Open() {
    store.reset();
    StoreOptions options;
    options.path = dir.path().string();
    options.executor = &pool;
    options.search_threads = AvailableCpus();
    auto opened = Store::Open(options);
    if (!opened.ok()) std::abort();
    store = *std::move(opened);
  }
};

Filled& FilledWith(int chunks) {
  static auto* const stores = new std::map<int, std::unique_ptr<Filled>>;
  auto& store = (*stores)[chunks];
  if (store == nullptr) store = std::make_unique<Filled>(chunks);
  return *store;
}

void Search(benchmark::State& state, stages::SearchMode mode,
            const std::vector<std::string>& labels) {
  Filled& filled = FilledWith(static_cast<int>(state.range(0)));
  std::mt19937 random(2);
  stages::SearchRequest request;
  request.collection = kCollection;
  request.mode = mode;
  request.embedder_digest = "digest";
  request.principal_labels = labels;
  for (auto _ : state) {
    state.PauseTiming();
    request.query_vector = RandomUnit(&random);
    request.query_text = RandomText(&random, 6);
    state.ResumeTiming();
    if (!filled.store->Search(request, kCall).ok()) std::abort();
  }
}

void DurableWrite(benchmark::State& state) {
  static Filled& filled = *new Filled(0);
  std::mt19937 random(3);
  static int number = 0;
  for (auto _ : state) {
    state.PauseTiming();
    auto upsert = RandomDocument(&random, number++, static_cast<int>(state.range(0)));
    state.ResumeTiming();
    if (!filled.store->Write(kCollection, "digest", std::move(upsert), kCall).ok()) std::abort();
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}

BENCHMARK_CAPTURE(Search, dense, stages::SearchMode::kDense, {"*"})
    ->Arg(10'000)
    ->Arg(100'000)
    ->UseRealTime();
BENCHMARK_CAPTURE(Search, lexical, stages::SearchMode::kLexical, {"*"})
    ->Arg(10'000)
    ->Arg(100'000)
    ->UseRealTime();
BENCHMARK_CAPTURE(Search, hybrid, stages::SearchMode::kHybrid, {"*"})
    ->Arg(10'000)
    ->Arg(100'000)
    ->UseRealTime();
BENCHMARK_CAPTURE(Search, hybrid_labels, stages::SearchMode::kHybrid, {"staff"})
    ->Arg(10'000)
    ->Arg(100'000)
    ->UseRealTime();
BENCHMARK(DurableWrite)->Arg(1)->Arg(100)->UseRealTime();

}  // namespace
}  // namespace ragmesh::vector_store

BENCHMARK_MAIN();
