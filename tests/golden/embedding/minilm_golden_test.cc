// MiniLM against sentence-transformers: token ids, hidden states after every layer, sentence
// vectors.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/string_view.h"
#include "libs/concurrency/thread_pool.h"
#include "libs/embedding/bert_embedder.h"
#include "libs/embedding/token_vectors.h"
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
        {.weights_path = *weights, .tokenizer_path = *tokenizer, .facts = {.max_tokens = 256}}};
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
    EXPECT_TRUE(model.Forward({&text, 1}, &workspace, [&](std::size_t layer) {
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

// What late interaction compares: every token's vector, rounded to bytes.
TEST_P(MiniLmF32GoldenTest, TokenVectorsKeepTheirDirectionAsBytes) {
  double least = 1, sum = 0;
  std::size_t count = 0;
  for (const auto& expected : golden_["texts"]) {
    const EncoderModel& model = embedder_->encoder()->model();
    const EncoderInput input = embedder_->encoder()->Prepare(expected["text"].get<std::string>());
    const auto keep = [](std::size_t, absl::Span<const float> hidden) {
      return std::vector<float>(hidden.begin(), hidden.end());
    };
    RAGMESH_ASSERT_OK_AND_ASSIGN(
        const auto hidden, embedder_->encoder()->Run({input}, Priority::kPassage, keep, call_));
    const TokenVectors rounded = RoundTokenVectors(model.kernels(), input.ids.size(), hidden[0]);
    for (std::size_t t = 0; t < input.ids.size(); ++t) {
      double dot = 0, norm = 0, length = 0;
      for (std::size_t i = 384 * t; i < 384 * (t + 1); ++i) {
        const double byte = static_cast<std::int8_t>(rounded.bytes[i]);
        dot += byte * hidden[0][i], norm += byte * byte;
        length += double{hidden[0][i]} * hidden[0][i];
      }
      const double cosine = dot / std::sqrt(norm * length);
      least = std::min(least, cosine), sum += cosine, ++count;
    }
  }
  EXPECT_GT(least, 0.999);
  EXPECT_GT(sum / static_cast<double>(count), 0.9999);
  RecordProperty("least", std::to_string(least));
  RecordProperty("mean", std::to_string(sum / static_cast<double>(count)));
}

// Of the cosines to the reference: the least of any text, the mean of all, and the mean of the
// ordinary ones. Most of the golden's texts were chosen for their strangeness, and int8 serves
// those worst that are like nothing it was calibrated with: seen are 0.9973 to 0.9979 for blanks,
// 0.9983 for scripts of which the vocabulary has only letters, 0.9987 for all on average.
struct Bounds {
  double least;
  double mean;
  double ordinary;
};
Bounds BoundsOf(linalg::Precision precision) {
  switch (precision) {
    case linalg::Precision::kF32:
      return {0.999999, 0.999999, 0.999999};
    case linalg::Precision::kBf16:
      return {0.9999, 0.9999, 0.9999};
    case linalg::Precision::kInt8:
      break;
  }
  return {0.9965, 0.998, 0.999};
}

// A sentence at least, most of it ASCII.
bool IsOrdinary(absl::string_view text, std::size_t tokens) {
  const auto ascii =
      std::count_if(text.begin(), text.end(), [](char c) { return absl::ascii_isgraph(c); });
  return tokens >= 10 && 2 * static_cast<std::size_t>(ascii) > text.size();
}

double Cosine(const std::vector<float>& a, const std::vector<float>& b) {
  double dot = 0, norm = 0, length = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    dot += double{a[i]} * b[i];
    norm += double{a[i]} * a[i];
    length += double{b[i]} * b[i];
  }
  return dot / std::sqrt(norm * length);
}

double Mean(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

// The rounded products of the scalar table are short loops, which take 10 ms a token. The longest
// two texts, four fifths of all tokens, would take as long there as all other tests here.
bool IsTooSlow(const linalg::InPrecision& in, std::size_t tokens) {
  const bool short_loops = in.precision != linalg::Precision::kF32 && in.table->f32.width == 0;
  return short_loops && tokens > 50;
}

TEST_P(MiniLmGoldenTest, VectorsEqualTheReference) {
  const Bounds bounds = BoundsOf(GetParam().precision);
  stages::EmbedRequest request;
  std::vector<nlohmann::json> texts;
  for (const auto& text : golden_["texts"]) {
    if (IsTooSlow(GetParam(), text["ids_used"].get<std::size_t>())) continue;
    texts.push_back(text);
    request.texts.push_back(text["text"].get<std::string>());
  }
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto embeddings, embedder_->Embed(request, call_));
  std::vector<double> cosines, ordinary;
  for (std::size_t t = 0; t < texts.size(); ++t) {
    const std::vector<float>& values = embeddings[t].values;
    cosines.push_back(Cosine(texts[t]["embedding"].get<std::vector<float>>(), values));
    EXPECT_GE(cosines.back(), bounds.least) << request.texts[t];
    EXPECT_NEAR(std::inner_product(values.begin(), values.end(), values.begin(), 0.0), 1, 1e-5);
    EXPECT_EQ(embeddings[t].token_count, texts[t]["ids_used"].get<std::uint32_t>());
    if (IsOrdinary(request.texts[t], embeddings[t].token_count)) ordinary.push_back(cosines.back());
  }
  ASSERT_FALSE(ordinary.empty());
  EXPECT_GE(Mean(cosines), bounds.mean);
  EXPECT_GE(Mean(ordinary), bounds.ordinary);
}

// The choice that a process makes when it is told none, with the texts of its own.
TEST(MiniLmPrecisionTest, IsInt8WhereTheTableHasFloatProducts) {
  const auto weights = testing::CachedModel(kWeights), tokenizer = testing::CachedModel(kTokenizer);
  RAGMESH_SKIP_WITHOUT(weights, "all-MiniLM-L6-v2");
  RAGMESH_SKIP_WITHOUT(tokenizer, "the tokenizer of all-MiniLM-L6-v2");
  ThreadPool compute("compute", 1, 16);
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto encoder,
                               TextEncoder::Create({{.weights_path = *weights,
                                                     .tokenizer_path = *tokenizer,
                                                     .facts = {.max_tokens = 256},
                                                     .precision = std::nullopt}},
                                                   compute));
  const bool floats = linalg::DefaultKernels().f32.width > 0;
  EXPECT_EQ(encoder->model().precision(),
            floats ? linalg::Precision::kInt8 : linalg::Precision::kF32);
}

std::vector<linalg::InPrecision> Pairs(bool f32) {
  std::vector<linalg::InPrecision> pairs;
  for (const linalg::Kernels* table : linalg::SupportedKernels()) {
    for (const auto precision :
         {linalg::Precision::kF32, linalg::Precision::kBf16, linalg::Precision::kInt8}) {
      if ((precision == linalg::Precision::kF32) == f32 && linalg::Supports(*table, precision))
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
