#include "libs/rerank/cross_encoder_reranker.h"

#include <gtest/gtest.h>

#include "libs/concurrency/thread_pool.h"
#include "libs/testing/status_matchers.h"
#include "tests/unit/embedding/tiny_encoder.h"

namespace ragmesh::rerank {
namespace {

using ::ragmesh::testing::StatusIs;
using ::testing::HasSubstr;

class CrossEncoderRerankerTest : public ::testing::Test {
 protected:
  absl::StatusOr<std::unique_ptr<CrossEncoderReranker>> Make(
      const std::vector<embedding::TinyTensor>& tensors) {
    const embedding::TinyEncoderFiles files(embedding::ToSafetensors(tensors));
    return CrossEncoderReranker::Create({.encoder = files.options()}, compute_);
  }
  ThreadPool compute_{"compute", 2, 16};
  CallContext call_{absl::InfiniteFuture()};
};

TEST_F(CrossEncoderRerankerTest, TheModelAloneDecidesUnlessWeightsAreGiven) {
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto reranker, Make(embedding::TinyWeights("", true)));
  stages::RerankRequest request = {
      .query = "a b", .candidates = {{"c", 0.1, 1.0}, {"d e", 0.2, 2.0}, {"f", 0.3, 3.0}}};
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto ranked, reranker->Rerank(request, call_));
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(ranked[i].score, ranked[i].model_score);
  EXPECT_GE(ranked[0].score, ranked[1].score);
  EXPECT_GE(ranked[1].score, ranked[2].score);
  request.weights = stages::RerankWeights{.lexical = 1, .dense = 0, .model = 0};
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto lexical, reranker->Rerank(request, call_));
  EXPECT_EQ(lexical[0].index, 2u);
}

TEST_F(CrossEncoderRerankerTest, AScoreDoesNotDependOnTheOtherCandidates) {
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto reranker, Make(embedding::TinyWeights("bert.", true)));
  stages::RerankRequest request = {.query = "a b c", .candidates = {}};
  for (int i = 0; i < 40; ++i)
    request.candidates.push_back({std::string(1, static_cast<char>('a' + i % 26)) + " x y"});
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto together, reranker->Rerank(request, call_));
  ASSERT_EQ(together.size(), 40u);
  for (const auto& entry : together) {
    RAGMESH_ASSERT_OK_AND_ASSIGN(
        const auto alone,
        reranker->Rerank({.query = "a b c", .candidates = {request.candidates[entry.index]}},
                         call_));
    EXPECT_EQ(alone[0].score, entry.score);
  }
}

// Whole passages, so that a long one is cut beside its query as it would be without them.
TEST_F(CrossEncoderRerankerTest, IdsThatComeWithAPassageChangeNoBit) {
  const embedding::TinyEncoderFiles files(
      embedding::ToSafetensors(embedding::TinyWeights("", true)));
  RAGMESH_ASSERT_OK_AND_ASSIGN(
      const auto reranker, CrossEncoderReranker::Create({.encoder = files.options()}, compute_));
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto encoder,
                               embedding::TextEncoder::Create(files.options(), compute_));
  std::string text;
  for (int i = 0; i < 80; ++i) text += i % 3 == 0 ? "a " : "bc ";
  const stages::RerankRequest plain = {.query = "a b", .candidates = {{text}, {"c"}}};
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto expected, reranker->Rerank(plain, call_));
  stages::RerankRequest request = plain;
  const auto scores = [&](std::vector<std::uint32_t> first) {
    request.candidates[0].tokens = {.tokenizer = encoder->tokenizer_digest(),
                                    .ids = std::move(first)};
    const auto ranked = reranker->Rerank(request, call_);
    EXPECT_TRUE(ranked.ok()) << ranked.status();
    return std::vector<double>{(*ranked)[0].score, (*ranked)[1].score};
  };
  const std::vector<double> wanted = {expected[0].score, expected[1].score};
  EXPECT_EQ(scores(encoder->Tokenize(text)), wanted);
  EXPECT_EQ(scores({40}), wanted);       // no id of this vocabulary: not used
  EXPECT_NE(scores({5, 5, 5}), wanted);  // used
}

TEST_F(CrossEncoderRerankerTest, NamesTheHeadTensorThatIsMissingOrMisshapen) {
  EXPECT_THAT(Make(embedding::TinyWeights()),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("pooler.dense.weight: is missing")));
  auto two_labels = embedding::TinyWeights("", true);
  two_labels[two_labels.size() - 2] = embedding::MakeTinyTensor("classifier.weight", {2, 32});
  EXPECT_THAT(Make(two_labels), StatusIs(absl::StatusCode::kDataLoss,
                                         HasSubstr("classifier.weight: has shape [2, 32]")));
}

// XLM-R's layout: its own tokenizer, frame and head, from files to an order.
TEST_F(CrossEncoderRerankerTest, ReadsPairsAsXlmRDoes) {
  auto tensors = embedding::TinyWeights("roberta.");
  for (const char* name : {"classifier.dense.bias", "classifier.out_proj.weight",
                           "classifier.out_proj.bias", "classifier.dense.weight"}) {
    const bool output = absl::StrContains(name, "out_proj"), bias = absl::StrContains(name, "bias");
    const std::uint64_t rows = output ? 1 : 32;
    tensors.push_back(embedding::MakeTinyTensor(
        name, bias ? std::vector<std::uint64_t>{rows} : std::vector<std::uint64_t>{rows, 32}));
  }
  const embedding::TinyEncoderFiles files(embedding::ToSafetensors(tensors));
  std::ofstream(files.path() / "tokenizer.json") << R"({
    "pre_tokenizer":{"type":"Metaspace"},"model":{"type":"Unigram","unk_id":3,"vocab":
    [["<s>",0],["<pad>",0],["</s>",0],["<unk>",0],["▁",-2],["▁a",-1],["▁b",-1],["▁c",-1]]}})";
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto encoder,
                               embedding::TextEncoder::Create(files.options(), compute_));
  const auto pair = encoder->PreparePair(encoder->Tokenize("a b"), encoder->Tokenize("c"));
  EXPECT_EQ(pair.ids, (embedding::TokenIds{0, 5, 6, 2, 2, 7, 2}));
  EXPECT_TRUE(pair.types.empty());
  RAGMESH_ASSERT_OK_AND_ASSIGN(
      const auto reranker, CrossEncoderReranker::Create({.encoder = files.options()}, compute_));
  RAGMESH_ASSERT_OK_AND_ASSIGN(
      const auto ranked,
      reranker->Rerank({.query = "a b", .candidates = {{"c"}, {"a"}, {"b a"}}}, call_));
  EXPECT_EQ(ranked.size(), 3u);
  EXPECT_NE(ranked[0].model_score, ranked[2].model_score);
  EXPECT_EQ(reranker->Info(call_)->model.architecture, "xlm-roberta");
}

TEST_F(CrossEncoderRerankerTest, EndsWithTheCall) {
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto reranker, Make(embedding::TinyWeights("", true)));
  call_.Cancel();
  EXPECT_THAT(reranker->Rerank({.query = "q", .candidates = {{"a"}}}, call_),
              StatusIs(absl::StatusCode::kCancelled));
}

}  // namespace
}  // namespace ragmesh::rerank
