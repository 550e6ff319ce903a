#include "libs/text/wordpiece_tokenizer.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "libs/testing/status_matchers.h"

namespace ragmesh::text {
namespace {

using ::ragmesh::testing::IsOk;
using ::ragmesh::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr char kJson[] = R"({
  "truncation": {"max_length": 2}, "padding": {"strategy": {"Fixed": 128}},
  "normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
                 "strip_accents": null, "lowercase": true},
  "pre_tokenizer": {"type": "BertPreTokenizer"},
  "post_processor": {"type": "TemplateProcessing",
    "single": [{"SpecialToken": {"id": "[CLS]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
               {"SpecialToken": {"id": "[SEP]", "type_id": 0}}]},
  "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
    "max_input_chars_per_word": 8,
    "vocab": {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "un": 4, "##aff": 5, "##able": 6, "cafe": 7, ",": 8,
              "世": 9, "##s": 10, "a": 11, "[": 12, "]": 13, "cls": 14}}})";

std::unique_ptr<WordPieceTokenizer> Make(absl::string_view json = kJson) {
  auto tokenizer = WordPieceTokenizer::FromJson(json);
  EXPECT_THAT(tokenizer, IsOk());
  return *std::move(tokenizer);
}

std::vector<Token> Encode(const WordPieceTokenizer& tokenizer, absl::string_view text) {
  std::vector<Token> tokens;
  tokenizer.Encode(text, &tokens);
  EXPECT_EQ(tokenizer.Count(text), tokens.size());
  return tokens;
}

TEST(WordPieceTokenizerTest, CutsAWordIntoItsLongestPieces) {
  EXPECT_THAT(Encode(*Make(), "unaffs"),
              ElementsAre(Token{4, 0, 2}, Token{5, 2, 5}, Token{10, 5, 6}));
}

TEST(WordPieceTokenizerTest, RangesPointIntoTheOriginalBytes) {
  EXPECT_THAT(Encode(*Make(), " CAF\u00c9s,\u4e16"),
              ElementsAre(Token{7, 1, 6}, Token{10, 6, 7}, Token{8, 7, 8}, Token{9, 8, 11}));
}

TEST(WordPieceTokenizerTest, AWordThatCannotBeCutIsOneUnknownToken) {
  EXPECT_THAT(Encode(*Make(), "unx a"), ElementsAre(Token{1, 0, 3}, Token{11, 4, 5}));
}

TEST(WordPieceTokenizerTest, AWordOverTheLimitIsOneUnknownToken) {
  EXPECT_THAT(Encode(*Make(), "asssssss"), ::testing::SizeIs(8));  // the limit is 8
  EXPECT_THAT(Encode(*Make(), "assssssss,"), ElementsAre(Token{1, 0, 9}, Token{8, 9, 10}));
}

TEST(WordPieceTokenizerTest, SpecialTokensInTheTextAreOrdinaryText) {
  EXPECT_THAT(Encode(*Make(), "[CLS]"),
              ElementsAre(Token{12, 0, 1}, Token{14, 1, 4}, Token{13, 4, 5}));
}

TEST(WordPieceTokenizerTest, InvalidUtf8ReadsAsReplacementAndIsDropped) {
  EXPECT_THAT(Encode(*Make(), "a\xFF\xFE,"), ElementsAre(Token{11, 0, 1}, Token{8, 3, 4}));
}

TEST(WordPieceTokenizerTest, EmptyAndBlankTextsHaveNoTokens) {
  EXPECT_THAT(Encode(*Make(), ""), ElementsAre());
  EXPECT_THAT(Encode(*Make(), " \n\u3000\xE2\x80\x8B"), ElementsAre());
}

TEST(WordPieceTokenizerTest, TenMegabytesWithoutASpaceAreOneToken) {
  const std::string text(10 << 20, 'q');
  EXPECT_THAT(Encode(*Make(), text), ElementsAre(Token{1, 0, 10 << 20}));
}

TEST(WordPieceTokenizerTest, ALongRunOfMarksIsOneToken) {
  std::string text = "a";
  for (int i = 0; i < 100'000; ++i) text += "\u302e";
  EXPECT_THAT(Encode(*Make(), text), ::testing::SizeIs(1));
}

TEST(WordPieceTokenizerTest, AccentsStayWhenTheFileSaysSo) {
  const auto tokenizer =
      Make(absl::StrReplaceAll(kJson, {{"\"strip_accents\": null", "\"strip_accents\": false"}}));
  EXPECT_THAT(Encode(*tokenizer, "CAF\u00c9"), ElementsAre(Token{1, 0, 5}));
}

TEST(WordPieceTokenizerTest, AcceptsBertProcessing) {
  const std::string json = absl::StrReplaceAll(
      kJson, {{"\"type\": \"TemplateProcessing\"",
               R"("type": "BertProcessing", "sep": ["[PAD]", 0], "cls": ["a", 11])"}});
  const auto tokenizer = Make(json);
  EXPECT_EQ(tokenizer->sep_id(), 0u);
  EXPECT_EQ(tokenizer->cls_id(), 11u);
}

struct Refusal {
  const char* from;
  const char* to;
  const char* message;
};

class WordPieceRefusalTest : public ::testing::TestWithParam<Refusal> {};

TEST_P(WordPieceRefusalTest, NamesTheFieldAtFault) {
  const std::string json = absl::StrReplaceAll(kJson, {{GetParam().from, GetParam().to}});
  ASSERT_NE(json, kJson);
  EXPECT_THAT(WordPieceTokenizer::FromJson(json),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(GetParam().message)));
}

INSTANTIATE_TEST_SUITE_P(
    Fields, WordPieceRefusalTest,
    ::testing::Values(Refusal{"\"BertNormalizer\"", "\"NFC\"", "normalizer.type"},
                      Refusal{"\"lowercase\": true", "\"lowercase\": 1", "normalizer.lowercase"},
                      Refusal{"\"BertPreTokenizer\"", "\"ByteLevel\"", "pre_tokenizer.type"},
                      Refusal{"\"WordPiece\"", "\"BPE\"", "model.type"},
                      Refusal{"\"un\": 4", "\"un\": -4", "model.vocab"},
                      Refusal{"\"un\": 4", "\"un\": 4.5", "model.vocab"},
                      Refusal{"\"un\": 4", "\"un\": \"4\"", "model.vocab"},
                      Refusal{"\"un\": 4", "\"un\": 99999999999", "model.vocab"},
                      Refusal{"\"vocab\"", "\"vocabulary\"", "model.vocab"},
                      Refusal{"\"unk_token\": \"[UNK]\"", "\"unk_token\": \"<unk>\"",
                              "model.unk_token"},
                      Refusal{"\"[SEP]\": 3,", "", "post_processor"},
                      Refusal{"\"TemplateProcessing\"", "\"ByteLevel\"", "post_processor.type"},
                      Refusal{"\"Sequence\"", "\"Series\"", "post_processor.single"},
                      Refusal{"_per_word\": 8", "_per_word\": -8", "max_input_chars_per_word"},
                      Refusal{"\"[PAD]\": 0", "\"a\": 0", "twice"}));

TEST(WordPieceTokenizerTest, AMissingFileIsNotFound) {
  EXPECT_THAT(WordPieceTokenizer::FromFile("/nonexistent/tokenizer.json"),
              StatusIs(absl::StatusCode::kNotFound));
}

}  // namespace
}  // namespace ragmesh::text
