#include "libs/remote_generation/watched_generator.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/testing/fake_generator.h"
#include "libs/testing/status_matchers.h"
#include "tests/unit/remote_generation/scripted_model_server.h"

namespace ragmesh::remote_generation {
namespace {

using ragmesh::testing::FakeGenerator;
using ragmesh::testing::HasReason;
using ragmesh::testing::ScriptedConnection;
using ragmesh::testing::ScriptedModelServer;
using ragmesh::testing::ScriptedRequest;
using ::testing::HasSubstr;

enum class Behaviour { kWell, kFails, kBusy, kBreaksOff };

// A server that behaves as told, watched, with or without an engine. Probes are far apart, so that
// each one is brought about by a call.
class WatchedGeneratorTest : public ::testing::Test {
 protected:
  WatchedGeneratorTest()
      : server_([this](const ScriptedRequest& request, ScriptedConnection& connection) {
          return Answer(request, connection);
        }) {}

  bool Answer(const ScriptedRequest& request, ScriptedConnection& connection) {
    if (request.line() == "GET /v1/models")
      return connection.SendAnswer(200, ragmesh::testing::OtherModels());
    switch (behaviour_) {
      case Behaviour::kFails:
        return connection.SendAnswer(500, "{}");
      case Behaviour::kBusy:
        return connection.SendAnswer(429, "{}");
      case Behaviour::kBreaksOff:  // once
        behaviour_ = Behaviour::kWell;
        connection.BeginEvents();
        connection.SendEvent(ragmesh::testing::Delta("remote begins"));
        return false;
      case Behaviour::kWell:
        break;
    }
    connection.BeginEvents();
    connection.SendEvent(ragmesh::testing::Delta("remote"));
    connection.SendEvent(ragmesh::testing::Finish("stop"));
    connection.SendEvent("[DONE]");
    return false;
  }

  void Start(bool with_engine) {
    auto remote = RemoteGenerator::Create({.url = server_.url()});
    RAGMESH_ASSERT_OK(remote);
    if (with_engine) {
      engine_ = std::make_shared<FakeGenerator>();
      engine_->says = "engine";
    }
    generator_ = std::make_unique<WatchedGenerator>(
        *std::move(remote), engine_,
        HealthWatch::Options{.interval = absl::Hours(1),
                             .min_backoff = absl::Hours(1),
                             .max_backoff = absl::Hours(1)},
        [this](const absl::Status&) {
          absl::MutexLock lock(&mutex_);
          ++probes_;
        },
        registry_);
    (void)generator_->Start(call_);
  }
  void AwaitProbes(int count) {
    absl::MutexLock lock(&mutex_);
    const auto made = [&] { return probes_ >= count; };
    mutex_.Await(absl::Condition(&made));
  }

  // What is written, or the reason why not.
  std::string Generate() {
    stages::GenerateRequest request;
    request.prompt = stages::ChatMessages{{stages::ChatRole::kUser, "Why?"}};
    text_.clear();
    const auto result = generator_->Generate(
        request,
        [this](const stages::TokenEvent& event) {
          text_ += event.text;
          return absl::OkStatus();
        },
        call_);
    if (result.ok()) return text_;
    const auto detail = GetErrorDetail(result.status());
    return detail.has_value() ? detail->reason : "untyped";
  }

  std::atomic<Behaviour> behaviour_ = Behaviour::kWell;
  absl::Mutex mutex_;
  int probes_ ABSL_GUARDED_BY(mutex_) = 0;
  metrics::Registry registry_;
  std::shared_ptr<FakeGenerator> engine_;
  const CallContext call_{absl::Now() + absl::Seconds(30)};
  std::string text_;
  ScriptedModelServer server_;
  std::unique_ptr<WatchedGenerator> generator_;
};

TEST_F(WatchedGeneratorTest, TheServerWritesWhileItIsWell) {
  Start(/*with_engine=*/true);
  EXPECT_EQ(Generate(), "remote");
  EXPECT_EQ(engine_->tokens_made, 0);
  EXPECT_EQ(generator_->Info(call_)->features.at("backend"), "remote");
  EXPECT_THAT(registry_.Expose(), HasSubstr("ragmesh_generator_remote_healthy 1"));
}

TEST_F(WatchedGeneratorTest, ACallThatFailsBeforeItsFirstTextGoesToTheEngine) {
  Start(/*with_engine=*/true);
  behaviour_ = Behaviour::kFails;
  EXPECT_EQ(Generate(), "engine");
  AwaitProbes(2);
  const std::size_t asked = server_.requests().size();
  EXPECT_EQ(Generate(), "engine");
  EXPECT_EQ(server_.requests().size(), asked);  // the circuit is open
  RAGMESH_ASSERT_OK_AND_ASSIGN(const stages::StageInfo info, generator_->Info(call_));
  EXPECT_TRUE(info.ready);
  EXPECT_EQ(info.model.name, "fake");
  EXPECT_EQ(info.features.at("backend"), "engine");
  EXPECT_THAT(info.features.at("remote"), HasSubstr("HTTP 500"));
  EXPECT_THAT(registry_.Expose(), HasSubstr("ragmesh_generator_remote_healthy 0"));
  EXPECT_THAT(registry_.Expose(),
              HasSubstr("ragmesh_generator_backend_calls_total{backend=\"engine\"} 2"));
}

TEST_F(WatchedGeneratorTest, AStreamThatHasBegunIsNeverReplayed) {
  Start(/*with_engine=*/true);
  behaviour_ = Behaviour::kBreaksOff;
  EXPECT_EQ(Generate(), "REMOTE_CUT");
  EXPECT_EQ(text_, "remote begins");
  EXPECT_EQ(engine_->tokens_made, 0);
}

TEST_F(WatchedGeneratorTest, AServerThatIsWellAgainWritesAgain) {
  Start(/*with_engine=*/true);
  behaviour_ = Behaviour::kBreaksOff;
  EXPECT_EQ(Generate(), "REMOTE_CUT");
  AwaitProbes(2);
  EXPECT_EQ(generator_->Info(call_)->features.at("backend"), "remote");
  EXPECT_EQ(Generate(), "remote");
}

TEST_F(WatchedGeneratorTest, ABusyServerIsNotReplaced) {
  Start(/*with_engine=*/true);
  behaviour_ = Behaviour::kBusy;
  EXPECT_EQ(Generate(), "QUEUE_FULL");
  EXPECT_EQ(engine_->tokens_made, 0);
}

TEST_F(WatchedGeneratorTest, TheEngineWritesFromTheStartWhenTheServerIsDown) {
  behaviour_ = Behaviour::kFails;
  Start(/*with_engine=*/true);
  EXPECT_EQ(Generate(), "engine");
  EXPECT_EQ(generator_->Tokenize(stages::RawPrompt{"a b"}, call_)->size(), 2u);
}

TEST_F(WatchedGeneratorTest, WithoutAnEngineEveryCallIsTried) {
  behaviour_ = Behaviour::kFails;
  Start(/*with_engine=*/false);
  EXPECT_EQ(Generate(), "REMOTE_FAILED");
  RAGMESH_ASSERT_OK_AND_ASSIGN(const stages::StageInfo info, generator_->Info(call_));
  EXPECT_FALSE(info.ready);
  EXPECT_THAT(info.not_ready_reason, HasSubstr("HTTP 500"));
  behaviour_ = Behaviour::kWell;
  EXPECT_EQ(Generate(), "remote");
}

}  // namespace
}  // namespace ragmesh::remote_generation
