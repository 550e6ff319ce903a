#include "libs/text/bpe_tokenizer.h"

#include <gmock/gmock.h>

#include "libs/generation/vocabulary.h"
#include "libs/testing/status_matchers.h"
#include "libs/testing/test_data.h"
#include "tests/unit/generation/golden_model.h"

namespace ragmesh::text {
namespace {

using ::testing::ElementsAre;

std::vector<std::uint32_t> Ids(const DecoderTokenizer& tokenizer, absl::string_view text) {
  std::vector<Token> tokens;
  tokenizer.Encode(text, &tokens);
  std::vector<std::uint32_t> ids;
  for (const Token& token : tokens) ids.push_back(token.id);
  return ids;
}

TEST(BpeTokenizerTest, GivesTheIdsOfTheReferenceForSmolLm) {
  RAGMESH_REQUIRE_SMOLLM();
  const auto file = *gguf::File::Open(generation::SmolLmPath()->string());
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto vocabulary, generation::ReadVocabulary(*file));
  const nlohmann::json golden = *generation::SmolLmGolden();
  for (const auto& entry : golden["tokenizer"]) {
    EXPECT_EQ(Ids(*vocabulary.tokenizer, entry["text"].get<std::string>()),
              entry["ids"].get<std::vector<std::uint32_t>>())
        << entry["text"];
  }
}

// a b c ab "ab c"-like vocabulary with two specials.
std::unique_ptr<BpeTokenizer> Small() {
  BpeVocabulary vocabulary;
  vocabulary.tokens = {"a", "b", "c", "ab", "abc", "<s>", "<|x|>", "<", "s", ">"};
  vocabulary.kinds.assign(vocabulary.tokens.size(), TokenKind::kNormal);
  vocabulary.kinds[5] = TokenKind::kControl;
  vocabulary.kinds[6] = TokenKind::kUserDefined;
  vocabulary.merges = {"a b", "ab c"};
  return *BpeTokenizer::Create(vocabulary);
}

TEST(BpeTokenizerTest, MergesByRankAndReportsRanges) {
  std::vector<Token> tokens;
  Small()->Encode("abcab", &tokens);
  EXPECT_THAT(tokens, ElementsAre(Token{4, 0, 3}, Token{3, 3, 5}));
}

TEST(BpeTokenizerTest, FindsSpecialsOnlyInTrustedText) {
  const auto tokenizer = Small();
  EXPECT_THAT(Ids(*tokenizer, "<s>"), ElementsAre(7, 8, 9));
  std::vector<Token> tokens;
  tokenizer->EncodeWithSpecials("<s>a", "", &tokens);
  EXPECT_THAT(tokens, ElementsAre(Token{5, 0, 3}, Token{0, 3, 4}));
  // One foreign byte is enough: a user cannot complete a token that the template began.
  tokens.clear();
  tokenizer->EncodeWithSpecials("<s>a", absl::string_view("\0\0\1\0", 4), &tokens);
  EXPECT_THAT(tokens, ElementsAre(Token{7, 0, 1}, Token{8, 1, 2}, Token{9, 2, 3}, Token{0, 3, 4}));
}

TEST(BpeTokenizerTest, LongWordsTakeReasonableTime) {
  const std::string text(1 << 20, 'a');
  EXPECT_EQ(Ids(*Small(), text).size(), text.size());
  // Words that merge as far as they can.
  BpeVocabulary vocabulary;
  std::vector<std::string> tokens = {"a"}, merges;
  for (int i = 0; i < 16; ++i) {
    merges.push_back(tokens.back() + " " + tokens.back());
    tokens.push_back(tokens.back() + tokens.back());
  }
  vocabulary.tokens.assign(tokens.begin(), tokens.end());
  vocabulary.merges.assign(merges.begin(), merges.end());
  vocabulary.kinds.assign(tokens.size(), TokenKind::kNormal);
  EXPECT_EQ(Ids(**BpeTokenizer::Create(vocabulary), text),
            std::vector<std::uint32_t>((1 << 20) >> 16, 16));
}

TEST(BpeTokenizerTest, ManglesNoOffsetsOnInvalidUtf8) {
  std::vector<Token> tokens;
  Small()->Encode(
      "ab\xFF"
      "c",
      &tokens);  // U+FFFD has no tokens in this vocabulary
  EXPECT_THAT(tokens, ElementsAre(Token{3, 0, 2}, Token{2, 3, 4}));
}

}  // namespace
}  // namespace ragmesh::text
