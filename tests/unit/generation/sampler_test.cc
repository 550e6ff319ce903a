#include "libs/generation/sampler.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <vector>

namespace ragmesh::generation {
namespace {

const std::vector<float> kLogits = {1.0f, 3.0f, 2.0f, 3.0f, -1.0f};

std::map<std::uint32_t, int> Draws(const stages::Sampling& sampling, int count = 4000) {
  Sampler sampler(sampling, 42);
  std::map<std::uint32_t, int> draws;
  for (int i = 0; i < count; ++i) ++draws[*sampler.Pick({.logits = kLogits})];
  return draws;
}

TEST(SamplerTest, GreedyTakesTheLowestIdAmongTheLargest) {
  Sampler sampler({}, 1);
  EXPECT_EQ(sampler.Pick({.logits = kLogits}), 1u);
}

TEST(SamplerTest, NeverTakesAForbiddenToken) {
  Sampler sampler({}, 1);
  const std::vector<std::uint32_t> forbidden = {1};
  EXPECT_EQ(sampler.Pick({.logits = kLogits, .forbidden = forbidden}), 3u);
}

TEST(SamplerTest, SaysWhenNoLogitIsANumber) {
  const std::vector<float> broken = {NAN, INFINITY};
  Sampler greedy({}, 1), warm({.temperature = 1}, 1);
  EXPECT_EQ(greedy.Pick({.logits = broken}), std::nullopt);
  EXPECT_EQ(warm.Pick({.logits = broken}), std::nullopt);
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

TEST(SamplerTest, DrawsPassAChiSquareTestAgainstTheDistribution) {
  constexpr int kDraws = 50'000;
  const stages::Sampling sampling = {.temperature = 0.9, .top_k = 4, .min_p = 0.05};
  Sampler sampler(sampling, 2024);
  std::map<std::uint32_t, double> expected, seen;
  for (const Candidate& candidate : sampler.Distribution({.logits = kLogits}))
    expected[candidate.id] = candidate.probability * kDraws;
  for (int i = 0; i < kDraws; ++i) ++seen[*sampler.Pick({.logits = kLogits})];
  ASSERT_EQ(expected.size(), 4u);
  double chi_square = 0;
  for (const auto& [id, count] : expected)
    chi_square += (seen[id] - count) * (seen[id] - count) / count;
  EXPECT_LT(chi_square, 16.27);  // 3 degrees of freedom: more once in a thousand seeds
  EXPECT_EQ(seen.size(), 4u);
}

TEST(SamplerTest, PickIsADrawFromTheDistribution) {
  const stages::Sampling sampling = {
      .temperature = 1.3, .top_p = 0.9, .xtc_probability = 0.5, .xtc_threshold = 0.2};
  Sampler one(sampling, 5), other(sampling, 5);
  for (int i = 0; i < 200; ++i) {
    const auto picked = one.Pick({.logits = kLogits});
    EXPECT_EQ(picked, other.Draw(other.Distribution({.logits = kLogits})));
  }
}

TEST(SamplerTest, TheSameSeedDrawsTheSameOnEveryMachine) {
  Sampler sampler({.temperature = 1}, 1234567);
  const std::vector<float> even(1000, 0.5f);
  std::vector<std::uint32_t> drawn;
  for (int i = 0; i < 4; ++i) drawn.push_back(*sampler.Pick({.logits = even}));
  // SplitMix64 of this seed begins 0x599ed017fb08fc85, 0x2c73f08458540fa5, ...
  EXPECT_EQ(drawn[0], 350u);  // 0x599ed017fb08fc85 / 2^64 = 0.35008
  EXPECT_EQ(drawn[1], 173u);  // 0x2c73f08458540fa5 / 2^64 = 0.17364
}

TEST(SamplerTest, OnlyAllowedTokensAreChosen) {
  const std::vector<std::uint32_t> allowed = {0b10101};
  Sampler greedy({}, 1), warm({.temperature = 2}, 1);
  EXPECT_EQ(greedy.Pick({.logits = kLogits, .allowed = allowed}), 2u);
  for (int i = 0; i < 200; ++i)
    EXPECT_EQ(*warm.Pick({.logits = kLogits, .allowed = allowed}) % 2, 0u);
  const std::vector<float> many(100, 1.0f);
  const std::vector<std::uint32_t> second = {0, 0b1000};  // and nothing past the last word
  EXPECT_EQ(greedy.Pick({.logits = many, .allowed = second}), 35u);
  EXPECT_EQ(greedy.Pick({.logits = many, .allowed = std::vector<std::uint32_t>{0}}), std::nullopt);
}

TEST(SamplerTest, BiasMovesATokenAndMinus100ForbidsIt) {
  Sampler moved({.logit_bias = {{4, 5.0f}}}, 1);
  EXPECT_EQ(moved.Pick({.logits = kLogits}), 4u);
  Sampler banned({.temperature = 2, .logit_bias = {{1, -100.0f}, {3, -100.0f}, {99, 1.0f}}}, 1);
  for (int i = 0; i < 500; ++i) EXPECT_NE(*banned.Pick({.logits = kLogits}) % 2, 1u) << i;
}

TEST(SamplerTest, PenaltiesSinkTokensThatWereSeenLately) {
  const std::vector<std::uint32_t> context = {1, 3, 3, 4};
  const auto edited = [&](stages::Sampling sampling) {
    sampling.temperature = 1;
    Sampler sampler(sampling, 1);
    std::map<std::uint32_t, double> logits;
    for (const Candidate& c : sampler.Distribution({.logits = kLogits, .context = context}))
      logits[c.id] = c.logit;
    return logits;
  };
  // Positive logits are divided, negative ones multiplied.
  auto repeat = edited({.repeat_penalty = 2});
  EXPECT_FLOAT_EQ(repeat[1], 1.5);
  EXPECT_FLOAT_EQ(repeat[4], -2);
  EXPECT_FLOAT_EQ(repeat[0], 1);
  auto counted = edited({.frequency_penalty = 0.5, .presence_penalty = 0.25});
  EXPECT_FLOAT_EQ(counted[1], 2.25);
  EXPECT_FLOAT_EQ(counted[3], 1.75);
  auto lately = edited({.repeat_last_n = 2, .frequency_penalty = 0.5});
  EXPECT_FLOAT_EQ(lately[1], 3);
  EXPECT_FLOAT_EQ(lately[3], 2.5);
}

TEST(SamplerTest, PenaltiesFollowATextThatGrowsAndOneThatIsAnother) {
  const stages::Sampling sampling = {.temperature = 1, .repeat_last_n = 3, .presence_penalty = 1};
  Sampler kept(sampling, 1);
  std::vector<std::uint32_t> context;
  for (const std::uint32_t id : {1u, 2u, 1u, 0u, 0u, 4u, 3u, 2u, 2u, 2u}) {
    context.push_back(id);
    Sampler fresh(sampling, 1);
    const auto a = kept.Distribution({.logits = kLogits, .context = context});
    const auto b = fresh.Distribution({.logits = kLogits, .context = context});
    for (std::size_t i = 0; i < a.size(); ++i) EXPECT_EQ(a[i].logit, b[i].logit);
  }
  context.resize(2);
  const auto back = kept.Distribution({.logits = kLogits, .context = context});
  EXPECT_EQ(back[2].logit, 1);
  EXPECT_EQ(back[0].logit, 1);
}

TEST(SamplerTest, GreedyHeedsPenaltiesButNoFilter) {
  const std::vector<std::uint32_t> context = {1, 3};
  Sampler sampler({.typical_p = 0.1, .xtc_probability = 1, .presence_penalty = 2}, 1);
  EXPECT_EQ(sampler.Pick({.logits = kLogits}), 1u);
  EXPECT_EQ(sampler.Pick({.logits = kLogits, .context = context}), 2u);
}

TEST(ChoiceSeedTest, TheFirstChoiceHasTheRequestsSeedAndTheOthersTheirOwn) {
  EXPECT_EQ(ChoiceSeed(7, 0), 7u);
  EXPECT_NE(ChoiceSeed(7, 1), ChoiceSeed(7, 2));
  EXPECT_NE(ChoiceSeed(7, 1), ChoiceSeed(8, 1));
}

}  // namespace
}  // namespace ragmesh::generation
