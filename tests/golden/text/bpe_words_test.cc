// The word rules of byte-level BPE against the regular expressions they were published as:
// bpe_words.json, which make_bpe_words.py wrote.
#include <gtest/gtest.h>

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "libs/testing/test_data.h"
#include "libs/text/bpe_pretokenizer.h"

namespace ragmesh::text {
namespace {

TEST(BpeWordsTest, WordsAreThoseOfThePublishedExpressions) {
  const auto golden = nlohmann::json::parse(testing::ReadFileOrDie(
      std::string(std::getenv("RAGMESH_SOURCE_DIR")) + "/tests/golden/text/bpe_words.json"));
  ASSERT_GE(golden["cases"].size(), 150u);
  for (const auto& expected : golden["cases"]) {
    const auto text = expected["text"].get<std::string>();
    std::size_t rules = 0;
    for (const auto& [names, bytes] : expected["bytes"].items()) {
      for (const absl::string_view name : absl::StrSplit(names, ',')) {
        ++rules;
        const auto family = FindBpeFamily(name);
        ASSERT_TRUE(family.has_value()) << name;
        std::string sizes;
        for (const WordRange& word : SplitWords(family->pretokenizer, text))
          absl::StrAppend(&sizes, sizes.empty() ? "" : " ", word.end - word.begin);
        EXPECT_EQ(sizes, bytes.get<std::string>()) << name << ": " << expected["text"];
      }
    }
    EXPECT_EQ(rules, golden["rules"].get<std::size_t>());
  }
}

}  // namespace
}  // namespace ragmesh::text
