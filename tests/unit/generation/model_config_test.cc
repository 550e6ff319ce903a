// What a stranger's file may say about its model, and what happens when it makes no sense.
#include "libs/generation/model_config.h"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>

#include "absl/strings/match.h"
#include "libs/generation/decoder.h"
#include "libs/testing/status_matchers.h"
#include "tests/unit/generation/tiny_model.h"

namespace ragmesh::generation {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using testing::HasReason;
using ::testing::HasSubstr;
using testing::StatusIs;

absl::StatusOr<std::unique_ptr<Decoder>> Load(const TinyModel& model,
                                              ComputeMode mode = ComputeMode::kExact) {
  static auto* const kPool = new ComputePool(1);
  auto file = model.Open();
  if (!file.ok()) return file.status();
  return Decoder::Create(*std::move(file),
                         {.mode = mode, .max_rows = 2, .kernels = &quant::ScalarQuantKernels()},
                         kPool);
}

absl::StatusOr<ModelConfig> Read(const TinyModel& model, std::size_t context = 0) {
  auto file = model.Open();
  if (!file.ok()) return file.status();
  return ReadModelConfig(**file, context);
}

TEST(ModelConfigTest, GemmaHasAWindowInAllButEverySixthLayer) {
  RAGMESH_ASSERT_OK_AND_ASSIGN(const ModelConfig config, Read(GoldenModel("gemma3")));
  EXPECT_THAT(config.windows, ElementsAre(13, 13, 13, 13, 13, 0, 13));
  EXPECT_EQ(config.rope.base, 1e6);
  EXPECT_EQ(config.rope.factor, 8);
  EXPECT_EQ(config.local_rope, RopeConfig{});
  EXPECT_EQ(config.embedding_scale, 8);
  EXPECT_FLOAT_EQ(config.attention_scale, 1 / std::sqrt(24.0f));
}

TEST(ModelConfigTest, LargestGemmaScalesScoresByTheWidthPerHead) {
  TinyModel model = GoldenModel("gemma3");
  model.metadata["gemma3.block_count"] = 62;
  RAGMESH_ASSERT_OK_AND_ASSIGN(const ModelConfig config, Read(model));
  EXPECT_FLOAT_EQ(config.attention_scale, 1 / std::sqrt(64.0f / 4));
}

TEST(ModelConfigTest, PatternIsAPeriodOrAListOfLayers) {
  TinyModel model = GoldenModel("gemma3");
  model.metadata["gemma3.block_count"] = 4;
  const std::string key = "gemma3.attention.sliding_window_pattern";
  model.metadata[key] = 3;
  EXPECT_THAT(Read(model)->windows, ElementsAre(13, 13, 0, 13));
  model.metadata[key] = 1;
  EXPECT_THAT(Read(model)->windows, ElementsAre(0, 0, 0, 0));
  model.metadata[key] = 0;
  EXPECT_THAT(Read(model)->windows, ElementsAre(13, 13, 13, 13));
  model.metadata[key] = {false, true, false, true};
  EXPECT_THAT(Read(model)->windows, ElementsAre(0, 13, 0, 13));
}

TEST(ModelConfigTest, WindowOfZeroIsNone) {
  EXPECT_THAT(Read(GoldenModel("phi3_longrope_long"))->windows, ElementsAre(0, 0));
}

TEST(ModelConfigTest, CallersContextBoundsTheModels) {
  EXPECT_EQ(Read(GoldenModel("llama"))->context, 256u);
  EXPECT_EQ(Read(GoldenModel("llama"), 100)->context, 100u);
  EXPECT_EQ(Read(GoldenModel("llama"), 1'000)->context, 256u);
}

TEST(ModelConfigTest, FactorWithoutATypeIsLinear) {
  for (const char* key : {"llama.rope.scaling.factor", "llama.rope.scale_linear"}) {
    TinyModel model = GoldenModel("llama");
    model.metadata[key] = 4.0;
    EXPECT_EQ(Read(model)->rope.scaling, RopeScaling::kLinear) << key;
    EXPECT_EQ(Read(model)->rope.factor, 4) << key;
  }
}

struct BadKey {
  const char* name;
  const char* model;
  const char* key;
  nlohmann::json value;  // null: the key is left out
  const char* reason = "CORRUPT_DATA";
};

class ModelConfigBadKeyTest : public ::testing::TestWithParam<BadKey> {};

TEST_P(ModelConfigBadKeyTest, IsRefusedByName) {
  TinyModel model = GoldenModel(GetParam().model);
  const std::string key = absl::StartsWith(GetParam().key, "general.")
                              ? GetParam().key
                              : model.architecture() + "." + GetParam().key;
  if (GetParam().value.is_null()) {
    ASSERT_EQ(model.metadata.erase(key), 1u);
  } else {
    model.metadata[key] = GetParam().value;
  }
  const auto config = Read(model);
  EXPECT_THAT(config, HasReason(GetParam().reason)) << config.status();
  EXPECT_THAT(std::string(config.status().message()), HasSubstr(GetParam().key));
}

constexpr char kUnsupported[] = "UNSUPPORTED_MODEL";
constexpr float kNan = std::numeric_limits<float>::quiet_NaN(),
                kInfinity = std::numeric_limits<float>::infinity();

INSTANTIATE_TEST_SUITE_P(
    Keys, ModelConfigBadKeyTest,
    ::testing::Values(
        BadKey{"Architecture", "llama", "general.architecture", "mamba", kUnsupported},
        BadKey{"ArchitectureWithOddBytes", "llama", "general.architecture", "\x01", kUnsupported},
        BadKey{"NoLayers", "llama", "block_count", nullptr},
        BadKey{"ZeroLayers", "llama", "block_count", 0},
        BadKey{"ManyLayers", "llama", "block_count", 4'000'000'000u},
        BadKey{"LayersAsText", "llama", "block_count", "two"},
        BadKey{"ZeroWidth", "llama", "embedding_length", 0},
        BadKey{"NoFeedForward", "llama", "feed_forward_length", nullptr},
        BadKey{"ZeroHeads", "llama", "attention.head_count", 0},
        BadKey{"ZeroKvHeads", "llama", "attention.head_count_kv", 0},
        BadKey{"UnevenGroups", "llama", "attention.head_count", 3},
        BadKey{"WideFeedForward", "llama", "feed_forward_length", 64 * 64 + 1},
        BadKey{"WideHeads", "qwen3", "attention.head_count", 172},
        BadKey{"NoContext", "llama", "context_length", nullptr},
        BadKey{"ZeroContext", "llama", "context_length", 0},
        BadKey{"ZeroKeyLength", "qwen3", "attention.key_length", 0},
        BadKey{"HugeKeyLength", "qwen3", "attention.key_length", 2'048},
        BadKey{"ZeroEpsilon", "llama", "attention.layer_norm_rms_epsilon", 0.0},
        BadKey{"EpsilonNotANumber", "llama", "attention.layer_norm_rms_epsilon", kNan},
        BadKey{"ScaleNotANumber", "gemma3_pattern", "attention.scale", kNan},
        BadKey{"InfiniteScale", "gemma3_pattern", "attention.scale", kInfinity},
        BadKey{"NegativeCap", "gemma2", "attn_logit_softcapping", -1.0},
        BadKey{"CapNotANumber", "gemma2", "final_logit_softcapping", kNan},
        BadKey{"CapAsText", "gemma2", "final_logit_softcapping", "30"},
        BadKey{"WindowAsText", "phi3", "attention.sliding_window", "all"},
        BadKey{"WindowOfFraction", "phi3", "attention.sliding_window", 2.5},
        BadKey{"ShortPattern", "gemma3_pattern", "attention.sliding_window_pattern",
               nlohmann::json::array({true, false})},
        BadKey{"PatternAsText", "gemma3_pattern", "attention.sliding_window_pattern", "LG"},
        BadKey{"ZeroRopeDim", "phi3", "rope.dimension_count", 0},
        BadKey{"OddRopeDim", "phi3", "rope.dimension_count", 11},
        BadKey{"RopeDimOverHead", "phi3", "rope.dimension_count", 18},
        BadKey{"BaseOfOne", "llama", "rope.freq_base", 1.0},
        BadKey{"ZeroBase", "llama", "rope.freq_base", 0.0},
        BadKey{"BaseNotANumber", "llama", "rope.freq_base", kNan},
        BadKey{"ZeroLocalBase", "gemma3_pattern", "rope.freq_base_swa", 0.0},
        BadKey{"TypeAsNumber", "llama", "rope.scaling.type", 3},
        BadKey{"UnknownType", "llama", "rope.scaling.type", "dynamic", kUnsupported},
        BadKey{"TinyFactor", "llama_linear", "rope.scaling.factor", 1e-9},
        BadKey{"NegativeFactor", "llama_linear", "rope.scaling.factor", -2.0},
        BadKey{"FactorNotANumber", "qwen2_yarn", "rope.scaling.factor", kNan},
        BadKey{"ZeroMagnitude", "phi3_longrope_long", "rope.scaling.attn_factor", 0.0},
        BadKey{"InfiniteMagnitude", "phi3_longrope_long", "rope.scaling.attn_factor", kInfinity},
        BadKey{"HugeOriginal", "qwen2_yarn", "rope.scaling.original_context_length",
               4'000'000'000u},
        BadKey{"ZeroBeta", "qwen2_yarn", "rope.scaling.yarn_beta_fast", 0.0},
        BadKey{"BetasTheWrongWay", "qwen2_yarn", "rope.scaling.yarn_beta_slow", 64.0},
        BadKey{"ExtrapolationOverOne", "qwen2_yarn", "rope.scaling.yarn_ext_factor", 1.5},
        BadKey{"Experts", "llama", "expert_count", 8, kUnsupported},
        BadKey{"LogitScale", "llama", "logit_scale", 0.5, kUnsupported},
        BadKey{"ClampedHeads", "llama", "attention.clamp_kqv", 8.0, kUnsupported},
        BadKey{"NotCausal", "llama", "attention.causal", false, kUnsupported},
        BadKey{"LocalRopeDim", "gemma3", "rope.dimension_count_swa", 12, kUnsupported},
        BadKey{"SharedCache", "gemma3", "attention.shared_kv_layers", 2, kUnsupported}),
    [](const auto& info) { return info.param.name; });

TEST(ModelConfigTest, HeadsThatKernelsCannotReadAreNotSupported) {
  TinyModel model = GoldenModel("qwen3");
  model.metadata["qwen3.attention.key_length"] = 20;
  EXPECT_THAT(Read(model), HasReason(kUnsupported));
  model.metadata["qwen3.attention.key_length"] = 24;
  model.metadata["qwen3.attention.value_length"] = 16;
  EXPECT_THAT(Read(model), HasReason(kUnsupported));
}

TEST(DecoderLoadTest, MissesEveryTensorThatIsLeftOut) {
  for (const auto& entry : ArchitectureCases()) {
    const TinyModel whole = TinyModel::FromGolden(entry);
    for (const auto& [name, unused] : whole.tensors) {
      if (name == "output.weight" || name == "rope_freqs.weight") continue;  // may be absent
      TinyModel part = whole;
      part.tensors.erase(name);
      const auto decoder = Load(part);
      ASSERT_FALSE(decoder.ok()) << entry["name"] << " without " << name;
      // Of a pair, the one that is left names the trouble.
      if (name == "rope_factors_long.weight" || absl::EndsWith(name, "attn_q.bias")) continue;
      EXPECT_THAT(std::string(decoder.status().message()), HasSubstr(name)) << entry["name"];
    }
  }
}

TEST(DecoderLoadTest, RefusesTensorsOfAnotherShape) {
  for (const auto& entry : ArchitectureCases()) {
    const TinyModel whole = TinyModel::FromGolden(entry);
    for (const auto& [name, tensor] : whole.tensors) {
      TinyModel other = whole;
      other.tensors[name].dimensions.back() += 1;
      other.tensors[name].bytes.append(tensor.dimensions.front() * sizeof(float), '\0');
      if (name == "token_embd.weight" && whole.tensors.count("output.weight") == 0)
        continue;  // says how large the vocabulary is
      EXPECT_FALSE(Load(other).ok()) << entry["name"] << " " << name;
    }
  }
}

TEST(DecoderLoadTest, RefusesTensorsWithoutAPartByName) {
  for (const char* name :
       {"blk.0.attn_q_norm.weight", "blk.0.attn_output.bias", "blk.2.attn_norm.weight",
        "blk.0.ffn_gate_inp.weight", "output.bias", "rope_factors_short.weight"}) {
    TinyModel model = GoldenModel("llama");
    model.tensors[name] = MakeTinyTensor(name, {16});
    EXPECT_THAT(Load(model), AllOf(HasReason(kUnsupported),
                                   StatusIs(absl::StatusCode::kUnimplemented, HasSubstr(name))));
  }
}

TEST(DecoderLoadTest, RefusesDivisorsThatAreNotPositiveNumbers) {
  for (const float value : {0.0f, -1.0f, kNan, kInfinity, 1e-30f}) {
    TinyModel model = GoldenModel("llama3");
    std::vector<float> divisors(8, 1.0f);
    divisors[5] = value;
    model.tensors["rope_freqs.weight"].bytes = F32Bytes(divisors);
    EXPECT_THAT(Load(model), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("rope_"))) << value;
  }
}

TEST(DecoderLoadTest, LongDivisorsNeedTheOriginalContext) {
  TinyModel model = GoldenModel("phi3_longrope_long");
  model.metadata.erase("phi3.rope.scaling.original_context_length");
  EXPECT_THAT(Load(model),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("original_context_length")));
}

// Whatever the description of a model says, it is refused or it runs.
TEST(DecoderLoadTest, SurvivesEveryChangedByteOfTheDescription) {
  std::size_t loaded = 0;
  for (const char* name : {"llama3", "qwen2_yarn", "gemma3_pattern", "phi3_longrope_long"}) {
    const TinyModel model = GoldenModel(name);
    const std::string bytes = model.Bytes();
    const std::size_t end = bytes.rfind(model.tensors.rbegin()->first);
    for (std::size_t at = 4; at < end; ++at) {
      for (const int value : {0, 1, 0xFF}) {
        auto changed = std::make_shared<std::string>(bytes);
        (*changed)[at] = static_cast<char>(value);
        const auto file = gguf::File::Parse(*changed, "changed", changed);
        if (!file.ok()) continue;
        ComputePool pool(1);
        const auto decoder = Decoder::Create(*file, {.max_rows = 2}, &pool);
        if (!decoder.ok()) continue;
        const auto cache = *KvCache::Create((*decoder)->kv_shape(), 2);
        EXPECT_TRUE((*decoder)->Forward({{1, 0, cache.get(), false}, {2, 1, cache.get(), true}},
                                        [] { return true; }));
        ++loaded;
      }
    }
  }
  EXPECT_GT(loaded, 100u);
}

}  // namespace
}  // namespace ragmesh::generation
