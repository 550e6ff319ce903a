// Whatever the candidates, a cascade with a wide margin is the exact order, and with any margin it
// returns only what the model scored.
#include <gtest/gtest.h>

#include <random>

#include "libs/rerank/cascade.h"
#include "libs/rerank/score_mix.h"
#include "libs/testing/status_matchers.h"

namespace ragmesh::rerank {
namespace {

struct Case {
  stages::RerankRequest request;
  stages::RerankWeights weights;
  std::vector<double> model;
};

// Retrieval scores that come and go, and a model that agrees with them more or less.
Case MakeCase(std::uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<double> normal;
  std::uniform_real_distribution<double> uniform;
  Case made;
  const double agreement = uniform(random),
               absent = uniform(random) < 0.3 ? 1 : 0.4 * uniform(random);
  const std::size_t count = 1 + random() % 120;
  made.request.top_k = static_cast<std::uint32_t>(random() % (count + 3));
  for (std::size_t i = 0; i < count; ++i) {
    const double dense = normal(random), lexical = normal(random);
    stages::RerankCandidate candidate;
    if (uniform(random) > absent) candidate.dense_score = dense;
    if (uniform(random) > absent) candidate.lexical_score = 10 + 3 * lexical;
    made.request.candidates.push_back(std::move(candidate));
    made.model.push_back(agreement * (dense + lexical) + (1 - agreement) * normal(random));
  }
  made.weights.model = uniform(random);
  if (random() % 4 == 0) made.weights = {.lexical = 0, .dense = 0, .model = 1};
  return made;
}

struct Outcome {
  std::vector<stages::Reranked> ranked;
  std::vector<bool> scored;
};

Outcome Rank(const Case& made, const std::optional<Cascade>& cascade) {
  Outcome outcome{{}, std::vector<bool>(made.model.size(), false)};
  const auto score =
      [&](absl::Span<const std::size_t> some) -> absl::StatusOr<std::vector<double>> {
    std::vector<double> scores;
    for (const std::size_t i : some) {
      EXPECT_FALSE(outcome.scored[i]) << "scored twice";
      outcome.scored[i] = true;
      scores.push_back(made.model[i]);
    }
    return scores;
  };
  outcome.ranked = *RankInWaves(made.request, made.weights, cascade, score, nullptr);
  return outcome;
}

void ExpectSame(const std::vector<stages::Reranked>& a, const std::vector<stages::Reranked>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(a[i].index, b[i].index);
    EXPECT_EQ(a[i].score, b[i].score);
    EXPECT_EQ(a[i].model_score, b[i].model_score);
  }
}

TEST(CascadePropertyTest, AWideMarginAndNoCascadeAreTheExactOrder) {
  for (std::uint32_t seed = 0; seed < 2000; ++seed) {
    SCOPED_TRACE(seed);
    const Case made = MakeCase(seed);
    const auto exact =
        MixScores(made.request.candidates, made.model, made.weights, made.request.top_k);
    ExpectSame(Rank(made, std::nullopt).ranked, exact);
    ExpectSame(Rank(made, Cascade{.margin = 1e6}).ranked, exact);
    if (::testing::Test::HasFailure()) return;
  }
}

TEST(CascadePropertyTest, WhatIsReturnedWasScoredAndIsTheBestOfThat) {
  for (std::uint32_t seed = 0; seed < 2000; ++seed) {
    SCOPED_TRACE(seed);
    const Case made = MakeCase(seed);
    for (const double margin : {0.0, 1.5, 4.0}) {
      const Outcome outcome = Rank(made, Cascade{.margin = margin});
      std::vector<bool> returned(made.model.size(), false);
      for (const stages::Reranked& one : outcome.ranked) {
        EXPECT_TRUE(outcome.scored[one.index]);
        EXPECT_FALSE(returned[one.index]);
        EXPECT_EQ(one.model_score, made.model[one.index]);
        returned[one.index] = true;
      }
      ExpectSame(Rank(made, Cascade{.margin = margin}).ranked, outcome.ranked);
    }
    if (::testing::Test::HasFailure()) return;
  }
}

// With the model alone in the order, the top can only differ by candidates that were never scored.
TEST(CascadePropertyTest, SkippingThatDoesNotMatterChangesNothing) {
  std::size_t skipped = 0;
  for (std::uint32_t seed = 0; seed < 2000; ++seed) {
    SCOPED_TRACE(seed);
    Case made = MakeCase(seed);
    made.weights = {.lexical = 0, .dense = 0, .model = 1};
    const Outcome outcome = Rank(made, Cascade{});
    const auto exact =
        MixScores(made.request.candidates, made.model, made.weights, made.request.top_k);
    bool matters = false;
    for (const stages::Reranked& one : exact) matters |= !outcome.scored[one.index];
    if (matters) continue;
    skipped +=
        static_cast<std::size_t>(std::count(outcome.scored.begin(), outcome.scored.end(), false));
    ExpectSame(outcome.ranked, exact);
    if (::testing::Test::HasFailure()) return;
  }
  EXPECT_GT(skipped, 1000u);
}

}  // namespace
}  // namespace ragmesh::rerank
