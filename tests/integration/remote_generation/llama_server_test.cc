// The remote generator against a real llama-server with a small real model. Skipped where the
// server is not there.
#include <fstream>
#include <nlohmann/json.hpp>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/metrics/registry.h"
#include "libs/remote_generation/watched_generator.h"
#include "libs/testing/fake_generator.h"
#include "libs/testing/status_matchers.h"
#include "libs/testing/test_data.h"
#include "tests/integration/remote_generation/llama_server_process.h"
#include "tests/integration/remote_generation/stories_gguf.h"

namespace ragmesh::remote_generation {
namespace {

using ragmesh::testing::HasReason;
using ragmesh::testing::LlamaServerProcess;
using ragmesh::testing::StatusIs;

constexpr char kModel[] = "stories260K";
constexpr int kContext = 512;            // of one stream
constexpr int kWithoutEnd = 10'000'000;  // tokens: hours; the server forgets the oldest on its way
constexpr char kKey[] = "the-key-of-the-test";

CallContext Within(absl::Duration time) { return CallContext(absl::Now() + time); }

class LlamaServerTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    const std::string program = ragmesh::testing::LlamaServerProgram();
    if (program.empty()) {
      why_not_ = "llama-server is absent; bench/peers/install builds it";
      return;
    }
    const auto model = ragmesh::testing::TestData("llm/stories260K/stories260K.bin");
    const auto tokenizer = ragmesh::testing::TestData("llm/stories260K/tok512.bin");
    if (!model.has_value() || !tokenizer.has_value()) {
      why_not_ = "llm/stories260K is absent from the test data";
      return;
    }
    folder_ = new ragmesh::testing::TempDir();
    program_ = program;
    std::ofstream(ModelFile(), std::ios::binary) << ragmesh::testing::StoriesGguf(
        ragmesh::testing::ReadFileOrDie(*model), ragmesh::testing::ReadFileOrDie(*tokenizer));
    std::ofstream(KeyFile()) << kKey << "\n";
    server_ = StartServer().release();
  }
  static void TearDownTestSuite() {
    delete server_;
    delete folder_;
  }

  void SetUp() override {
    if (!why_not_.empty()) GTEST_SKIP() << why_not_;
    generator_ = Connect(*server_);
    ASSERT_NE(generator_, nullptr) << "see " << folder_->path();
  }

  static std::string ModelFile() { return folder_->path() / "stories260K.gguf"; }
  static std::string KeyFile() { return folder_->path() / "key"; }

  static std::unique_ptr<LlamaServerProcess> StartServer() {
    return std::make_unique<LlamaServerProcess>(
        program_,
        std::vector<std::string>{"--model", ModelFile(), "--alias", kModel, "--ctx-size",
                                 absl::StrCat(2 * kContext), "--parallel", "2", "--no-kv-unified",
                                 "--context-shift", "--threads", "1", "--api-key-file", KeyFile(),
                                 "--slots"},
        folder_->path() / "server.log");
  }

  // A generator once the server has loaded its model; null when it does not within a minute.
  static std::unique_ptr<RemoteGenerator> Connect(LlamaServerProcess& server) {
    RemoteGenerator::Options options;
    options.url = server.url();
    options.http.key_file = KeyFile();
    auto generator = RemoteGenerator::Create(options);
    if (!generator.ok()) return nullptr;
    const CallContext call = Within(absl::Minutes(1));
    while (call.Check().ok() && server.running()) {
      if ((*generator)->Probe(call).ok()) return *std::move(generator);
      absl::SleepFor(absl::Milliseconds(50));
    }
    return nullptr;
  }

  static stages::GenerateRequest Story(std::uint32_t max_tokens) {
    stages::GenerateRequest request;
    request.prompt = stages::RawPrompt{"Once upon a time"};
    request.max_tokens = max_tokens;
    return request;
  }
  static stages::GenerateRequest StoryWithoutEnd() {
    stages::GenerateRequest request = Story(kWithoutEnd);
    request.ignore_eos = true;
    return request;
  }
  static stages::GenerateRequest Ask(const std::string& question, std::uint32_t max_tokens) {
    stages::GenerateRequest request;
    request.prompt = stages::ChatMessages{{stages::ChatRole::kUser, question}};
    request.max_tokens = max_tokens;
    return request;
  }

  absl::StatusOr<stages::GenerateResult> Generate(const stages::GenerateRequest& request) {
    text_.clear();
    pieces_ = 0;
    return generator_->Generate(
        request,
        [this](const stages::TokenEvent& event) {
          text_ += event.text;
          ++pieces_;
          return absl::OkStatus();
        },
        Within(absl::Minutes(2)));
  }

  // How many streams the server works on.
  static int Working() {
    HttpClient client({.key_file = KeyFile()});
    std::string body;
    const auto reply = client.Send(
        server_->url() + "/slots", nullptr,
        [&body](absl::string_view piece) {
          absl::StrAppend(&body, piece);
          return true;
        },
        Within(absl::Seconds(10)));
    if (!reply.ok() || reply->status != 200) return -1;
    int working = 0;
    for (const auto& slot : nlohmann::json::parse(body)) working += slot["is_processing"] == true;
    return working;
  }
  // How long the server goes on.
  static absl::Duration AwaitIdle() {
    const absl::Time begun = absl::Now();
    while (Working() != 0 && absl::Now() < begun + absl::Seconds(30)) {
      absl::SleepFor(absl::Milliseconds(5));
    }
    return absl::Now() - begun;
  }

  static inline std::string why_not_, program_;
  static inline ragmesh::testing::TempDir* folder_ = nullptr;
  static inline LlamaServerProcess* server_ = nullptr;
  std::unique_ptr<RemoteGenerator> generator_;
  std::string text_;
  int pieces_ = 0;
};

TEST_F(LlamaServerTest, WritesWhatTheModelSays) {
  RAGMESH_ASSERT_OK_AND_ASSIGN(const stages::GenerateResult result, Generate(Story(40)));
  EXPECT_EQ(text_.substr(0, 42), ", there was a little girl named Lily. She ") << text_;
  EXPECT_EQ(result.finish_reason, stages::FinishReason::kLength);
  EXPECT_EQ(result.usage.completion_tokens, 40u);
  EXPECT_GT(pieces_, 20);
}

TEST_F(LlamaServerTest, ReadsAChatAsItsTokenizerDoes) {
  const stages::GenerateRequest request = Ask("Tell me a story.", 8);
  RAGMESH_ASSERT_OK_AND_ASSIGN(const stages::GenerateResult result, Generate(request));
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto ids,
                               generator_->Tokenize(request.prompt, Within(absl::Minutes(1))));
  EXPECT_EQ(result.usage.prompt_tokens, ids.size());
  EXPECT_GT(ids.size(), 10u);
}

TEST_F(LlamaServerTest, InfoIsWhatTheServerSays) {
  RAGMESH_ASSERT_OK_AND_ASSIGN(const stages::StageInfo info,
                               generator_->Info(Within(absl::Seconds(1))));
  EXPECT_EQ(info.model.name, kModel);
  EXPECT_EQ(info.model.max_tokens, static_cast<std::uint32_t>(kContext));
  EXPECT_EQ(info.features.at("server"), "llama-server");
}

TEST_F(LlamaServerTest, EqualSeedsGiveEqualTexts) {
  stages::GenerateRequest request = Story(24);
  request.sampling.temperature = 1;
  request.sampling.seed = 11;
  RAGMESH_ASSERT_OK(Generate(request));
  const std::string first = text_;
  RAGMESH_ASSERT_OK(Generate(request));
  EXPECT_EQ(text_, first);
  request.sampling.seed = 12;
  RAGMESH_ASSERT_OK(Generate(request));
  EXPECT_NE(text_, first);
}

TEST_F(LlamaServerTest, TakesEveryFieldOfSamplingThatItIsSent) {
  stages::GenerateRequest request = Story(8);
  request.sampling.top_k = 20;
  request.sampling.min_p = 0.05;
  request.sampling.typical_p = 0.9;
  request.sampling.xtc_probability = 0.1;
  request.sampling.repeat_penalty = 1.1;
  request.sampling.repeat_last_n = -1;
  request.sampling.frequency_penalty = 0.2;
  request.sampling.presence_penalty = 0.2;
  request.sampling.dry_multiplier = 0.8;
  RAGMESH_EXPECT_OK(Generate(request));
}

// Whether the server holds this model, which has no template of its own, to calls is the server's
// affair.
TEST_F(LlamaServerTest, TakesToolsCallsAndResultsThatItIsSent) {
  stages::GenerateRequest request = Ask("Time?", 8);
  auto& chat = std::get<stages::ChatPrompt>(request.prompt);
  chat.messages.push_back({.role = stages::ChatRole::kAssistant,
                           .tool_calls = {{"abcDEF123", "get_time", R"({"hours": 12})"}}});
  chat.messages.push_back(
      {.role = stages::ChatRole::kTool, .content = "noon", .tool_call_id = "abcDEF123"});
  chat.tools = {
      {"get_time", "Tells the time.",
       R"({"type":"object","properties":{"hours":{"enum":[12,24]}},"required":["hours"]})"}};
  for (const auto mode : {stages::ToolChoice::Mode::kAuto, stages::ToolChoice::Mode::kNone,
                          stages::ToolChoice::Mode::kRequired}) {
    request.tool_choice = {.mode = mode, .single = true};
    RAGMESH_ASSERT_OK_AND_ASSIGN(const stages::GenerateResult result, Generate(request));
    EXPECT_GT(result.usage.completion_tokens, 0u);
  }
}

TEST_F(LlamaServerTest, ATokenOfBiasMinusHundredIsNeverChosen) {
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto ids,
                               generator_->Tokenize(stages::RawPrompt{"Once upon a time,", false},
                                                    Within(absl::Minutes(1))));
  stages::GenerateRequest request = Story(8);
  request.sampling.logit_bias = {{ids.back(), -100}};
  RAGMESH_ASSERT_OK(Generate(request));
  EXPECT_FALSE(absl::StrContains(text_, ",")) << text_;
}

TEST_F(LlamaServerTest, LeavesTheStopStringOut) {
  stages::GenerateRequest request = Story(40);
  request.stop = {" girl"};
  RAGMESH_ASSERT_OK_AND_ASSIGN(const stages::GenerateResult result, Generate(request));
  EXPECT_EQ(text_, ", there was a little");
  EXPECT_EQ(result.finish_reason, stages::FinishReason::kStop);
}

TEST_F(LlamaServerTest, ReadsSpecialTokensOfRawPromptsOnlyWhenTold) {
  stages::GenerateRequest request;
  request.max_tokens = 1;
  request.prompt = stages::RawPrompt{"<s></s><s></s>", /*parse_special=*/true};
  RAGMESH_ASSERT_OK_AND_ASSIGN(const stages::GenerateResult read, Generate(request));
  std::get<stages::RawPrompt>(request.prompt).parse_special = false;
  RAGMESH_ASSERT_OK_AND_ASSIGN(const stages::GenerateResult plain, Generate(request));
  EXPECT_GT(plain.usage.prompt_tokens, read.usage.prompt_tokens + 4);
}

TEST_F(LlamaServerTest, ACancelledCallEndsTheServersWork) {
  const CallContext call = Within(absl::Minutes(2));
  int pieces = 0;
  int working = 0;
  const auto result = generator_->Generate(
      StoryWithoutEnd(),
      [&](const stages::TokenEvent&) {
        if (++pieces == 3) {
          working = Working();
          call.Cancel();
        }
        return absl::OkStatus();
      },
      call);
  const absl::Duration idle = AwaitIdle();
  EXPECT_THAT(result, StatusIs(absl::StatusCode::kCancelled));
  EXPECT_EQ(pieces, 3);
  EXPECT_EQ(working, 1);
  EXPECT_LT(idle, absl::Seconds(3));
  RecordProperty("idle_ms", static_cast<int>(absl::ToInt64Milliseconds(idle)));
}

TEST_F(LlamaServerTest, APassedDeadlineEndsTheServersWork) {
  const auto result = generator_->Generate(
      StoryWithoutEnd(), [](const stages::TokenEvent&) { return absl::OkStatus(); },
      Within(absl::Milliseconds(300)));
  EXPECT_THAT(result, StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_LT(AwaitIdle(), absl::Seconds(3));
}

TEST_F(LlamaServerTest, APromptThatDoesNotFitIsToldWithBothCounts) {
  std::string words;
  for (int i = 0; i < 900; ++i) words += "word ";
  const auto result = Generate(Ask(words, 5));
  EXPECT_THAT(result, HasReason("CONTEXT_TOO_LONG"));
  const auto detail = GetErrorDetail(result.status());
  ASSERT_TRUE(detail.has_value());
  EXPECT_EQ(detail->metadata.at("context_tokens"), absl::StrCat(kContext));
  EXPECT_GT(std::stoi(detail->metadata.at("prompt_tokens")), 900);
}

TEST_F(LlamaServerTest, AWrongKeyIsToldWithItsFile) {
  const std::string wrong = folder_->path() / "wrong-key";
  std::ofstream(wrong) << "another";
  RemoteGenerator::Options options;
  options.url = server_->url();
  options.http.key_file = wrong;
  RAGMESH_ASSERT_OK_AND_ASSIGN(generator_, RemoteGenerator::Create(options));
  const auto result = Generate(Ask("Hi", 1));
  EXPECT_THAT(result, HasReason("REMOTE_KEY_REFUSED"));
  EXPECT_TRUE(absl::StrContains(result.status().message(), wrong));
}

TEST_F(LlamaServerTest, WhenTheServerIsKilledTheEngineTakesOverButNotTheStream) {
  const auto doomed = StartServer();
  auto remote = Connect(*doomed);
  ASSERT_NE(remote, nullptr);
  metrics::Registry registry;
  const auto engine = std::make_shared<ragmesh::testing::FakeGenerator>();
  engine->says = "engine";
  WatchedGenerator watched(std::move(remote), engine, {}, nullptr, registry);
  RAGMESH_ASSERT_OK(watched.Start(Within(absl::Minutes(1))));
  std::string text;
  const auto on_token = [&](const stages::TokenEvent& event) {
    text += event.text;
    doomed->Kill();
    return absl::OkStatus();
  };
  EXPECT_THAT(watched.Generate(StoryWithoutEnd(), on_token, Within(absl::Minutes(1))),
              HasReason("REMOTE_CUT"));
  EXPECT_NE(text, "engine");
  EXPECT_EQ(engine->tokens_made, 0);
  text.clear();
  RAGMESH_EXPECT_OK(watched.Generate(StoryWithoutEnd(), on_token, Within(absl::Minutes(1))));
  EXPECT_EQ(text, "engine");
}

}  // namespace
}  // namespace ragmesh::remote_generation
