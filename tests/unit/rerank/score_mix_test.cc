#include "libs/rerank/score_mix.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "libs/testing/status_matchers.h"

namespace ragmesh::rerank {
namespace {

using ::ragmesh::testing::HasReason;
using ::ragmesh::testing::IsOk;
using ::ragmesh::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<std::uint32_t> Order(const std::vector<stages::Reranked>& ranked) {
  std::vector<std::uint32_t> order;
  for (const auto& entry : ranked) order.push_back(entry.index);
  return order;
}

TEST(MixScoresTest, WithoutRetrievalScoresTheModelDecides) {
  const std::vector<stages::RerankCandidate> candidates(3);
  const auto ranked = MixScores(candidates, {0.1, 0.9, 0.5}, {}, 0);
  EXPECT_THAT(Order(ranked), ElementsAre(1, 2, 0));
  EXPECT_EQ(ranked[0].score, 0.9);
  EXPECT_EQ(ranked[0].model_score, 0.9);
}

TEST(MixScoresTest, TiesKeepInputOrder) {
  const std::vector<stages::RerankCandidate> candidates(4);
  EXPECT_THAT(Order(MixScores(candidates, {0.5, 0.7, 0.5, 0.7}, {}, 0)), ElementsAre(1, 3, 0, 2));
  const std::vector<stages::RerankCandidate> equal(3,
                                                   {.dense_score = 0.1 + 0.2, .lexical_score = 7});
  EXPECT_THAT(Order(MixScores(equal, {0.3, 0.3, 0.3}, {}, 0)), ElementsAre(0, 1, 2));
}

TEST(MixScoresTest, SumsWeightedZScores) {
  // Two candidates: every z-score is +1 or -1.
  const std::vector<stages::RerankCandidate> candidates = {
      {.dense_score = 0.9, .lexical_score = 1}, {.dense_score = 0.1, .lexical_score = 40}};
  const auto ranked =
      MixScores(candidates, {0.2, 0.1}, {.lexical = 0.5, .dense = 0.3, .model = 0.4}, 0);
  EXPECT_THAT(Order(ranked), ElementsAre(0, 1));
  EXPECT_NEAR(ranked[0].score, 0.3 - 0.5 + 0.4, 1e-12);
  EXPECT_NEAR(ranked[1].score, -0.3 + 0.5 - 0.4, 1e-12);
}

TEST(MixScoresTest, AnAbsentScoreCountsAsTheLowestPresent) {
  const std::vector<stages::RerankCandidate> absent = {
      {.dense_score = 0.9}, {.dense_score = 0.4}, {.lexical_score = 3}};
  const std::vector<stages::RerankCandidate> lowest = {{.dense_score = 0.9, .lexical_score = 3},
                                                       {.dense_score = 0.4, .lexical_score = 3},
                                                       {.dense_score = 0.4, .lexical_score = 3}};
  const auto a = MixScores(absent, {0.3, 0.2, 0.1}, {}, 0),
             b = MixScores(lowest, {0.3, 0.2, 0.1}, {}, 0);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(a[i].score, b[i].score);
}

TEST(MixScoresTest, AKindThatIsTheSameForAllAddsNothing) {
  std::vector<stages::RerankCandidate> candidates(3, {.dense_score = 0.1});
  candidates[1].lexical_score = 5;
  candidates[2].lexical_score = 4;
  EXPECT_THAT(Order(MixScores(candidates, {0.5, 0.5, 0.5}, {}, 0)), ElementsAre(1, 0, 2));
}

TEST(MixScoresTest, CutsToTopK) {
  const std::vector<stages::RerankCandidate> candidates(3);
  EXPECT_THAT(Order(MixScores(candidates, {1, 3, 2}, {}, 2)), ElementsAre(1, 2));
  EXPECT_THAT(Order(MixScores(candidates, {1, 3, 2}, {}, 9)), ElementsAre(1, 2, 0));
}

TEST(CheckRequestTest, NamesTheFieldAtFault) {
  const stages::RerankRequest good = {.query = "q", .candidates = {{.text = "a"}}};
  EXPECT_THAT(CheckRequest(good, {}), IsOk());
  const auto check = [&good](auto change) {
    stages::RerankRequest request = good;
    change(request);
    return CheckRequest(request,
                        {.max_candidates = 2, .max_query_bytes = 4, .max_passage_bytes = 5});
  };
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const auto invalid = [](const char* field) {
    return StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(field));
  };
  EXPECT_THAT(check([](auto& r) { r.query.clear(); }), invalid("query"));
  EXPECT_THAT(check([](auto& r) { r.query = "abcde"; }), HasReason("LIMIT_EXCEEDED"));
  EXPECT_THAT(check([](auto& r) { r.candidates.clear(); }), invalid("candidates"));
  EXPECT_THAT(check([](auto& r) { r.candidates.resize(3); }), HasReason("LIMIT_EXCEEDED"));
  EXPECT_THAT(check([](auto& r) { r.candidates[0].text = "abcdef"; }), HasReason("LIMIT_EXCEEDED"));
  EXPECT_THAT(check([&](auto& r) { r.candidates[0].dense_score = nan; }),
              invalid("candidates[0].dense_score"));
  EXPECT_THAT(check([&](auto& r) { r.candidates[0].lexical_score = nan; }),
              invalid("candidates[0].lexical_score"));
  EXPECT_THAT(check([](auto& r) { r.weights = {0, 0, 0}; }), invalid("weights"));
  EXPECT_THAT(check([](auto& r) { r.weights = {-1, 1, 1}; }), invalid("weights"));
  EXPECT_THAT(check([&](auto& r) { r.weights = {nan, 1, 1}; }), invalid("weights"));
}

}  // namespace
}  // namespace ragmesh::rerank
