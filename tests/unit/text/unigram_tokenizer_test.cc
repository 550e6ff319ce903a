#include "libs/text/unigram_tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "libs/testing/status_matchers.h"

namespace ragmesh::text {
namespace {

using nlohmann::json;
using ::ragmesh::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Ids 0 to 3 are tokens of structure; "▁" is 4, "a" 5, "b" 6, "ab" 7, "▁a" 8.
json Model() {
  return json::parse(R"({
    "added_tokens":[{"content":"<pad>"}],
    "normalizer":null,
    "pre_tokenizer":{"type":"Metaspace","replacement":"▁","prepend_scheme":"always"},
    "model":{"type":"Unigram","unk_id":3,"vocab":[["<s>",0],["<pad>",0],["</s>",0],["<unk>",0],
      ["▁",-2],["a",-3],["b",-3],["ab",-4],["▁a",-4.5]]}})");
}

std::vector<Token> Encode(absl::string_view text) {
  std::vector<Token> tokens;
  (*UnigramTokenizer::FromJson(Model()))->Encode(text, &tokens);
  return tokens;
}

TEST(UnigramTokenizerTest, TakesThePiecesWithTheLargestSum) {
  // "▁" + "ab" is -6, "▁a" + "b" -7.5, "▁" + "a" + "b" -8.
  EXPECT_THAT(Encode("ab"), ElementsAre(Token{4, 0, 0}, Token{7, 0, 2}));
  EXPECT_THAT(Encode("a"), ElementsAre(Token{8, 0, 1}));
}

TEST(UnigramTokenizerTest, ASpaceBeginsAWord) {
  EXPECT_THAT(Encode("a a"), ElementsAre(Token{8, 0, 1}, Token{8, 1, 3}));
}

TEST(UnigramTokenizerTest, UnknownCharactersInARowAreOneToken) {
  EXPECT_THAT(Encode("xyéb"), ElementsAre(Token{4, 0, 0}, Token{3, 0, 4}, Token{6, 4, 5}));
}

TEST(UnigramTokenizerTest, NoTextSpellsATokenOfStructure) {
  for (const Token& token : Encode("<s></s><pad><unk>")) EXPECT_GE(token.id, 3u);
}

TEST(UnigramTokenizerTest, NamesTheFieldAtFault) {
  const std::pair<const char*, const char*> cases[] = {
      {R"({"normalizer":{"type":"Lowercase"}})", "normalizer"},
      {R"({"normalizer":{"type":"Precompiled","precompiled_charsmap":"?"}})",
       "precompiled_charsmap"},
      {R"({"normalizer":{"type":"Precompiled","precompiled_charsmap":"/////w=="}})",
       "precompiled_charsmap"},
      {R"({"pre_tokenizer":null})", "pre_tokenizer"},
      {R"({"pre_tokenizer":{"type":"Metaspace","add_prefix_space":false}})", "pre_tokenizer"},
      {R"({"pre_tokenizer":{"type":"Metaspace","prepend_scheme":"never"}})", "pre_tokenizer"},
      {R"({"model":{"vocab":{}}})", "model.vocab"},
      {R"({"model":{"vocab":[["a",null]],"unk_id":0}})", "model.vocab[0]"},
      {R"({"model":{"vocab":[["a",1]],"unk_id":1}})", "model.unk_id"},
      {R"({"model":{"vocab":[["a",1]],"unk_id":0}})", "post_processor"}};
  for (const auto& [patch, field] : cases) {
    json root = Model();
    root.update(json::parse(patch));
    EXPECT_THAT(UnigramTokenizer::FromJson(root),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(field)))
        << patch;
  }
}

}  // namespace
}  // namespace ragmesh::text
