#include "libs/generation/token_filters.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

namespace ragmesh::generation {
namespace {

std::vector<std::uint32_t> Ids(const Candidates& candidates) {
  std::vector<std::uint32_t> ids;
  for (const Candidate& candidate : candidates) ids.push_back(candidate.id);
  return ids;
}

// Candidates 0, 1, ... with these probabilities.
Candidates Of(const std::vector<double>& probabilities) {
  std::vector<float> logits;
  for (const double p : probabilities) logits.push_back(static_cast<float>(std::log(p)));
  Candidates candidates;
  TakeAll(logits, &candidates);
  Weigh(1, &candidates);
  return candidates;
}

using IdList = std::vector<std::uint32_t>;

TEST(TokenFiltersTest, TakesOnlyNumbers) {
  const float infinity = std::numeric_limits<float>::infinity();
  const std::vector<float> logits = {NAN, 1, -infinity, infinity, -3};
  Candidates candidates;
  TakeAll(logits, &candidates);
  EXPECT_EQ(Ids(candidates), (IdList{1, 4}));
  TakeTop(logits, 3, &candidates);
  EXPECT_EQ(Ids(candidates), (IdList{1, 4}));
  TakeTop(logits, 1, &candidates);
  EXPECT_EQ(Ids(candidates), (IdList{1}));
}

TEST(TokenFiltersTest, TopOfAVocabularyIsWhatSortingItGives) {
  std::mt19937 random(7);
  for (const std::size_t k : {1u, 2u, 40u, 300u, 4999u}) {
    std::vector<float> logits(5000);
    // Few values, so that there are many equals to choose from.
    for (float& logit : logits) logit = static_cast<float>(random() % 700);
    std::vector<std::uint32_t> order(logits.size());
    for (std::uint32_t i = 0; i < order.size(); ++i) order[i] = i;
    std::stable_sort(order.begin(), order.end(),
                     [&](std::uint32_t a, std::uint32_t b) { return logits[a] > logits[b]; });
    order.resize(k);
    std::sort(order.begin(), order.end());
    Candidates candidates;
    TakeTop(logits, k, &candidates);
    EXPECT_EQ(Ids(candidates), order) << k;
    std::sort(logits.begin(), logits.end());  // every later one is better
    TakeTop(logits, k, &candidates);
    ASSERT_EQ(candidates.size(), k);
    float lowest = candidates[0].logit;
    for (const Candidate& candidate : candidates) lowest = std::min(lowest, candidate.logit);
    EXPECT_EQ(lowest, logits[logits.size() - k]);
  }
}

TEST(TokenFiltersTest, WeighsByTheTemperature) {
  Candidates candidates = Of({0.8, 0.2});
  Weigh(0.5, &candidates);  // squares, then scales: 0.64 and 0.04
  EXPECT_NEAR(candidates[0].probability, 0.64 / 0.68, 1e-6);
  EXPECT_NEAR(candidates[1].probability, 0.04 / 0.68, 1e-6);
}

TEST(TokenFiltersTest, TopPKeepsTheLikeliestUpToTheOneThatReachesIt) {
  const std::vector<double> probabilities = {0.1, 0.4, 0.2, 0.3};
  Candidates scratch;
  for (const auto& [p, ids] : std::vector<std::pair<double, IdList>>{
           {0.3, {1}}, {0.5, {1, 3}}, {0.8, {1, 2, 3}}, {0.95, {0, 1, 2, 3}}}) {
    Candidates candidates = Of(probabilities);
    KeepTopP(p, &candidates, &scratch);
    EXPECT_EQ(Ids(candidates), ids) << p;
  }
}

TEST(TokenFiltersTest, TopPOfEqualsKeepsTheLowerIds) {
  Candidates candidates = Of({0.25, 0.25, 0.25, 0.25}), scratch;
  KeepTopP(0.4, &candidates, &scratch);
  EXPECT_EQ(Ids(candidates), (IdList{0, 1}));
}

TEST(TokenFiltersTest, TypicalKeepsWhatIsAsSurprisingAsExpected) {
  // Entropy 1.161 nats; surprisals 0.693, 1.204, 2.120, 2.526: 1 is closest, then 0, 2, 3.
  const std::vector<double> probabilities = {0.5, 0.3, 0.12, 0.08};
  Candidates scratch;
  for (const auto& [p, ids] : std::vector<std::pair<double, IdList>>{
           {0.2, {1}}, {0.5, {0, 1}}, {0.85, {0, 1, 2}}, {0.99, {0, 1, 2, 3}}}) {
    Candidates candidates = Of(probabilities);
    KeepTypical(p, &candidates, &scratch);
    EXPECT_EQ(Ids(candidates), ids) << p;
  }
}

TEST(TokenFiltersTest, MinPDropsWhatIsFarBelowTheLikeliest) {
  Candidates candidates = Of({0.05, 0.5, 0.26, 0.19});
  KeepMinP(0.5, &candidates);
  EXPECT_EQ(Ids(candidates), (IdList{1, 2}));
}

TEST(TokenFiltersTest, XtcLeavesTheLeastLikelyOfTheTopChoices) {
  Candidates candidates = Of({0.4, 0.3, 0.2, 0.06, 0.04});
  DropTopChoices(0.15, &candidates);
  EXPECT_EQ(Ids(candidates), (IdList{2, 3, 4}));
  candidates = Of({0.9, 0.06, 0.04});  // one top choice is none to exclude
  DropTopChoices(0.15, &candidates);
  EXPECT_EQ(candidates.size(), 3u);
  candidates = Of({0.5, 0.5});
  DropTopChoices(0, &candidates);
  EXPECT_EQ(candidates.size(), 1u);
}

TEST(TokenFiltersTest, EachLeavesAtLeastOne) {
  Candidates scratch;
  for (const double p : {1e-300, 1e-9}) {
    Candidates candidates = Of({0.6, 0.4});
    KeepTopP(p, &candidates, &scratch);
    EXPECT_EQ(Ids(candidates), (IdList{0}));
    candidates = Of({0.6, 0.4});
    KeepTypical(p, &candidates, &scratch);
    EXPECT_EQ(candidates.size(), 1u);
  }
  Candidates candidates = Of({0.6, 0.4});
  KeepMinP(0.9999, &candidates);
  EXPECT_EQ(Ids(candidates), (IdList{0}));
}

}  // namespace
}  // namespace ragmesh::generation
