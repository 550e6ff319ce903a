#include "libs/chunking/text_units.h"

#include <gmock/gmock.h>

#include <string>

namespace ragmesh::chunking {
namespace {

using ::testing::ElementsAre;

std::vector<std::string> Cut(const std::string& text, const std::vector<TextUnit>& units) {
  std::vector<std::string> out;
  for (const TextUnit& unit : units) out.push_back(text.substr(unit.begin, unit.end - unit.begin));
  return out;
}

std::vector<std::string> Sentences(const std::string& text) {
  TextUnits units;
  return Cut(text, units.Sentences(text));
}

TEST(TextUnitsTest, EndsSentencesAtFullStopsButNotAfterAbbreviations) {
  EXPECT_THAT(
      Sentences("Dr. Smith came at 3.15 p.m. yesterday. He left, e.g. by car. Why?"),
      ElementsAre("Dr. Smith came at 3.15 p.m. yesterday.", "He left, e.g. by car.", "Why?"));
}

TEST(TextUnitsTest, ReadsAWrappedLineAsPartOfItsSentence) {
  EXPECT_THAT(
      Sentences("The quick brown fox jumps over the lazy dog and runs\naway. Then it sleeps."),
      ElementsAre("The quick brown fox jumps over the lazy dog and runs\naway.",
                  "Then it sleeps."));
}

TEST(TextUnitsTest, EndsASentenceAtAShortLine) {
  EXPECT_THAT(Sentences("name: Ada\nborn: 1815"), ElementsAre("name: Ada", "born: 1815"));
}

TEST(TextUnitsTest, FindsSentencesOfChinese) {
  EXPECT_THAT(Sentences("你好。今天天气很好。"), ElementsAre("你好。", "今天天气很好。"));
}

TEST(TextUnitsTest, KeepsIndentationOfCodeLines) {
  const std::string code = "if (x) {\n  y();\n\n}";
  EXPECT_THAT(Cut(code, TextUnits::Lines(code)), ElementsAre("if (x) {", "  y();", "}"));
}

TEST(TextUnitsTest, CutsAtTheLastWordEndBeforeTheLimit) {
  TextUnits units;
  EXPECT_EQ(units.CutBefore("alpha beta", 8), 6u);
  EXPECT_EQ(units.CutBefore("alpha beta", 100), 10u);
}

TEST(TextUnitsTest, NeverCutsInsideACodePoint) {
  TextUnits units;
  EXPECT_EQ(units.CutBefore("\xF0\x9F\x98\x80z", 2), 4u);
}

}  // namespace
}  // namespace ragmesh::chunking
