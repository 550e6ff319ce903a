#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "libs/grammar/grammar.h"
#include "libs/testing/status_matchers.h"
#include "tests/unit/grammar/texts.h"

namespace ragmesh::grammar {
namespace {

using ::testing::ElementsAre;
using testing::HasReason;
using ::testing::IsEmpty;

Grammar::Ptr Parse(absl::string_view text) { return Grammar::ParseGbnf(text).value(); }

TEST(TokenTableTest, RefusesListsOfDifferentLength) {
  EXPECT_THAT(TokenTable::Create({"a", "b"}, {false}), HasReason("INVALID_FIELD"));
}

TEST(TokenTableTest, RefusesAHugeToken) {
  const std::string huge(TokenTable::kMaxTokenBytes + 1, 'a');
  EXPECT_THAT(TokenTable::Create({huge}, {false}), HasReason("LIMIT_EXCEEDED"));
}

TEST(MatcherTest, AllowsTokensThatFitWhole) {
  const std::vector<std::string> tokens = {"a", "ab", "abc", "abd", "b", "", "c", "ab"};
  Matcher matcher(MakeConstraint(Parse("root ::= \"ab\" \"c\"?"), tokens));
  EXPECT_THAT(Allowed(matcher, tokens.size()), ElementsAre(0, 1, 2, 7));
  ASSERT_TRUE(matcher.Accept(0));
  EXPECT_THAT(Allowed(matcher, tokens.size()), ElementsAre(4));
  ASSERT_TRUE(matcher.Accept(4));
  EXPECT_TRUE(matcher.CanEnd());
  EXPECT_THAT(Allowed(matcher, tokens.size()), ElementsAre(6));
}

TEST(MatcherTest, NeverAllowsControlTokensOrEmptyOnes) {
  const auto table = TokenTable::Create({"<end>", "x", ""}, {true, false, false});
  Matcher matcher(*Constraint::Create(Parse("root ::= .*"), *table));
  EXPECT_THAT(Allowed(matcher, 3), ElementsAre(1));
  EXPECT_FALSE(matcher.Accept(0));
  EXPECT_FALSE(matcher.Accept(2));
  EXPECT_FALSE(matcher.Accept(3)) << "beyond the vocabulary";
  EXPECT_TRUE(matcher.Accept(1));
}

TEST(MatcherTest, StaysWhereItWasAfterARefusal) {
  Matcher matcher(MakeConstraint(Parse("root ::= \"abc\"")));
  ASSERT_TRUE(matcher.AcceptBytes("a"));
  EXPECT_FALSE(matcher.AcceptBytes("bd"));
  EXPECT_TRUE(matcher.AcceptBytes("bc"));
  EXPECT_TRUE(matcher.CanEnd());
}

TEST(MatcherTest, AllowsTokensThatEndWithinACharacter) {
  const std::vector<std::string> tokens = {"\xe4", "\xe4\xb8", "\xb8",    "\xb8\x80",
                                           "\x80", "\xe5",     "\xb8\x81"};
  Matcher matcher(MakeConstraint(Parse("root ::= [\u4e00]"), tokens));
  EXPECT_THAT(Allowed(matcher, tokens.size()), ElementsAre(0, 1));
  ASSERT_TRUE(matcher.Accept(0));
  EXPECT_THAT(Allowed(matcher, tokens.size()), ElementsAre(2, 3));
  ASSERT_TRUE(matcher.Accept(3));
  EXPECT_TRUE(matcher.CanEnd());
}

TEST(MatcherTest, AllowsTokensThatReachOverSeveralRules) {
  const std::vector<std::string> tokens = {"\":", "\"}", "\",", "x\"}", "\"]", "\"}]"};
  Matcher matcher(MakeConstraint(Grammar::AnyJson(), tokens));
  ASSERT_TRUE(matcher.AcceptBytes("{\"a"));
  EXPECT_THAT(Allowed(matcher, tokens.size()), ElementsAre(0));
  ASSERT_TRUE(matcher.AcceptBytes("\":[{\"b\":\"c"));
  EXPECT_THAT(Allowed(matcher, tokens.size()), ElementsAre(1, 2, 3, 5));
}

TEST(MatcherTest, CopiesGoOnByThemselves) {
  Matcher matcher(MakeConstraint(Parse("root ::= \"a\" (\"b\" | \"c\")")));
  ASSERT_TRUE(matcher.AcceptBytes("a"));
  Matcher ahead = matcher;
  ASSERT_TRUE(ahead.AcceptBytes("b"));
  EXPECT_FALSE(matcher.CanEnd());
  ASSERT_TRUE(matcher.AcceptBytes("c"));
  ahead = Matcher(MakeConstraint(Parse("root ::= \"z\"")));
  EXPECT_TRUE(ahead.AcceptBytes("z"));
}

TEST(MatcherTest, ForcesBytesUntilThereIsAChoice) {
  const auto grammar = Grammar::FromJsonSchema(
      R"({"type":"object","properties":{"colour":{"enum":["red","green"]}},"required":["colour"]})");
  Matcher matcher(MakeConstraint(*grammar));
  EXPECT_EQ(matcher.ForcedBytes(), "{") << "blanks may follow";
  ASSERT_TRUE(matcher.AcceptBytes("{\"c"));
  EXPECT_EQ(matcher.ForcedBytes(), "olour\":");
  EXPECT_EQ(matcher.ForcedBytes(3), "olo");
  ASSERT_TRUE(matcher.AcceptBytes("olour\": \"r"));
  EXPECT_EQ(matcher.ForcedBytes(), "ed\"");
}

TEST(MatcherTest, ForcesNothingWhereTheTextMayEnd) {
  Matcher matcher(MakeConstraint(Parse("root ::= \"a\" \"b\"?")));
  EXPECT_EQ(matcher.ForcedBytes(), "a");
}

TEST(MatcherTest, AmbiguityDoesNotBlowUp) {
  // Every text of n letters has more readings than 2 to the n.
  const auto grammar = Parse(
      "root ::= x x x x\nx ::= \"a\" x y | \"a\" x z | \"a\" | \"a\" root\ny ::= \"b\"? \nz ::= "
      "\"b\"?");
  Matcher matcher(MakeConstraint(grammar));
  for (int i = 0; i < 200; ++i) ASSERT_TRUE(matcher.AcceptBytes("a")) << i;
  EXPECT_TRUE(matcher.CanEnd());
}

TEST(MatcherTest, RefusesToWorkWithoutBound) {
  Constraint::Options options;
  options.max_work = 2'000;
  const auto grammar = Parse("root ::= \"a\" root root | \"b\" root root root | [ac]");
  Matcher matcher(MakeConstraint(grammar, {std::string(200, 'a'), "a"}, options));
  std::uint32_t words[1] = {~0u};
  EXPECT_THAT(matcher.Mask(words), HasReason("GRAMMAR_TOO_AMBIGUOUS"));
  EXPECT_EQ(words[0], 0u);
  EXPECT_TRUE(matcher.AcceptBytes("a")) << "what is cheap goes on";
}

TEST(MatcherTest, RefusesToBeginWithoutBound) {
  // Each rule is called over every frame of those before it.
  std::string text = "root ::= r0\nr1000 ::= \"b\"\n";
  for (int i = 0; i < 1000; ++i)
    absl::StrAppend(&text, "r", i, " ::= r", i + 1, " \"a\" | r", i + 1, "\n");
  Constraint::Options options;
  options.max_work = 10'000;
  EXPECT_THAT(Constraint::Create(Parse(text), *TokenTable::Create({"a"}, {false}), options),
              HasReason("GRAMMAR_TOO_AMBIGUOUS"));
}

TEST(MatcherTest, BoundsDepthAndKeepsMasksTrue) {
  Constraint::Options options;
  options.bounds.max_depth = 100;
  const std::vector<std::string> tokens = {"(", "((((", ")", "x", "(((((((((("};
  Matcher matcher(MakeConstraint(Parse("root ::= \"(\" root \")\" | \"x\""), tokens, options));
  int depth = 0;
  while (matcher.Accept(0)) ++depth;
  EXPECT_EQ(depth, 100);
  EXPECT_THAT(Allowed(matcher, tokens.size()), ElementsAre(3));
}

TEST(MatcherTest, ForgetsWhatNoStreamStandsOn) {
  Constraint::Options options;
  options.max_configuration_bytes = 200'000;
  options.max_mask_bytes = 1'000;
  const std::vector<std::string> tokens = {"[", "]", "{", "}", "\"", ":", ",", "a", "1", "\":"};
  const auto constraint = MakeConstraint(Grammar::AnyJson(), tokens, options);
  Matcher old(constraint);
  ASSERT_TRUE(old.AcceptBytes("{\"a\":[[{\"b\":\""));
  const auto expected = Allowed(old, tokens.size());
  for (int i = 0; i < 200; ++i) {
    Matcher matcher(constraint);
    ASSERT_TRUE(matcher.AcceptBytes("{\"a\":"));
    for (int j = 0; j < i; ++j) {
      ASSERT_TRUE(matcher.AcceptBytes((i * j) % 3 == 0 ? "[" : "{\"a\":")) << i;
      Allowed(matcher, tokens.size());
    }
    EXPECT_EQ(Allowed(old, tokens.size()), expected);
  }
  EXPECT_LT(constraint->counts().configuration_bytes, 800'000u);
  EXPECT_LT(constraint->counts().mask_bytes, 2'000u);
  EXPECT_TRUE(old.AcceptBytes("\"}]]}"));
  EXPECT_TRUE(old.CanEnd());
}

TEST(MatcherTest, MakesTheMaskOfAStringOnceForAllNesting) {
  std::vector<std::string> tokens;
  for (int i = 0; i < 1000; ++i) tokens.push_back(absl::StrCat("t", i));
  tokens.push_back("\"");
  const auto constraint = MakeConstraint(Grammar::AnyJson(), tokens);
  Matcher matcher(constraint);
  ASSERT_TRUE(matcher.AcceptBytes("{\"a\":\""));
  Allowed(matcher, tokens.size());
  Matcher deeper(constraint);
  ASSERT_TRUE(deeper.AcceptBytes("{\"a\":[{\"b\":[[\""));
  Allowed(deeper, tokens.size());
  Allowed(deeper, tokens.size());
  EXPECT_EQ(constraint->counts().walked, 1u);
  EXPECT_EQ(constraint->counts().adapted, 1u);
  EXPECT_EQ(constraint->counts().copied, 1u);
}

TEST(MatcherTest, ThreadsShareAConstraint) {
  const std::vector<std::string> tokens = {"{", "}", "\"", ":", "a", "[", "]", ","};
  const auto constraint = MakeConstraint(Grammar::AnyJson(), tokens);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 50; ++i) {
        Matcher matcher(constraint);
        EXPECT_TRUE(matcher.AcceptBytes("{\"a\":" + std::string(i % (t + 2), '[') + "\""));
        const Matcher copy = matcher;
        EXPECT_EQ(Allowed(copy, tokens.size()), Allowed(matcher, tokens.size()));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace ragmesh::grammar
