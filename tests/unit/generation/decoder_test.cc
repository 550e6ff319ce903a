#include "libs/generation/decoder.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "libs/testing/status_matchers.h"
#include "tests/unit/generation/golden_model.h"

namespace ragmesh::generation {
namespace {

constexpr std::size_t kRows = 64;
const auto kGoOn = [] { return true; };

struct Loaded {
  std::unique_ptr<ComputePool> pool;
  std::unique_ptr<Decoder> decoder;
};

Loaded Load(ComputeMode mode, int threads) {
  Loaded loaded;
  loaded.pool = std::make_unique<ComputePool>(threads);
  auto decoder = Decoder::Create(*gguf::File::Open(SmolLmPath()->string()),
                                 {.mode = mode, .max_rows = kRows}, loaded.pool.get());
  EXPECT_TRUE(decoder.ok()) << decoder.status();
  loaded.decoder = *std::move(decoder);
  return loaded;
}

// Logits after `prompt`, read `step` tokens at a time.
std::vector<float> Prefill(Decoder& decoder, const std::vector<std::uint32_t>& prompt,
                           std::size_t step, KvCache* cache) {
  for (std::size_t begin = 0; begin < prompt.size(); begin += step) {
    std::vector<BatchRow> rows;
    for (std::size_t i = begin; i < std::min(prompt.size(), begin + step); ++i) {
      rows.push_back({prompt[i], static_cast<std::uint32_t>(i), cache, i + 1 == prompt.size()});
    }
    EXPECT_TRUE(decoder.Forward(rows, kGoOn));
  }
  const auto logits = decoder.Logits(0);
  return {logits.begin(), logits.end()};
}

std::vector<std::uint32_t> Greedy(Decoder& decoder, const std::vector<std::uint32_t>& prompt,
                                  std::size_t count) {
  auto cache = *KvCache::Create(decoder.kv_shape(), prompt.size() + count);
  std::vector<float> logits = Prefill(decoder, prompt, kRows, cache.get());
  std::vector<std::uint32_t> out;
  while (out.size() < count) {
    const auto best =
        static_cast<std::uint32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
    out.push_back(best);
    if (best == 2) break;
    const BatchRow row{best, static_cast<std::uint32_t>(prompt.size() + out.size() - 1),
                       cache.get(), true};
    EXPECT_TRUE(decoder.Forward({row}, kGoOn));
    logits.assign(decoder.Logits(0).begin(), decoder.Logits(0).end());
  }
  return out;
}

TEST(DecoderTest, ExactModeWritesTheGreedyTokensOfTheReference) {
  RAGMESH_REQUIRE_SMOLLM();
  Loaded loaded = Load(ComputeMode::kExact, 2);
  const nlohmann::json golden = *SmolLmGolden();
  ASSERT_EQ(golden["greedy"].size(), 5u);
  for (const auto& entry : golden["greedy"]) {
    EXPECT_EQ(Greedy(*loaded.decoder, entry["prompt_ids"], 32),
              entry["out_ids"].get<std::vector<std::uint32_t>>())
        << entry["user"];
  }
}

TEST(DecoderTest, ExactLogitsAreCloseToTheReference) {
  RAGMESH_REQUIRE_SMOLLM();
  Loaded loaded = Load(ComputeMode::kExact, 2);
  const nlohmann::json golden = *SmolLmGolden();
  ASSERT_EQ(golden["greedy"].size(), 5u);
  for (const auto& entry : golden["greedy"]) {
    const std::vector<std::uint32_t> prompt = entry["prompt_ids"];
    auto cache = *KvCache::Create(loaded.decoder->kv_shape(), prompt.size());
    const std::vector<float> logits = Prefill(*loaded.decoder, prompt, kRows, cache.get());
    for (const auto& pair : entry["first_top8_logits"]) {
      EXPECT_NEAR(logits[pair[0].get<std::size_t>()], pair[1].get<float>(), 2e-3) << entry["user"];
    }
  }
}

class DecoderModeTest : public ::testing::TestWithParam<ComputeMode> {};

TEST_P(DecoderModeTest, LogitsDoNotDependOnHowThePromptIsCut) {
  RAGMESH_REQUIRE_SMOLLM();
  Loaded loaded = Load(GetParam(), 2);
  const std::vector<std::uint32_t> prompt = (*SmolLmGolden())["greedy"][0]["prompt_ids"];
  std::vector<float> whole;
  for (const std::size_t step : {prompt.size(), std::size_t{1}, std::size_t{2}, std::size_t{7}}) {
    auto cache = *KvCache::Create(loaded.decoder->kv_shape(), prompt.size());
    const std::vector<float> logits = Prefill(*loaded.decoder, prompt, step, cache.get());
    if (whole.empty()) whole = logits;
    EXPECT_EQ(logits, whole) << "cut into pieces of " << step;
  }
}

TEST_P(DecoderModeTest, LogitsDoNotDependOnTheNumberOfThreads) {
  RAGMESH_REQUIRE_SMOLLM();
  const std::vector<std::uint32_t> prompt = (*SmolLmGolden())["greedy"][1]["prompt_ids"];
  std::vector<float> first;
  for (const int threads : {1, 2, 5}) {
    Loaded loaded = Load(GetParam(), threads);
    auto cache = *KvCache::Create(loaded.decoder->kv_shape(), prompt.size());
    const std::vector<float> logits = Prefill(*loaded.decoder, prompt, 16, cache.get());
    if (first.empty()) first = logits;
    EXPECT_EQ(logits, first) << threads << " threads";
  }
}

TEST_P(DecoderModeTest, StopsBetweenLayersWhenToldTo) {
  RAGMESH_REQUIRE_SMOLLM();
  Loaded loaded = Load(GetParam(), 2);
  auto cache = *KvCache::Create(loaded.decoder->kv_shape(), 4);
  int asked = 0;
  const BatchRow row{1, 0, cache.get(), true};
  EXPECT_FALSE(loaded.decoder->Forward({row}, [&] { return ++asked < 3; }));
  EXPECT_EQ(asked, 3);
}

INSTANTIATE_TEST_SUITE_P(Modes, DecoderModeTest,
                         ::testing::Values(ComputeMode::kExact, ComputeMode::kFast),
                         [](const auto& info) {
                           return info.param == ComputeMode::kExact ? "Exact" : "Fast";
                         });

}  // namespace
}  // namespace ragmesh::generation
