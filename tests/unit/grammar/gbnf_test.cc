#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "libs/grammar/grammar.h"
#include "libs/testing/status_matchers.h"
#include "tests/unit/grammar/texts.h"

namespace ragmesh::grammar {
namespace {

using testing::HasReason;
using ::testing::HasSubstr;
using testing::StatusIs;

Grammar::Ptr Parse(absl::string_view text) {
  auto grammar = Grammar::ParseGbnf(text);
  EXPECT_THAT(grammar, testing::IsOk());
  return *grammar;
}

absl::Status Refusal(absl::string_view text) { return Grammar::ParseGbnf(text).status(); }

TEST(GbnfTest, MatchesALiteralAndNothingElse) {
  const auto grammar = Parse("root ::= \"yes\"");
  EXPECT_TRUE(Matches(grammar, "yes"));
  EXPECT_FALSE(Matches(grammar, "ye"));
  EXPECT_FALSE(Matches(grammar, "yess"));
  EXPECT_FALSE(Matches(grammar, ""));
}

TEST(GbnfTest, ReadsEscapes) {
  const auto grammar = Parse(R"(root ::= "\n\t\r\\\"\[\]\x41\u00e9\U0001F600")");
  EXPECT_TRUE(Matches(grammar, "\n\t\r\\\"[]A\u00e9\U0001F600"));
}

TEST(GbnfTest, EightBitEscapeIsACodePoint) {
  EXPECT_TRUE(Matches(Parse(R"(root ::= "\xe9")"), "\u00e9"));
}

TEST(GbnfTest, ReadsClasses) {
  const auto grammar = Parse(R"(root ::= [a-cX_-] [^0-9\]])");
  for (const char* text : {"ax", "Xx", "_[", "-a", "b\u00e9", "c\U0001F600"})
    EXPECT_TRUE(Matches(grammar, text)) << text;
  for (const char* text : {"dx", "a5", "a]", "a"}) EXPECT_FALSE(Matches(grammar, text)) << text;
}

TEST(GbnfTest, ClassesHoldCodePointsNotBytes) {
  const auto grammar = Parse("root ::= [\u00e9-\u4e00]+");
  EXPECT_TRUE(Matches(grammar, "\u00e9\u0100\u07ff\u0800\u4e00"));
  EXPECT_FALSE(Matches(grammar, "\u00e8"));
  EXPECT_FALSE(Matches(grammar, "\u4e01"));
  EXPECT_FALSE(Matches(grammar, "\xc3"));
  EXPECT_FALSE(Matches(grammar, "\xe9"));
}

TEST(GbnfTest, DotIsAnyCharacterOfUtf8) {
  const auto grammar = Parse("root ::= .");
  for (const char* text : {"a", "\n", "\u00e9", "\u4e00", "\U0010FFFF"})
    EXPECT_TRUE(Matches(grammar, text));
  for (const char* text : {"\x80", "\xc0\x80", "\xe0\x80\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80"})
    EXPECT_FALSE(Matches(grammar, text));
}

TEST(GbnfTest, ReadsAlternativesGroupsAndRepetitions) {
  const auto grammar = Parse(R"(root ::= ("a" | "bc")+ "d"? [0-9]{2} "x"{1,3} "y"{2,} "z"*)");
  for (const char* text : {"a00xyy", "abcad12xxxyyyzz", "bcbc99xxyyyy"})
    EXPECT_TRUE(Matches(grammar, text)) << text;
  for (const char* text : {"00xyy", "a0xyy", "a00yy", "a00xxxxyy", "a00xy"})
    EXPECT_FALSE(Matches(grammar, text)) << text;
}

TEST(GbnfTest, ReadsCommentsAndLineEnds) {
  const auto grammar = Parse(
      "# a list\r\n"
      "root ::= (  # several\n"
      "  item\n"
      "  item\n"
      ")+ |\n"
      "  \"none\"  # or none\n"
      "\n"
      "item ::=\n"
      "  \"- \" [^\\n]+ \"\\n\"");
  EXPECT_TRUE(Matches(grammar, "- a\n- b\n"));
  EXPECT_TRUE(Matches(grammar, "none"));
  EXPECT_FALSE(Matches(grammar, "- a\n"));
}

TEST(GbnfTest, ReadsNamesWithDashesDigitsAndUnderscores) {
  EXPECT_TRUE(Matches(Parse("root ::= a-1_B\na-1_B ::= \"x\""), "x"));
}

TEST(GbnfTest, RecursesInTheMiddleAndAtTheEnd) {
  const auto balanced = Parse("root ::= \"(\" root? \")\" root?");
  EXPECT_TRUE(Matches(balanced, "(()())()"));
  EXPECT_FALSE(Matches(balanced, "(()"));
  EXPECT_FALSE(Matches(balanced, "())"));
}

TEST(GbnfTest, RecursionAtTheEndTakesNoDepth) {
  const auto grammar = Parse("root ::= \"a\" root | \"b\"");
  EXPECT_TRUE(Matches(grammar, std::string(20'000, 'a') + "b"));
}

TEST(GbnfTest, AllowsEmptyAlternativesInLoops) {
  const auto grammar = Parse("root ::= (\"\" | \"a\"* | ())* empty \"b\"\nempty ::= | \"\"");
  EXPECT_TRUE(Matches(grammar, "b"));
  EXPECT_TRUE(Matches(grammar, "aaab"));
  EXPECT_FALSE(Matches(grammar, "aaa"));
}

TEST(GbnfTest, AllowsARootThatMatchesTheEmptyText) {
  const auto grammar = Parse("root ::= \"a\"?");
  EXPECT_TRUE(Matches(grammar, ""));
  EXPECT_TRUE(Matches(grammar, "a"));
}

TEST(GbnfTest, LeavesOutAlternativesThatNeverEnd) {
  const auto grammar = Parse("root ::= \"a\" | \"b\" endless\nendless ::= \"c\" endless");
  EXPECT_TRUE(Matches(grammar, "a"));
  Matcher matcher(MakeConstraint(grammar));
  EXPECT_FALSE(matcher.AcceptBytes("b"));
}

TEST(GbnfTest, RefusesLeftRecursionAndNamesTheCycle) {
  EXPECT_THAT(Refusal("root ::= root \"a\" | \"b\""), HasReason("LEFT_RECURSION"));
  const absl::Status status = Refusal("root ::= x\nx ::= \" \"? y\ny ::= x \"a\" | \"b\"");
  EXPECT_THAT(status, HasReason("LEFT_RECURSION"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("x -> y -> x"));
}

TEST(GbnfTest, RefusesAGrammarThatMatchesNothing) {
  EXPECT_THAT(Refusal("root ::= \"a\" root"), HasReason("MATCHES_NOTHING"));
}

TEST(GbnfTest, RefusesUndefinedRulesAtTheirFirstUse) {
  EXPECT_THAT(Refusal("root ::= \"a\"\n  | nowhere"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("line 2")));
  EXPECT_THAT(Refusal("root ::= nowhere"), HasReason("BAD_GRAMMAR"));
  EXPECT_THAT(Refusal("start ::= \"a\""),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("\"root\"")));
}

TEST(GbnfTest, RefusesWhatIsMalformed) {
  for (const char* text : {"",
                           "root",
                           "root ::= \"a",
                           "root ::= [a",
                           "root ::= [b-a]",
                           "root ::= []",
                           "root ::= [^\\x00-\\U0010FFFF]",
                           "root ::= (\"a\"",
                           "root ::= \"a\")",
                           "root ::= *",
                           "root ::= \"a\"{",
                           "root ::= \"a\"{,2}",
                           "root ::= \"a\"{2,1}",
                           "root ::= \"a\"{1",
                           "root ::= \"\\q\"",
                           "root ::= \"\\x4\"",
                           "root ::= \"\\ud800\"",
                           "root ::= \"\xff\"",
                           "root ::= \"a\"\nroot ::= \"b\"",
                           "root ::= <think>",
                           "root ::= !<[1000]>",
                           "root = \"a\"",
                           "root ::= \"a\" ::= \"b\"",
                           "root ::= \"a\"{1234567890}",
                           "root ::= \"a\"*********",
                           "1 ::= \"a\""}) {
    EXPECT_THAT(Refusal(text), HasReason("BAD_GRAMMAR")) << text;
  }
}

TEST(GbnfTest, BoundsTextNestingNodesAndStates) {
  Limits small;
  small.max_text_bytes = 10;
  EXPECT_THAT(Grammar::ParseGbnf("root ::= \"abc\"", small), HasReason("LIMIT_EXCEEDED"));
  const std::string nested =
      absl::StrCat("root ::= ", std::string(10'000, '('), "\"a\"", std::string(10'000, ')'));
  EXPECT_THAT(Refusal(nested), HasReason("BAD_GRAMMAR"));
  small = Limits();
  small.max_nodes = 100;
  EXPECT_THAT(Grammar::ParseGbnf(absl::StrCat("root ::= \"", std::string(200, 'a'), "\""), small),
              HasReason("LIMIT_EXCEEDED"));
  EXPECT_THAT(Refusal("root ::= \"a\"{1,1000000}"), HasReason("LIMIT_EXCEEDED"));
  RAGMESH_EXPECT_OK(Refusal("root ::= (((\"ab\"{999}){999}){999}){999}")) << "shared, not copied";
}

TEST(GbnfTest, CountsLongRepetitionsExactly) {
  const auto grammar = Parse("root ::= [a-z]{3,500} \"!\" (\"x\" [0-9] \"y\" [0-9]){40,50}");
  const auto text = [](int letters, int groups) {
    std::string result = std::string(letters, 'q') + "!";
    for (int i = 0; i < groups; ++i) result += "x1y2";
    return result;
  };
  EXPECT_TRUE(Matches(grammar, text(3, 40)));
  EXPECT_TRUE(Matches(grammar, text(500, 50)));
  EXPECT_FALSE(Matches(grammar, text(2, 40)));
  EXPECT_FALSE(Matches(grammar, text(501, 40)));
  EXPECT_FALSE(Matches(grammar, text(3, 39)));
  EXPECT_FALSE(Matches(grammar, text(3, 51)));
}

}  // namespace
}  // namespace ragmesh::grammar
