#include "libs/tuning/significance.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace ragmesh::tuning {
namespace {

TEST(SignificanceTest, FewDifferencesAreCountedExactly) {
  EXPECT_DOUBLE_EQ(PairedPermutation({}, 1), 1);
  EXPECT_DOUBLE_EQ(PairedPermutation(std::vector<double>(50, 0.0), 1), 1);
  // Only all plus and all minus are as far out.
  EXPECT_DOUBLE_EQ(PairedPermutation({0.1, 0.1, 0.1, 0.1}, 1), 2.0 / 16);
  EXPECT_DOUBLE_EQ(PairedPermutation({0.1, 0, 0.1, 0, 0.1, 0.1}, 1), 2.0 / 16);
  EXPECT_DOUBLE_EQ(PairedPermutation({-0.1, -0.2}, 1), 0.5);
  EXPECT_DOUBLE_EQ(PairedPermutation({0.1, -0.1}, 1), 1);
}

TEST(SignificanceTest, ManyClearDifferencesAreSignificantAndNoiseIsNot) {
  std::mt19937_64 random(7);
  std::normal_distribution<double> noise(0, 0.1);
  std::vector<double> clear, none;
  for (int i = 0; i < 200; ++i) {
    clear.push_back(0.05 + noise(random));
    none.push_back(noise(random));
  }
  EXPECT_LT(PairedPermutation(clear, 1), 0.001);
  EXPECT_GT(PairedPermutation(none, 1), 0.05);
  EXPECT_EQ(PairedPermutation(none, 3), PairedPermutation(none, 3));
}

// Under the null hypothesis a test at 5 % must call about 5 % of all samples significant.
TEST(SignificanceTest, FalseAlarmsAreAsRareAsTheyClaim) {
  std::mt19937_64 random(11);
  std::normal_distribution<double> noise(0, 1);
  int alarms = 0, outside = 0;
  constexpr int kTrials = 300;
  for (int trial = 0; trial < kTrials; ++trial) {
    std::vector<double> differences;
    for (int i = 0; i < 30; ++i) differences.push_back(noise(random));
    alarms += PairedPermutation(differences, trial) <= 0.05 ? 1 : 0;
    const Interval interval = BootstrapInterval(differences, trial);
    outside += interval.low > 0 || interval.high < 0 ? 1 : 0;
  }
  EXPECT_GE(alarms, 4);  // 15 expected; these are beyond three standard deviations
  EXPECT_LE(alarms, 28);
  EXPECT_LE(outside, 36);  // the percentile bootstrap is a little narrow at 30
}

TEST(SignificanceTest, TheIntervalHoldsTheMean) {
  const std::vector<double> differences{0.1, 0.2, 0.3, 0.2, 0.1, 0.25};
  const Interval interval = BootstrapInterval(differences, 1);
  EXPECT_GT(interval.low, 0.1);
  EXPECT_LT(interval.low, 0.19);
  EXPECT_GT(interval.high, 0.19);
  EXPECT_LT(interval.high, 0.3);
  EXPECT_EQ(BootstrapInterval({}, 1).high, 0);
}

}  // namespace
}  // namespace ragmesh::tuning
