#include "libs/generation/sampler.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>

namespace ragmesh::generation {
namespace {

const std::vector<float> kLogits = {1.0f, 3.0f, 2.0f, 3.0f, -1.0f};

std::map<std::uint32_t, int> Draws(const stages::Sampling& sampling, int count = 4000) {
  Sampler sampler(sampling, 42);
  std::map<std::uint32_t, int> draws;
  for (int i = 0; i < count; ++i) ++draws[*sampler.Pick(kLogits, {})];
  return draws;
}

TEST(SamplerTest, GreedyTakesTheLowestIdAmongTheLargest) {
  Sampler sampler({}, 1);
  EXPECT_EQ(sampler.Pick(kLogits, {}), 1u);
}

TEST(SamplerTest, NeverTakesAForbiddenToken) {
  Sampler sampler({}, 1);
  const std::vector<std::uint32_t> forbidden = {1};
  EXPECT_EQ(sampler.Pick(kLogits, forbidden), 3u);
}

TEST(SamplerTest, SaysWhenNoLogitIsANumber) {
  const std::vector<float> broken = {NAN, INFINITY};
  Sampler greedy({}, 1), warm({.temperature = 1}, 1);
  EXPECT_EQ(greedy.Pick(broken, {}), std::nullopt);
  EXPECT_EQ(warm.Pick(broken, {}), std::nullopt);
}

TEST(SamplerTest, DrawsInProportionToTheProbabilities) {
  double total = 0;
  for (const float logit : kLogits) total += std::exp(logit);
  const auto draws = Draws({.temperature = 1}, 20000);
  for (const auto& [id, count] : draws) {
    EXPECT_NEAR(count / 20000.0, std::exp(kLogits[id]) / total, 0.015) << id;
  }
}

TEST(SamplerTest, TopKKeepsTheLargest) {
  const auto draws = Draws({.temperature = 2, .top_k = 3});
  EXPECT_EQ(draws.count(0) + draws.count(4), 0u);
  EXPECT_EQ(draws.size(), 3u);
}

TEST(SamplerTest, TopPKeepsTheMostLikelyUntilTheirSumReachesIt) {
  // The two best have 0.83 of the probability together, one of them 0.41.
  EXPECT_EQ(Draws({.temperature = 2, .top_p = 0.5}).size(), 2u);
  EXPECT_EQ(Draws({.temperature = 2, .top_p = 0.3}).size(), 1u);
}

TEST(SamplerTest, MinPDropsWhatIsFarBelowTheBest) {
  // exp(2 - 3) = 0.37 of the best stays at 0.3 and goes at 0.4.
  EXPECT_EQ(Draws({.temperature = 2, .min_p = 0.3}).size(), 3u);
  EXPECT_EQ(Draws({.temperature = 2, .min_p = 0.4}).size(), 2u);
}

}  // namespace
}  // namespace ragmesh::generation
