#include "bench/datasets/divergence.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace ragmesh::bench {
namespace {

using ::testing::DoubleNear;

TEST(DivergenceTest, AddsTheDivergenceOfTwoDistributions) {
  // p = (1/2, 1/4, 1/4), q = (1/4, 1/2, 1/4); a logit's offset means nothing.
  const std::vector<float> p = {std::log(2.f) + 3, 3, 3}, q = {0, std::log(2.f), 0};
  Divergence sum;
  sum.Add(p, q, 0);
  sum.Add(p, q, 1);
  EXPECT_EQ(sum.tokens, 2u);
  EXPECT_THAT(sum.kl, DoubleNear(2 * 0.25 * std::log(2), 1e-6));
  EXPECT_THAT(sum.reference_loss, DoubleNear(std::log(2) + std::log(4), 1e-6));
  EXPECT_THAT(sum.loss, DoubleNear(std::log(4) + std::log(2), 1e-6));
  EXPECT_EQ(sum.same_best, 0u);
}

TEST(DivergenceTest, IsZeroBetweenEqualDistributions) {
  const std::vector<float> p = {1, -40, 2, 0};
  Divergence sum;
  sum.Add(p, p, 2);
  EXPECT_THAT(sum.kl, DoubleNear(0, 1e-12));
  EXPECT_EQ(sum.loss, sum.reference_loss);
  EXPECT_EQ(sum.same_best, 1u);
}

TEST(DivergenceTest, HoldsForLogitsThatOverflowAsExponents) {
  const std::vector<float> p = {1000, 0}, q = {0, 1000};
  Divergence sum;
  sum.Add(p, q, 0);
  EXPECT_THAT(sum.kl, DoubleNear(1000, 1e-6));
  EXPECT_THAT(sum.reference_loss, DoubleNear(0, 1e-6));
  EXPECT_THAT(sum.loss, DoubleNear(1000, 1e-6));
}

}  // namespace
}  // namespace ragmesh::bench
