// `ragmesh collections tune` against a gateway on a real server.
#include <fstream>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "tests/integration/search/command_line.h"
#include "tests/integration/search/search_mesh.h"

namespace ragmesh::services {
namespace {

namespace v1 = ::ragmesh::gateway::v1;

constexpr int kTopics = 24;

class TuneCommandTest : public SearchMesh {
 protected:
  void SetUp() override {
    SearchMesh::SetUp();
    // Each question's document names its topic once; a longer one names it often, in a text that is
    // about something else. Length normalisation tells them apart.
    for (int i = 0; i < kTopics; ++i) {
      const std::string topic = absl::StrCat("topic", i, "x");
      std::string long_text = "other words of no use ";
      for (int n = 0; n < 3; ++n) absl::StrAppend(&long_text, topic, " ");
      for (int n = 0; n < 60; ++n) absl::StrAppend(&long_text, "filler", n % 13, " ");
      Put("manuals", absl::StrCat("right", i), absl::StrCat("about ", topic));
      Put("manuals", absl::StrCat("wrong", i), long_text);
    }
    golden_ = (folder_.path() / "golden.jsonl").string();
    std::ofstream file(golden_);
    for (int i = 0; i < kTopics; ++i) {
      file << nlohmann::json{{"question", absl::StrCat("topic", i, "x")},
                             {"names", {absl::StrCat("right", i)}}}
                  .dump()
           << "\n";
    }
  }

  cli::Printed Run(std::vector<std::string> words) {
    words.insert(words.begin(), {"collections", "tune"});
    words.insert(words.end(), {"--server", address(), "--quiet"});
    return cli::RunCommandLine(cli::MakeCollectionsCommand(), std::move(words));
  }

  void Use(double k1, double b, double dense_weight) {
    v1::UpdateCollectionRequest request;
    request.set_collection("manuals");
    request.mutable_bm25()->set_k1(k1);
    request.mutable_bm25()->set_b(b);
    request.mutable_fusion()->set_dense_weight(dense_weight);
    v1::UpdateCollectionResponse response;
    grpc::ClientContext context;
    ASSERT_TRUE(stub_->UpdateCollection(&context, request, &response).ok());
  }

  std::string golden_;
};

TEST_F(TuneCommandTest, BadSettingsAreFoundOutAndReplacedOnlyWhenAsked) {
  Use(2.8, 0, 0);  // words alone, without regard to length: always the wrong document first
  const auto shown = Run({"manuals", "--golden", golden_});
  EXPECT_EQ(shown.exit, cli::kOk) << shown.err;
  EXPECT_THAT(shown.out, ::testing::HasSubstr("more than chance"));
  EXPECT_THAT(shown.out, ::testing::HasSubstr("nDCG@10"));
  EXPECT_EQ(Manuals().collection().bm25().b(), 0);
  const auto applied = Run({"manuals", "--golden", golden_, "--apply", "--json"});
  EXPECT_EQ(applied.exit, cli::kOk) << applied.err;
  const auto outcome = nlohmann::json::parse(applied.out);
  EXPECT_TRUE(outcome["applied"].get<bool>());
  EXPECT_TRUE(outcome["significant"].get<bool>());
  EXPECT_LT(outcome["pValue"].get<double>(), 0.01);
  EXPECT_NEAR(outcome["after"]["quality"]["ndcgAt10"].get<double>(), 1, 1e-9);
  EXPECT_LT(outcome["before"]["quality"]["ndcgAt10"].get<double>(), 0.7);
  EXPECT_EQ(outcome["questions"], kTopics);
  const v1::Collection after = Manuals().collection();
  EXPECT_TRUE(after.bm25().b() > 0 || after.fusion().dense_weight() > 0);
  // What is best already stays.
  const auto kept = Run({"manuals", "--golden", golden_, "--apply"});
  EXPECT_EQ(kept.exit, cli::kOk) << kept.err;
  EXPECT_THAT(kept.out, ::testing::HasSubstr("they stay"));
  EXPECT_EQ(Manuals().collection().DebugString(), after.DebugString());
}

TEST_F(TuneCommandTest, WhatCannotBeTunedIsSaidByName) {
  EXPECT_EQ(Run({"manuals"}).exit, cli::kUsage);
  EXPECT_EQ(Run({"manuals", "--golden", golden_, "--apply", "--dry_run"}).exit, cli::kUsage);
  EXPECT_EQ(Run({"manuals", "--golden", "/nonexistent"}).exit, cli::kMissing);
  EXPECT_EQ(Run({"nowhere", "--golden", golden_}).exit, cli::kMissing);
  std::ofstream(golden_, std::ios::app) << "{\"question\": \"q\", \"documents\": []}\n";
  const auto refused = Run({"manuals", "--golden", golden_});
  EXPECT_EQ(refused.exit, cli::kUsage);
  EXPECT_THAT(refused.err, ::testing::HasSubstr(absl::StrCat("line ", kTopics + 1, ": documents")));
}

}  // namespace
}  // namespace ragmesh::services
