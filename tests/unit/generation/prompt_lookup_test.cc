#include "libs/generation/prompt_lookup.h"

#include <gtest/gtest.h>

#include <vector>

namespace ragmesh::generation {
namespace {

using Tokens = std::vector<std::uint32_t>;

Tokens Copy(absl::Span<const std::uint32_t> tokens) { return {tokens.begin(), tokens.end()}; }

TEST(PromptLookupTest, GuessesWhatFollowedTheLastThreeTokens) {
  PromptLookup lookup;
  const Tokens guess = Copy(lookup.Guess(Tokens{1, 2, 3, 10, 11, 12, 13, 2, 3, 20, 1, 2, 3}));
  ASSERT_GE(guess.size(), 2);
  EXPECT_EQ(guess[0], 10);
  EXPECT_EQ(guess[1], 11);
}

TEST(PromptLookupTest, FallsBackToTwoTokensAndTakesTheLatestPlace) {
  PromptLookup lookup;
  const Tokens guess = Copy(lookup.Guess(Tokens{2, 3, 10, 5, 2, 3, 20, 7, 2, 3}));
  ASSERT_GE(guess.size(), 1);
  EXPECT_EQ(guess[0], 20);
}

TEST(PromptLookupTest, AGuessDoesNotReachPastTheEnd) {
  PromptLookup lookup;
  const Tokens tokens = {1, 2, 1, 2};
  EXPECT_LE(lookup.Guess(tokens).size(), 2);
}

TEST(PromptLookupTest, NothingIsGuessedWhereNothingIsRepeated) {
  PromptLookup lookup;
  EXPECT_TRUE(lookup.Guess(Tokens{1, 2, 3, 4, 5}).empty());
}

TEST(PromptLookupTest, FalseGuessesEndGuessingButForTrials) {
  PromptLookup lookup;
  Tokens tokens;
  std::size_t guessed = 0, guesses = 0;
  for (int i = 0; i < 2000; ++i) {
    tokens.push_back(static_cast<std::uint32_t>(i % 5));
    const auto guess = lookup.Guess(tokens);
    guessed += guess.size();
    guesses += guess.empty() ? 0 : 1;
    lookup.Learn(guess.size(), 0);
  }
  // At a sixteenth of a pass for a token, under 1 % of the time is lost.
  EXPECT_LT(guessed, 2000 / 8);
  EXPECT_GT(guesses, 2000 / 50);
}

TEST(PromptLookupTest, TrueGuessesGrowToAWholeTile) {
  PromptLookup lookup;
  Tokens tokens;
  std::size_t last = 0;
  for (int i = 0; i < 200; ++i) {
    tokens.push_back(static_cast<std::uint32_t>(i % 20));
    last = lookup.Guess(tokens).size();
    lookup.Learn(last, last);
  }
  EXPECT_EQ(last, PromptLookup::kMostGuessed);
}

}  // namespace
}  // namespace ragmesh::generation
