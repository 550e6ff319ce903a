// `ragmesh collections tune` against a gateway on a real server.
#include <fstream>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "services/ragmesh/command.h"
#include "services/ragmesh/exit_status.h"
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

  // Runs the command line, and returns its exit status and what it printed.
  std::pair<int, std::string> Run(std::vector<std::string> arguments) {
    auto command = cli::MakeCollectionsCommand();
    flags::FlagSet root("ragmesh", "Test.");
    command->Declare(root);
    std::vector<std::string> all{"ragmesh", "collections", "tune"};
    all.insert(all.end(), arguments.begin(), arguments.end());
    all.insert(all.end(), {"--server", address(), "--quiet"});
    std::vector<const char*> argv;
    for (const std::string& one : all) argv.push_back(one.c_str());
    const auto parsed = root.Parse(static_cast<int>(argv.size()), argv.data());
    if (!parsed.ok()) return {cli::kUsage, std::string(parsed.status().message())};
    ::testing::internal::CaptureStdout();
    const int exit = command->Run(parsed->command);
    return {exit, ::testing::internal::GetCapturedStdout()};
  }

  v1::Collection Manuals() {
    v1::GetCollectionRequest request;
    request.set_collection("manuals");
    v1::GetCollectionResponse response;
    grpc::ClientContext context;
    EXPECT_TRUE(stub_->GetCollection(&context, request, &response).ok());
    return response.collection();
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
  const auto [exit, text] = Run({"manuals", "--golden", golden_});
  EXPECT_EQ(exit, cli::kOk) << text;
  EXPECT_THAT(text, ::testing::HasSubstr("more than chance"));
  EXPECT_THAT(text, ::testing::HasSubstr("nDCG@10"));
  EXPECT_EQ(Manuals().bm25().b(), 0);
  const auto [applied, json] = Run({"manuals", "--golden", golden_, "--apply", "--json"});
  EXPECT_EQ(applied, cli::kOk) << json;
  const auto outcome = nlohmann::json::parse(json);
  EXPECT_TRUE(outcome["applied"].get<bool>());
  EXPECT_TRUE(outcome["significant"].get<bool>());
  EXPECT_LT(outcome["pValue"].get<double>(), 0.01);
  EXPECT_NEAR(outcome["after"]["quality"]["ndcgAt10"].get<double>(), 1, 1e-9);
  EXPECT_LT(outcome["before"]["quality"]["ndcgAt10"].get<double>(), 0.7);
  EXPECT_EQ(outcome["questions"], kTopics);
  const v1::Collection after = Manuals();
  EXPECT_TRUE(after.bm25().b() > 0 || after.fusion().dense_weight() > 0);
  // What is best already stays.
  const auto [again, kept] = Run({"manuals", "--golden", golden_, "--apply"});
  EXPECT_EQ(again, cli::kOk);
  EXPECT_THAT(kept, ::testing::HasSubstr("they stay"));
  EXPECT_EQ(Manuals().DebugString(), after.DebugString());
}

TEST_F(TuneCommandTest, WhatCannotBeTunedIsSaidByName) {
  EXPECT_EQ(Run({"manuals"}).first, cli::kUsage);
  EXPECT_EQ(Run({"manuals", "--golden", golden_, "--apply", "--dry_run"}).first, cli::kUsage);
  EXPECT_EQ(Run({"manuals", "--golden", "/nonexistent"}).first, cli::kMissing);
  EXPECT_EQ(Run({"nowhere", "--golden", golden_}).first, cli::kMissing);
  std::ofstream(golden_, std::ios::app) << "{\"question\": \"q\", \"documents\": []}\n";
  ::testing::internal::CaptureStderr();
  const int exit = Run({"manuals", "--golden", golden_}).first;
  const std::string complaint = ::testing::internal::GetCapturedStderr();
  EXPECT_EQ(exit, cli::kUsage);
  EXPECT_THAT(complaint, ::testing::HasSubstr(absl::StrCat("line ", kTopics + 1, ": documents")));
}

}  // namespace
}  // namespace ragmesh::services
