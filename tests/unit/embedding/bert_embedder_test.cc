#include "libs/embedding/bert_embedder.h"

#include <gtest/gtest.h>

#include <cmath>

#include "libs/base/sha256.h"
#include "libs/concurrency/thread_pool.h"
#include "libs/embedding/absent_embedder.h"
#include "libs/testing/status_matchers.h"
#include "tests/unit/embedding/tiny_encoder.h"
#include "tests/unit/linalg/tables.h"

namespace ragmesh::embedding {
namespace {

using ::ragmesh::testing::HasReason;
using ::ragmesh::testing::StatusIs;
using ::testing::HasSubstr;

class BertEmbedderTest : public ::testing::TestWithParam<const linalg::Kernels*> {
 protected:
  std::unique_ptr<BertEmbedder> Make(Executor& compute, BertEmbedder::Options options = {}) {
    options.name = "tiny";
    const Batcher::Options batcher = options.encoder.batcher;
    const EncoderFacts facts = options.encoder.facts;
    options.encoder = files_.options();
    options.encoder.batcher = batcher;
    options.encoder.facts.pooling = facts.pooling;
    options.encoder.kernel = GetParam()->name;
    auto embedder = BertEmbedder::Create(options, compute);
    EXPECT_THAT(embedder, testing::IsOk());
    return *std::move(embedder);
  }
  static std::vector<std::string> Texts(std::size_t count) {
    std::vector<std::string> texts;
    for (std::size_t i = 0; i < count; ++i) {
      std::string text;
      for (std::size_t k = 0; k < i * 7 % 70; ++k)
        text += std::string(1, static_cast<char>('a' + (i + k * k) % 26)) + " ";
      texts.push_back(text);
    }
    return texts;
  }
  TinyEncoderFiles files_;
  ThreadPool compute_{"compute", 2, 16};
  CallContext call_{absl::InfiniteFuture()};
};

TEST_P(BertEmbedderTest, AResultDoesNotDependOnCompanyOrThreads) {
  ThreadPool four("four", 4, 16);
  auto alone = Make(compute_);
  auto together =
      Make(four, {.encoder = {.batcher = {.max_batch_tokens = 100, .max_parallel = 4}}});
  const std::vector<std::string> texts = Texts(40);
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto batch, together->Embed({.texts = texts}, call_));
  for (std::size_t i = 0; i < texts.size(); ++i) {
    RAGMESH_ASSERT_OK_AND_ASSIGN(const auto one, alone->Embed({.texts = {texts[i]}}, call_));
    EXPECT_EQ(one[0].values, batch[i].values) << i;  // every bit
  }
}

TEST_P(BertEmbedderTest, VectorsHaveUnitLengthAndCountsIncludeSpecialTokens) {
  auto embedder = Make(compute_);
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto embeddings,
                               embedder->Embed({.texts = {"", "a b c"}}, call_));
  for (const auto& embedding : embeddings) {
    double length = 0;
    for (const float value : embedding.values) length += double{value} * value;
    EXPECT_NEAR(length, 1, 1e-5);
    EXPECT_EQ(embedding.values.size(), 32u);
    EXPECT_FALSE(embedding.truncated);
  }
  EXPECT_EQ(embeddings[0].token_count, 2u);
  EXPECT_EQ(embeddings[1].token_count, 5u);
}

TEST_P(BertEmbedderTest, PoolsAsItIsTold) {
  auto mean = Make(compute_);
  auto cls = Make(compute_, {.encoder = {{.facts = {.pooling = Pooling::kCls}}}});
  const EncoderInput input = mean->encoder()->Prepare("a b");
  const EncoderText text{input.ids, input.types};
  EncoderWorkspace workspace(mean->encoder()->model());
  ASSERT_TRUE(
      mean->encoder()->model().Forward({&text, 1}, &workspace, [](std::size_t) { return true; }));
  const absl::Span<const float> hidden = workspace.hidden(0);
  const auto expect_direction = [](const std::vector<float>& unit,
                                   const std::vector<double>& direction) {
    double norm = 0;
    for (const double value : direction) norm += value * value;
    for (std::size_t i = 0; i < unit.size(); ++i)
      EXPECT_NEAR(unit[i], direction[i] / std::sqrt(norm), 1e-6);
  };
  std::vector<double> sum(32), first(hidden.begin(), hidden.begin() + 32);
  for (std::size_t i = 0; i < hidden.size(); ++i) sum[i % 32] += hidden[i];
  expect_direction((*mean->Embed({.texts = {"a b"}}, call_))[0].values, sum);
  expect_direction((*cls->Embed({.texts = {"a b"}}, call_))[0].values, first);
  EXPECT_EQ(cls->Info(call_)->features.at("pooling"), "cls");
}

TEST_P(BertEmbedderTest, PutsThePrefixBeforeQueriesOnly) {
  auto plain = Make(compute_);
  auto prefixed = Make(compute_, {.query_prefix = "q: "});
  const auto embed = [&](BertEmbedder& embedder, std::string text, stages::InputType type) {
    return (*embedder.Embed({.texts = {std::move(text)}, .input_type = type}, call_))[0].values;
  };
  EXPECT_EQ(embed(*prefixed, "a", stages::InputType::kQuery),
            embed(*plain, "q: a", stages::InputType::kQuery));
  EXPECT_EQ(embed(*prefixed, "a", stages::InputType::kPassage),
            embed(*plain, "a", stages::InputType::kPassage));
}

TEST_P(BertEmbedderTest, GivesBackWhatItReadAsFarAsWanted) {
  auto embedder = Make(compute_);
  std::string text = "a b";  // 66 tokens in all, of which 62 and the special ones are read
  for (int i = 0; i < 64; ++i) text += " c";
  stages::EmbedRequest request{.texts = {text, ""}};
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto plain, embedder->Embed(request, call_));
  EXPECT_TRUE(plain[0].tokens.empty());
  request.token_detail = stages::TokenDetail::kIds;
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto ids, embedder->Embed(request, call_));
  request.token_detail = stages::TokenDetail::kVectors;
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto vectors, embedder->Embed(request, call_));
  EXPECT_EQ(ids[0].tokens.tokenizer, embedder->encoder()->tokenizer_digest());
  EXPECT_EQ(ids[0].tokens.ids, embedder->encoder()->Tokenize(text));
  EXPECT_EQ(ids[0].tokens.ids.size(), 66u);
  EXPECT_TRUE(ids[0].tokens.vectors.empty());
  EXPECT_EQ(vectors[0].tokens.ids, ids[0].tokens.ids);
  EXPECT_EQ(vectors[0].tokens.encoder, embedder->encoder()->states_digest());
  EXPECT_EQ(vectors[0].tokens.vectors.size(), 64u * 32);
  EXPECT_TRUE(vectors[1].tokens.ids.empty());
  EXPECT_EQ(vectors[1].tokens.vectors.size(), 2u * 32);
  EXPECT_EQ(vectors[0].values, plain[0].values);  // every bit
  const auto info = *embedder->Info(call_);
  EXPECT_EQ(info.features.at("passage_ids"), ids[0].tokens.tokenizer);
  EXPECT_EQ(info.features.at("passage_vectors"), vectors[0].tokens.encoder);
}

TEST_P(BertEmbedderTest, KeepsToItselfWhatItReadWithAPrefixAndWhatIsTooMuch) {
  auto prefixed = Make(compute_, {.passage_prefix = "p: "});
  stages::EmbedRequest request{.texts = {"a"}, .token_detail = stages::TokenDetail::kVectors};
  EXPECT_TRUE((*prefixed->Embed(request, call_))[0].tokens.empty());
  EXPECT_FALSE(prefixed->Info(call_)->features.contains("passage_vectors"));
  auto embedder = Make(compute_, {.max_vector_bytes = 6 * 32});
  request.texts = {"a", "b"};  // three tokens each
  EXPECT_THAT(embedder->Embed(request, call_), testing::IsOk());
  request.texts.push_back("");
  EXPECT_THAT(embedder->Embed(request, call_), HasReason("LIMIT_EXCEEDED"));
  request.token_detail = stages::TokenDetail::kIds;
  EXPECT_THAT(embedder->Embed(request, call_), testing::IsOk());
  request.texts = {std::string(2 * stages::kMaxPassageIds + 2, 'a')};
  for (std::size_t i = 1; i < request.texts[0].size(); i += 2) request.texts[0][i] = ' ';
  EXPECT_TRUE((*embedder->Embed(request, call_))[0].tokens.empty());
}

TEST_P(BertEmbedderTest, ATextOverTheLimitIsCutOrRefused) {
  auto embedder = Make(compute_);
  std::string text;
  for (int i = 0; i < 63; ++i) text += "a ";
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto cut, embedder->Embed({.texts = {text}}, call_));
  EXPECT_TRUE(cut[0].truncated);
  EXPECT_EQ(cut[0].token_count, 64u);
  const auto refused = embedder->Embed({.texts = {"a", text}, .truncate = false}, call_);
  EXPECT_THAT(refused, HasReason("TEXT_TOO_LONG"));
  EXPECT_EQ(GetErrorDetail(refused.status())->field, "texts[1]");
  EXPECT_EQ(GetErrorDetail(refused.status())->metadata.at("tokens"), "65");
}

TEST_P(BertEmbedderTest, RefusesNoTextsTooManyAndTooLarge) {
  auto embedder = Make(compute_, {.max_batch_texts = 2, .max_text_bytes = 10});
  EXPECT_THAT(embedder->Embed({}, call_),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("texts")));
  EXPECT_THAT(embedder->Embed({.texts = {"a", "b", "c"}}, call_), HasReason("LIMIT_EXCEEDED"));
  EXPECT_THAT(embedder->Embed({.texts = {"a", "bbbbbbbbbbb"}}, call_),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("texts[1] is 11 bytes")));
}

TEST_P(BertEmbedderTest, EndsWithTheCall) {
  auto embedder = Make(compute_);
  call_.Cancel();
  EXPECT_THAT(embedder->Embed({.texts = {"a"}}, call_), StatusIs(absl::StatusCode::kCancelled));
}

TEST_P(BertEmbedderTest, InfoNamesTheModelByItsDigest) {
  auto embedder = Make(compute_);
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto info, embedder->Info(call_));
  EXPECT_TRUE(info.ready);
  EXPECT_EQ(info.model.digest, Sha256Hex(ToSafetensors(TinyWeights())));
  EXPECT_EQ(info.model.dimension, 32u);
  EXPECT_EQ(info.model.max_tokens, 64u);
  EXPECT_EQ(info.kernel, GetParam()->name);
  EXPECT_EQ(info.limits.at("max_batch_texts"), 256);
}

INSTANTIATE_TEST_SUITE_P(EveryTable, BertEmbedderTest,
                         ::testing::ValuesIn(linalg::SupportedKernels().begin(),
                                             linalg::SupportedKernels().end()),
                         [](const auto& info) { return linalg::TableName(*info.param); });

TEST(AbsentEmbedderTest, SaysWhatIsMissingAndHowToGetIt) {
  AbsentEmbedder embedder("the model all-minilm-l6-v2 was not pulled",
                          "Run `ragmesh models pull`.");
  const CallContext call(absl::InfiniteFuture());
  const auto embedded = embedder.Embed({.texts = {"a"}}, call);
  EXPECT_THAT(embedded, StatusIs(absl::StatusCode::kUnavailable, HasSubstr("not pulled")));
  EXPECT_THAT(embedded, HasReason("MODEL_NOT_LOADED"));
  EXPECT_FALSE(embedder.Info(call)->ready);
  EXPECT_THAT(embedder.Info(call)->not_ready_reason, HasSubstr("not pulled"));
}

}  // namespace
}  // namespace ragmesh::embedding
