#include "libs/chunking/sized_tokens.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace ragmesh::chunking {
namespace {

using ::testing::ElementsAre;

// Like a vocabulary that knows no word: each run without spaces is one token.
class WordTokenizer final : public text::Tokenizer {
 public:
  void Encode(absl::string_view text, std::vector<text::Token>* tokens) const override {
    for (std::uint32_t at = 0; at < text.size();) {
      const auto end = static_cast<std::uint32_t>(std::min(text.find(' ', at), text.size()));
      if (end > at) tokens->push_back({7, at, end});
      at = end + 1;
    }
  }
};

std::vector<text::Token> Encode(const std::string& text) {
  std::vector<text::Token> tokens;
  SizedTokens(WordTokenizer()).Encode(text, &tokens);
  return tokens;
}

TEST(SizedTokensTest, LeavesShortTokensAlone) {
  EXPECT_THAT(Encode("ab " + std::string(64, 'x')),
              ElementsAre(text::Token{7, 0, 2}, text::Token{7, 3, 67}));
}

TEST(SizedTokensTest, CutsLongTokensAndKeepsTheirBytes) {
  EXPECT_THAT(Encode(std::string(130, 'x') + " y"),
              ElementsAre(text::Token{7, 0, 64}, text::Token{7, 64, 128}, text::Token{7, 128, 130},
                          text::Token{7, 131, 132}));
}

TEST(SizedTokensTest, CutsBetweenCodePoints) {
  std::string word;
  for (int i = 0; i < 30; ++i) word += "\xe2\x82\xac";  // 3 bytes each; 64 is within the 22nd
  EXPECT_THAT(Encode(word), ElementsAre(text::Token{7, 0, 63}, text::Token{7, 63, 90}));
}

TEST(SizedTokensTest, AppendsToWhatIsThere) {
  std::vector<text::Token> tokens = {{1, 0, 500}};
  SizedTokens(WordTokenizer()).Encode(std::string(65, 'x'), &tokens);
  EXPECT_THAT(tokens,
              ElementsAre(text::Token{1, 0, 500}, text::Token{7, 0, 64}, text::Token{7, 64, 65}));
}

}  // namespace
}  // namespace ragmesh::chunking
