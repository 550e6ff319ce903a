// encoder_bench: our side of `./dev bench encoder`. Reads one JSON request a line and answers with
// one JSON object a line, as the peers under bench/peers do; bench/encoder/run sends the requests.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <iostream>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/clock.h"
#include "bench/datasets/ir_dataset.h"
#include "bench/models/bench_models.h"
#include "bench/worker/json_lines.h"
#include "libs/base/status_macros.h"
#include "libs/concurrency/compute_pool.h"
#include "libs/concurrency/thread_pool.h"
#include "libs/embedding/pooling.h"
#include "libs/testing/test_data.h"

namespace ragmesh::bench {
namespace {

using embedding::EncoderInput;
using embedding::Priority;
using linalg::Precision;
using nlohmann::json;

constexpr std::uint32_t kCls = 101, kSep = 102;

double Seconds(const std::function<void()>& work) {
  const absl::Time begin = absl::Now();
  work();
  return absl::ToDoubleSeconds(absl::Now() - begin);
}

absl::StatusOr<Precision> PrecisionOf(const json& request) {
  const std::string name = request.value("precision", "f32");
  const auto precision = linalg::ParsePrecision(name);
  if (!precision.has_value()) return absl::InvalidArgumentError("unknown precision " + name);
  return *precision;
}

// A text of `tokens` random ids between [CLS] and [SEP]; the second half is a passage when `pair`.
EncoderInput RandomInput(std::size_t tokens, bool pair, std::mt19937& random) {
  EncoderInput input;
  input.ids.assign(tokens, kSep);
  input.ids[0] = kCls;
  for (std::size_t i = 1; i + 1 < tokens; ++i) input.ids[i] = 1000 + random() % 29000;
  if (pair) {
    const std::size_t first = std::min<std::size_t>(16, tokens / 2);
    input.ids[first - 1] = kSep;
    input.types.assign(tokens, 1);
    std::fill_n(input.types.begin(), first, 0);
  }
  return input;
}

class Worker {
 public:
  absl::StatusOr<json> Answer(const std::string& op, const json& request) {
    if (op == "info") return Info();
    if (op == "encode") return Encode(request);
    if (op == "encode_texts") return EncodeTexts(request);
    if (op == "rerank") return Rerank(request);
    if (op == "gemm") return Gemm(request);
    if (op == "peak") return AnswerPeak(request);
    if (op == "documents") return Documents();
    if (op == "loaded") return Loaded(request);
    return absl::InvalidArgumentError("unknown op " + op);
  }

 private:
  struct Embedder {
    explicit Embedder(int threads) : compute("compute", threads, 4096) {}
    ThreadPool compute;
    std::unique_ptr<embedding::BertEmbedder> embedder;
    embedding::TextEncoder& encoder() { return *embedder->encoder(); }
  };

  // Models are loaded once for each precision and number of threads.
  absl::StatusOr<Embedder*> Open(Precision precision, int threads) {
    auto& slot = embedders_[{precision, threads}];
    if (slot == nullptr) {
      auto opened = std::make_unique<Embedder>(threads);
      RAGMESH_ASSIGN_OR_RETURN(opened->embedder,
                               OpenEmbedder(opened->compute, "auto", precision, threads));
      slot = std::move(opened);
    }
    return slot.get();
  }

  absl::StatusOr<json> Info() {
    ThreadPool compute("compute", 1, 16);
    RAGMESH_ASSIGN_OR_RETURN(const auto embedder,
                             OpenEmbedder(compute, "auto", std::nullopt, /*threads=*/1));
    json precisions = json::array();
    for (const Precision precision : {Precision::kF32, Precision::kBf16, Precision::kInt8}) {
      if (linalg::Supports(kernels_, precision))
        precisions.push_back(std::string(linalg::ToString(precision)));
    }
    const auto automatic = linalg::ToString(embedder->encoder()->model().precision());
    return json{{"name", "ragmesh"},
                {"version", kernels_.name},
                {"precisions", precisions},
                {"automatic", std::string(automatic)}};
  }

  absl::StatusOr<json> Time(const json& request, const std::vector<EncoderInput>& inputs,
                            Priority priority, const embedding::Reduce& reduce) {
    RAGMESH_ASSIGN_OR_RETURN(const Precision precision, PrecisionOf(request));
    RAGMESH_ASSIGN_OR_RETURN(Embedder* const model, Open(precision, request.value("threads", 1)));
    json seconds = json::array();
    absl::Status status;
    for (int run = -1; run < request.value("runs", 3); ++run) {
      std::vector<EncoderInput> copy = inputs;
      const double time = Seconds([&] {
        status.Update(model->encoder().Run(std::move(copy), priority, reduce, call_).status());
      });
      if (run >= 0) seconds.push_back(time);
    }
    RAGMESH_RETURN_IF_ERROR(status);
    return json{{"seconds", seconds}};
  }

  absl::StatusOr<json> Encode(const json& request) {
    std::mt19937 random(request.value("seed", 1u));
    std::vector<EncoderInput> inputs;
    for (const std::size_t tokens : request.at("lengths"))
      inputs.push_back(RandomInput(tokens, false, random));
    RAGMESH_ASSIGN_OR_RETURN(const Precision precision, PrecisionOf(request));
    RAGMESH_ASSIGN_OR_RETURN(Embedder* const model, Open(precision, request.value("threads", 1)));
    const Priority priority = inputs.size() == 1 ? Priority::kQuery : Priority::kPassage;
    return Time(request, inputs, priority, embedding::SentenceVectors(model->encoder().model()));
  }

  absl::StatusOr<json> EncodeTexts(const json& request) {
    RAGMESH_ASSIGN_OR_RETURN(const Precision precision, PrecisionOf(request));
    RAGMESH_ASSIGN_OR_RETURN(Embedder* const model, Open(precision, request.value("threads", 1)));
    std::vector<EncoderInput> inputs;
    for (const auto& ids : request.at("ids"))
      inputs.push_back({.ids = ids.get<std::vector<std::uint32_t>>()});
    RAGMESH_ASSIGN_OR_RETURN(
        const auto vectors,
        model->encoder().Run(std::move(inputs), Priority::kPassage,
                             embedding::SentenceVectors(model->encoder().model()), call_));
    return json{{"vectors", vectors}};
  }

  // A cross-encoder's work: pairs through the encoder, then a pooler and a classifier with one
  // logit on [CLS]. The head has random weights; its speed does not depend on them.
  absl::StatusOr<json> Rerank(const json& request) {
    std::mt19937 random(request.value("seed", 1u));
    std::vector<EncoderInput> inputs;
    for (int i = 0; i < request.value("pairs", 100); ++i)
      inputs.push_back(RandomInput(request.value("tokens", 128u), true, random));
    constexpr std::size_t kWidth = 384;
    std::uniform_real_distribution<float> uniform(-0.1f, 0.1f);
    std::vector<float> pooler(kWidth * kWidth), classifier(kWidth);
    for (float& weight : pooler) weight = uniform(random);
    for (float& weight : classifier) weight = uniform(random);
    const auto logit = [&](std::size_t, absl::Span<const float> hidden) {
      std::vector<float> pooled(kWidth);
      kernels_.dot_rows(hidden.data(), pooler.data(), kWidth, kWidth, kWidth, pooled.data());
      for (float& value : pooled) value = std::tanh(value);
      return std::vector<float>{kernels_.dot(pooled.data(), classifier.data(), kWidth)};
    };
    return Time(request, inputs, Priority::kQuery, logit);
  }

  absl::StatusOr<json> Gemm(const json& request) {
    RAGMESH_ASSIGN_OR_RETURN(const Precision precision, PrecisionOf(request));
    if (!linalg::Supports(kernels_, precision))
      return absl::UnimplementedError("the kernels have no such product");
    const std::size_t m = request.at("m"), n = request.at("n"), k = request.at("k");
    std::mt19937 random(1);
    std::normal_distribution<float> normal;
    std::vector<float> weights(n * k), values(k), out(m * n);
    for (float& weight : weights) weight = normal(random);
    linalg::PackedMatrix matrix(kernels_, precision);
    matrix.Pack(weights.data(), n, k);
    linalg::PackedRows rows(kernels_, precision, k);
    rows.Reset(m);
    for (std::size_t r = 0; r < m; ++r) {
      for (float& value : values) value = normal(random);
      rows.Set(r, values.data());
    }
    ComputePool pool(request.value("threads", 1));
    // As the encoder does it: panels inside blocks of rows when there is one thread; else an item
    // is a panel of some rows.
    constexpr std::size_t kBlock = 48;
    const std::size_t blocks = (m + kBlock - 1) / kBlock;
    const auto multiply = [&](std::size_t item, int) {
      const std::size_t first = item / matrix.panels() * kBlock;
      matrix.MultiplyPanel(rows, first, std::min(kBlock, m - first), item % matrix.panels(), {},
                           out.data() + first * n, n);
    };
    const double operations = 2.0 * static_cast<double>(m * n * k);
    json gops = json::array();
    for (int run = -1; run < request.value("runs", 3); ++run) {
      const int repeats = std::max(1, static_cast<int>(2e9 / operations));
      const double seconds = Seconds([&] {
        for (int i = 0; i < repeats; ++i) pool.Run(blocks * matrix.panels(), multiply);
      });
      if (run >= 0) gops.push_back(operations * repeats / seconds / 1e9);
    }
    return json{{"gops", gops}};
  }

  // Of SciFact, title and text.
  absl::StatusOr<json> Documents() {
    const auto folder = testing::TestData("ir/scifact");
    if (!folder.has_value()) return absl::NotFoundError("RAGMESH_TESTDATA has no ir/scifact");
    RAGMESH_ASSIGN_OR_RETURN(const auto dataset, LoadBeir(*folder, "test"));
    RAGMESH_ASSIGN_OR_RETURN(Embedder* const model, Open(Precision::kF32, 1));
    json documents = json::array();
    for (const auto& document : dataset.documents) {
      const EncoderInput input = model->encoder().Prepare(document.title + " " + document.text);
      documents.push_back({{"id", document.id}, {"ids", input.ids}});
    }
    return json{{"documents", documents}};
  }

  // Queries of 16 tokens: one at a time, then from `clients` clients that together send a share
  // `load` of what they get through when they send without pause.
  absl::StatusOr<json> Loaded(const json& request) {
    const int clients = request.value("clients", 64);
    RAGMESH_ASSIGN_OR_RETURN(const Precision precision, PrecisionOf(request));
    RAGMESH_ASSIGN_OR_RETURN(Embedder* const model, Open(precision, request.value("threads", 1)));
    const auto reduce = embedding::SentenceVectors(model->encoder().model());
    std::mt19937 random(3);
    const auto one = [&](const EncoderInput& input) {
      return Seconds([&] {
        const auto result = model->encoder().Run({input}, Priority::kQuery, reduce, call_);
        if (!result.ok()) std::cerr << result.status() << "\n";
      });
    };
    std::vector<double> alone;
    for (int i = 0; i < 300; ++i) alone.push_back(one(RandomInput(16, false, random)));
    // Every client calls until the time is up, so the load is the same from beginning to end.
    const auto run = [&](double interval, absl::Duration duration) {
      std::vector<std::thread> threads;
      std::vector<std::vector<double>> times(static_cast<std::size_t>(clients));
      const absl::Time begin = absl::Now(), end = begin + duration;
      for (int c = 0; c < clients; ++c) {
        threads.emplace_back([&, c] {
          std::mt19937 own(static_cast<unsigned>(100 + c));
          std::exponential_distribution<double> wait(interval > 0 ? 1 / interval : 1);
          const EncoderInput input = RandomInput(16, false, own);
          while (absl::Now() < end) {
            if (interval > 0) absl::SleepFor(absl::Seconds(wait(own)));
            times[static_cast<std::size_t>(c)].push_back(one(input));
          }
        });
      }
      for (std::thread& thread : threads) thread.join();
      const double seconds = absl::ToDoubleSeconds(absl::Now() - begin);
      std::vector<double> all;
      for (const auto& some : times) all.insert(all.end(), some.begin(), some.end());
      std::sort(all.begin(), all.end());
      return std::pair(all, static_cast<double>(all.size()) / seconds);
    };
    const double most = run(0, absl::Seconds(1)).second;
    // Poisson arrivals: a client waits its share of the interval between its calls.
    const double rate = most * request.value("load", 0.7);
    const auto [times, reached] = run(clients / rate, absl::Seconds(3));
    std::sort(alone.begin(), alone.end());
    return json{{"unloaded_p50", alone[alone.size() / 2]},
                {"p50", times[times.size() / 2]},
                {"p99", times[times.size() * 99 / 100]},
                {"most_per_second", most},
                {"per_second", reached}};
  }

  const linalg::Kernels& kernels_ = linalg::DefaultKernels();
  std::map<std::pair<Precision, int>, std::unique_ptr<Embedder>> embedders_;
  CallContext call_{absl::InfiniteFuture()};
};

int Main() {
  Worker worker;
  return AnswerLines(
      [&](const std::string& op, const json& request) { return worker.Answer(op, request); });
}

}  // namespace
}  // namespace ragmesh::bench

int main() { return ragmesh::bench::Main(); }
