// stage_bench: the speed of each stage's core by itself. One JSON object a line: name, unit and the
// value of every run; bench/run makes the table.
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "bench/models/bench_models.h"
#include "libs/base/status_macros.h"
#include "libs/concurrency/thread_pool.h"
#include "libs/rerank/late_interaction_reranker.h"
#include "libs/vector_store/store.h"

namespace {

namespace stages = ragmesh::stages;
using ragmesh::CallContext;

constexpr int kRuns = 5;

double Seconds(const std::function<absl::Status()>& work, absl::Status* status) {
  const absl::Time begin = absl::Now();
  status->Update(work());
  return absl::ToDoubleSeconds(absl::Now() - begin);
}

void Emit(const std::string& name, const std::string& unit, const std::vector<double>& values) {
  std::printf("{\"name\":\"%s\",\"unit\":\"%s\",\"values\":[%s]}\n", name.c_str(), unit.c_str(),
              absl::StrJoin(values, ",").c_str());
  std::fflush(stdout);
}

// A sentence of about `words` words, different for each `seed`, with a tokenizer's usual share of
// longer words.
std::string Sentence(int words, unsigned seed) {
  static const char* const kWords[] = {"pump", "seal", "valve", "pressure", "inspection", "of",
                                       "the",  "is",   "and",   "replaced", "monthly",    "report",
                                       "line", "team", "with",  "water"};
  std::mt19937 random(seed);
  std::vector<std::string> out;
  for (int i = 0; i < words; ++i) out.push_back(kWords[random() % std::size(kWords)]);
  return absl::StrJoin(out, " ");
}

absl::Status MeasureEmbedder(stages::Embedder& embedder) {
  const CallContext call(absl::InfiniteFuture());
  std::vector<double> rate, latency;
  for (int run = -1; run < kRuns; ++run) {
    stages::EmbedRequest batch;
    for (unsigned i = 0; i < 32; ++i) batch.texts.push_back(Sentence(126, i));
    double tokens = 0;
    absl::Status status;
    const double seconds = Seconds(
        [&]() -> absl::Status {
          RAGMESH_ASSIGN_OR_RETURN(const auto embeddings, embedder.Embed(batch, call));
          for (const auto& embedding : embeddings) tokens += embedding.token_count;
          return absl::OkStatus();
        },
        &status);
    RAGMESH_RETURN_IF_ERROR(status);
    stages::EmbedRequest query{.texts = {Sentence(14, 7)}, .input_type = stages::InputType::kQuery};
    const double one = Seconds([&] { return embedder.Embed(query, call).status(); }, &status);
    RAGMESH_RETURN_IF_ERROR(status);
    if (run < 0) continue;  // warm-up
    rate.push_back(tokens / seconds);
    latency.push_back(1000 * one);
  }
  Emit("embed, 32 texts of 128 tokens", "tokens/s", rate);
  Emit("embed, one query of 16 tokens", "ms", latency);
  return absl::OkStatus();
}

absl::Status MeasureReranker(ragmesh::embedding::BertEmbedder& embedder, int tokens) {
  const CallContext call(absl::InfiniteFuture());
  stages::RerankRequest request{.query = Sentence(14, 99)};
  for (unsigned i = 0; i < 100; ++i)
    request.candidates.push_back({Sentence(tokens - 2, 100 + i), 0.5, 3.0});
  stages::RerankRequest stored = request;
  for (stages::RerankCandidate& candidate : stored.candidates) {
    RAGMESH_ASSIGN_OR_RETURN(
        auto embeddings,
        embedder.Embed({.texts = {candidate.text}, .token_detail = stages::TokenDetail::kVectors},
                       call));
    candidate.tokens = std::move(embeddings[0].tokens);
  }
  std::vector<double> cold, cached, with_vectors;
  for (int run = 0; run < kRuns; ++run) {
    // An empty cache each time.
    ragmesh::rerank::LateInteractionReranker reranker({}, embedder.encoder());
    absl::Status status;
    const auto time = [&](const stages::RerankRequest& what) {
      return 1000 * Seconds([&] { return reranker.Rerank(what, call).status(); }, &status);
    };
    cold.push_back(time(request));
    cached.push_back(time(request));
    with_vectors.push_back(time(stored));
    RAGMESH_RETURN_IF_ERROR(status);
  }
  Emit(absl::StrCat("rerank, 100 passages of ", tokens, " tokens"), "ms", cold);
  Emit("rerank, the same, cached", "ms", cached);
  Emit("rerank, the same, with token vectors", "ms", with_vectors);
  return absl::OkStatus();
}

std::vector<float> RandomUnitVector(std::mt19937& random) {
  std::normal_distribution<float> normal;
  std::vector<float> vector(384);
  double norm = 0;
  for (float& value : vector) {
    value = normal(random);
    norm += static_cast<double>(value) * value;
  }
  for (float& value : vector) value /= static_cast<float>(std::sqrt(norm));
  return vector;
}

absl::Status MeasureStore(std::size_t chunks) {
  const CallContext call(absl::InfiniteFuture());
  const std::string folder =
      absl::StrCat(std::filesystem::temp_directory_path().string(), "/ragmesh-bench-", getpid());
  struct Remove {
    const std::string& folder;
    ~Remove() { std::filesystem::remove_all(folder); }
  } remove{folder};
  RAGMESH_ASSIGN_OR_RETURN(const auto store, ragmesh::vector_store::Store::Open({.path = folder}));
  stages::CollectionConfig config{.id = {.name = "bench"}};
  config.embedder_digest = std::string(64, 'a');
  config.dimension = 384;
  RAGMESH_RETURN_IF_ERROR(store->CreateCollection(config, call).status());

  std::mt19937 random(1);
  std::vector<double> writes;
  constexpr std::size_t kPerDocument = 500;
  for (std::size_t begin = 0; begin < chunks; begin += kPerDocument) {
    stages::Upsert upsert;
    upsert.document.emplace();
    upsert.document->id = absl::StrCat("d", begin);
    upsert.document->acl_labels = {"public"};
    std::uint64_t offset = 0;
    for (std::size_t i = 0; i < kPerDocument; ++i) {
      stages::StoredChunk chunk;
      chunk.id = absl::StrCat("c", begin + i);
      chunk.document_id = upsert.document->id;
      chunk.chunk.ordinal = static_cast<std::uint32_t>(i);
      chunk.chunk.text =
          absl::StrCat(Sentence(60, static_cast<unsigned>(begin + i)), " item", begin + i);
      chunk.chunk.range = {offset, offset + chunk.chunk.text.size()};
      chunk.chunk.overlap_begin = offset;
      offset = chunk.chunk.range.end + 2;
      absl::StrAppend(&upsert.document->text, i == 0 ? "" : "\n\n", chunk.chunk.text);
      chunk.vector = RandomUnitVector(random);
      upsert.chunks.push_back(std::move(chunk));
    }
    absl::Status status;
    const double seconds = Seconds(
        [&] {
          return store->Write(config.id, config.embedder_digest, std::move(upsert), call).status();
        },
        &status);
    RAGMESH_RETURN_IF_ERROR(status);
    writes.push_back(kPerDocument / seconds);
  }
  const std::string size = chunks >= 1000 ? absl::StrCat(chunks / 1000, "k") : absl::StrCat(chunks);
  Emit(absl::StrCat("durable write, 500 chunks, up to ", size), "chunks/s", writes);

  for (const auto& [mode, name] : {std::pair(stages::SearchMode::kDense, "dense"),
                                   std::pair(stages::SearchMode::kLexical, "lexical"),
                                   std::pair(stages::SearchMode::kHybrid, "hybrid")}) {
    std::vector<double> latencies;
    for (int i = -3; i < 30; ++i) {
      stages::SearchRequest request{.collection = config.id, .mode = mode};
      request.principal_labels = {"public"};
      if (mode != stages::SearchMode::kDense) {
        request.query_text = absl::StrCat("pressure inspection item", 17 * (i + 4));
      }
      if (mode != stages::SearchMode::kLexical) {
        request.query_vector = RandomUnitVector(random);
        request.embedder_digest = config.embedder_digest;
      }
      absl::Status status;
      const double seconds =
          Seconds([&] { return store->Search(request, call).status(); }, &status);
      RAGMESH_RETURN_IF_ERROR(status);
      if (i >= 0) latencies.push_back(1000 * seconds);
    }
    Emit(absl::StrCat("search, ", name, ", ", size, " chunks"), "ms", latencies);
  }
  return absl::OkStatus();
}

absl::Status MeasureGenerator() {
  const CallContext call(absl::InfiniteFuture());
  RAGMESH_ASSIGN_OR_RETURN(const auto generator,
                           ragmesh::bench::OpenGenerator(ragmesh::AvailableCpus()));
  std::vector<double> prefill, decode;
  for (int run = -1; run < kRuns; ++run) {
    stages::GenerateRequest request;
    request.prompt = stages::RawPrompt{.text = Sentence(480, static_cast<unsigned>(run + 1))};
    request.max_tokens = 64;
    request.ignore_eos = true;
    const auto result = generator->Generate(
        request, [](const stages::TokenEvent&) { return absl::OkStatus(); }, call);
    RAGMESH_RETURN_IF_ERROR(result.status());
    if (run < 0) continue;
    prefill.push_back((result->usage.prompt_tokens - result->usage.cached_prompt_tokens) /
                      result->prefill_seconds);
    decode.push_back((result->usage.completion_tokens - 1) / result->decode_seconds);
  }
  Emit("generate, prompt of about 500 tokens", "tokens/s", prefill);
  Emit("generate, 64 tokens written", "tokens/s", decode);
  return absl::OkStatus();
}

absl::Status MeasureAll() {
  {
    ragmesh::ThreadPool compute("compute", ragmesh::AvailableCpus(), 4096);
    RAGMESH_ASSIGN_OR_RETURN(
        const auto embedder,
        ragmesh::bench::OpenEmbedder(compute, "auto", std::nullopt, ragmesh::AvailableCpus()));
    RAGMESH_RETURN_IF_ERROR(MeasureEmbedder(*embedder));
    for (const int tokens : {128, 200}) RAGMESH_RETURN_IF_ERROR(MeasureReranker(*embedder, tokens));
  }
  RAGMESH_RETURN_IF_ERROR(MeasureGenerator());
  RAGMESH_RETURN_IF_ERROR(MeasureStore(10'000));
  return MeasureStore(100'000);
}

}  // namespace

int main() {
  const absl::Status status = MeasureAll();
  if (status.ok()) return 0;
  std::fprintf(stderr, "stage_bench: %s\n", status.ToString().c_str());
  return 1;
}
