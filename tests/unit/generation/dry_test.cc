#include "libs/generation/dry.h"

#include <gtest/gtest.h>

#include <limits>

namespace ragmesh::generation {
namespace {

using Ids = std::vector<std::uint32_t>;

// A vocabulary of one token a text; what is not in it is written in single letters.
const std::vector<std::string> kWords = {"a", "b", "c", "d", "\n", "x\n", "c:", "##", "#", "e#"};

std::shared_ptr<const SequenceBreakers> Breakers(const std::vector<std::string>& texts) {
  return SequenceBreakers::Create(
      texts, kWords.size(), [](std::uint32_t id) { return absl::string_view(kWords[id]); },
      [](absl::string_view text) {
        Ids ids;
        for (const char letter : text) {
          for (std::uint32_t id = 0; id < kWords.size(); ++id) {
            if (kWords[id] == std::string(1, letter)) ids.push_back(id);
          }
        }
        return ids;
      });
}

std::vector<float> Penalised(const stages::Sampling& sampling, const Ids& context,
                             const std::vector<std::string>& breakers = {}) {
  std::vector<float> logits(kWords.size(), 0.0f);
  Dry(sampling, Breakers(breakers)).Apply(context, absl::MakeSpan(logits));
  return logits;
}

TEST(DryTest, ChargesTheTokenThatWouldGoOnARepetition) {
  // "a b c d a b c": after "a b c" came d; the repetition is 3 long, one over the allowed 2.
  const auto logits = Penalised({.dry_multiplier = 0.8}, {0, 1, 2, 3, 0, 1, 2});
  EXPECT_FLOAT_EQ(logits[3], -0.8f * 1.75f);
  for (const std::uint32_t id : {0, 1, 2}) EXPECT_EQ(logits[id], 0) << id;
}

TEST(DryTest, RepetitionsUpToTheAllowedLengthAreTheCheapestAndShorterOnesFree) {
  EXPECT_FLOAT_EQ(Penalised({.dry_multiplier = 1}, {0, 1, 3, 0, 1})[3], -1);
  EXPECT_EQ(Penalised({.dry_multiplier = 1}, {1, 3, 0, 1})[3], 0);
}

TEST(DryTest, TheLongestRepetitionCounts) {
  // "c d" occurs twice before the end "b c": "a b c d" with 3 in common, "d c d" with 1.
  const auto logits =
      Penalised({.dry_multiplier = 1, .dry_allowed_length = 1}, {0, 1, 2, 3, 3, 2, 3, 0, 1, 2});
  EXPECT_FLOAT_EQ(logits[3], -1.75f * 1.75f);
}

TEST(DryTest, ARunOfOneTokenIsARepetition) {
  // Five times a: the end stands once more, one place before, over 4 tokens.
  const auto logits = Penalised({.dry_multiplier = 1, .dry_base = 2}, {0, 0, 0, 0, 0});
  EXPECT_FLOAT_EQ(logits[0], -4);
}

TEST(DryTest, NoRepetitionReachesAcrossABreaker) {
  const Ids context = {0, 1, 4, 2, 3, 0, 1, 4, 2};
  EXPECT_LT(Penalised({.dry_multiplier = 1}, context)[3], 0);
  EXPECT_EQ(Penalised({.dry_multiplier = 1}, context, {"\n"})[3], 0);
}

TEST(DryTest, ATokenThatBreaksLosesNothing) {
  const Ids context = {0, 1, 2, 4, 0, 1, 2};
  EXPECT_LT(Penalised({.dry_multiplier = 1}, context, {":"})[4], 0);
  EXPECT_EQ(Penalised({.dry_multiplier = 1, .dry_penalty_last_n = 3}, context, {"\n"})[4], 0);
  EXPECT_EQ(Penalised({.dry_multiplier = 1}, context, {"\n"})[4], 0);
}

TEST(DryTest, LooksBackOnlyAsFarAsAsked) {
  const Ids context = {0, 1, 2, 3, 0, 1, 2};
  EXPECT_EQ(Penalised({.dry_multiplier = 1, .dry_penalty_last_n = 3}, context)[3], 0);
  EXPECT_LT(Penalised({.dry_multiplier = 1, .dry_penalty_last_n = 7}, context)[3], 0);
}

TEST(DryTest, TheLargestPenaltyIsFiniteAndNeverBringsAForbiddenTokenBack) {
  std::vector<float> logits(kWords.size(), -std::numeric_limits<float>::infinity());
  logits[0] = 0;
  const Ids context(5000, 0);
  Dry({.dry_multiplier = 100, .dry_base = 10}, nullptr).Apply(context, absl::MakeSpan(logits));
  EXPECT_TRUE(std::isfinite(logits[0]));
  EXPECT_LT(logits[0], -1e38f);
  Dry({.dry_multiplier = 100}, nullptr).Apply(Ids(50, 1), absl::MakeSpan(logits));
  EXPECT_FALSE(std::isfinite(logits[1]));
}

TEST(SequenceBreakersTest, FindATextInsideATokenAndAcrossTokens) {
  const auto breakers = Breakers({"\n", "##"});
  EXPECT_EQ(breakers->Match(Ids{4}), 1u);     // is it
  EXPECT_EQ(breakers->Match(Ids{5, 0}), 1u);  // holds it
  EXPECT_EQ(breakers->Match(Ids{7}), 1u);
  EXPECT_EQ(breakers->Match(Ids{8, 8}), 2u);  // each holds a half
  EXPECT_EQ(breakers->Match(Ids{9, 8}), 2u);
  EXPECT_EQ(breakers->Match(Ids{8, 0}), 0u);
  EXPECT_EQ(breakers->Match(Ids{8}), 0u);
  EXPECT_EQ(breakers->Match(Ids{}), 0u);
  EXPECT_TRUE(breakers->Breaks(5));
  EXPECT_FALSE(breakers->Breaks(8));
}

}  // namespace
}  // namespace ragmesh::generation
