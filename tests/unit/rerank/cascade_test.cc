#include "libs/rerank/cascade.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <utility>

#include "libs/rerank/score_mix.h"
#include "libs/testing/status_matchers.h"

namespace ragmesh::rerank {
namespace {

using ::ragmesh::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::ElementsAreArray;
using ::testing::IsEmpty;

// Candidates whose retrieval score falls from the first to the last, and a model that is told what
// to say of each.
class CascadeTest : public ::testing::Test {
 protected:
  void SetUp() override {
    request_.query = "q";
    request_.top_k = 3;
    for (int i = 0; i < 40; ++i) {
      request_.candidates.push_back({.text = "", .dense_score = 1 - i / 40.0});
      model_.push_back(10 - i / 4.0);
    }
  }

  absl::StatusOr<std::vector<stages::Reranked>> Rank(const std::optional<Cascade>& cascade) {
    scored_.clear();
    const auto score =
        [this](absl::Span<const std::size_t> some) -> absl::StatusOr<std::vector<double>> {
      std::vector<double> scores;
      for (const std::size_t i : some) scores.push_back(model_[i]);
      scored_.emplace_back(some.begin(), some.end());
      return scores;
    };
    const auto count = [this](std::size_t scored, std::size_t skipped) {
      counted_ = {scored, skipped};
    };
    return RankInWaves(request_, weights_, cascade, score, count);
  }

  stages::RerankRequest request_;
  stages::RerankWeights weights_;
  std::vector<double> model_;
  std::vector<std::vector<std::size_t>> scored_;  // wave by wave
  std::pair<std::size_t, std::size_t> counted_;
};

TEST_F(CascadeTest, StopsWhenTheModelAgreesWithRetrieval) {
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto ranked, Rank(Cascade{}));
  EXPECT_THAT(scored_, ElementsAre(ElementsAre(0, 1, 2, 3, 4, 5, 6, 7)));
  EXPECT_EQ(counted_, std::pair(std::size_t{8}, std::size_t{32}));
  ASSERT_EQ(ranked.size(), 3u);
  for (std::uint32_t i = 0; i < 3; ++i) {
    EXPECT_EQ(ranked[i].index, i);
    EXPECT_EQ(ranked[i].model_score, model_[i]);
  }
}

TEST_F(CascadeTest, GoesOnWhileAnyoneMayStillEnterTheTop) {
  weights_ = {.lexical = 0, .dense = 0, .model = 1};
  for (std::size_t i = 0; i < 8; ++i) model_[i] = i % 2 == 0 ? 9 : -9;
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto ranked, Rank(Cascade{}));
  EXPECT_GT(scored_.size(), 1u);
  EXPECT_THAT(scored_[1], ElementsAre(8, 9, 10, 11, 12, 13, 14, 15));
}

TEST_F(CascadeTest, FindsWhatRetrievalPutBehindTheFirstWave) {
  model_[12] = 40;
  weights_ = {.lexical = 0, .dense = 0, .model = 1};
  for (std::size_t i = 0; i < 8; ++i) model_[i] = i % 3 == 0 ? 8 : 5;
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto ranked, Rank(Cascade{}));
  EXPECT_EQ(ranked[0].index, 12u);
  EXPECT_EQ(ranked[0].score, 40);
}

TEST_F(CascadeTest, TheFirstWaveHoldsAllThatAreAskedFor) {
  request_.top_k = 20;
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto ranked, Rank(Cascade{}));
  EXPECT_EQ(scored_[0].size(), 20u);
  EXPECT_EQ(ranked.size(), 20u);
}

TEST_F(CascadeTest, WithoutACascadeEverythingIsScoredInBoundedParts) {
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto ranked, Rank(std::nullopt));
  ASSERT_EQ(scored_.size(), 2u);
  EXPECT_EQ(scored_[0].size(), 32u);
  EXPECT_EQ(counted_, std::pair(std::size_t{40}, std::size_t{0}));
  const auto exact = MixScores(request_.candidates, model_, weights_, 3);
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(ranked[i].index, exact[i].index);
    EXPECT_EQ(ranked[i].score, exact[i].score);
  }
}

TEST_F(CascadeTest, ScoresEverythingWhenNothingCanBeLeftOut) {
  for (const std::uint32_t top_k : {0u, 40u, 99u}) {
    request_.top_k = top_k;
    RAGMESH_ASSERT_OK_AND_ASSIGN(const auto ranked, Rank(Cascade{}));
    EXPECT_EQ(ranked.size(), 40u) << top_k;
    EXPECT_EQ(counted_.second, 0u) << top_k;
  }
}

TEST_F(CascadeTest, ScoresEverythingWhenRetrievalTellsNothing) {
  for (auto& candidate : request_.candidates) candidate.dense_score.reset();
  model_[39] = 99;
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto without, Rank(Cascade{}));
  EXPECT_EQ(without[0].index, 39u);
  EXPECT_EQ(counted_.second, 0u);
  for (auto& candidate : request_.candidates) candidate.dense_score = 0.3;
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto equal, Rank(Cascade{}));
  EXPECT_EQ(equal[0].index, 39u);
}

TEST_F(CascadeTest, AnErrorEndsItAndIsNotCounted) {
  const auto score = [](absl::Span<const std::size_t>) -> absl::StatusOr<std::vector<double>> {
    return absl::CancelledError("gone");
  };
  bool counted = false;
  const auto count = [&](std::size_t, std::size_t) { counted = true; };
  EXPECT_THAT(RankInWaves(request_, weights_, Cascade{}, score, count),
              StatusIs(absl::StatusCode::kCancelled));
  EXPECT_FALSE(counted);
}

}  // namespace
}  // namespace ragmesh::rerank
