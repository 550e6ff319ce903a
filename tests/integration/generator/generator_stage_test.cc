// The generator stage as its flags make it, with a model server in place of the engine.
#include "services/generator/generator_stage.h"

#include <atomic>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/testing/status_matchers.h"
#include "libs/testing/test_data.h"
#include "services/generator/passage_metrics.h"
#include "tests/unit/remote_generation/scripted_model_server.h"

namespace ragmesh::services {
namespace {

using ragmesh::testing::HasReason;
using ragmesh::testing::IsOk;
using ragmesh::testing::ScriptedConnection;
using ragmesh::testing::ScriptedModelServer;
using ragmesh::testing::ScriptedRequest;
using ::testing::HasSubstr;

class GeneratorStageTest : public ::testing::Test {
 protected:
  GeneratorStageTest()
      : server_([this](const ScriptedRequest& request, ScriptedConnection& connection) {
          if (!well_) return connection.SendAnswer(503, "{}");
          if (request.line() == "GET /v1/models")
            return connection.SendAnswer(200, ragmesh::testing::OtherModels());
          connection.BeginEvents();
          connection.SendEvent(ragmesh::testing::Delta("remote"));
          connection.SendEvent(ragmesh::testing::Finish("stop"));
          connection.SendEvent("[DONE]");
          return false;
        }) {
    models_.cache = folder_.path();  // without any model
    config_.backend = "openai";
    config_.url = server_.url();
  }

  absl::StatusOr<MadeGenerator> Make() {
    return MakeGenerator(
        config_, models_, "auto", 1,
        [this](const absl::Status& readiness) {
          absl::MutexLock lock(&mutex_);
          heard_.push_back(readiness);
        },
        registry_, call_);
  }
  std::vector<absl::Status> heard() {
    absl::MutexLock lock(&mutex_);
    return heard_;
  }
  void AwaitReady() {
    absl::MutexLock lock(&mutex_);
    const auto ready = [this] { return heard_.back().ok(); };
    mutex_.Await(absl::Condition(&ready));
  }
  // What the flag at fault is; empty when all go together.
  std::string FlagAtFault() const {
    const auto detail = GetErrorDetail(config_.Check());
    return detail.has_value() ? detail->field : "";
  }

  std::atomic<bool> well_ = true;
  absl::Mutex mutex_;
  std::vector<absl::Status> heard_ ABSL_GUARDED_BY(mutex_);
  const ragmesh::testing::TempDir folder_;
  ScriptedModelServer server_;
  ModelOptions models_;
  GeneratorConfig config_;
  metrics::Registry registry_;
  const CallContext call_{absl::Now() + absl::Seconds(30)};
};

TEST_F(GeneratorStageTest, AModelServerWritesWithoutAnyModelHere) {
  RAGMESH_ASSERT_OK_AND_ASSIGN(const MadeGenerator made, Make());
  EXPECT_THAT(made.readiness, IsOk());
  EXPECT_THAT(heard(), ::testing::ElementsAre(IsOk()));
  stages::GenerateRequest request;
  request.prompt = stages::ChatMessages{{stages::ChatRole::kUser, "Why?"}};
  std::string text;
  RAGMESH_ASSERT_OK(made.generator->Generate(
      request,
      [&text](const stages::TokenEvent& event) {
        text += event.text;
        return absl::OkStatus();
      },
      call_));
  EXPECT_EQ(text, "remote");
}

TEST_F(GeneratorStageTest, AServerThatIsDownIsWatchedAndNotReady) {
  well_ = false;
  RAGMESH_ASSERT_OK_AND_ASSIGN(const MadeGenerator made, Make());
  EXPECT_THAT(made.readiness, HasReason("REMOTE_FAILED"));
  EXPECT_FALSE(made.generator->Info(call_)->ready);
  well_ = true;
  AwaitReady();  // the watch's next probe
  EXPECT_TRUE(made.generator->Info(call_)->ready);
}

TEST_F(GeneratorStageTest, AFallbackWithoutModelLeavesTheServerAlone) {
  config_.fallback = "engine";
  RAGMESH_ASSERT_OK_AND_ASSIGN(const MadeGenerator made, Make());
  EXPECT_THAT(made.readiness, IsOk());
  EXPECT_EQ(made.generator->Info(call_)->features.at("backend"), "remote");
}

TEST_F(GeneratorStageTest, TheEngineNeedsItsModel) {
  config_.backend = "engine";
  config_.url.clear();
  EXPECT_THAT(Make(), HasReason("MODEL_NOT_INSTALLED"));
}

TEST_F(GeneratorStageTest, FlagsThatDoNotGoTogetherOrNameNothingAreNamed) {
  config_.url.clear();
  EXPECT_EQ(FlagAtFault(), "--generator_url");
  config_.url = "ftp://host";
  EXPECT_EQ(FlagAtFault(), "--generator_url");
  config_.backend = "engine";
  config_.url = "http://host";
  EXPECT_EQ(FlagAtFault(), "--generator_url");
  config_.url.clear();
  config_.fallback = "engine";
  EXPECT_EQ(FlagAtFault(), "--generator_fallback");
  config_.fallback = "none";
  config_.passage_folder = "/nowhere";
  EXPECT_EQ(FlagAtFault(), "--generator_passage_folder");
  config_.passage_folder.clear();
  EXPECT_EQ(FlagAtFault(), "");
  config_.chat_template = (folder_.path() / "none.jinja").string();
  EXPECT_EQ(FlagAtFault(), "--generator_chat_template");
}

TEST(PassageMetricsTest, EveryScrapeShowsWhatHasHappenedSinceTheLast) {
  metrics::Registry registry;
  const auto counts = CountPassages(registry);
  EXPECT_THAT(registry.Expose(),
              HasSubstr("ragmesh_generator_passage_reads_total{result=\"hit\"} 0"));
  counts->hits += 3;
  counts->bytes = 700;
  registry.Expose();
  counts->hits += 2;
  counts->bytes = 500;
  const std::string shown = registry.Expose();
  EXPECT_THAT(shown, HasSubstr("ragmesh_generator_passage_reads_total{result=\"hit\"} 5"));
  EXPECT_THAT(shown, HasSubstr("ragmesh_generator_passage_disk_bytes 500"));
}

TEST_F(GeneratorStageTest, AModelServerWithoutItsUrlIsRefusedAtTheCommandLine) {
  config_ = GeneratorConfig();
  flags::FlagSet flags("generator", "Writes.");
  config_.Declare(flags);
  const char* const arguments[] = {"generator", "--generator_backend=openai"};
  const auto parsed = flags.Parse(2, arguments);
  EXPECT_THAT(parsed.status().message(), HasSubstr("--generator_url is missing"));
  EXPECT_THAT(GetErrorDetail(parsed.status())->next_step, HasSubstr("--generator_url=http://"));
}

TEST_F(GeneratorStageTest, ItsFlagsAreDeclared) {
  flags::FlagSet flags("generator", "Writes.");
  config_.Declare(flags);
  for (const char* flag :
       {"--generator_backend", "--generator_url", "--generator_key_file", "--generator_ca_file",
        "--generator_remote_model", "--generator_fallback", "--generator_passage_folder",
        "--generator_passage_disk"}) {
    EXPECT_THAT(flags.Help(), HasSubstr(flag));
  }
}

}  // namespace
}  // namespace ragmesh::services
