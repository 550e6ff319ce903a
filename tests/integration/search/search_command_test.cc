// `ragmesh search` against a gateway on a real server.
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tests/integration/search/command_line.h"
#include "tests/integration/search/search_mesh.h"

namespace ragmesh::services {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

class SearchCommandTest : public SearchMesh {
 protected:
  void SetUp() override {
    SearchMesh::SetUp();
    Put("manuals", "pump.md",
        "The pump stands in hall one.\n\nThe pump seal is replaced every year.\n\nOil is changed "
        "in spring.",
        {{"part", std::string("P-17")}});
    Put("manuals", "seal.md", "A seal keeps oil in.", {{"part", std::string("Q-2")}});
  }

  cli::Printed Run(std::vector<std::string> words) {
    words.insert(words.begin(), "search");
    words.insert(words.end(), {"--collection", "manuals", "--server", address()});
    return cli::RunCommandLine(cli::MakeSearchCommand(), std::move(words));
  }
};

TEST_F(SearchCommandTest, ExplainShowsWhatEveryPartAdded) {
  const auto plain = Run({"pump seal", "--no-rerank"});
  EXPECT_EQ(plain.exit, cli::kOk) << plain.err;
  EXPECT_THAT(plain.out, Not(HasSubstr("idf")));
  const auto printed = Run({"pump seal", "--explain", "--no-rerank", "--diversity", "0.4"});
  EXPECT_EQ(printed.exit, cli::kOk) << printed.err;
  for (const char* part : {"fused = dense", "lexical = pump", "idf", "diversity: relevance 1.000",
                           "searched: 4 of 4 chunks (100.0 %), vectors by full scan",
                           "z-score, dense weight 0.45", "k1 1.2", "steps: filter"}) {
    EXPECT_THAT(printed.out, HasSubstr(part));
  }
}

TEST_F(SearchCommandTest, NeighboursStandAroundTheirPassage) {
  const auto printed = Run({"seal replaced every year", "--top_k", "1", "--neighbours", "1"});
  EXPECT_EQ(printed.exit, cli::kOk) << printed.err;
  const std::size_t before = printed.out.find("hall one"), passage = printed.out.find("every year"),
                    after = printed.out.find("spring");
  EXPECT_LT(before, passage);
  EXPECT_LT(passage, after);
  EXPECT_NE(after, std::string::npos);
}

TEST_F(SearchCommandTest, DocumentsCanBeLimitedAndFiltered) {
  const auto printed = Run({"pump seal oil", "--max_per_document", "1", "--json"});
  EXPECT_EQ(printed.exit, cli::kOk) << printed.err;
  EXPECT_EQ(nlohmann::json::parse(printed.out)["passages"].size(), 2u);
  const auto filtered =
      Run({"seal", "--filter", R"({"prefix": {"field": "part", "prefix": "Q"}})", "--json"});
  EXPECT_EQ(filtered.exit, cli::kOk) << filtered.err;
  const auto found = nlohmann::json::parse(filtered.out)["passages"];
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0]["documentName"], "seal.md");
}

TEST_F(SearchCommandTest, OperatorsAskForPhrasesAndBeginningsAndLeaveWordsOut) {
  const auto texts = [this](const std::string& query, std::vector<std::string> flags) {
    flags.insert(flags.begin(), query);
    flags.push_back("--json");
    const auto printed = Run(std::move(flags));
    EXPECT_THAT(printed.exit, ::testing::AnyOf(cli::kOk, cli::kNothingFound)) << printed.err;
    std::set<std::string> found;
    for (const auto& passage :
         nlohmann::json::parse(printed.out).value("passages", nlohmann::json::array()))
      found.insert(passage["text"]);
    return found;
  };
  EXPECT_THAT(texts("\"pump seal\"", {"--operators"}),
              ElementsAre("The pump seal is replaced every year."));
  EXPECT_THAT(texts("seal -pump", {"--operators"}), ElementsAre("A seal keeps oil in."));
  EXPECT_THAT(texts("repl* +year", {"--operators", "--mode", "lexical"}),
              ElementsAre("The pump seal is replaced every year."));
  EXPECT_GT(texts("\"pump seal\"", {}).size(), 1u);  // plain: all of it is words
  const auto open = Run({"\"pump seal", "--operators"});
  EXPECT_EQ(open.exit, cli::kUsage);
  EXPECT_THAT(open.err, HasSubstr("query byte 0: the phrase has no closing quote"));
}

TEST_F(SearchCommandTest, MistakesSayWhatToDo) {
  const auto broken = Run({"seal", "--filter", "{\"prefix\""});
  EXPECT_EQ(broken.exit, cli::kUsage);
  EXPECT_THAT(broken.err, HasSubstr("--filter is no filter"));
  EXPECT_THAT(broken.err, HasSubstr("for example"));
  const auto unknown =
      Run({"seal", "--filter", R"({"equals": {"field": "prat", "value": "Q-2"}})"});
  EXPECT_EQ(unknown.exit, cli::kUsage);
  EXPECT_THAT(unknown.err, HasSubstr("UNKNOWN_FILTER_FIELD"));
  EXPECT_THAT(unknown.err, HasSubstr("\"part\""));
  EXPECT_EQ(Run({"seal", "--diversity", "2"}).exit, cli::kUsage);
  EXPECT_EQ(Run({"seal", "--filter", std::string(300, '[')}).exit, cli::kUsage);
}

}  // namespace
}  // namespace ragmesh::services
