#include "libs/embedding/encoder_config.h"

#include <gtest/gtest.h>

#include "libs/testing/status_matchers.h"
#include "tests/unit/embedding/tiny_encoder.h"

namespace ragmesh::embedding {
namespace {

using ::ragmesh::testing::IsOk;
using ::ragmesh::testing::StatusIs;
using ::testing::HasSubstr;

absl::StatusOr<EncoderConfig> Read(const std::vector<TinyTensor>& tensors,
                                   const EncoderFacts& facts, absl::string_view config_json = "") {
  const std::string bytes = ToSafetensors(tensors);
  const auto file = model_files::Safetensors::Parse(bytes, "m");
  EXPECT_THAT(file, IsOk());
  return ReadEncoderConfig(**file, facts, config_json);
}

TEST(EncoderConfigTest, ReadsTheShapeFromTheWeights) {
  RAGMESH_ASSERT_OK_AND_ASSIGN(const EncoderConfig config,
                               Read(TinyWeights(), {.heads = 4, .max_tokens = 20}));
  EXPECT_EQ(config.hidden, 32u);
  EXPECT_EQ(config.layers, 2u);
  EXPECT_EQ(config.intermediate, 64u);
  EXPECT_EQ(config.vocabulary, 40u);
  EXPECT_EQ(config.positions, 64u);
  EXPECT_EQ(config.token_types, 2u);
  EXPECT_EQ(config.heads, 4u);
  EXPECT_EQ(config.max_tokens, 20u);
  EXPECT_EQ(config.prefix, "");
}

TEST(EncoderConfigTest, AcceptsTheBertPrefix) {
  RAGMESH_ASSERT_OK_AND_ASSIGN(const EncoderConfig config, Read(TinyWeights("bert.", true), {}));
  EXPECT_EQ(config.prefix, "bert.");
  EXPECT_EQ(config.max_tokens, 64u);
}

TEST(EncoderConfigTest, ConfigJsonOverridesTheFacts) {
  RAGMESH_ASSERT_OK_AND_ASSIGN(
      const EncoderConfig config,
      Read(
          TinyWeights(), {.heads = 4},
          R"({"model_type":"bert","hidden_act":"gelu","num_attention_heads":8,"layer_norm_eps":1e-5})"));
  EXPECT_EQ(config.heads, 8u);
  EXPECT_FLOAT_EQ(config.layer_norm_epsilon, 1e-5f);
}

TEST(EncoderConfigTest, RefusesWhatItDoesNotCompute) {
  const std::pair<const char*, const char*> cases[] = {
      {R"({"hidden_act":"relu"})", "hidden_act"},
      {R"({"model_type":"deberta"})", "model_type"},
      {R"({"position_embedding_type":"relative_key"})", "position_embedding_type"},
      {R"({"num_attention_heads":0})", "num_attention_heads"},
      {R"({"num_attention_heads":"8"})", "num_attention_heads"},
      {R"({"num_attention_heads":5})", "does not divide"},
      {R"({"layer_norm_eps":-1})", "layer_norm_eps"},
      {"[]", "config.json"},
      {"{", "not valid JSON"}};
  for (const auto& [json, message] : cases) {
    EXPECT_THAT(Read(TinyWeights(), {}, json),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(message)))
        << json;
  }
}

TEST(EncoderConfigTest, TheRobertaPrefixShiftsPositions) {
  RAGMESH_ASSERT_OK_AND_ASSIGN(const EncoderConfig config, Read(TinyWeights("roberta.", true), {}));
  EXPECT_EQ(config.layout, Layout::kRoberta);
  EXPECT_EQ(config.first_position, 2u);
  EXPECT_EQ(config.positions, 62u);
  EXPECT_EQ(config.max_tokens, 62u);
  EXPECT_FLOAT_EQ(config.layer_norm_epsilon, 1e-5f);
}

TEST(EncoderConfigTest, FactsOrConfigJsonNameTheLayoutOfWeightsWithoutPrefix) {
  RAGMESH_ASSERT_OK_AND_ASSIGN(const EncoderConfig facts,
                               Read(TinyWeights(), {.layout = Layout::kRoberta}));
  EXPECT_EQ(facts.first_position, 2u);
  RAGMESH_ASSERT_OK_AND_ASSIGN(
      const EncoderConfig json,
      Read(TinyWeights(), {}, R"({"model_type":"xlm-roberta","pad_token_id":3})"));
  EXPECT_EQ(json.layout, Layout::kRoberta);
  EXPECT_EQ(json.first_position, 4u);
  RAGMESH_ASSERT_OK_AND_ASSIGN(
      const EncoderConfig bert,
      Read(TinyWeights(), {}, R"({"model_type":"bert","pad_token_id":0})"));
  EXPECT_EQ(bert.first_position, 0u);
}

TEST(EncoderConfigTest, RefusesAPaddingTokenThatLeavesNoPositions) {
  EXPECT_THAT(
      Read(TinyWeights(), {}, R"({"model_type":"roberta","pad_token_id":63})"),
      StatusIs(absl::StatusCode::kDataLoss, HasSubstr("position_embeddings.weight: has 64 rows")));
}

TEST(EncoderConfigTest, RefusesMoreTokensThanPositions) {
  EXPECT_THAT(Read(TinyWeights(), {.max_tokens = 65}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("64 positions")));
}

TEST(EncoderConfigTest, NamesTheTensorThatIsMissing) {
  auto tensors = TinyWeights();
  tensors.erase(tensors.begin());
  EXPECT_THAT(Read(tensors, {}),
              StatusIs(absl::StatusCode::kDataLoss,
                       HasSubstr("embeddings.word_embeddings.weight: is missing")));
}

}  // namespace
}  // namespace ragmesh::embedding
