// SentencePiece tokenizers of decoders against the library: the models and ids of
// sentencepiece.json, which make_sentencepiece_vectors.py wrote.
#include <gtest/gtest.h>

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "absl/strings/escaping.h"
#include "libs/testing/status_matchers.h"
#include "libs/testing/test_data.h"
#include "libs/text/sentencepiece_tokenizer.h"

namespace ragmesh::text {
namespace {

using nlohmann::json;

// SentencePiece's own numbers, which GGUF took over.
TokenKind KindOf(int type) {
  if (type == 4) return TokenKind::kUserDefined;
  if (type == 6) return TokenKind::kByte;
  return type == 1 ? TokenKind::kNormal : TokenKind::kControl;
}

TEST(SentencePieceGoldenTest, IdsEqualTheLibrary) {
  const json golden = json::parse(testing::ReadFileOrDie(
      std::string(std::getenv("RAGMESH_SOURCE_DIR")) + "/tests/golden/text/sentencepiece.json"));
  ASSERT_EQ(golden["models"].size(), 5u);
  ASSERT_GE(golden["cases"].size(), 26u);
  for (const json& model : golden["models"]) {
    const auto name = model["name"].get<std::string>();
    const auto tokens = model["tokens"].get<std::vector<std::string>>();
    SentencePieceVocabulary vocabulary;
    if (model["model"] == "t5") vocabulary.model = SentencePieceVocabulary::Model::kUnigram;
    vocabulary.tokens.assign(tokens.begin(), tokens.end());
    for (const int type : model["token_type"].get<std::vector<int>>())
      vocabulary.kinds.push_back(KindOf(type));
    vocabulary.scores = model["scores"].get<std::vector<float>>();
    vocabulary.unknown = 0;
    vocabulary.adds_space_prefix = model["add_space_prefix"].get<bool>();
    vocabulary.joins_spaces = model["remove_extra_whitespaces"].get<bool>();
    std::string map;
    ASSERT_TRUE(absl::Base64Unescape(model["precompiled_charsmap"].get<std::string>(), &map));
    vocabulary.character_map = map;
    RAGMESH_ASSERT_OK_AND_ASSIGN(const auto tokenizer, SentencePieceTokenizer::Create(vocabulary));
    std::size_t compared = 0;
    for (const json& expected : golden["cases"]) {
      if (!expected.contains(name)) continue;
      ++compared;
      const auto text = expected["text"].get<std::string>();
      std::vector<Token> encoded;
      tokenizer->Encode(text, &encoded);
      std::vector<std::uint32_t> ids;
      for (const Token& token : encoded) ids.push_back(token.id);
      EXPECT_EQ(ids, expected[name].get<std::vector<std::uint32_t>>()) << name << ": " << text;
    }
    EXPECT_GE(compared, 25u) << name;
  }
}

}  // namespace
}  // namespace ragmesh::text
