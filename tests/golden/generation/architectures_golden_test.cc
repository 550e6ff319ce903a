// Every architecture against transformers on made-up weights: logits and greedy tokens of
// architectures.json, which make_architecture_goldens.py wrote.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "libs/generation/decoder.h"
#include "libs/testing/status_matchers.h"
#include "tests/unit/generation/tiny_model.h"

namespace ragmesh::generation {
namespace {

constexpr std::size_t kRows = 16;

using Logits = std::vector<std::vector<float>>;  // per position

class ArchitecturesTest : public ::testing::TestWithParam<std::size_t> {
 protected:
  std::unique_ptr<Decoder> Load(const TinyModel& model, ComputeMode mode, const char* table = "") {
    auto file = model.Open();
    EXPECT_TRUE(file.ok()) << file.status();
    auto decoder = Decoder::Create(*std::move(file),
                                   {.mode = mode,
                                    .max_rows = kRows,
                                    .kernels = quant::FindQuantKernels(table),
                                    .context = golden_["context"].get<std::size_t>()},
                                   &pool_);
    EXPECT_TRUE(decoder.ok()) << decoder.status();
    return *std::move(decoder);
  }

  // The logits after each token, read `step` at a time.
  static Logits Read(Decoder& decoder, const std::vector<std::uint32_t>& tokens, std::size_t step,
                     KvCache* cache, std::size_t from = 0) {
    Logits logits;
    for (std::size_t begin = from; begin < tokens.size(); begin += step) {
      std::vector<BatchRow> rows;
      for (std::size_t i = begin; i < std::min(tokens.size(), begin + step); ++i)
        rows.push_back({tokens[i], static_cast<std::uint32_t>(i), cache, true});
      EXPECT_TRUE(decoder.Forward(rows, [] { return true; }));
      for (std::size_t i = 0; i < rows.size(); ++i)
        logits.emplace_back(decoder.Logits(i).begin(), decoder.Logits(i).end());
    }
    return logits;
  }

  const nlohmann::json& golden_ = ArchitectureCases()[GetParam()];
  const std::vector<std::uint32_t> tokens_ = golden_["tokens"];
  ComputePool pool_{2};
};

TEST_P(ArchitecturesTest, ExactLogitsEqualTransformers) {
  for (const char* table : {"scalar", "avx2"}) {
    if (quant::FindQuantKernels(table) == nullptr) continue;
    const auto decoder = Load(TinyModel::FromGolden(golden_), ComputeMode::kExact, table);
    const auto cache = *KvCache::Create(decoder->kv_shape(), tokens_.size());
    const Logits logits = Read(*decoder, tokens_, kRows, cache.get());
    ASSERT_EQ(golden_["logits"].size(), 4u);
    for (const auto& [position, expected] : golden_["logits"].items()) {
      const std::vector<float>& actual = logits[std::stoul(position)];
      ASSERT_EQ(actual.size(), expected.size());
      for (std::size_t i = 0; i < actual.size(); ++i) {
        ASSERT_NEAR(actual[i], expected[i].get<float>(), 3e-5)
            << table << ", position " << position << ", token " << i;
      }
    }
  }
}

// So the goldens would show a key that is read wrongly or not at all.
TEST_P(ArchitecturesTest, LogitsMoveWhenAStatedKeyIsLeftOut) {
  const TinyModel whole = TinyModel::FromGolden(golden_);
  const std::string prefix = whole.architecture() + ".";
  for (const char* key :
       {"attention.scale", "attention.sliding_window", "attention.sliding_window_pattern",
        "attn_logit_softcapping", "final_logit_softcapping", "rope.freq_base", "rope.freq_base_swa",
        "rope.scaling.attn_factor", "rope.scaling.factor", "rope.scaling.type"}) {
    TinyModel part = whole;
    const auto value = part.metadata.find(prefix + key);
    if (value == part.metadata.end() || *value == 0 || *value == "linear") continue;
    part.metadata.erase(value);
    const auto decoder = Load(part, ComputeMode::kExact);
    const auto cache = *KvCache::Create(decoder->kv_shape(), tokens_.size());
    const std::vector<float> actual = Read(*decoder, tokens_, kRows, cache.get()).back();
    const std::vector<float> expected = golden_["logits"][std::to_string(tokens_.size() - 1)];
    float furthest = 0;
    for (std::size_t i = 0; i < actual.size(); ++i)
      furthest = std::max(furthest, std::fabs(actual[i] - expected[i]));
    EXPECT_GT(furthest, 1e-3f) << key;
  }
}

TEST_P(ArchitecturesTest, ExactModeWritesTheGreedyTokensOfTransformers) {
  const auto decoder = Load(TinyModel::FromGolden(golden_), ComputeMode::kExact);
  const std::vector<std::uint32_t> expected = golden_["greedy"];
  ASSERT_EQ(expected.size(), 16u);
  const auto cache = *KvCache::Create(decoder->kv_shape(), tokens_.size() + expected.size());
  std::vector<std::uint32_t> text = tokens_;
  std::vector<float> last = Read(*decoder, text, kRows, cache.get()).back();
  for (std::size_t i = 0; i < expected.size(); ++i) {
    text.push_back(
        static_cast<std::uint32_t>(std::max_element(last.begin(), last.end()) - last.begin()));
    ASSERT_EQ(text.back(), expected[i]) << "written token " << i;
    last = Read(*decoder, text, 1, cache.get(), text.size() - 1).back();
  }
}

TEST_P(ArchitecturesTest, LogitsDoNotDependOnHowTheTextIsCut) {
  for (const ComputeMode mode : {ComputeMode::kExact, ComputeMode::kFast}) {
    const auto decoder = Load(TinyModel::FromGolden(golden_), mode);
    Logits whole;
    for (const std::size_t step : {kRows, std::size_t{1}, std::size_t{7}}) {
      const auto cache = *KvCache::Create(decoder->kv_shape(), tokens_.size());
      const Logits logits = Read(*decoder, tokens_, step, cache.get());
      if (whole.empty()) whole = logits;
      EXPECT_EQ(logits, whole) << "cut into pieces of " << step;
    }
  }
}

// Rounding activations to 8 bits moves a logit by a few hundredths of their spread.
TEST_P(ArchitecturesTest, FastModeStaysNearExactModeOnRoundedWeights) {
  TinyModel model = TinyModel::FromGolden(golden_);
  for (auto& [name, tensor] : model.tensors) {
    if (tensor.dimensions.size() == 2) tensor = ToQ8(tensor);
  }
  Logits both[2];
  for (const ComputeMode mode : {ComputeMode::kExact, ComputeMode::kFast}) {
    const auto decoder = Load(model, mode);
    const auto cache = *KvCache::Create(decoder->kv_shape(), tokens_.size());
    both[mode == ComputeMode::kFast] = Read(*decoder, tokens_, kRows, cache.get());
  }
  double squares = 0, errors = 0;
  for (std::size_t p = 0; p < tokens_.size(); ++p) {
    for (std::size_t i = 0; i < both[0][p].size(); ++i) {
      squares += std::pow(both[0][p][i], 2);
      errors += std::pow(both[1][p][i] - both[0][p][i], 2);
    }
  }
  EXPECT_LT(std::sqrt(errors / squares), 0.05);
  EXPECT_GT(errors, 0);
}

INSTANTIATE_TEST_SUITE_P(
    Cases, ArchitecturesTest, ::testing::Range<std::size_t>(0, ArchitectureCases().size()),
    [](const auto& info) {
      return ArchitectureCases()[info.param]["name"].template get<std::string>();
    });

}  // namespace
}  // namespace ragmesh::generation
