// The unigram tokenizer against the tokenizers library: ids of unigram.json for the model of
// unigram_tokenizer.json, which make_unigram_vectors.py wrote.
#include <gtest/gtest.h>

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "libs/testing/status_matchers.h"
#include "libs/testing/test_data.h"
#include "libs/text/unigram_tokenizer.h"

namespace ragmesh::text {
namespace {

using nlohmann::json;

json Read(const std::string& name) {
  return json::parse(testing::ReadFileOrDie(std::string(std::getenv("RAGMESH_SOURCE_DIR")) +
                                            "/tests/golden/text/" + name));
}

// As the script's as_bge_m3.
json AsBgeM3(json root) {
  const json replace = {{"type", "Replace"}, {"pattern", {{"Regex", " {2,}"}}}, {"content", " "}};
  root["normalizer"] = {{"type", "Sequence"},
                        {"normalizers", json::array({root["normalizer"], replace})}};
  root["pre_tokenizer"] = json(root["pre_tokenizer"]["pretokenizers"][1]);
  return root;
}

TEST(UnigramGoldenTest, IdsEqualTheReference) {
  const json xlmr = Read("unigram_tokenizer.json"), golden = Read("unigram.json");
  ASSERT_EQ(golden["cases"].size(), 22u);
  const std::pair<const char*, json> models[] = {{"xlm-roberta", xlmr}, {"bge-m3", AsBgeM3(xlmr)}};
  for (const auto& [name, model] : models) {
    RAGMESH_ASSERT_OK_AND_ASSIGN(const auto tokenizer, UnigramTokenizer::FromJson(model));
    for (const json& expected : golden["cases"]) {
      const auto text = expected["text"].get<std::string>();
      std::vector<Token> tokens;
      tokenizer->Encode(text, &tokens);
      std::vector<std::uint32_t> ids;
      std::uint32_t begin = 0;
      for (const Token& token : tokens) {
        ids.push_back(token.id);
        EXPECT_LE(begin, token.begin) << text;
        EXPECT_LE(token.begin, token.end) << text;
        EXPECT_LE(token.end, text.size()) << text;
        begin = token.begin;
      }
      EXPECT_EQ(ids, expected[name].get<std::vector<std::uint32_t>>()) << name << ": " << text;
    }
  }
}

}  // namespace
}  // namespace ragmesh::text
