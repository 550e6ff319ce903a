// MiniLM against sentence-transformers: token ids, hidden states after every layer, sentence
// vectors.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "libs/concurrency/thread_pool.h"
#include "libs/embedding/bert_embedder.h"
#include "libs/testing/status_matchers.h"
#include "libs/testing/test_data.h"

namespace ragmesh::embedding {
namespace {

constexpr char kWeights[] = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db";
constexpr char kTokenizer[] = "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037";

class MiniLmGoldenTest : public ::testing::TestWithParam<const linalg::Kernels*> {
 protected:
  void SetUp() override {
    const auto weights = testing::CachedModel(kWeights),
               tokenizer = testing::CachedModel(kTokenizer);
    const auto golden = testing::TestData("golden/minilm.json");
    RAGMESH_SKIP_WITHOUT(weights, "all-MiniLM-L6-v2");
    RAGMESH_SKIP_WITHOUT(tokenizer, "the tokenizer of all-MiniLM-L6-v2");
    RAGMESH_SKIP_WITHOUT(golden, "golden/minilm.json");
    BertEmbedder::Options options;
    options.encoder = {
        .weights_path = *weights, .tokenizer_path = *tokenizer, .facts = {.max_tokens = 256}};
    options.encoder.kernel = GetParam()->name;
    RAGMESH_ASSERT_OK_AND_ASSIGN(embedder_, BertEmbedder::Create(options, compute_));
    golden_ = nlohmann::json::parse(testing::ReadFileOrDie(*golden));
  }

  ThreadPool compute_{"compute", 2, 16};
  std::unique_ptr<BertEmbedder> embedder_;
  nlohmann::json golden_;
  CallContext call_{absl::InfiniteFuture()};
};

TEST_P(MiniLmGoldenTest, IdsAndHiddenStatesEqualTheReference) {
  for (const auto& expected : golden_["texts"]) {
    const EncoderInput input = embedder_->encoder()->Prepare(expected["text"].get<std::string>());
    EXPECT_EQ(input.ids.size(), expected["ids_used"].get<std::size_t>());
    EXPECT_EQ(input.truncated, expected["truncated"].get<bool>());
    const auto observe = [&](std::size_t layer, absl::Span<const float> hidden) {
      if (!expected.contains("hidden_cls_first8")) return;  // the golden has them for some texts
      for (std::size_t i = 0; i < 8; ++i) {
        EXPECT_NEAR(hidden[i], expected["hidden_cls_first8"][layer][i].get<float>(), 2e-5)
            << "layer " << layer;
        EXPECT_NEAR(hidden[hidden.size() - 384 + i],
                    expected["hidden_last_token_first8"][layer][i].get<float>(), 2e-5)
            << "layer " << layer;
      }
    };
    std::vector<float> hidden;
    RAGMESH_ASSERT_OK(
        embedder_->encoder()->model().Forward(input.ids, input.types, observe, &hidden, call_));
  }
}

TEST_P(MiniLmGoldenTest, VectorsEqualTheReference) {
  stages::EmbedRequest request;
  for (const auto& expected : golden_["texts"])
    request.texts.push_back(expected["text"].get<std::string>());
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto embeddings, embedder_->Embed(request, call_));
  for (std::size_t t = 0; t < embeddings.size(); ++t) {
    const auto expected = golden_["texts"][t]["embedding"].get<std::vector<float>>();
    double dot = 0, norm = 0, length = 0;
    for (std::size_t i = 0; i < expected.size(); ++i) {
      dot += double{expected[i]} * embeddings[t].values[i];
      norm += double{expected[i]} * expected[i];
      length += double{embeddings[t].values[i]} * embeddings[t].values[i];
    }
    EXPECT_GE(dot / std::sqrt(norm * length), 0.999999) << request.texts[t];
    EXPECT_NEAR(length, 1, 1e-5);
    EXPECT_EQ(embeddings[t].token_count, golden_["texts"][t]["ids_used"].get<std::uint32_t>());
  }
}

INSTANTIATE_TEST_SUITE_P(EveryTable, MiniLmGoldenTest,
                         ::testing::ValuesIn(linalg::SupportedKernels().begin(),
                                             linalg::SupportedKernels().end()),
                         [](const auto& info) { return std::string(info.param->name); });

}  // namespace
}  // namespace ragmesh::embedding
