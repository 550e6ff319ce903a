#include "libs/tuning/golden_set.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/testing/status_matchers.h"

namespace ragmesh::tuning {
namespace {

using ::ragmesh::testing::HasReason;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

TEST(GoldenSetTest, ListsAndGradesOfAllKindsAreRead) {
  RAGMESH_ASSERT_OK_AND_ASSIGN(
      const auto questions,
      ParseGoldenSet("{\"question\": \"How often?\", \"documents\": [\"b\", \"a\"]}\r\n"
                     "\n"
                     "{\"question\": \"Which oil?\", \"names\": {\"g.md\": 3, \"o.md\": 1}}\n"
                     "{\"question\": \"Bolt 7?\", \"chunks\": [\"frame.md#12\"]}"));
  ASSERT_EQ(questions.size(), 3u);
  EXPECT_EQ(questions[0].question, "How often?");
  EXPECT_EQ(questions[0].by, RelevantBy::kDocument);
  EXPECT_THAT(questions[0].grades, ElementsAre(Pair("a", 1), Pair("b", 1)));
  EXPECT_THAT(questions[1].grades, ElementsAre(Pair("g.md", 3), Pair("o.md", 1)));
  EXPECT_EQ(questions[1].by, RelevantBy::kName);
  EXPECT_EQ(questions[1].line, 3);
  EXPECT_EQ(questions[2].by, RelevantBy::kChunk);
}

struct Bad {
  const char* line;
  const char* says;
};

TEST(GoldenSetTest, BadLinesAreNamedWithFieldAndProblem) {
  const Bad bad[] = {
      {"nonsense", "is not JSON"},
      {"[1]", "is not a JSON object"},
      {R"({"documents": ["a"]})", "question must be a string"},
      {R"({"question": 7, "documents": ["a"]})", "question must be a string"},
      {R"({"question": "", "documents": ["a"]})", "question must have 1 to 4096 bytes"},
      {R"({"question": "q"})", "exactly one of names, documents and chunks"},
      {R"({"question": "q", "documents": ["a"], "chunks": ["b"]})",
       "exactly one of names, documents and chunks"},
      {R"({"question": "q", "documents": "a"})", "documents must be a list"},
      {R"({"question": "q", "documents": []})", "documents has 0 entries"},
      {R"({"question": "q", "chunks": [1]})", "chunks holds an entry that is not a string"},
      {R"({"question": "q", "chunks": ["a", "a"]})", "chunks names \"a\" twice"},
      {R"({"question": "q", "documents": [""]})", "an entry of 0 bytes"},
      {R"({"question": "q", "documents": {"a": 0}})", "documents[\"a\"] must be a whole number"},
      {R"({"question": "q", "documents": {"a": 1.5}})", "must be a whole number"},
      {R"({"question": "q", "documents": {"a": 1e300}})", "must be a whole number"},
      {R"({"question": "q", "documents": {"a": 18446744073709551615}})", "must be a whole number"},
      {R"({"question": "q", "docs": ["a"]})", "unknown field \"docs\""},
  };
  for (const Bad& one : bad) {
    const auto refused = ParseGoldenSet(absl::StrCat("\n", one.line, "\n"));
    EXPECT_THAT(refused, HasReason("INVALID_GOLDEN_SET")) << one.line;
    EXPECT_THAT(std::string(refused.status().message()), HasSubstr("line 2: ")) << one.line;
    EXPECT_THAT(std::string(refused.status().message()), HasSubstr(one.says)) << one.line;
    EXPECT_THAT(GetErrorDetail(refused.status())->next_step, HasSubstr("\"names\""));
  }
}

TEST(GoldenSetTest, SeveralBadLinesAreShownAtOnceUpToTen) {
  std::string text;
  for (int i = 0; i < 30; ++i) text += "bad\n";
  const auto refused = ParseGoldenSet(text);
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("line 10: "));
  EXPECT_THAT(std::string(refused.status().message()), ::testing::Not(HasSubstr("line 11: ")));
}

TEST(GoldenSetTest, AQuestionComesOnce) {
  const std::string line = R"({"question": "q", "documents": ["a"]})";
  EXPECT_THAT(std::string(ParseGoldenSet(line + "\n" + line).status().message()),
              HasSubstr("line 2: question is the one of line 1"));
}

TEST(GoldenSetTest, HostileFilesEndSoon) {
  EXPECT_THAT(ParseGoldenSet(""), HasReason("INVALID_GOLDEN_SET"));
  EXPECT_THAT(ParseGoldenSet(std::string(1000, '\n')), HasReason("INVALID_GOLDEN_SET"));
  EXPECT_THAT(ParseGoldenSet(std::string(900'000, '[')), HasReason("INVALID_GOLDEN_SET"));
  EXPECT_THAT(std::string(ParseGoldenSet(std::string(2 << 20, 'x')).status().message()),
              HasSubstr("is longer than"));
  EXPECT_THAT(ParseGoldenSet(std::string((64 << 20) + 1, ' ')), HasReason("LIMIT_EXCEEDED"));
  std::string deep = R"({"question": "q", "documents": )" + std::string(400'000, '[') +
                     std::string(400'000, ']') + "}";
  EXPECT_THAT(ParseGoldenSet(deep), HasReason("INVALID_GOLDEN_SET"));
  EXPECT_THAT(ParseGoldenSet(std::string("{\"question\": \"a\xFF\", \"documents\": [\"a\"]}")),
              HasReason("INVALID_GOLDEN_SET"));
}

}  // namespace
}  // namespace ragmesh::tuning
