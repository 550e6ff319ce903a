#include "libs/generation/rope.h"

#include <gmock/gmock.h>

#include <cmath>

namespace ragmesh::generation {
namespace {

using ::testing::DoubleEq;
using ::testing::ElementsAre;

TEST(RopeTest, FrequenciesFallGeometrically) {
  EXPECT_THAT(RopeFrequencies({.base = 16}, 8, {}),
              ElementsAre(DoubleEq(1), DoubleEq(0.5), DoubleEq(0.25), DoubleEq(0.125)));
}

TEST(RopeTest, LinearScalingSlowsAllPairs) {
  const RopeConfig linear{.base = 16, .scaling = RopeScaling::kLinear, .factor = 4};
  EXPECT_THAT(RopeFrequencies(linear, 4, {}), ElementsAre(DoubleEq(0.25), DoubleEq(0.0625)));
  EXPECT_EQ(RopeMagnitude(linear), 1);
}

TEST(RopeTest, DivisorsSlowSinglePairs) {
  EXPECT_THAT(RopeFrequencies({.base = 16}, 4, {1.0f, 8.0f}),
              ElementsAre(DoubleEq(1), DoubleEq(1.0 / 32)));
}

TEST(RopeTest, YarnKeepsFastPairsAndSlowsTheOthers) {
  const RopeConfig yarn{
      .base = 10'000, .scaling = RopeScaling::kYarn, .factor = 4, .original_context = 4'096};
  const std::vector<double> own = RopeFrequencies({}, 128, {}),
                            stretched = RopeFrequencies(yarn, 128, {});
  EXPECT_DOUBLE_EQ(stretched.front(), own.front());
  EXPECT_DOUBLE_EQ(stretched.back(), own.back() / 4);
  for (std::size_t j = 0; j < own.size(); ++j) {
    EXPECT_LE(stretched[j], own[j] * (1 + 1e-12));
    EXPECT_GE(stretched[j], own[j] / 4 * (1 - 1e-12));
  }
  EXPECT_DOUBLE_EQ(RopeMagnitude(yarn), 1 + 0.1 * std::log(4.0));
}

TEST(RopeTest, YarnIsFiniteForAContextOfOneToken) {
  const RopeConfig yarn{
      .base = 1.001, .scaling = RopeScaling::kYarn, .factor = 1e-3, .original_context = 1};
  for (const double frequency : RopeFrequencies(yarn, 2, {})) EXPECT_TRUE(std::isfinite(frequency));
  EXPECT_EQ(RopeMagnitude(yarn), 1);  // texts that are no longer are not magnified
}

}  // namespace
}  // namespace ragmesh::generation
