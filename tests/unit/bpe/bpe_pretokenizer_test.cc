#include "libs/text/bpe_pretokenizer.h"

#include <gmock/gmock.h>

namespace ragmesh::text {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr int kRules = static_cast<int>(BpePretokenizer::kDeepSeekV3) + 1;

std::vector<std::string> Words(BpePretokenizer rule, const std::string& text) {
  std::vector<std::string> words;
  std::size_t at = 0;
  for (const WordRange& word : SplitWords(rule, text)) {
    EXPECT_EQ(word.begin, at);
    at = word.end;
    words.push_back(text.substr(word.begin, word.end - word.begin));
  }
  EXPECT_EQ(at, text.size());
  return words;
}

std::string Repeat(const std::string& part, std::size_t size) {
  std::string text;
  while (text.size() < size) text += part;
  return text;
}

TEST(BpePretokenizerTest, CutsAsTheFamilyDoes) {
  const std::string text = "HTTPServer's 12345!\n";
  EXPECT_THAT(Words(BpePretokenizer::kGpt2, text),
              ElementsAre("HTTPServer", "'s", " 12345", "!", "\n"));
  EXPECT_THAT(Words(BpePretokenizer::kLlama3, text),
              ElementsAre("HTTPServer", "'s", " ", "123", "45", "!\n"));
  EXPECT_THAT(Words(BpePretokenizer::kGpt4o, text),
              ElementsAre("HTTPServer's", " ", "123", "45", "!\n"));
  EXPECT_THAT(Words(BpePretokenizer::kGpt4o, "camelCase ABC"),
              ElementsAre("camel", "Case", " ABC"));
  EXPECT_THAT(Words(BpePretokenizer::kFalcon, text),
              ElementsAre("HTTPServer", "'", "s", " ", "123", "45", "!", "\n"));
}

TEST(BpePretokenizerTest, KnowsWhatFamiliesTakeForGranted) {
  const auto llama = FindBpeFamily("llama-bpe"), qwen = FindBpeFamily("qwen2");
  ASSERT_TRUE(llama.has_value() && qwen.has_value());
  EXPECT_TRUE(llama->whole_words_first);
  EXPECT_TRUE(llama->adds_bos);
  EXPECT_FALSE(qwen->whole_words_first);
  EXPECT_FALSE(qwen->adds_bos);
  EXPECT_EQ(FindBpeFamily("no-such-family"), std::nullopt);
  EXPECT_EQ(FindBpeFamily(""), std::nullopt);
}

TEST(BpePretokenizerTest, AnEmptyTextHasNoWords) {
  for (int rule = 0; rule < kRules; ++rule)
    EXPECT_THAT(SplitWords(static_cast<BpePretokenizer>(rule), ""), IsEmpty());
}

// Under a quadratic rule one of these would take minutes.
TEST(BpePretokenizerTest, EveryRuleTakesLinearTime) {
  constexpr std::size_t kSize = 1 << 18;
  const std::string texts[] = {
      std::string(kSize, ' ') + "1",           // spaces that no rule takes at the end
      std::string(kSize, '\n') + "a",          // lines
      std::string(kSize, 'A') + "1",           // capitals without a small letter
      "\u0301" + std::string(kSize, 'A'),      // and with a mark that is given back
      Repeat("\u0301A", kSize),                // marks and capitals in turn
      Repeat("'", kSize),                      // contractions that never come
      "<sentinel:" + std::string(kSize, '1'),  // a token of Chameleon that never ends
      Repeat("IMGIMG", kSize),
      Repeat("\U0001F642\u200D", kSize),
      Repeat("\u3000", kSize) + "\u6F22",
  };
  for (int rule = 0; rule < kRules; ++rule) {
    for (const std::string& text : texts)
      EXPECT_FALSE(Words(static_cast<BpePretokenizer>(rule), text).empty());
  }
}

}  // namespace
}  // namespace ragmesh::text
