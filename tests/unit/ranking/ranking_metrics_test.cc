#include "libs/ranking/ranking_metrics.h"

#include <gtest/gtest.h>

#include <cmath>

namespace ragmesh::ranking {
namespace {

TEST(RankingMetricsTest, APerfectRankingScoresOne) {
  EXPECT_DOUBLE_EQ(Ndcg({"a", "b", "x"}, {{"a", 3}, {"b", 1}}, 10), 1);
  EXPECT_DOUBLE_EQ(Recall({"a", "b"}, {{"a", 3}, {"b", 1}}, 10), 1);
  EXPECT_DOUBLE_EQ(ReciprocalRank({"a"}, {{"a", 1}}, 10), 1);
}

TEST(RankingMetricsTest, GainIsLinearAndDiscountedByTheLogarithmOfTheRank) {
  const double expected =
      (1 / std::log2(2.0) + 3 / std::log2(3.0)) / (3 / std::log2(2.0) + 1 / std::log2(3.0));
  EXPECT_DOUBLE_EQ(Ndcg({"b", "a"}, {{"a", 3}, {"b", 1}}, 10), expected);
}

TEST(RankingMetricsTest, NothingBeyondTheCutCounts) {
  EXPECT_DOUBLE_EQ(Ndcg({"x", "a"}, {{"a", 1}}, 1), 0);
  EXPECT_DOUBLE_EQ(Recall({"x", "a"}, {{"a", 1}}, 1), 0);
  EXPECT_DOUBLE_EQ(ReciprocalRank({"x", "a"}, {{"a", 1}}, 1), 0);
}

}  // namespace
}  // namespace ragmesh::ranking
