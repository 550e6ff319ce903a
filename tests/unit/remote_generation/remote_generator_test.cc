#include "libs/remote_generation/remote_generator.h"

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/testing/status_matchers.h"
#include "tests/unit/remote_generation/scripted_model_server.h"

namespace ragmesh::remote_generation {
namespace {

using nlohmann::json;
using ragmesh::testing::HasReason;
using ragmesh::testing::ScriptedConnection;
using ragmesh::testing::ScriptedModelServer;
using ragmesh::testing::ScriptedRequest;
using ragmesh::testing::StatusIs;
using ::testing::ElementsAre;

// A well-behaved server of one kind: lists its models, says "Hello", tokenizes to {1, 2, 3}.
class RemoteGeneratorTest : public ::testing::Test {
 protected:
  void Start(const std::string& models) {
    models_ = models;
    server_ = std::make_unique<ScriptedModelServer>(
        [this](const ScriptedRequest& request, ScriptedConnection& connection) {
          return Answer(request, connection);
        });
    RAGMESH_ASSERT_OK_AND_ASSIGN(generator_, RemoteGenerator::Create({.url = server_->url()}));
  }

  bool Answer(const ScriptedRequest& request, ScriptedConnection& connection) {
    const std::string line = request.line();
    if (line == "GET /v1/models" && !models_.empty()) return connection.SendAnswer(200, models_);
    if (line == "POST /tokenize" && !models_.empty())
      return connection.SendAnswer(200, R"({"count":3,"tokens":[1,2,3]})");
    if (line == "POST /apply-template")
      return connection.SendAnswer(200, R"({"prompt":"<|user|>Why?"})");
    if (failure_ != 0) return connection.SendAnswer(failure_, "{}", "Retry-After: 4\r\n");
    if (line != "POST /v1/chat/completions" && line != "POST /v1/completions")
      return connection.SendAnswer(404, "{}");
    connection.BeginEvents();
    connection.SendEvent(ragmesh::testing::Delta("Hel"));
    connection.SendEvent(ragmesh::testing::Delta("lo"));
    connection.SendEvent(ragmesh::testing::Finish("stop"));
    connection.SendEvent(ragmesh::testing::kUsageEvent);
    connection.SendEvent("[DONE]");
    return false;
  }

  absl::StatusOr<stages::GenerateResult> Generate(const stages::GenerateRequest& request) {
    text_.clear();
    return generator_->Generate(
        request,
        [this](const stages::TokenEvent& event) {
          text_ += event.text;
          return absl::OkStatus();
        },
        call_);
  }
  // The body of the last request of that line.
  json Sent(const std::string& line) const {
    const auto requests = server_->requests();
    for (auto at = requests.rbegin(); at != requests.rend(); ++at) {
      if (at->line() == line) return json::parse(at->body);
    }
    return json();
  }

  static stages::GenerateRequest Chat() {
    stages::GenerateRequest request;
    request.prompt = stages::ChatMessages{{stages::ChatRole::kUser, "Why?"}};
    return request;
  }
  static stages::GenerateRequest RawText(bool parse_special = false) {
    stages::GenerateRequest request;
    request.prompt = stages::RawPrompt{"Once", parse_special};
    return request;
  }

  std::string models_;
  std::atomic<int> failure_ = 0;
  std::unique_ptr<ScriptedModelServer> server_;
  std::unique_ptr<RemoteGenerator> generator_;
  std::string text_;
  const CallContext call_{absl::Now() + absl::Seconds(20)};
};

TEST_F(RemoteGeneratorTest, StreamsAChat) {
  Start(ragmesh::testing::OtherModels());
  RAGMESH_ASSERT_OK_AND_ASSIGN(const stages::GenerateResult result, Generate(Chat()));
  EXPECT_EQ(text_, "Hello");
  EXPECT_EQ(result.finish_reason, stages::FinishReason::kStop);
  EXPECT_EQ(result.usage.prompt_tokens, 12u);
  EXPECT_EQ(result.usage.completion_tokens, 3u);
  EXPECT_GT(result.prefill_seconds, 0);
  EXPECT_EQ(Sent("POST /v1/chat/completions")["model"], "some-model");
}

TEST_F(RemoteGeneratorTest, ReportsTheSeedItSent) {
  Start(ragmesh::testing::LlamaServerModels());
  RAGMESH_ASSERT_OK_AND_ASSIGN(stages::GenerateResult result, Generate(Chat()));
  EXPECT_EQ(Sent("POST /v1/chat/completions")["seed"], result.seed);
  stages::GenerateRequest request = Chat();
  request.sampling.seed = 17;
  RAGMESH_ASSERT_OK_AND_ASSIGN(result, Generate(request));
  EXPECT_EQ(result.seed, 17u);
}

TEST_F(RemoteGeneratorTest, AsksForTheModelsOnce) {
  Start(ragmesh::testing::OtherModels());
  for (int i = 0; i < 3; ++i) RAGMESH_ASSERT_OK(Generate(Chat()));
  EXPECT_EQ(server_->requests().size(), 4u);
}

TEST_F(RemoteGeneratorTest, KeepsSpecialTokensOfARawPromptFromLlamaServer) {
  Start(ragmesh::testing::LlamaServerModels());
  RAGMESH_ASSERT_OK(Generate(RawText()));
  EXPECT_EQ(Sent("POST /v1/completions")["prompt"], json({1, 2, 3}));
  EXPECT_EQ(Sent("POST /tokenize")["parse_special"], false);
  RAGMESH_ASSERT_OK(Generate(RawText(/*parse_special=*/true)));
  EXPECT_EQ(Sent("POST /v1/completions")["prompt"], "Once");
}

TEST_F(RemoteGeneratorTest, FillsTheContextWhereTheServerWouldWriteSixteenTokens) {
  Start(ragmesh::testing::VllmModels(100));
  RAGMESH_ASSERT_OK(Generate(RawText()));
  EXPECT_EQ(Sent("POST /v1/completions")["max_tokens"], 97);
}

TEST_F(RemoteGeneratorTest, WantsMaxTokensWhereTheContextIsNotKnown) {
  Start(ragmesh::testing::OtherModels());
  const auto result = Generate(RawText());
  EXPECT_THAT(result, HasReason("INVALID_FIELD"));
  EXPECT_EQ(GetErrorDetail(result.status())->field, "max_tokens");
  stages::GenerateRequest request = RawText();
  request.max_tokens = 5;
  RAGMESH_EXPECT_OK(Generate(request));
}

TEST_F(RemoteGeneratorTest, TokenizesAsTheServerReads) {
  Start(ragmesh::testing::VllmModels());
  EXPECT_THAT(*generator_->Tokenize(Chat().prompt, call_), ElementsAre(1, 2, 3));
  EXPECT_EQ(Sent("POST /tokenize")["add_generation_prompt"], true);
  Start(ragmesh::testing::LlamaServerModels());
  EXPECT_THAT(*generator_->Tokenize(Chat().prompt, call_), ElementsAre(1, 2, 3));
  EXPECT_EQ(Sent("POST /tokenize")["content"], "<|user|>Why?");
  EXPECT_EQ(Sent("POST /tokenize")["parse_special"], true);
}

TEST_F(RemoteGeneratorTest, SaysWhenItCannotTokenize) {
  Start(ragmesh::testing::OtherModels());
  const auto ids = generator_->Tokenize(Chat().prompt, call_);
  EXPECT_THAT(ids, StatusIs(absl::StatusCode::kUnimplemented));
  EXPECT_THAT(ids, HasReason("NO_REMOTE_TOKENIZER"));
}

TEST_F(RemoteGeneratorTest, InfoIsReadyOnceTheServerAnswered) {
  Start(ragmesh::testing::LlamaServerModels(512));
  EXPECT_FALSE(generator_->Info(call_)->ready);
  RAGMESH_ASSERT_OK(generator_->Probe(call_));
  RAGMESH_ASSERT_OK_AND_ASSIGN(const stages::StageInfo info, generator_->Info(call_));
  EXPECT_TRUE(info.ready);
  EXPECT_EQ(info.model.name, "tiny.gguf");
  EXPECT_EQ(info.model.digest, "");
  EXPECT_EQ(info.model.max_tokens, 512u);
  EXPECT_EQ(info.features.at("server"), "llama-server");
}

TEST_F(RemoteGeneratorTest, AProbeHasOneTokenWritten) {
  Start(ragmesh::testing::OtherModels());
  RAGMESH_ASSERT_OK(generator_->Probe(call_));
  EXPECT_EQ(Sent("POST /v1/chat/completions")["max_tokens"], 1);
  failure_ = 429;
  RAGMESH_EXPECT_OK(generator_->Probe(call_));  // busy is well
  failure_ = 500;
  EXPECT_THAT(generator_->Probe(call_), HasReason("REMOTE_FAILED"));
}

TEST_F(RemoteGeneratorTest, ErrorsOfTheServerAreTyped) {
  Start(ragmesh::testing::OtherModels());
  failure_ = 503;
  const auto result = Generate(Chat());
  EXPECT_THAT(result, HasReason("REMOTE_FAILED"));
  EXPECT_EQ(GetErrorDetail(result.status())->retry_after, absl::Seconds(4));
}

TEST_F(RemoteGeneratorTest, AServerWithoutListNeedsTheModelsName) {
  Start("");
  EXPECT_THAT(Generate(Chat()), HasReason("REMOTE_NOT_FOUND"));
  RAGMESH_ASSERT_OK_AND_ASSIGN(generator_,
                               RemoteGenerator::Create({.url = server_->url(), .model = "named"}));
  RAGMESH_EXPECT_OK(Generate(Chat()));
  EXPECT_EQ(Sent("POST /v1/chat/completions")["model"], "named");
}

TEST_F(RemoteGeneratorTest, RefusesTokensThatAreNoIds) {
  for (const char* tokens : {"{}", R"({"tokens":3})", R"({"tokens":["a"]})", R"({"tokens":[-1]})",
                             R"({"tokens":[4294967296]})", "[]", ""}) {
    ScriptedModelServer server([&](const ScriptedRequest& request, ScriptedConnection& connection) {
      return connection.SendAnswer(
          200, request.line() == "GET /v1/models" ? ragmesh::testing::VllmModels() : tokens);
    });
    RAGMESH_ASSERT_OK_AND_ASSIGN(const auto generator,
                                 RemoteGenerator::Create({.url = server.url()}));
    EXPECT_THAT(generator->Tokenize(Chat().prompt, call_), HasReason("REMOTE_BAD_ANSWER"))
        << tokens;
  }
}

}  // namespace
}  // namespace ragmesh::remote_generation
