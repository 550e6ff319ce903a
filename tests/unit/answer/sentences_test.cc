#include "libs/text/sentences.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace ragmesh::text {
namespace {

using ::testing::ElementsAre;

std::vector<std::string> Split(const std::string& text) {
  std::vector<std::string> sentences;
  for (const SentenceRange& range : SplitSentences(text)) {
    sentences.push_back(text.substr(range.begin, range.end - range.begin));
  }
  return sentences;
}

TEST(SentencesTest, SplitsAtEndsOfSentences) {
  EXPECT_THAT(Split("One is here. Is it?  Yes!"), ElementsAre("One is here.", "Is it?", "Yes!"));
}

TEST(SentencesTest, AbbreviationsAndInitialsGoOn) {
  EXPECT_THAT(Split("Dr. J. Smith met Mr. Jones. They spoke."),
              ElementsAre("Dr. J. Smith met Mr. Jones.", "They spoke."));
  EXPECT_THAT(Split("See Fig. 3 for e.g. Paris. Done."),
              ElementsAre("See Fig. 3 for e.g. Paris.", "Done."));
}

TEST(SentencesTest, NamesInSmallLettersBeginSentences) {
  EXPECT_THAT(Split("It is installed. ragmesh pulls them. gateway.cc does the rest."),
              ElementsAre("It is installed.", "ragmesh pulls them.", "gateway.cc does the rest."));
  EXPECT_THAT(Split("Acme Inc. said so. Pumps, valves etc. are dear."),
              ElementsAre("Acme Inc. said so.", "Pumps, valves etc. are dear."));
  EXPECT_THAT(Split("He is no. one in the U.S. and v. good."),
              ElementsAre("He is no. one in the U.S. and v. good."));
}

TEST(SentencesTest, NumbersWithPointsStayWhole) {
  EXPECT_THAT(Split("It weighs 3.5 kg. Heavy."), ElementsAre("It weighs 3.5 kg.", "Heavy."));
}

TEST(SentencesTest, LineBreaksEndSentences) {
  EXPECT_THAT(Split("a | b\nc | d\n\nMr.\nNext"), ElementsAre("a | b", "c | d", "Mr.", "Next"));
}

TEST(SentencesTest, EmptyBlankAndBrokenTextsAreHarmless) {
  EXPECT_TRUE(Split("").empty());
  EXPECT_TRUE(Split(" \n\t ").empty());
  EXPECT_EQ(Split("\xff\xfe. abc").size() > 0, true);
  EXPECT_EQ(Split(std::string(100'000, '.')).size(), 1u);
}

}  // namespace
}  // namespace ragmesh::text
