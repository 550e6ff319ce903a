#include "libs/remote_generation/completion_request.h"

#include <limits>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/testing/status_matchers.h"

namespace ragmesh::remote_generation {
namespace {

using nlohmann::json;
using ragmesh::testing::HasReason;
using stages::GenerateRequest;

const ServerFacts kLlama{kLlamaServer, "tiny", 2048};
const ServerFacts kVllmFacts{kVllm, "big", 4096};
const ServerFacts kPlain{kOther, "some", 0};

GenerateRequest Chat() {
  GenerateRequest request;
  request.prompt = stages::ChatMessages{{stages::ChatRole::kSystem, "Be brief."},
                                        {stages::ChatRole::kUser, "Why?"}};
  return request;
}

json Body(const GenerateRequest& request, const ServerFacts& facts, const RawPlan& raw = {}) {
  const auto body = CompletionBody(request, facts, 7, raw);
  EXPECT_THAT(body, ragmesh::testing::IsOk());
  return body.ok() ? json::parse(*body) : json();
}

std::string FieldOf(const GenerateRequest& request, const ServerFacts& facts) {
  const auto body = CompletionBody(request, facts, request.sampling.seed.value_or(7), {});
  const auto detail = GetErrorDetail(body.status());
  return detail.has_value() ? detail->field : "no error";
}

TEST(CompletionRequestTest, AsksForAStreamWithUsage) {
  const json body = Body(Chat(), kPlain);
  EXPECT_EQ(body["model"], "some");
  EXPECT_EQ(body["stream"], true);
  EXPECT_EQ(body["stream_options"]["include_usage"], true);
  EXPECT_EQ(body["messages"], json::parse(R"([{"role":"system","content":"Be brief."},)"
                                          R"({"role":"user","content":"Why?"}])"));
}

TEST(CompletionRequestTest, PassesOnToolsAndCalls) {
  GenerateRequest request;
  request.prompt = stages::ChatPrompt(
      {{stages::ChatRole::kUser, "Cold?"},
       {.role = stages::ChatRole::kAssistant, .tool_calls = {{"c1", "get", R"({"b":1,"a":2})"}}},
       {.role = stages::ChatRole::kTool, .content = "-3", .tool_call_id = "c1"}},
      {{"get", "Gets.", R"({"type":"object","properties":{"z":{},"a":{}}})", true}, {"put"}});
  request.tool_choice = {.mode = stages::ToolChoice::Mode::kRequired, .name = "put"};
  const auto text = CompletionBody(request, kPlain, 7, {});
  RAGMESH_ASSERT_OK(text);
  EXPECT_THAT(*text, ::testing::HasSubstr(R"("properties":{"z":{},"a":{}})"));
  const json body = json::parse(*text);
  EXPECT_EQ(body["messages"][1]["tool_calls"], json::parse(R"([{"id":"c1","type":"function",
                             "function":{"name":"get","arguments":"{\"b\":1,\"a\":2}"}}])"));
  EXPECT_EQ(body["messages"][2]["tool_call_id"], "c1");
  EXPECT_EQ(body["tools"][0]["function"]["strict"], true);
  EXPECT_EQ(body["tools"][1]["function"]["parameters"]["type"], "object");
  EXPECT_EQ(body["tool_choice"], json::parse(R"({"type":"function","function":{"name":"put"}})"));
  EXPECT_EQ(body["parallel_tool_calls"], true);
  request.tool_choice = {.mode = stages::ToolChoice::Mode::kNone, .single = true};
  EXPECT_EQ(Body(request, kPlain)["tool_choice"], "none");
  EXPECT_EQ(Body(request, kPlain)["parallel_tool_calls"], false);
  std::get<stages::ChatPrompt>(request.prompt).tools[1].parameters = "{";
  EXPECT_EQ(FieldOf(request, kPlain), "tools[1].parameters");
  std::get<stages::ChatPrompt>(request.prompt).tools[1].name = "a b";
  EXPECT_EQ(FieldOf(request, kPlain), "tools[1].name");
  EXPECT_FALSE(Body(Chat(), kPlain).contains("tools"));
}

TEST(CompletionRequestTest, PassesOnWhatEveryServerTakes) {
  GenerateRequest request = Chat();
  request.sampling.temperature = 0.5;
  request.sampling.top_p = 0.9;
  request.max_tokens = 33;
  request.stop = {"END", "\n"};
  const json body = Body(request, kPlain);
  EXPECT_EQ(body["temperature"], 0.5);
  EXPECT_EQ(body["top_p"], 0.9);
  EXPECT_EQ(body["seed"], 7);
  EXPECT_EQ(body["max_tokens"], 33);
  EXPECT_EQ(body["stop"], json({"END", "\n"}));
  EXPECT_FALSE(Body(Chat(), kPlain).contains("max_tokens"));
  EXPECT_FALSE(Body(Chat(), kPlain).contains("top_k"));
}

TEST(CompletionRequestTest, OverridesTheDefaultsOfServersThatHaveTheirOwn) {
  for (const ServerFacts& facts : {kLlama, kVllmFacts}) {
    const json body = Body(Chat(), facts);
    EXPECT_EQ(body["top_k"], 0);
    EXPECT_EQ(body["min_p"], 0);
    EXPECT_EQ(body["top_p"], 1);
    EXPECT_EQ(body["temperature"], 0);
    EXPECT_EQ(body["ignore_eos"], false);
  }
}

TEST(CompletionRequestTest, RefusesWhatTheServerIsNotKnownToTake) {
  GenerateRequest request = Chat();
  request.format = {stages::OutputFormat::Kind::kGrammar, "root ::= \"a\""};
  EXPECT_EQ(FieldOf(request, kPlain), "grammar");
  EXPECT_EQ(Body(request, kLlama)["grammar"], "root ::= \"a\"");
  request.format = {stages::OutputFormat::Kind::kJsonSchema, R"({"type":"integer"})"};
  EXPECT_EQ(Body(request, kPlain)["response_format"]["json_schema"]["schema"]["type"], "integer");
  request.format = {stages::OutputFormat::Kind::kJsonObject, ""};
  EXPECT_EQ(Body(request, kPlain)["response_format"]["type"], "json_object");
  request.format = {};
  request.sampling.top_k = 40;
  EXPECT_EQ(FieldOf(request, kPlain), "sampling.top_k");
  EXPECT_THAT(CompletionBody(request, kPlain, 7, {}), HasReason("UNSUPPORTED_BY_SERVER"));
  EXPECT_EQ(Body(request, kLlama)["top_k"], 40);
  request = Chat();
  request.sampling.min_p = 0.1;
  EXPECT_EQ(FieldOf(request, kPlain), "sampling.min_p");
  request = Chat();
  request.ignore_eos = true;
  EXPECT_EQ(FieldOf(request, kPlain), "ignore_eos");
}

TEST(CompletionRequestTest, PassesOnPenaltiesAndBiasAsTheServersHaveThem) {
  GenerateRequest request = Chat();
  request.sampling.frequency_penalty = 0.5;
  request.sampling.presence_penalty = -0.5;
  request.sampling.logit_bias = {{17, -100}, {18, 2}};
  const json plain = Body(request, kPlain);
  EXPECT_EQ(plain["frequency_penalty"], 0.5);
  EXPECT_EQ(plain["presence_penalty"], -0.5);
  EXPECT_EQ(plain["logit_bias"], json::parse(R"({"17":-100.0,"18":2.0})"));
  EXPECT_EQ(Body(request, kLlama)["logit_bias"], json::parse(R"({"17":false,"18":2.0})"));
  EXPECT_FALSE(Body(Chat(), kPlain).contains("logit_bias"));
}

TEST(CompletionRequestTest, PassesOnToLlamaServerWhatOnlyItTakes) {
  GenerateRequest request = Chat();
  request.sampling.typical_p = 0.9;
  request.sampling.xtc_probability = 0.3;
  request.sampling.repeat_penalty = 1.1;
  request.sampling.repeat_last_n = -1;
  request.sampling.dry_multiplier = 0.8;
  const json body = Body(request, kLlama);
  EXPECT_EQ(body["typical_p"], 0.9);
  EXPECT_EQ(body["xtc_probability"], 0.3);
  EXPECT_EQ(body["repeat_penalty"], 1.1);
  EXPECT_EQ(body["repeat_last_n"], 2048);  // all of its context
  EXPECT_EQ(body["dry_multiplier"], 0.8);
  EXPECT_EQ(body["dry_penalty_last_n"], 2048);
  EXPECT_EQ(body["dry_sequence_breakers"], json({"\n", ":", "\"", "*"}));
  EXPECT_FALSE(Body(Chat(), kLlama).contains("dry_base"));
  EXPECT_EQ(FieldOf(request, kVllmFacts), "sampling.typical_p");
  request = Chat();
  request.sampling.repeat_penalty = 1.1;
  EXPECT_EQ(FieldOf(request, kVllmFacts), "sampling.repeat_penalty");
  request = Chat();
  request.sampling.dry_multiplier = 0.8;
  EXPECT_EQ(FieldOf(request, kPlain), "sampling.dry_multiplier");
}

TEST(CompletionRequestTest, RefusesWhatNoServerIsAskedFor) {
  GenerateRequest request = Chat();
  request.choices = 2;
  EXPECT_EQ(FieldOf(request, kLlama), "choices");
  request = Chat();
  request.top_logprobs = 0;
  EXPECT_EQ(FieldOf(request, kLlama), "top_logprobs");
}

TEST(CompletionRequestTest, SendsRawPromptsAsTextOrIds) {
  GenerateRequest request;
  request.prompt = stages::RawPrompt{"Once upon"};
  EXPECT_EQ(Body(request, kPlain)["prompt"], "Once upon");
  RawPlan raw;
  raw.ids = {1, 403};
  raw.max_tokens = 99;
  EXPECT_EQ(Body(request, kLlama, raw)["prompt"], json({1, 403}));
  EXPECT_EQ(Body(request, kLlama, raw)["max_tokens"], 99);
}

TEST(CompletionRequestTest, RefusesWhatIsOutOfRange) {
  GenerateRequest request = Chat();
  request.sampling.temperature = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(FieldOf(request, kLlama), "sampling.temperature");
  request = Chat();
  request.sampling.top_p = 0;
  EXPECT_EQ(FieldOf(request, kLlama), "sampling.top_p");
  request = Chat();
  request.stop.assign(17, "x");
  EXPECT_EQ(FieldOf(request, kLlama), "stop");
  request = Chat();
  request.stop = {""};
  EXPECT_EQ(FieldOf(request, kLlama), "stop");
  request.prompt = stages::ChatMessages{};
  request.stop.clear();
  EXPECT_EQ(FieldOf(request, kLlama), "messages");
  request.prompt = stages::RawPrompt{std::string((4 << 20) + 1, 'x')};
  EXPECT_EQ(FieldOf(request, kLlama), "prompt");
}

TEST(CompletionRequestTest, RefusesASeedThatTheServerWouldCut) {
  GenerateRequest request = Chat();
  request.sampling.seed = std::uint64_t{1} << 32;
  EXPECT_EQ(FieldOf(request, kLlama), "sampling.seed");
  EXPECT_EQ(FieldOf(request, kVllmFacts), "no error");
  request.sampling.seed = std::uint64_t{1} << 63;
  EXPECT_EQ(FieldOf(request, kVllmFacts), "sampling.seed");
}

TEST(CompletionRequestTest, SendsTextThatIsNotUtf8AsReplacementCharacters) {
  GenerateRequest request;
  request.prompt = stages::ChatMessages{{stages::ChatRole::kUser, "a\xff"}};
  EXPECT_EQ(Body(request, kPlain)["messages"][0]["content"], "a\xef\xbf\xbd");
}

}  // namespace
}  // namespace ragmesh::remote_generation
