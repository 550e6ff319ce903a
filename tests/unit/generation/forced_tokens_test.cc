#include "libs/generation/forced_tokens.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "libs/base/check.h"
#include "tests/unit/generation/engine_fixture.h"

namespace ragmesh::generation {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::shared_ptr<grammar::Constraint> Constrain(const std::string& gbnf,
                                               const std::vector<std::string>& tokens) {
  const std::vector<absl::string_view> views(tokens.begin(), tokens.end());
  auto table = grammar::TokenTable::Create(views, std::vector<bool>(tokens.size()));
  auto grammar = grammar::Grammar::ParseGbnf(gbnf);
  RAGMESH_CHECK(table.ok() && grammar.ok(), "a test's grammar and tokens are right");
  return *grammar::Constraint::Create(*grammar, *table);
}

std::vector<std::uint32_t> Forced(const std::shared_ptr<grammar::Constraint>& constraint,
                                  const std::string& written, std::size_t max) {
  grammar::Matcher matcher(constraint);
  EXPECT_TRUE(matcher.AcceptBytes(written));
  return ForcedTokens(matcher, constraint->tokens(), max);
}

TEST(ForcedTokensTest, TheLongestTokensSpellWhatMustCome) {
  const auto constraint =
      Constrain("root ::= \"colour: \" (\"red\" | \"green\")",
                {"c", "col", "colo", "our", "u", "r", ":", ": ", ": r", "e", "ed", "g"});
  EXPECT_THAT(Forced(constraint, "", 7), ElementsAre(2, 4, 5, 7));
  EXPECT_THAT(Forced(constraint, "", 2), ElementsAre(2, 4));
  EXPECT_THAT(Forced(constraint, "colour: ", 7), IsEmpty()) << "there is a choice";
  EXPECT_THAT(Forced(constraint, "colour: r", 7), ElementsAre(10));
}

TEST(ForcedTokensTest, BytesThatNoTokenBeginsWithEndTheGuess) {
  const auto constraint = Constrain("root ::= \"ab.c\"", {"a", "b", "c"});
  EXPECT_THAT(Forced(constraint, "", 7), ElementsAre(0, 1));
}

using EngineGrammarTest = EngineTest;

TEST_F(EngineGrammarTest, WhatAGrammarForcesIsGuessedAndChangesNoToken) {
  std::vector<std::string> tokens;
  for (std::uint32_t id = 0; id < 96; ++id) tokens.push_back(std::string(1, ' ' + id));
  tokens[90] = "name";  // tokens of which a model may choose others, with the same bytes
  tokens[91] = "ame";
  const auto constraint =
      Constrain("root ::= (\"name is \" [a-z] [a-z] \"; \")+ \"that was all\"", tokens);
  Engine::Options options = Plain();
  auto plain = Make(options);
  options.guess = true;
  auto guesses = Make(options);
  std::size_t right = 0, guessed = 0;
  for (std::uint32_t seed = 0; seed < 6; ++seed) {
    for (const double temperature : {0.0, 1.0}) {
      Engine::Request request = Asks(seed, 20, 60);
      request.constraint = constraint;
      request.sampling.temperature = temperature;
      request.seed = seed;
      const Answer expected = Ask(*plain, request), actual = Ask(*guesses, request);
      EXPECT_EQ(actual.tokens, expected.tokens);
      right += actual.outcome.guessed_right;
      guessed += actual.outcome.guessed;
    }
  }
  EXPECT_GT(right, guessed / 2);
}

}  // namespace
}  // namespace ragmesh::generation
