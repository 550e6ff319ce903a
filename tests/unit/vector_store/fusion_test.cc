#include "libs/vector_store/fusion.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ragmesh::vector_store {
namespace {

using vector_index::ScoredSlot;

bool LowerSlotFirst(std::uint32_t a, std::uint32_t b) { return a < b; }

TEST(FusionTest, ZScoreIsTheFormulaAndAbsentGetsTheMinimum) {
  const std::vector<ScoredSlot> dense{{1, 3.0}, {2, 1.0}};     // mean 2, deviation 1
  const std::vector<ScoredSlot> lexical{{3, 10.0}, {1, 6.0}};  // mean 8, deviation 2
  const auto fused = Fuse(dense, lexical, {.dense_weight = 0.45}, 10, LowerSlotFirst);
  ASSERT_EQ(fused.size(), 3u);
  EXPECT_EQ(fused[0].slot, 3u);
  EXPECT_DOUBLE_EQ(fused[0].score, 0.45 * -1 + 0.55 * 1);
  EXPECT_EQ(fused[1].slot, 1u);
  EXPECT_DOUBLE_EQ(fused[1].score, 0.45 * 1 + 0.55 * -1);
  EXPECT_EQ(fused[2].slot, 2u);
  EXPECT_DOUBLE_EQ(fused[2].score, -1.0);
  EXPECT_EQ(fused[2].lexical_score, std::nullopt);
  EXPECT_EQ(fused[1].lexical_rank, std::optional<std::uint32_t>(2));
}

TEST(FusionTest, ReciprocalRankIsTheFormula) {
  const std::vector<ScoredSlot> dense{{1, 3.0}, {2, 1.0}}, lexical{{2, 9.0}};
  const stages::Fusion fusion{.method = stages::FusionMethod::kReciprocalRank, .rank_constant = 60};
  const auto fused = Fuse(dense, lexical, fusion, 1, LowerSlotFirst);
  ASSERT_EQ(fused.size(), 1u);
  EXPECT_EQ(fused[0].slot, 2u);
  EXPECT_DOUBLE_EQ(fused[0].score, 1.0 / 62 + 1.0 / 61);
}

TEST(FusionTest, OneEmptyListLeavesTheOthersOrder) {
  const std::vector<ScoredSlot> lexical{{5, 9.0}, {4, 9.0}, {6, 1.0}};
  const auto fused = Fuse({}, lexical, {}, 10, LowerSlotFirst);
  ASSERT_EQ(fused.size(), 3u);
  EXPECT_EQ(fused[0].slot, 4u);
  EXPECT_EQ(fused[1].slot, 5u);
  EXPECT_EQ(fused[2].slot, 6u);
  EXPECT_TRUE(Fuse({}, {}, {}, 10, LowerSlotFirst).empty());
}

TEST(FusionTest, EqualScoresContributeNothing) {
  const std::vector<ScoredSlot> dense{{1, 0.7}, {2, 0.7}, {3, 0.7}};
  for (const auto& chunk : Fuse(dense, {}, {}, 10, LowerSlotFirst)) EXPECT_EQ(chunk.score, 0);
}

}  // namespace
}  // namespace ragmesh::vector_store
