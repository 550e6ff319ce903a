#include "libs/ranking/fusion.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

namespace ragmesh::ranking {
namespace {

bool LowerItemFirst(std::uint32_t a, std::uint32_t b) { return a < b; }

Candidate Scored(std::uint32_t item, double dense, double lexical) {
  return {.item = item, .dense_score = dense, .lexical_score = lexical};
}

TEST(FusionTest, ZScoreNormalisesBothScoresOverAllCandidates) {
  // Dense: mean 2, deviation 1 over all four; lexical: mean 5, deviation 5.
  std::vector<Candidate> candidates{Scored(1, 3, 10), Scored(2, 1, 10), Scored(3, 3, 0),
                                    Scored(4, 1, 0)};
  const FusionScales scales = Fuse({.dense_weight = 0.25}, LowerItemFirst, &candidates);
  ASSERT_TRUE(scales.dense.has_value() && scales.lexical.has_value());
  EXPECT_DOUBLE_EQ(scales.dense->mean, 2);
  EXPECT_DOUBLE_EQ(scales.dense->deviation, 1);
  EXPECT_DOUBLE_EQ(scales.lexical->mean, 5);
  EXPECT_DOUBLE_EQ(scales.lexical->deviation, 5);
  EXPECT_EQ(candidates[0].item, 1u);
  EXPECT_DOUBLE_EQ(candidates[0].score, 0.25 * 1 + 0.75 * 1);
  EXPECT_EQ(candidates[1].item, 2u);
  EXPECT_DOUBLE_EQ(candidates[1].dense_part, -0.25);
  EXPECT_DOUBLE_EQ(candidates[1].lexical_part, 0.75);
  EXPECT_EQ(candidates[2].item, 3u);
  EXPECT_DOUBLE_EQ(candidates[3].score, -1);
}

TEST(FusionTest, ReciprocalRankIsTheFormula) {
  std::vector<Candidate> candidates{{.item = 1, .dense_rank = 1}, {.item = 2, .dense_rank = 2}};
  candidates[1].lexical_rank = 1;
  const stages::Fusion fusion{.method = stages::FusionMethod::kReciprocalRank, .rank_constant = 60};
  const FusionScales scales = Fuse(fusion, LowerItemFirst, &candidates);
  EXPECT_FALSE(scales.dense.has_value());
  EXPECT_EQ(candidates[0].item, 2u);
  EXPECT_DOUBLE_EQ(candidates[0].score, 1.0 / 62 + 1.0 / 61);
  EXPECT_DOUBLE_EQ(candidates[0].dense_part, 1.0 / 62);
  EXPECT_DOUBLE_EQ(candidates[1].lexical_part, 0);
}

TEST(FusionTest, ScoresThatAreAllEqualAddNothing) {
  std::vector<Candidate> candidates{Scored(5, 0.7, 1), Scored(4, 0.7, 1), Scored(6, 0.7, 9)};
  const FusionScales scales = Fuse({.dense_weight = 0.9}, LowerItemFirst, &candidates);
  EXPECT_EQ(scales.dense->deviation, 0);
  EXPECT_EQ(candidates[0].item, 6u);
  EXPECT_EQ(candidates[1].item, 4u);  // ties by the caller's order
  EXPECT_EQ(candidates[2].item, 5u);
  for (const Candidate& candidate : candidates) EXPECT_EQ(candidate.dense_part, 0);
}

TEST(FusionTest, NothingFusesToNothing) {
  std::vector<Candidate> candidates;
  Fuse({}, LowerItemFirst, &candidates);
  EXPECT_TRUE(candidates.empty());
}

}  // namespace
}  // namespace ragmesh::ranking
