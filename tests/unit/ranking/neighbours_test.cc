#include "libs/ranking/neighbours.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ragmesh::ranking {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::uint32_t TenChunks(std::uint64_t) { return 10; }

TEST(NeighboursTest, WindowsEndWithTheirDocument) {
  const std::vector<Place> hits{{1, 0}, {2, 9}};
  const auto around = Surround(hits, {.before = 2, .after = 2}, TenChunks);
  EXPECT_THAT(around[0].positions, ElementsAre(1, 2));
  EXPECT_THAT(around[1].positions, ElementsAre(7, 8));
  EXPECT_EQ(around[0].run, 1u);
  EXPECT_EQ(around[1].run, 2u);
}

TEST(NeighboursTest, TouchingWindowsAreOneRunAndNothingIsShownTwice) {
  // 5 covers 4 to 6, 2 covers 1 to 3: they touch between 3 and 4. 9 stands alone.
  const std::vector<Place> hits{{1, 9}, {1, 5}, {1, 2}, {1, 4}};
  const auto around = Surround(hits, {.before = 1, .after = 1}, TenChunks);
  EXPECT_THAT(around[0].positions, ElementsAre(8));
  EXPECT_THAT(around[1].positions, ElementsAre(6));
  EXPECT_THAT(around[2].positions, ElementsAre(1, 3));
  EXPECT_THAT(around[3].positions, IsEmpty());
  EXPECT_EQ(around[0].run, 1u);
  EXPECT_EQ(around[1].run, 2u);
  EXPECT_EQ(around[2].run, 2u);
  EXPECT_EQ(around[3].run, 2u);
}

TEST(NeighboursTest, RunsAreNumberedByTheirBestHit) {
  const std::vector<Place> hits{{2, 5}, {1, 1}, {2, 6}, {1, 9}};
  const auto around = Surround(hits, {.before = 0, .after = 1}, TenChunks);
  EXPECT_EQ(around[0].run, 1u);
  EXPECT_EQ(around[1].run, 2u);
  EXPECT_EQ(around[2].run, 1u);
  EXPECT_EQ(around[3].run, 3u);
  EXPECT_THAT(around[0].positions, IsEmpty());
  EXPECT_THAT(around[2].positions, ElementsAre(7));
}

}  // namespace
}  // namespace ragmesh::ranking
