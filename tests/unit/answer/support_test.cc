#include "libs/answer/support.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "libs/testing/fake_embedder.h"

namespace ragmesh::answer {
namespace {

stages::StoredChunk Passage(const std::string& text, std::uint64_t begin = 0) {
  stages::StoredChunk chunk;
  chunk.document_name = "Tesla.txt";
  chunk.chunk.text = text;
  chunk.chunk.overlap_begin = begin;
  chunk.chunk.range = {begin, begin + text.size()};
  return chunk;
}

class SupportTest : public ::testing::TestWithParam<bool> {
 protected:
  SupportTest()
      : evidence_(
            "When did Tesla die?",
            std::vector<stages::StoredChunk>{
                Passage(
                    "Tesla died on 7 January 1943. He never married. His work fell into obscurity.",
                    100),
                Passage(
                    "The Panthers gave up 308 points. Kawann Short led the team in sacks with 11.",
                    900)}) {
    if (!GetParam()) return;
    std::vector<std::vector<float>> vectors;
    for (const Sentence& sentence : evidence_.sentences()) {
      vectors.push_back(testing::FakeEmbedder::Vector(sentence.text));
    }
    evidence_.Score(std::move(vectors), testing::FakeEmbedder::Vector("When did Tesla die?"));
  }

  Support Check(const std::string& text) const {
    return CheckSupport(
        text, GetParam() ? testing::FakeEmbedder::Vector(text) : std::vector<float>(), evidence_);
  }

  Evidence evidence_;
};

INSTANTIATE_TEST_SUITE_P(WithAndWithoutVectors, SupportTest, ::testing::Bool());

TEST_P(SupportTest, SentencesKnowTheirBytesInTheDocument) {
  const Sentence& second = evidence_.sentences()[1];
  EXPECT_EQ(second.text, "He never married.");
  EXPECT_EQ(second.range, (stages::ByteRange{130, 147}));
}

TEST_P(SupportTest, WhatAPassageSaysIsSupported) {
  const Support support = Check("Tesla died on 7 January 1943.");
  EXPECT_TRUE(support.supported);
  EXPECT_EQ(support.sentence, 0u);
  EXPECT_TRUE(Check("Kawann Short led the team with 11 sacks.").supported);
}

TEST_P(SupportTest, AnotherNumberIsNot) {
  EXPECT_FALSE(Check("Tesla died on 7 January 1944.").supported);
}
TEST_P(SupportTest, AnotherNameIsNot) {
  EXPECT_FALSE(Check("Luke Kuechly led the team in sacks with 11.").supported);
}
TEST_P(SupportTest, ADenialIsNot) {
  EXPECT_FALSE(Check("Tesla did not die on 7 January 1943.").supported);
  EXPECT_FALSE(Check("He married.").supported);
}
TEST_P(SupportTest, WordsOfAnEnumerationPutTogetherAnewAreNot) {
  const Evidence list("Which licence does it have?",
                      std::vector<stages::StoredChunk>{Passage(
                          "It shows the name, role, licence, size, and whether it is installed, "
                          "or pulls the defaults of the catalogue.")});
  EXPECT_FALSE(CheckSupport("The default licence is the catalogue.", {}, list).supported);
  EXPECT_TRUE(CheckSupport("It shows the name, role and licence.", {}, list).supported);
}
TEST_P(SupportTest, AnExceptionIsADenial) {
  const Evidence rule("Which religions are outlawed?",
                      std::vector<stages::StoredChunk>{
                          Passage("All religions except Islam and Judaism are outlawed.")});
  EXPECT_FALSE(CheckSupport("All religions are outlawed.", {}, rule).supported);
}
TEST_P(SupportTest, SomethingElseIsNot) {
  EXPECT_FALSE(Check("The moon is made of cheese.").supported);
  EXPECT_FALSE(Check("Yes.").supported);
  EXPECT_FALSE(Check("").supported);
}
TEST_P(SupportTest, NumberWordsEqualDigits) {
  EXPECT_TRUE(Check("Kawann Short led the team in sacks with eleven.").supported);
}

TEST_P(SupportTest, TheSentenceThatAnswersIsMostRelevant) {
  EXPECT_EQ(evidence_.by_relevance()[0], 0u);
}

TEST(EvidenceTest, WholeSentencesGoBeforeHeadingsAndRows) {
  const Evidence evidence(
      "Where are model files kept?",
      std::vector<stages::StoredChunk>{
          Passage("model files | kept\nModel files\nModel files are kept in the cache folder.")});
  EXPECT_EQ(evidence.by_relevance()[0], 2u);
}
TEST(EvidenceTest, ASentenceOfTheQuestionsWordsAloneComesLater) {
  const Evidence evidence("What does the gateway do?",
                          std::vector<stages::StoredChunk>{
                              Passage("The gateway does it. The gateway calls all other stages.")});
  EXPECT_EQ(evidence.by_relevance()[0], 1u);
}
TEST(EvidenceTest, AColonBringsTheListAfterIt) {
  const std::string text = "Do not forget:\n\nSunglasses\n\nSun cream\n\nThis is another matter.";
  const Evidence evidence("What?", std::vector<stages::StoredChunk>{Passage(text, 50)});
  const Sentence& first = evidence.sentences()[0];
  EXPECT_EQ(first.text, "Do not forget:\n\nSunglasses\n\nSun cream");
  EXPECT_EQ(first.range, (stages::ByteRange{50, 50 + first.text.size()}));
  EXPECT_EQ(OnOneLine(first.text), "Do not forget: Sunglasses; Sun cream");
  EXPECT_EQ(evidence.sentences()[1].text, "Sunglasses");
}
TEST(EvidenceTest, TheEmbedderReadsASentenceUnderItsHeading) {
  stages::StoredChunk chunk = Passage("Files live in the cache.");
  chunk.chunk.heading_path = {"Operations", "Models"};
  const Evidence evidence("Where?", std::vector<stages::StoredChunk>{chunk});
  EXPECT_EQ(TextToEmbed(evidence.sentences()[0]), "Models: Files live in the cache.");
}

TEST(EvidenceTest, NoPassagesSupportNothing) {
  const Evidence none("When?", {});
  EXPECT_FALSE(CheckSupport("Tesla died in 1943.", {}, none).supported);
}

TEST(WordsTest, NumbersAreNormalised) {
  EXPECT_EQ(ReadWords("1,234.50 and 7.").numbers, (std::set<std::string>{"1234.5", "7"}));
  EXPECT_TRUE(ReadWords("It isn't so.").negated);
  EXPECT_EQ(ReadWords("The Eiffel Tower's height").names,
            (std::set<std::string>{"eiffel", "tower"}));
}

}  // namespace
}  // namespace ragmesh::answer
