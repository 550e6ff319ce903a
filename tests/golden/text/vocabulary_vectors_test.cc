// llama.cpp's vectors of vocabularies: texts, apart by a marker line, and their ids, a line each.
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "libs/generation/vocabulary.h"
#include "libs/testing/status_matchers.h"
#include "libs/testing/test_data.h"
#include "libs/text/wordpiece_tokenizer.h"

namespace ragmesh::text {
namespace {

struct Vector {
  std::string text;
  std::vector<std::uint32_t> ids;
};

std::vector<Vector> ReadVectors(const std::string& path) {
  const std::vector<std::string> texts =
      absl::StrSplit(testing::ReadFileOrDie(path + ".inp"), "\n__ggml_vocab_test__\n");
  const std::vector<std::string> lines =
      absl::StrSplit(testing::ReadFileOrDie(path + ".out"), '\n');
  EXPECT_GE(lines.size(), texts.size());
  std::vector<Vector> vectors;
  for (std::size_t i = 0; i < std::min(lines.size(), texts.size()); ++i) {
    vectors.push_back({texts[i], {}});
    for (const auto& number : absl::StrSplit(lines[i], ' ', absl::SkipEmpty()))
      EXPECT_TRUE(absl::SimpleAtoi(number, &vectors.back().ids.emplace_back()));
  }
  return vectors;
}

class VocabularyVectorsTest : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    const std::string base =
        std::string("tokenizers/gguf-vocab/ggml-vocab-") + GetParam() + ".gguf";
    const auto path = testing::TestData(base);
    RAGMESH_SKIP_WITHOUT(path, base);
    path_ = path->string();
    file_ = *gguf::File::Open(path_);
    RAGMESH_ASSERT_OK_AND_ASSIGN(vocabulary_, generation::ReadVocabulary(*file_));
  }

  std::string path_;
  std::shared_ptr<const gguf::File> file_;
  generation::Vocabulary vocabulary_;
};

TEST_P(VocabularyVectorsTest, GivesThePublishedIds) {
  const std::vector<Vector> vectors = ReadVectors(path_);
  ASSERT_EQ(vectors.size(), 47u);
  for (const Vector& vector : vectors) {
    std::vector<Token> tokens;
    vocabulary_.tokenizer->Encode(vector.text, &tokens);
    std::vector<std::uint32_t> ids;
    for (const Token& token : tokens) ids.push_back(token.id);
    EXPECT_EQ(ids, vector.ids) << vector.text;
  }
}

TEST_P(VocabularyVectorsTest, TokensPrintTheText) {
  for (const Vector& vector : ReadVectors(path_)) {
    std::string printed;
    for (const std::uint32_t id : vector.ids)
      absl::StrAppend(&printed, vocabulary_.tokenizer->Bytes(id));
    if (!vector.text.empty() && vocabulary_.tokenizer->AddsSpaceAfter(std::nullopt)) {
      ASSERT_EQ(printed.substr(0, 1), " ");
      printed.erase(0, 1);
    }
    EXPECT_EQ(printed, vector.text);
  }
}

INSTANTIATE_TEST_SUITE_P(Vocabularies, VocabularyVectorsTest,
                         ::testing::Values("gpt-2", "deepseek-coder", "llama-spm", "phi-3"),
                         [](const auto& info) {
                           std::string name = info.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

// GGUF spells the pieces of BERT that begin a word with U+2581, where tokenizer.json spells those
// that go on with "##".
TEST(BertVectorsTest, TheEncodersTokenizerGivesThePublishedIds) {
  const std::string base = "tokenizers/gguf-vocab/ggml-vocab-bert-bge.gguf";
  const auto path = testing::TestData(base);
  RAGMESH_SKIP_WITHOUT(path, base);
  const auto file = *gguf::File::Open(path->string());
  nlohmann::json root = {{"normalizer", {{"type", "BertNormalizer"}}},
                         {"pre_tokenizer", {{"type", "BertPreTokenizer"}}},
                         {"model", {{"type", "WordPiece"}, {"vocab", nlohmann::json::object()}}}};
  std::uint32_t id = 0;
  const auto spellings = file->GetStrings("tokenizer.ggml.tokens");
  ASSERT_TRUE(spellings.has_value());
  for (absl::string_view token : *spellings) {
    const bool special = token.size() > 2 && token.front() == '[' && token.back() == ']';
    const bool begins = absl::ConsumePrefix(&token, "\xE2\x96\x81");
    root["model"]["vocab"][absl::StrCat(begins || special ? "" : "##", token)] = id++;
  }
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto tokenizer, WordPieceTokenizer::FromJson(root.dump()));
  for (const Vector& vector : ReadVectors(path->string())) {
    std::vector<Token> tokens;
    tokenizer->Encode(vector.text, &tokens);
    std::vector<std::uint32_t> ids;
    for (const Token& token : tokens) ids.push_back(token.id);
    EXPECT_EQ(ids, vector.ids) << vector.text;
  }
}

}  // namespace
}  // namespace ragmesh::text
