#include "libs/lexical/analyzer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <thread>

namespace ragmesh::lexical {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

TEST(AnalyzerTest, EnglishIsFoldedStoppedAndStemmed) {
  EXPECT_THAT(Analyzer("en").Terms("The Cats were running, into the HOUSES!"),
              ElementsAre("cat", "were", "run", "hous"));
}

TEST(AnalyzerTest, DocumentAndQueryFormsMeet) {
  const Analyzer english("en");
  EXPECT_EQ(english.Terms("connections"), english.Terms("Connected"));
  EXPECT_EQ(english.Terms("ﬁeld"), english.Terms("FIELD"));
  EXPECT_EQ(english.Terms("ＡＢＣ"), english.Terms("abc"));
}

TEST(AnalyzerTest, OtherLanguagesUseTheirOwnStemmerAndKeepEnglishStopWords) {
  EXPECT_EQ(Analyzer("de").Terms("Häuser"), Analyzer("de").Terms("Hause"));
  EXPECT_THAT(Analyzer("fr").Terms("continuellement"), ElementsAre("continuel"));
  EXPECT_THAT(Analyzer("de").Terms("in"), ElementsAre("in"));
  EXPECT_EQ(Analyzer("nb").Terms("husene"), Analyzer("no").Terms("husene"));
}

TEST(AnalyzerTest, UnknownLanguageGetsNoStemming) {
  EXPECT_THAT(Analyzer("xx").Terms("Running the cats"), ElementsAre("running", "the", "cats"));
  EXPECT_THAT(Analyzer("").Terms("Running"), ElementsAre("running"));
}

TEST(AnalyzerTest, IdentifiersAndHostNamesAreCutNumbersAreNot) {
  EXPECT_THAT(Analyzer("xx").Terms("max_batch_texts www.example.com 3.5 1,000 p53 IL-2"),
              ElementsAre("max", "batch", "texts", "www", "example", "com", "3.5", "1,000", "p53",
                          "il", "2"));
}

TEST(AnalyzerTest, ChineseJapaneseAndKoreanBecomePairs) {
  EXPECT_THAT(Analyzer("zh").Terms("北京大学"), ElementsAre("北京", "京大", "大学"));
  EXPECT_THAT(Analyzer("ja").Terms("データ"), ElementsAre("デー", "ータ"));
  EXPECT_THAT(Analyzer("ja").Terms("ﾃﾞｰﾀ"), ElementsAre("デー", "ータ"));
  EXPECT_THAT(Analyzer("ko").Terms("대한민국 서울"), ElementsAre("대한", "한민", "민국", "서울"));
  EXPECT_THAT(Analyzer("zh").Terms("水"), ElementsAre("水"));
  EXPECT_THAT(Analyzer("zh").Terms("北京 mesh 大学"), ElementsAre("北京", "mesh", "大学"));
}

TEST(AnalyzerTest, ThaiWordsAreFoundByDictionary) {
  EXPECT_THAT(Analyzer("th").Terms("ภาษาไทย"), ElementsAre("ภาษา", "ไทย"));
}

TEST(AnalyzerTest, CharactersOutsideTheBasicPlaneSurvive) {
  EXPECT_THAT(Analyzer("zh").Terms("𠀀𠀁𠀂"), ElementsAre("𠀀𠀁", "𠀁𠀂"));
}

TEST(AnalyzerTest, BrokenUtf8NeitherCrashesNorJoinsWords) {
  EXPECT_THAT(Analyzer("xx").Terms("one\xFF\xFEtwo \xC3"), ElementsAre("one", "two"));
  EXPECT_THAT(Analyzer("en").Terms(""), IsEmpty());
  EXPECT_THAT(Analyzer("en").Terms(absl::string_view("a\0b c", 5)), SizeIs(2));
}

TEST(AnalyzerTest, EndlessWordIsCutAtACharacter) {
  std::string word;
  for (int i = 0; i < 100'000; ++i) word += "é";
  const auto terms = Analyzer("xx").Terms(word);
  ASSERT_THAT(terms, SizeIs(1));
  EXPECT_EQ(terms[0].size(), Analyzer::kMaxTermBytes);
}

ChunkTerms::Term Term(const std::string& term, PerField<std::uint32_t> counts) {
  return {term, counts};
}

TEST(AnalyzerTest, TermsAreSortedAndTheirCountsSumToTheLengths) {
  const ChunkTerms terms =
      Analyzer("en").Analyze("The mesh", "Stages", "mesh of services, a mesh of stages");
  EXPECT_THAT(terms.terms, ElementsAre(Term("mesh", {1, 0, 2}), Term("servic", {0, 0, 1}),
                                       Term("stage", {0, 1, 1})));
  EXPECT_THAT(terms.lengths, ElementsAre(1u, 1u, 4u));
}

// Beginnings that many words share, words that differ in their last bytes only, one word alone.
TEST(AnalyzerTest, ChunksHoldTheTermsOfTheirTextsInOrder) {
  std::mt19937 random(3);
  const std::vector<std::string> beginnings = {"", "a", "насос", "насо", "longbeginning", "zz"};
  for (const char* language : {"xx", "en"}) {
    const Analyzer analyzer(language);
    for (int i = 0; i < 2'000; ++i) {
      std::string text;
      for (unsigned words = random() % 80; words > 0; --words) {
        text += beginnings[random() % beginnings.size()];
        for (unsigned letters = random() % 4; letters > 0; --letters)
          text.push_back(static_cast<char>('a' + random() % 3));
        text.push_back(' ');
      }
      std::map<std::string, std::vector<std::uint32_t>> expected;
      for (const PlacedTerm& placed : analyzer.PlacedTerms(text))
        expected[placed.term].push_back(placed.position);
      const ChunkTerms found = analyzer.Analyze("", "", text);
      ASSERT_THAT(found.terms, SizeIs(expected.size())) << text;
      auto position = found.positions.begin();
      auto term = found.terms.begin();
      for (const auto& [word, positions] : expected) {
        ASSERT_EQ(*term, Term(word, {0, 0, static_cast<std::uint32_t>(positions.size())}));
        ++term;
        for (const std::uint32_t at : positions) ASSERT_EQ(*position++, at) << word;
      }
      ASSERT_EQ(position, found.positions.end());
    }
  }
}

TEST(AnalyzerTest, PositionsCountDroppedWordsAndLeaveAGapBetweenFields) {
  const ChunkTerms terms = Analyzer("en").Analyze("The mesh", "", "mesh of services");
  // "the mesh" is 0 and 1; the body begins 100 after the next.
  EXPECT_THAT(terms.positions, ElementsAre(1u, 102u, 104u));
}

TEST(AnalyzerTest, FieldsGiveTheTermsOfTheirTextsJoinedByLineEnds) {
  const Analyzer english("en");
  const std::string title = "Pumps in 北京", heading = "大学 › valve_types",
                    body = "Running 3.5 pumps\nภาษาไทย \xFF end";
  const ChunkTerms apart = english.Analyze(title, heading, body);
  const ChunkTerms joined = english.Analyze("", "", title + "\n" + heading + "\n" + body);
  ASSERT_EQ(apart.terms.size(), joined.terms.size());
  for (std::size_t i = 0; i < apart.terms.size(); ++i) {
    EXPECT_EQ(apart.terms[i].term, joined.terms[i].term);
    EXPECT_EQ(apart.terms[i].count(), joined.terms[i].count());
  }
}

TEST(AnalyzerTest, WordsAreFoldedButNeitherDroppedNorStemmed) {
  EXPECT_THAT(Analyzer("en").Words("The CONNECTIONS"), ElementsAre("the", "connections"));
  EXPECT_THAT(Analyzer("zh").Words("北京大"), ElementsAre("北京", "京大"));
}

TEST(AnalyzerTest, ThreadsShareOneAnalyzer) {
  const Analyzer analyzer("en");
  const auto expected = analyzer.Terms("running cats 北京大学");
  std::vector<std::thread> threads;
  std::vector<int> wrong(4, 0);
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 300; ++i) wrong[t] += analyzer.Terms("running cats 北京大学") != expected;
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_THAT(wrong, ElementsAre(0, 0, 0, 0));
}

// A snowman makes no term, and makes the text go the long way.
TEST(AnalyzerTest, AsciiTextHasTheTermsThatTheUnicodeRulesGive) {
  std::mt19937 random(7);
  constexpr char kCharacters[] = "aaabZ019__..,,;;:'\"-+ \n@#/\\%\t";
  for (const char* language : {"en", "de", "sv", "fi", "xx"}) {
    const Analyzer analyzer(language);
    for (int i = 0; i < 20'000; ++i) {
      std::string text;
      for (unsigned length = random() % 24; length > 0; --length)
        text.push_back(kCharacters[random() % (sizeof(kCharacters) - 1)]);
      const auto found = analyzer.PlacedTerms(text);
      const auto expected = analyzer.PlacedTerms(text + " \u2603");
      ASSERT_EQ(found.size(), expected.size()) << "\"" << text << "\" in " << language;
      for (std::size_t t = 0; t < found.size(); ++t) {
        EXPECT_EQ(found[t].term, expected[t].term) << "\"" << text << "\" in " << language;
        EXPECT_EQ(found[t].position, expected[t].position) << "\"" << text << "\"";
      }
    }
  }
}

TEST(AnalyzerTest, EveryAsciiCharacterIsTakenAsTheUnicodeRulesTakeIt) {
  const Analyzer analyzer("en");
  for (int c = 0; c < 128; ++c) {
    for (const char* around : {"a%b", "1%2", "a%1", "1%a", "%", "a%%b", "_%_"}) {
      std::string text;
      for (const char* p = around; *p != 0; ++p)
        text.push_back(*p == '%' ? static_cast<char>(c) : *p);
      EXPECT_EQ(analyzer.Terms(text), analyzer.Terms(text + " \u2603")) << c << " in " << around;
    }
  }
}

}  // namespace
}  // namespace ragmesh::lexical
