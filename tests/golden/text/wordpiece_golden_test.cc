// Ids and byte ranges against the reference implementation: wordpiece.json, which
// make_wordpiece_vectors.py wrote, and the ids in minilm.json.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "libs/testing/status_matchers.h"
#include "libs/testing/test_data.h"
#include "libs/text/wordpiece_tokenizer.h"

namespace ragmesh::text {
namespace {

constexpr char kTokenizer[] = "tokenizers/all-MiniLM-L6-v2-tokenizer/tokenizer.json";

TEST(WordPieceGoldenTest, IdsAndRangesEqualTheReference) {
  const auto path = testing::TestData(kTokenizer);
  RAGMESH_SKIP_WITHOUT(path, kTokenizer);
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto tokenizer, WordPieceTokenizer::FromFile(*path));
  const std::string source = std::getenv("RAGMESH_SOURCE_DIR");
  const auto golden =
      nlohmann::json::parse(testing::ReadFileOrDie(source + "/tests/golden/text/wordpiece.json"));
  ASSERT_GT(golden["cases"].size(), 400u);
  for (const auto& expected : golden["cases"]) {
    const auto text = expected["text"].get<std::string>();
    std::vector<Token> tokens;
    tokenizer->Encode(text, &tokens);
    std::vector<std::uint32_t> ids;
    std::vector<std::vector<std::uint32_t>> ranges;
    for (const Token& token : tokens) {
      ids.push_back(token.id);
      ranges.push_back({token.begin, token.end});
    }
    EXPECT_EQ(ids, expected["ids"].get<std::vector<std::uint32_t>>()) << expected["text"].dump();
    EXPECT_EQ(ranges, expected["ranges"].get<std::vector<std::vector<std::uint32_t>>>())
        << expected["text"].dump();
    EXPECT_EQ(tokenizer->Count(text), ids.size());
  }
}

TEST(WordPieceGoldenTest, IdsEqualTheEmbedderGolden) {
  const auto path = testing::TestData(kTokenizer);
  const auto golden_path = testing::TestData("golden/minilm.json");
  RAGMESH_SKIP_WITHOUT(path, kTokenizer);
  RAGMESH_SKIP_WITHOUT(golden_path, "golden/minilm.json");
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto tokenizer, WordPieceTokenizer::FromFile(*path));
  const auto golden = nlohmann::json::parse(testing::ReadFileOrDie(*golden_path));
  for (const auto& expected : golden["texts"]) {
    std::vector<Token> tokens;
    tokenizer->Encode(expected["text"].get<std::string>(), &tokens);
    std::vector<std::uint32_t> ids = {tokenizer->cls_id()};
    for (const Token& token : tokens) ids.push_back(token.id);
    ids.push_back(tokenizer->sep_id());
    auto want = expected["ids"].get<std::vector<std::uint32_t>>();
    if (want.size() < ids.size()) {  // the golden lists what the model reads: cut, and closed again
      ASSERT_TRUE(expected["truncated"].get<bool>()) << expected["text"].dump();
      ids.resize(want.size() - 1);
      ids.push_back(tokenizer->sep_id());
    }
    EXPECT_EQ(ids, want) << expected["text"].dump();
  }
}

}  // namespace
}  // namespace ragmesh::text
