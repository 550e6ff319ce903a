#include "libs/text/sentencepiece_tokenizer.h"

#include <gmock/gmock.h>

#include <limits>

#include "libs/testing/status_matchers.h"

namespace ragmesh::text {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::StatusIs;

// A vocabulary that grows token by token.
struct Builder {
  std::uint32_t Add(const char* token, float score = 0, TokenKind kind = TokenKind::kNormal) {
    vocabulary.tokens.push_back(token);
    vocabulary.scores.push_back(score);
    vocabulary.kinds.push_back(kind);
    return static_cast<std::uint32_t>(vocabulary.tokens.size() - 1);
  }
  std::unique_ptr<SentencePieceTokenizer> Build() const {
    return *SentencePieceTokenizer::Create(vocabulary);
  }
  SentencePieceVocabulary vocabulary;
};

// 0 <unk>, 1 <s>, 2 </s>, 3 and 4 the bytes of é, then pieces.
Builder Small() {
  Builder builder;
  builder.vocabulary.unknown = builder.Add("<unk>", 0, TokenKind::kControl);
  builder.Add("<s>", 0, TokenKind::kControl);
  builder.Add("</s>", 0, TokenKind::kControl);
  builder.Add("<0xC3>", 0, TokenKind::kByte);
  builder.Add("<0xA9>", 0, TokenKind::kByte);
  for (const char* piece : {"\u2581", "a", "b", "<", "s", ">"})
    builder.Add(piece, -100);  // 5 to 10
  builder.Add("\u2581a", -2);  // 11
  builder.Add("ab", -1);       // 12
  builder.Add("<s", -3);       // 13
  return builder;
}

std::vector<std::uint32_t> IdsOf(const std::vector<Token>& tokens) {
  std::vector<std::uint32_t> ids;
  for (const Token& token : tokens) ids.push_back(token.id);
  return ids;
}

std::vector<Token> Encode(const DecoderTokenizer& tokenizer, absl::string_view text) {
  std::vector<Token> tokens;
  tokenizer.Encode(text, &tokens);
  return tokens;
}

std::vector<std::uint32_t> WithSpecials(const DecoderTokenizer& tokenizer, absl::string_view text,
                                        absl::string_view foreign = "") {
  std::vector<Token> tokens;
  tokenizer.EncodeWithSpecials(text, foreign, &tokens);
  return IdsOf(tokens);
}

TEST(SentencePieceTokenizerTest, MergesTheBestScoreFirst) {
  const auto tokenizer = Small().Build();
  // "ab" before "_a", though that stands further left.
  EXPECT_THAT(Encode(*tokenizer, "ab"), ElementsAre(Token{5, 0, 0}, Token{12, 0, 2}));
  EXPECT_THAT(Encode(*tokenizer, "a b"),
              ElementsAre(Token{11, 0, 1}, Token{5, 1, 2}, Token{7, 2, 3}));
}

TEST(SentencePieceTokenizerTest, MergesTheLeftmostOfEqualScores) {
  Builder builder = Small();
  builder.vocabulary.adds_space_prefix = false;
  const std::uint32_t pair = builder.Add("aa", -1);
  EXPECT_THAT(IdsOf(Encode(*builder.Build(), "aaa")), ElementsAre(pair, 6));
}

TEST(SentencePieceTokenizerTest, MergesAcrossWordsWhereAPieceDoes) {
  Builder builder = Small();
  builder.Add("b\u2581", -1);
  const std::uint32_t across = builder.Add("b\u2581a", -1);
  EXPECT_THAT(IdsOf(Encode(*builder.Build(), "b a")), ElementsAre(5, across));
}

TEST(SentencePieceTokenizerTest, PutsASpaceBeforeTextAtTheBeginningAndAfterSpecialTokens) {
  const auto tokenizer = Small().Build();
  EXPECT_THAT(Encode(*tokenizer, ""), IsEmpty());
  EXPECT_THAT(WithSpecials(*tokenizer, "b<s>a</s>b"), ElementsAre(5, 7, 1, 11, 2, 5, 7));
  EXPECT_TRUE(tokenizer->AddsSpaceAfter(std::nullopt));
  EXPECT_TRUE(tokenizer->AddsSpaceAfter(1));
  EXPECT_FALSE(tokenizer->AddsSpaceAfter(6));
}

TEST(SentencePieceTokenizerTest, AddsNoSpaceWhereTheVocabularySaysSo) {
  Builder builder = Small();
  builder.vocabulary.adds_space_prefix = false;
  const auto tokenizer = builder.Build();
  EXPECT_THAT(WithSpecials(*tokenizer, "b<s>a"), ElementsAre(7, 1, 6));
  EXPECT_FALSE(tokenizer->AddsSpaceAfter(std::nullopt));
  EXPECT_FALSE(tokenizer->AddsSpaceAfter(1));
}

TEST(SentencePieceTokenizerTest, CharactersWithoutAPieceAreTheirBytes) {
  const auto tokenizer = Small().Build();
  EXPECT_THAT(Encode(*tokenizer, "aé"),
              ElementsAre(Token{11, 0, 1}, Token{3, 1, 3}, Token{4, 1, 3}));
  EXPECT_EQ(tokenizer->Bytes(3), "\xC3");
  EXPECT_EQ(tokenizer->Bytes(4), "\xA9");
  EXPECT_EQ(tokenizer->Bytes(11), " a");
}

TEST(SentencePieceTokenizerTest, CharactersWithoutPieceOrBytesAreOneUnknownTokenInARow) {
  EXPECT_THAT(Encode(*Small().Build(), "a\u4e16\u754cb"),
              ElementsAre(Token{11, 0, 1}, Token{0, 1, 7}, Token{7, 7, 8}));
  Builder without = Small();
  without.vocabulary.unknown.reset();
  EXPECT_THAT(IdsOf(Encode(*without.Build(), "a\u4e16b")), ElementsAre(11, 7));
}

TEST(SentencePieceTokenizerTest, InvalidUtf8IsReadAsTheReplacementCharacter) {
  Builder builder = Small();
  const std::uint32_t replacement = builder.Add("\uFFFD", -100);
  EXPECT_THAT(Encode(*builder.Build(), "a\xE2\x82z"),
              ElementsAre(Token{11, 0, 1}, Token{replacement, 1, 3}, Token{0, 3, 4}));
}

TEST(SentencePieceTokenizerTest, NoMergeOfForeignTextMakesAToken) {
  // "<s" and ">" are pieces whose union is a control token; and a byte's spelling is text.
  Builder builder = Small();
  for (const char* piece : {"0", "x", "C", "3", "<0", "<0x", "<0xC", "<0xC3"})
    builder.Add(piece, -1);
  const auto tokenizer = builder.Build();
  EXPECT_THAT(IdsOf(Encode(*tokenizer, "<s>")), ElementsAre(5, 13, 10));
  EXPECT_THAT(WithSpecials(*tokenizer, "<s>", absl::string_view("\0\0\1", 3)),
              ElementsAre(5, 13, 10));
  EXPECT_THAT(WithSpecials(*tokenizer, "<s><s>", absl::string_view("\0\0\0\1\1\1", 6)),
              ElementsAre(1, 5, 13, 10));
  EXPECT_EQ(tokenizer->Bytes(IdsOf(Encode(*tokenizer, "<0xC3>"))[1]), "<0xC3");
}

TEST(SentencePieceTokenizerTest, FindsRunsOfSpacesInAnyText) {
  Builder builder = Small();
  builder.vocabulary.adds_space_prefix = false;
  const std::uint32_t lines = builder.Add("\n\n", 0, TokenKind::kUserDefined);
  const std::uint32_t two = builder.Add("\u2581\u2581", 0, TokenKind::kUserDefined);
  const std::uint32_t three =
      builder.Add("   ", 0, TokenKind::kUserDefined);  // as converters write
  const std::uint32_t tag = builder.Add("<b>", 0, TokenKind::kUserDefined);
  const auto tokenizer = builder.Build();
  EXPECT_THAT(IdsOf(Encode(*tokenizer, "a\n\nb  a     b")),
              ElementsAre(6, lines, 7, two, 6, three, two, 7));
  EXPECT_EQ(tokenizer->Bytes(two), "  ");
  EXPECT_THAT(IdsOf(Encode(*tokenizer, "<b>")), ElementsAre(8, 7, 10));
  EXPECT_THAT(WithSpecials(*tokenizer, "<b>"), ElementsAre(tag));
}

TEST(SentencePieceTokenizerTest, WhiteSpaceVanishesAfterTokensThatEatIt) {
  Builder builder = Small();
  builder.vocabulary.eats_spaces.assign(builder.vocabulary.tokens.size(), false);
  builder.vocabulary.eats_spaces[2] = true;
  const auto tokenizer = builder.Build();
  EXPECT_THAT(WithSpecials(*tokenizer, "</s> \n a<s> a"), ElementsAre(2, 11, 1, 5, 11));
  EXPECT_THAT(WithSpecials(*tokenizer, "</s>\n"), ElementsAre(2));
}

TEST(SentencePieceTokenizerTest, JoinsSpaces) {
  Builder builder = Small();
  builder.vocabulary.joins_spaces = true;
  const auto tokenizer = builder.Build();
  EXPECT_THAT(Encode(*tokenizer, "  a   b "),
              ElementsAre(Token{11, 0, 3}, Token{5, 3, 4}, Token{7, 6, 7}));
  EXPECT_THAT(Encode(*tokenizer, "  "), IsEmpty());
}

TEST(SentencePieceTokenizerTest, UnigramTakesTheLargestSum) {
  Builder builder = Small();
  builder.vocabulary.model = SentencePieceVocabulary::Model::kUnigram;
  builder.vocabulary.scores[5] = -9;   // "_"
  builder.vocabulary.scores[7] = -1;   // "b"
  builder.vocabulary.scores[12] = -5;  // "ab"
  // "_a" and "b": -3; "_" and "ab": -14.
  EXPECT_THAT(Encode(*builder.Build(), "abé"),
              ElementsAre(Token{11, 0, 1}, Token{7, 1, 2}, Token{3, 2, 4}, Token{4, 2, 4}));
}

TEST(SentencePieceTokenizerTest, ScoresThatAreNotNumbersCountAsTheLowest) {
  for (const float bad :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    for (const auto model :
         {SentencePieceVocabulary::Model::kMerges, SentencePieceVocabulary::Model::kUnigram}) {
      Builder builder = Small();
      builder.vocabulary.model = model;
      builder.vocabulary.scores[11] = bad;
      builder.vocabulary.scores[12] = -1;
      EXPECT_THAT(IdsOf(Encode(*builder.Build(), "ab")), ElementsAre(5, 12));
    }
  }
}

TEST(SentencePieceTokenizerTest, ListsMustAgree) {
  Builder builder = Small();
  builder.vocabulary.scores.pop_back();
  EXPECT_THAT(SentencePieceTokenizer::Create(builder.vocabulary),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("tokenizer.ggml.scores")));
  builder = Small();
  builder.vocabulary.unknown = 14;
  EXPECT_THAT(SentencePieceTokenizer::Create(builder.vocabulary),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("unknown_token_id")));
  builder = Small();
  builder.vocabulary.character_map = "abcdefgh";
  EXPECT_THAT(SentencePieceTokenizer::Create(builder.vocabulary),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("precompiled_charsmap")));
  EXPECT_THAT(SentencePieceTokenizer::Create({}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("tokenizer.ggml.tokens")));
}

// A quadratic tokenizer would take hours.
TEST(SentencePieceTokenizerTest, LongTextsOfOneCharacterTakeReasonableTime) {
  std::vector<std::string> runs;
  for (std::size_t size = 2; size <= 32; ++size) runs.push_back(std::string(size, 'a'));
  for (std::size_t size = 2; size <= 32; size *= 2) {
    runs.emplace_back();
    for (std::size_t i = 0; i < size; ++i) runs.back() += "\u2581";
  }
  for (const auto model :
       {SentencePieceVocabulary::Model::kMerges, SentencePieceVocabulary::Model::kUnigram}) {
    Builder builder = Small();
    builder.vocabulary.model = model;
    for (const std::string& run : runs)
      builder.Add(run.c_str(), -1 / static_cast<float>(run.size()));
    const auto tokenizer = builder.Build();
    EXPECT_LT(Encode(*tokenizer, std::string(1 << 20, 'a')).size(), (1u << 20) / 30);
    EXPECT_LT(Encode(*tokenizer, std::string(1 << 20, ' ')).size(), (1u << 20) / 16);
    std::string emoji;
    while (emoji.size() < (1 << 20)) emoji += "\U0001F642";
    EXPECT_EQ(Encode(*tokenizer, emoji).size(), 2u);  // the prefix and one unknown token
    EXPECT_EQ(WithSpecials(*tokenizer, std::string(1 << 20, '<')).size(), (1u << 20) + 1);
  }
}

}  // namespace
}  // namespace ragmesh::text
