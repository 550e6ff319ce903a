#include "libs/rerank/late_interaction_reranker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "libs/concurrency/thread_pool.h"
#include "libs/embedding/bert_embedder.h"
#include "libs/rerank/absent_reranker.h"
#include "libs/testing/status_matchers.h"
#include "tests/unit/embedding/tiny_encoder.h"

namespace ragmesh::rerank {
namespace {

using ::ragmesh::testing::HasReason;
using ::ragmesh::testing::StatusIs;

class LateInteractionRerankerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    RAGMESH_ASSERT_OK_AND_ASSIGN(encoder_,
                                 embedding::TextEncoder::Create(files_.options(), compute_));
  }

  // The definition, in double precision.
  double MaxSim(const std::string& query, const std::string& passage, bool special) {
    const auto q = Rows(query, special), p = Rows(passage, special);
    double sum = 0;
    for (const auto& a : q) {
      double best = -2;
      for (const auto& b : p) {
        double dot = 0, aa = 0, bb = 0;
        for (std::size_t i = 0; i < a.size(); ++i)
          dot += a[i] * b[i], aa += a[i] * a[i], bb += b[i] * b[i];
        best = std::max(best, dot / std::sqrt(aa * bb));
      }
      sum += best;
    }
    return sum / static_cast<double>(q.size());
  }

  std::vector<std::vector<double>> Rows(const std::string& text, bool special) {
    const embedding::EncoderInput input = encoder_->Prepare(text);
    const embedding::EncoderText one{input.ids, input.types};
    embedding::EncoderWorkspace workspace(encoder_->model());
    EXPECT_TRUE(encoder_->model().Forward({&one, 1}, &workspace, [](std::size_t) { return true; }));
    const absl::Span<const float> hidden = workspace.hidden(0);
    std::vector<std::vector<double>> rows;
    for (std::size_t t = 0; t < input.ids.size(); ++t)
      rows.emplace_back(hidden.begin() + 32 * t, hidden.begin() + 32 * (t + 1));
    if (!special && rows.size() > 2) rows = {rows.begin() + 1, rows.end() - 1};
    return rows;
  }

  embedding::TinyEncoderFiles files_;
  ThreadPool compute_{"compute", 2, 16};
  std::shared_ptr<embedding::TextEncoder> encoder_;
  CallContext call_{absl::InfiniteFuture()};
};

TEST_F(LateInteractionRerankerTest, ModelScoreIsTheMeanOfTheBestCosines) {
  for (const bool special : {true, false}) {
    LateInteractionReranker reranker({.include_special_tokens = special}, encoder_);
    const stages::RerankRequest request = {.query = "a b c",
                                           .candidates = {{"c b x"}, {""}, {"a b c"}, {"z y"}}};
    RAGMESH_ASSERT_OK_AND_ASSIGN(const auto ranked, reranker.Rerank(request, call_));
    ASSERT_EQ(ranked.size(), 4u);
    for (const auto& entry : ranked) {
      // Rounding to bytes moves it by less than a thousandth.
      EXPECT_NEAR(entry.model_score, MaxSim("a b c", request.candidates[entry.index].text, special),
                  1e-3);
      EXPECT_EQ(entry.score, entry.model_score);
    }
    EXPECT_EQ(ranked[0].index, 2u);  // the query itself
    EXPECT_NEAR(ranked[0].model_score, 1, 1e-5);
  }
}

TEST_F(LateInteractionRerankerTest, ACacheHitChangesNoBit) {
  LateInteractionReranker reranker({}, encoder_), without({.cache_bytes = 0}, encoder_);
  stages::RerankRequest request = {.query = "a f", .candidates = {}};
  for (int i = 0; i < 70; ++i) {
    request.candidates.push_back({.text = std::string(1, static_cast<char>('a' + i % 26)) + " b",
                                  .dense_score = i % 7,
                                  .lexical_score = i % 5});
  }
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto cold, reranker.Rerank(request, call_));
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto warm, reranker.Rerank(request, call_));
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto uncached, without.Rerank(request, call_));
  EXPECT_EQ(reranker.cache_stats().entries, 26u);
  EXPECT_GE(reranker.cache_stats().hits, 70u);
  for (std::size_t i = 0; i < cold.size(); ++i) {
    EXPECT_EQ(cold[i].index, warm[i].index);
    EXPECT_EQ(cold[i].score, warm[i].score);
    EXPECT_EQ(cold[i].score, uncached[i].score);
    EXPECT_EQ(cold[i].index, uncached[i].index);
  }
}

// What came with a passage saves work and changes no bit; what another model made, or what cannot
// have been made, is as if it were not there.
TEST_F(LateInteractionRerankerTest, WhatComesWithAPassageChangesNoBit) {
  stages::RerankRequest plain = {.query = "a f", .candidates = {}};
  std::vector<std::string> texts;
  for (int i = 0; i < 40; ++i)
    texts.push_back(std::string(1, static_cast<char>('a' + i % 26)) + " b");
  for (const std::string& text : texts) plain.candidates.push_back({.text = text});
  LateInteractionReranker without({.cache_bytes = 0}, encoder_);
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto expected, without.Rerank(plain, call_));

  const auto with = [&](stages::TokenDetail detail, auto change) {
    stages::RerankRequest request = plain;
    embedding::BertEmbedder maker({}, encoder_);
    const auto embeddings = maker.Embed({.texts = texts, .token_detail = detail}, call_);
    EXPECT_TRUE(embeddings.ok()) << embeddings.status();
    for (std::size_t i = 0; i < texts.size(); ++i) {
      request.candidates[i].tokens = (*embeddings)[i].tokens;
      change(&request.candidates[i].tokens);
    }
    LateInteractionReranker reranker({}, encoder_);
    const auto ranked = reranker.Rerank(request, call_);
    EXPECT_TRUE(ranked.ok()) << ranked.status();
    for (std::size_t i = 0; i < expected.size(); ++i) {
      EXPECT_EQ((*ranked)[i].index, expected[i].index);
      EXPECT_EQ((*ranked)[i].score, expected[i].score);
    }
    return reranker.cache_stats();
  };
  using stages::PassageTokens;
  using stages::TokenDetail;
  EXPECT_EQ(with(TokenDetail::kVectors, [](PassageTokens*) {}).misses, 0u);  // nothing encoded
  EXPECT_EQ(with(TokenDetail::kIds, [](PassageTokens*) {}).entries, 26u);
  const std::vector<std::function<void(PassageTokens*)>> spoilers = {
      [](auto* t) { t->encoder = std::string(64, '0'); },
      [](auto* t) { t->vectors.pop_back(); },
      [](auto* t) { t->vectors.clear(); },
      [](auto* t) { t->vectors.resize(32); },
      [](auto* t) { t->vectors.resize(32 * 65); },
      [](auto* t) {
        *t = {.tokenizer = std::string(64, '0'), .ids = {1, 2}};
      },
      [](auto* t) { *t = {.tokenizer = t->tokenizer, .ids = {40}}; },
      [](auto* t) { *t = {.tokenizer = t->tokenizer, .ids = {4'000'000'000u}}; },
      [](auto* t) { *t = {.ids = t->ids, .vectors = t->vectors}; }};
  for (const auto& spoil : spoilers) EXPECT_EQ(with(TokenDetail::kVectors, spoil).entries, 26u);
}

// Ids that are not of the text they came with reorder the answer to whoever sent them, and no
// other.
TEST_F(LateInteractionRerankerTest, ForeignIdsDoNotReachTheCacheOfOthers) {
  LateInteractionReranker reranker({}, encoder_), fresh({}, encoder_);
  const stages::RerankRequest honest = {.query = "a b", .candidates = {{"c d"}}};
  stages::RerankRequest forged = honest;
  forged.candidates[0].tokens = {.tokenizer = encoder_->tokenizer_digest(), .ids = {5, 6}};
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto lie, reranker.Rerank(forged, call_));
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto after, reranker.Rerank(honest, call_));
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto expected, fresh.Rerank(honest, call_));
  EXPECT_NE(lie[0].model_score, expected[0].model_score);
  EXPECT_EQ(after[0].model_score, expected[0].model_score);
}

TEST_F(LateInteractionRerankerTest, EqualPassagesKeepInputOrder) {
  LateInteractionReranker reranker({}, encoder_);
  RAGMESH_ASSERT_OK_AND_ASSIGN(
      const auto ranked,
      reranker.Rerank({.query = "q", .candidates = {{"a"}, {"a"}, {"a"}}}, call_));
  for (std::uint32_t i = 0; i < 3; ++i) EXPECT_EQ(ranked[i].index, i);
}

TEST_F(LateInteractionRerankerTest, RetrievalScoresCountByTheirWeights) {
  LateInteractionReranker reranker({}, encoder_);
  stages::RerankRequest request = {.query = "a b",
                                   .candidates = {{"a b", 0.1, 1.0}, {"z", 0.9, 2.0}}};
  EXPECT_EQ((*reranker.Rerank(request, call_))[0].index, 1u);  // 0.3 + 0.3 against 0.4
  request.weights = stages::RerankWeights{.lexical = 0.1, .dense = 0.1, .model = 0.8};
  EXPECT_EQ((*reranker.Rerank(request, call_))[0].index, 0u);
}

TEST_F(LateInteractionRerankerTest, RefusesABadRequestAndEndsWithTheCall) {
  LateInteractionReranker reranker({}, encoder_);
  EXPECT_THAT(reranker.Rerank({.query = "q"}, call_), HasReason("INVALID_FIELD"));
  EXPECT_THAT(reranker.Rerank(
                  {.query = "q", .candidates = std::vector<stages::RerankCandidate>(513)}, call_),
              HasReason("LIMIT_EXCEEDED"));
  call_.Cancel();
  EXPECT_THAT(reranker.Rerank({.query = "q", .candidates = {{"a"}}}, call_),
              StatusIs(absl::StatusCode::kCancelled));
}

TEST_F(LateInteractionRerankerTest, InfoSaysHowItScores) {
  LateInteractionReranker reranker({.name = "tiny"}, encoder_);
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto info, reranker.Info(call_));
  EXPECT_TRUE(info.ready);
  EXPECT_EQ(info.features.at("method"), "late-interaction");
  EXPECT_EQ(info.model.digest, encoder_->digest());
}

TEST(AbsentRerankerTest, SaysWhatIsMissing) {
  AbsentReranker reranker("the model was not pulled", "Run `ragmesh models pull`.");
  const CallContext call(absl::InfiniteFuture());
  EXPECT_THAT(reranker.Rerank({.query = "q", .candidates = {{"a"}}}, call),
              HasReason("MODEL_NOT_LOADED"));
  EXPECT_FALSE(reranker.Info(call)->ready);
}

}  // namespace
}  // namespace ragmesh::rerank
