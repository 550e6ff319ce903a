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
#include "tests/unit/linalg/tables.h"

namespace ragmesh::embedding {
namespace {

constexpr char kWeights[] = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db";
constexpr char kTokenizer[] = "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037";

class MiniLmGoldenTest : public ::testing::TestWithParam<linalg::InPrecision> {
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
    options.encoder.kernel = GetParam().table->name;
    options.encoder.precision = GetParam().precision;
    RAGMESH_ASSERT_OK_AND_ASSIGN(embedder_, BertEmbedder::Create(options, compute_));
    golden_ = nlohmann::json::parse(testing::ReadFileOrDie(*golden));
  }

  ThreadPool compute_{"compute", 2, 16};
  std::unique_ptr<BertEmbedder> embedder_;
  nlohmann::json golden_;
  CallContext call_{absl::InfiniteFuture()};
};

class MiniLmF32GoldenTest : public MiniLmGoldenTest {};

TEST_P(MiniLmF32GoldenTest, IdsAndHiddenStatesEqualTheReference) {
  for (const auto& expected : golden_["texts"]) {
    const EncoderInput input = embedder_->encoder()->Prepare(expected["text"].get<std::string>());
    EXPECT_EQ(input.ids.size(), expected["ids_used"].get<std::size_t>());
    EXPECT_EQ(input.truncated(), expected["truncated"].get<bool>());
    if (!expected.contains("hidden_cls_first8")) continue;  // the golden has them for some texts
    const EncoderModel& model = embedder_->encoder()->model();
    EncoderWorkspace workspace(model);
    const EncoderText text{input.ids, input.types};
    EXPECT_TRUE(model.Forward({&text, 1}, nullptr, &workspace, [&](std::size_t layer) {
      const absl::Span<const float> hidden = workspace.hidden(0);
      for (std::size_t i = 0; i < 8; ++i) {
        EXPECT_NEAR(hidden[i], expected["hidden_cls_first8"][layer][i].get<float>(), 2e-5)
            << "layer " << layer;
        EXPECT_NEAR(hidden[hidden.size() - 384 + i],
                    expected["hidden_last_token_first8"][layer][i].get<float>(), 2e-5)
            << "layer " << layer;
      }
      return true;
    }));
  }
}

// The least cosine of any text, and of all on average. The golden's texts were chosen for their
// strangeness, and int8 serves those worst that are like nothing else: blanks, emoji, scripts that
// the vocabulary has only letters of. Ordinary prose keeps 0.9993 (docs/benchmarks.md).
struct Bounds {
  double least;
  double mean;
};
Bounds BoundsOf(linalg::Precision precision) {
  switch (precision) {
    case linalg::Precision::kF32:
      return {0.999999, 0.999999};
    case linalg::Precision::kBf16:
      return {0.9999, 0.9999};
    case linalg::Precision::kInt8:
      break;
  }
  return {0.996, 0.998};
}

TEST_P(MiniLmGoldenTest, VectorsEqualTheReference) {
  stages::EmbedRequest request;
  for (const auto& expected : golden_["texts"])
    request.texts.push_back(expected["text"].get<std::string>());
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto embeddings, embedder_->Embed(request, call_));
  const Bounds bounds = BoundsOf(GetParam().precision);
  double mean = 0;
  for (std::size_t t = 0; t < embeddings.size(); ++t) {
    const auto expected = golden_["texts"][t]["embedding"].get<std::vector<float>>();
    double dot = 0, norm = 0, length = 0;
    for (std::size_t i = 0; i < expected.size(); ++i) {
      dot += double{expected[i]} * embeddings[t].values[i];
      norm += double{expected[i]} * expected[i];
      length += double{embeddings[t].values[i]} * embeddings[t].values[i];
    }
    const double cosine = dot / std::sqrt(norm * length);
    mean += cosine / static_cast<double>(embeddings.size());
    EXPECT_GE(cosine, bounds.least) << request.texts[t];
    EXPECT_NEAR(length, 1, 1e-5);
    EXPECT_EQ(embeddings[t].token_count, golden_["texts"][t]["ids_used"].get<std::uint32_t>());
  }
  EXPECT_GE(mean, bounds.mean);
}

// Of the scalar table only f32: its other products are short loops, which take minutes here.
std::vector<linalg::InPrecision> Pairs(bool f32) {
  std::vector<linalg::InPrecision> pairs;
  for (const linalg::Kernels* table : linalg::SupportedKernels()) {
    for (const auto precision :
         {linalg::Precision::kF32, linalg::Precision::kBf16, linalg::Precision::kInt8}) {
      const bool is_f32 = precision == linalg::Precision::kF32;
      const bool fast = is_f32 || table->f32.multiply != nullptr;
      if (is_f32 == f32 && fast && linalg::Supports(*table, precision))
        pairs.push_back({table, precision});
    }
  }
  return pairs;
}
std::string NameOf(const ::testing::TestParamInfo<linalg::InPrecision>& info) {
  return linalg::Name(info.param);
}

INSTANTIATE_TEST_SUITE_P(F32, MiniLmF32GoldenTest, ::testing::ValuesIn(Pairs(true)), NameOf);
INSTANTIATE_TEST_SUITE_P(F32, MiniLmGoldenTest, ::testing::ValuesIn(Pairs(true)), NameOf);
INSTANTIATE_TEST_SUITE_P(Rounded, MiniLmGoldenTest, ::testing::ValuesIn(Pairs(false)), NameOf);

}  // namespace
}  // namespace ragmesh::embedding
