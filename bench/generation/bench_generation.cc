// Speed and faithfulness of the generator's two compute modes.
//
//   bench_generation MODEL.gguf PASSAGES.csv [--tokens=8176] [--speed-only|--quality-only]
//   [--threads=N]
//
// Perplexity of both modes over text, and how far the fast mode is from the exact one: the mean
// Kullback-Leibler divergence of the next-token distributions and how often both prefer the same
// token. Windows of 512 tokens, the first token of each unscored. Then tokens per second of prefill
// (512 tokens) and decode (128 tokens), medians of 3.
#include <time.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/string_view.h"
#include "libs/concurrency/thread_pool.h"
#include "libs/generation/decoder.h"
#include "libs/generation/vocabulary.h"

namespace ragmesh::generation {
namespace {

constexpr std::size_t kWindow = 512;
constexpr std::size_t kRows = 64;

struct Model {
  std::unique_ptr<ComputePool> pool;
  std::unique_ptr<Decoder> decoder;
};

Model Load(const std::shared_ptr<const gguf::File>& file, ComputeMode mode, int threads) {
  Model model;
  model.pool = std::make_unique<ComputePool>(threads);
  auto decoder = Decoder::Create(file, {.mode = mode, .max_rows = kRows}, model.pool.get());
  if (!decoder.ok()) {
    std::fprintf(stderr, "%s\n", decoder.status().ToString().c_str());
    std::exit(1);
  }
  model.decoder = *std::move(decoder);
  return model;
}

// Reads `tokens` from position `begin` on, in passes of kRows; `each` sees the logits of every
// token when `all`.
template <typename Each>
void ReadTokens(Decoder& decoder, KvCache* cache, absl::Span<const std::uint32_t> tokens, bool all,
                Each each) {
  for (std::size_t at = 0; at < tokens.size(); at += kRows) {
    std::vector<BatchRow> rows;
    for (std::size_t i = at; i < std::min(tokens.size(), at + kRows); ++i) {
      rows.push_back({tokens[i], static_cast<std::uint32_t>(i), cache, all});
    }
    decoder.Forward(rows, [] { return true; });
    for (std::size_t i = 0; all && i < rows.size(); ++i) each(at + i, decoder.Logits(i));
  }
}

double LogSum(absl::Span<const float> logits) {
  const float top = *std::max_element(logits.begin(), logits.end());
  double total = 0;
  for (const float logit : logits) total += std::exp(static_cast<double>(logit) - top);
  return top + std::log(total);
}

std::size_t Best(absl::Span<const float> logits) {
  return static_cast<std::size_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
}

void MeasureQuality(const std::shared_ptr<const gguf::File>& file,
                    const std::vector<std::uint32_t>& tokens, int threads) {
  const Model exact = Load(file, ComputeMode::kExact, threads),
              fast = Load(file, ComputeMode::kFast, threads);
  double exact_loss = 0, fast_loss = 0, divergence = 0;
  std::size_t scored = 0, agreed = 0;
  for (std::size_t begin = 0; begin + kWindow <= tokens.size(); begin += kWindow) {
    const absl::Span<const std::uint32_t> window(tokens.data() + begin, kWindow);
    auto exact_cache = *KvCache::Create(exact.decoder->kv_shape(), kWindow);
    auto fast_cache = *KvCache::Create(fast.decoder->kv_shape(), kWindow);
    std::vector<std::vector<float>> reference(kWindow);
    ReadTokens(*exact.decoder, exact_cache.get(), window, true,
               [&](std::size_t i, absl::Span<const float> logits) {
                 reference[i].assign(logits.begin(), logits.end());
               });
    ReadTokens(*fast.decoder, fast_cache.get(), window, true,
               [&](std::size_t i, absl::Span<const float> logits) {
                 if (i + 1 >= kWindow) return;
                 const absl::Span<const float> truth(reference[i]);
                 const double p_sum = LogSum(truth), q_sum = LogSum(logits);
                 exact_loss += p_sum - truth[window[i + 1]];
                 fast_loss += q_sum - logits[window[i + 1]];
                 for (std::size_t id = 0; id < truth.size(); ++id) {
                   const double log_p = truth[id] - p_sum;
                   if (log_p > -30) divergence += std::exp(log_p) * (log_p - (logits[id] - q_sum));
                 }
                 agreed += Best(truth) == Best(logits);
                 ++scored;
               });
  }
  const auto count = static_cast<double>(scored);
  std::printf(
      "quality over %zu tokens: perplexity exact %.3f, fast %.3f; KL %.5f; same best token %.1f "
      "%%\n",
      scored, std::exp(exact_loss / count), std::exp(fast_loss / count), divergence / count,
      100.0 * static_cast<double>(agreed) / count);
}

double ProcessSeconds() {
  timespec now;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

// Medians of 3. On a machine with other work the processor time of one thread says what the code
// costs; waiting threads spin, so with more threads it says little.
struct Seconds {
  double wall = 0;
  double processor = 0;
};

template <typename Work>
Seconds Measure(Work work) {
  std::vector<double> wall, processor;
  for (int i = 0; i < 3; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    const double used = ProcessSeconds();
    work();
    processor.push_back(ProcessSeconds() - used);
    wall.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
  }
  std::sort(wall.begin(), wall.end());
  std::sort(processor.begin(), processor.end());
  return {wall[1], processor[1]};
}

void MeasureSpeed(const std::shared_ptr<const gguf::File>& file,
                  const std::vector<std::uint32_t>& tokens, ComputeMode mode, int threads) {
  const auto begin = std::chrono::steady_clock::now();
  const Model model = Load(file, mode, threads);
  const double load =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  Decoder& decoder = *model.decoder;
  auto cache = *KvCache::Create(decoder.kv_shape(), kWindow);
  const absl::Span<const std::uint32_t> prompt(tokens.data(), kWindow);
  const Seconds prefill =
      Measure([&] { ReadTokens(decoder, cache.get(), prompt, false, [](auto...) {}); });
  const Seconds decode = Measure([&] {
    for (std::uint32_t i = 0; i < 128; ++i) {
      const BatchRow row{tokens[i], i, cache.get(), true};
      decoder.Forward({row}, [] { return true; });
    }
  });
  std::printf(
      "%s, %d thread%s: prefill %.0f tok/s, decode %.1f tok/s (per processor second %.0f and "
      "%.1f), loaded in %.3f s\n",
      mode == ComputeMode::kExact ? "exact" : "fast", threads, threads == 1 ? "" : "s",
      kWindow / prefill.wall, 128 / decode.wall, kWindow / prefill.processor,
      128 / decode.processor, load);
  std::fflush(stdout);
}

int Main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(
        stderr,
        "usage: %s MODEL.gguf TEXT [--tokens=N] [--speed-only|--quality-only] [--threads=N]\n",
        argv[0]);
    return 2;
  }
  std::size_t count = 8'176;
  int threads = AvailableCpus();
  bool speed_only = false, quality_only = false;
  for (int i = 3; i < argc; ++i) {
    const absl::string_view flag = argv[i];
    if (flag == "--speed-only") speed_only = true;
    if (flag == "--quality-only") quality_only = true;
    if (absl::StartsWith(flag, "--tokens=") && !absl::SimpleAtoi(flag.substr(9), &count)) return 2;
    if (absl::StartsWith(flag, "--threads=") && !absl::SimpleAtoi(flag.substr(10), &threads))
      return 2;
  }
  const auto file = gguf::File::Open(argv[1]);
  if (!file.ok()) {
    std::fprintf(stderr, "%s\n", file.status().ToString().c_str());
    return 1;
  }
  const auto vocabulary = ReadVocabulary(**file);
  if (!vocabulary.ok()) {
    std::fprintf(stderr, "%s\n", vocabulary.status().ToString().c_str());
    return 1;
  }
  std::ifstream stream(argv[2], std::ios::binary);
  std::string text((std::istreambuf_iterator<char>(stream)), {});
  text.resize(std::min(text.size(), count * 8));
  std::vector<text::Token> tokens;
  vocabulary->tokenizer->Encode(text, &tokens);
  std::vector<std::uint32_t> ids;
  for (const text::Token& token : tokens) ids.push_back(token.id);
  ids.resize(std::min(ids.size(), std::max(count, kWindow)));
  if (ids.size() < kWindow) {
    std::fprintf(stderr, "the text has fewer than %zu tokens\n", kWindow);
    return 1;
  }
  for (const ComputeMode mode : {ComputeMode::kExact, ComputeMode::kFast}) {
    for (int used = 1; used <= threads && !quality_only; used *= 2)
      MeasureSpeed(*file, ids, mode, used);
  }
  if (!speed_only) MeasureQuality(*file, ids, threads);
  return 0;
}

}  // namespace
}  // namespace ragmesh::generation

int main(int argc, char** argv) { return ragmesh::generation::Main(argc, argv); }
