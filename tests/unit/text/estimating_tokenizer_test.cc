#include "libs/text/estimating_tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace ragmesh::text {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<std::string> Pieces(const std::string& text) {
  std::vector<Token> tokens;
  EstimatingTokenizer().Encode(text, &tokens);
  std::vector<std::string> pieces;
  for (const Token& token : tokens)
    pieces.push_back(text.substr(token.begin, token.end - token.begin));
  return pieces;
}

TEST(EstimatingTokenizerTest, CutsWordsAtEveryFourthCharacter) {
  EXPECT_THAT(Pieces("The pump,  cleaned"), ElementsAre("The", "pump", ",", "clea", "ned"));
}

TEST(EstimatingTokenizerTest, CountsCharactersAndNotBytes) {
  EXPECT_THAT(Pieces("Größe"), ElementsAre("Größ", "e"));
}

TEST(EstimatingTokenizerTest, KeepsCombiningMarksInTheirWord) {
  EXPECT_THAT(Pieces("cafe\u0301"), ElementsAre("cafe", "\u0301"));
  EXPECT_THAT(Pieces("e\u0301te\u0301"), ElementsAre("e\u0301te", "\u0301"));
}

TEST(EstimatingTokenizerTest, TakesEachIdeographAsAToken) {
  EXPECT_THAT(Pieces("泵清洗 한국"), ElementsAre("泵", "清", "洗", "한", "국"));
}

TEST(EstimatingTokenizerTest, ReadsInvalidBytesAsCharacters) {
  EXPECT_EQ(EstimatingTokenizer().Count("\xff\xfe"), 2u);
}

TEST(EstimatingTokenizerTest, FindsNothingInBlankText) {
  EXPECT_THAT(Pieces(" \n\t\u00a0"), IsEmpty());
}

}  // namespace
}  // namespace ragmesh::text
