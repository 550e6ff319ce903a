#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/error.h"
#include "libs/bridge/openai_answer.h"
#include "libs/bridge/openai_request.h"

namespace ragmesh::bridge {
namespace {

namespace v1 = ragmesh::gateway::v1;
using testing::HasSubstr;

std::string Fault(absl::string_view body) {
  const auto parsed = ParseChatCompletion(body);
  return parsed.ok() ? "OK" : GetErrorDetail(parsed.status())->field;
}

TEST(ParseChatCompletionTest, ReadsMessagesSamplingAndRagOptions) {
  const auto parsed = ParseChatCompletion(R"({"model":"ragmesh/manuals","stream":true,
      "stream_options":{"include_usage":true},"max_tokens":5,"max_completion_tokens":9,"temperature":0.5,"stop":"x",
      "seed":3,"user":"u","rag":{"mode":"ANSWER_MODE_EXTRACTIVE","topK":4},
      "messages":[{"role":"system","content":"s"},{"role":"user","content":"q1"},{"role":"assistant","content":"a1"},
                  {"role":"user","content":[{"type":"text","text":"q"},{"type":"text","text":"2"}]}]})");
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_TRUE(parsed->stream && parsed->include_usage);
  EXPECT_EQ(parsed->chat.max_tokens(), 9u);
  EXPECT_EQ(parsed->chat.messages_size(), 4);
  EXPECT_EQ(parsed->ask.question(), "q2");
  ASSERT_EQ(parsed->ask.history_size(), 1);
  EXPECT_EQ(parsed->ask.history(0).answer(), "a1");
  EXPECT_EQ(parsed->ask.mode(), v1::ANSWER_MODE_EXTRACTIVE);
  EXPECT_EQ(parsed->ask.top_k(), 4u);
  EXPECT_EQ(parsed->ask.seed(), 3u);
}

TEST(ParseChatCompletionTest, NamesTheParameterAtFault) {
  EXPECT_EQ(Fault("[]"), "body");
  EXPECT_EQ(Fault(R"({"messages":[]})"), "model");
  EXPECT_EQ(Fault(R"({"model":"m","messages":[]})"), "messages");
  EXPECT_EQ(Fault(R"({"model":"m","messages":[{"role":"x","content":""}]})"), "messages[0].role");
  EXPECT_EQ(Fault(R"({"model":"m","messages":[{"role":"user","content":[{"type":"image_url"}]}]})"),
            "messages[0].content[0]");
  EXPECT_EQ(Fault(R"({"model":"m","temperature":3,"messages":[{"role":"user","content":"q"}]})"),
            "temperature");
  EXPECT_EQ(Fault(R"({"model":"m","max_tokens":1e3,"messages":[{"role":"user","content":"q"}]})"),
            "max_tokens");
  EXPECT_EQ(
      Fault(
          R"({"model":"m","stop":["a","b","c","d","e"],"messages":[{"role":"user","content":"q"}]})"),
      "stop");
  EXPECT_EQ(
      Fault(
          R"({"model":"m","response_format":{"type":"xml"},"messages":[{"role":"user","content":"q"}]})"),
      "response_format.type");
  EXPECT_EQ(
      Fault(
          R"({"model":"m","response_format":{"type":"json_schema"},"messages":[{"role":"user","content":"q"}]})"),
      "response_format.json_schema.schema");
  EXPECT_EQ(
      Fault(
          R"({"model":"m","grammar":"root ::= \"a\"","response_format":{"type":"json_object"},"messages":[{"role":"user","content":"q"}]})"),
      "response_format");
  EXPECT_EQ(
      Fault(R"({"model":"m","rag":{"nothing":1},"messages":[{"role":"user","content":"q"}]})"),
      "nothing");
}

std::string Body(absl::string_view members) {
  return absl::StrCat(R"({"model":"m","messages":[{"role":"user","content":"q"}],)", members, "}");
}

TEST(ParseChatCompletionTest, ReadsOpenAisSampling) {
  const auto parsed = ParseChatCompletion(
      Body(R"("frequency_penalty":0.5,"presence_penalty":-1,"logit_bias":{"7":-100,"9":2.5},
              "logprobs":true,"top_logprobs":3,"n":4,"top_p":0.5)"));
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->chat.frequency_penalty(), 0.5);
  EXPECT_EQ(parsed->chat.presence_penalty(), -1);
  EXPECT_EQ(parsed->chat.logit_bias().at(7), -100);
  EXPECT_EQ(parsed->chat.logit_bias().at(9), 2.5);
  EXPECT_EQ(parsed->chat.top_logprobs(), 3u);
  EXPECT_EQ(parsed->chat.choices(), 4u);
  EXPECT_FALSE(ParseChatCompletion(Body(R"("logprobs":false)"))->chat.has_top_logprobs());
  EXPECT_EQ(ParseChatCompletion(Body(R"("logprobs":true)"))->chat.top_logprobs(), 0u);
}

TEST(ParseChatCompletionTest, ReadsLlamaServersSamplingByName) {
  const auto parsed = ParseChatCompletion(
      Body(R"("top_k":40,"min_p":0.05,"typical_p":0.9,"xtc_probability":0.5,"xtc_threshold":0.2,
              "repeat_penalty":1.1,"repeat_last_n":-1,"dry_multiplier":0.8,"dry_base":2,
              "dry_allowed_length":3,"dry_penalty_last_n":256,"dry_sequence_breakers":["\n","x"],
              "mirostat":1)"));
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->chat.top_k(), 40u);
  EXPECT_EQ(parsed->chat.min_p(), 0.05);
  EXPECT_EQ(parsed->chat.typical_p(), 0.9);
  EXPECT_EQ(parsed->chat.xtc_probability(), 0.5);
  EXPECT_EQ(parsed->chat.xtc_threshold(), 0.2);
  EXPECT_EQ(parsed->chat.repeat_penalty(), 1.1);
  EXPECT_EQ(parsed->chat.repeat_last_n(), -1);
  EXPECT_EQ(parsed->chat.dry_multiplier(), 0.8);
  EXPECT_EQ(parsed->chat.dry_base(), 2);
  EXPECT_EQ(parsed->chat.dry_allowed_length(), 3u);
  EXPECT_EQ(parsed->chat.dry_penalty_last_n(), 256);
  EXPECT_EQ(parsed->chat.dry_sequence_breakers_size(), 2);
}

TEST(ParseChatCompletionTest, NamesTheSamplingParameterAtFault) {
  for (const auto& [member, field] : std::vector<std::pair<std::string, std::string>>{
           {R"("n":0)", "n"},
           {R"("n":9)", "n"},
           {R"("frequency_penalty":2.1)", "frequency_penalty"},
           {R"("presence_penalty":"x")", "presence_penalty"},
           {R"("logit_bias":[1])", "logit_bias"},
           {R"("logit_bias":{"x":1})", "logit_bias"},
           {R"("logit_bias":{"-1":1})", "logit_bias"},
           {R"("logit_bias":{"5":101})", "logit_bias[5]"},
           {R"("logprobs":1)", "logprobs"},
           {R"("top_logprobs":2)", "top_logprobs"},
           {R"("logprobs":true,"top_logprobs":21)", "top_logprobs"},
           {R"("typical_p":"x")", "typical_p"},
           {R"("top_k":1.5)", "top_k"},
           {R"("dry_sequence_breakers":[])", "dry_sequence_breakers"},
           {R"("dry_sequence_breakers":"x")", "dry_sequence_breakers"}}) {
    EXPECT_EQ(Fault(Body(member)), field) << member;
  }
  std::string many = R"("logit_bias":{"0":1)";
  for (int id = 1; id <= 300; ++id) absl::StrAppend(&many, ",\"", id, "\":1");
  EXPECT_EQ(Fault(Body(many + "}")), "logit_bias");
}

TEST(ParseChatCompletionTest, ReadsToolsInTheOrderOfTheirProperties) {
  const auto parsed = ParseChatCompletion(
      Body(R"("tools":[{"type":"function","function":{"name":"get_weather","description":"d",
              "parameters":{"type":"object","properties":{"z":{},"a":{}}},"strict":true}},
              {"type":"function","function":{"name":"get_time"}}],
              "tool_choice":{"type":"function","function":{"name":"get_time"}},
              "parallel_tool_calls":false)"));
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  ASSERT_EQ(parsed->chat.tools_size(), 2);
  EXPECT_EQ(parsed->chat.tools(0).name(), "get_weather");
  EXPECT_EQ(parsed->chat.tools(0).description(), "d");
  EXPECT_EQ(parsed->chat.tools(0).parameters(),
            R"({"type":"object","properties":{"z":{},"a":{}}})");
  EXPECT_TRUE(parsed->chat.tools(0).strict());
  EXPECT_EQ(parsed->chat.tools(1).parameters(), "");
  EXPECT_EQ(parsed->chat.tool_name(), "get_time");
  EXPECT_TRUE(parsed->chat.single_tool_call());
  EXPECT_EQ(ParseChatCompletion(Body(R"("tool_choice":"none")"))->chat.tool_mode(),
            ragmesh::common::v1::TOOL_MODE_NONE);
  EXPECT_EQ(ParseChatCompletion(Body(R"("tool_choice":"required")"))->chat.tool_mode(),
            ragmesh::common::v1::TOOL_MODE_REQUIRED);
  // Schemas of answers keep their order, too.
  EXPECT_EQ(
      ParseChatCompletion(
          Body(
              R"("response_format":{"type":"json_schema","json_schema":{"schema":{"b":1,"a":2}}})"))
          ->chat.json_schema(),
      R"({"b":1,"a":2})");
}

TEST(ParseChatCompletionTest, ReadsCallsAndTheirResults) {
  const auto parsed = ParseChatCompletion(R"({"model":"m","messages":[
      {"role":"user","content":"q"},
      {"role":"assistant","content":null,"tool_calls":[
        {"id":"c1","type":"function","function":{"name":"get_time","arguments":"{}"}}]},
      {"role":"tool","tool_call_id":"c1","content":"noon"}]})");
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  const auto& called = parsed->chat.messages(1);
  EXPECT_EQ(called.content(), "");
  ASSERT_EQ(called.tool_calls_size(), 1);
  EXPECT_EQ(called.tool_calls(0).id(), "c1");
  EXPECT_EQ(called.tool_calls(0).name(), "get_time");
  EXPECT_EQ(called.tool_calls(0).arguments(), "{}");
  EXPECT_EQ(parsed->chat.messages(2).role(), v1::ROLE_TOOL);
  EXPECT_EQ(parsed->chat.messages(2).tool_call_id(), "c1");
  EXPECT_EQ(parsed->ask.question(), "q");
  EXPECT_EQ(parsed->ask.history_size(), 0);
}

TEST(ParseChatCompletionTest, NamesTheToolParameterAtFault) {
  for (const auto& [member, field] : std::vector<std::pair<std::string, std::string>>{
           {R"("tools":{})", "tools"},
           {R"("tools":[3])", "tools[0]"},
           {R"("tools":[{"type":"custom","custom":{}}])", "tools[0].type"},
           {R"("tools":[{"type":"function"}])", "tools[0].function"},
           {R"("tools":[{"type":"function","function":{"name":"a b"}}])", "tools[0].function.name"},
           {R"("tools":[{"type":"function","function":{"name":"a","parameters":[]}}])",
            "tools[0].function.parameters"},
           {R"("tools":[{"type":"function","function":{"name":"a","strict":1}}])",
            "tools[0].function.strict"},
           {R"("tool_choice":"some")", "tool_choice"},
           {R"("tool_choice":{"type":"allowed_tools"})", "tool_choice.type"},
           {R"("parallel_tool_calls":1)", "parallel_tool_calls"},
           {R"("functions":[{}])", "functions"}}) {
    EXPECT_EQ(Fault(Body(member)), field) << member;
  }
  EXPECT_EQ(Fault(R"({"model":"m","messages":[{"role":"tool","content":"x"}]})"),
            "messages[0].tool_call_id");
  EXPECT_EQ(Fault(R"({"model":"m","messages":[{"role":"assistant","tool_calls":[{}]}]})"),
            "messages[0].tool_calls[0].type");
  EXPECT_EQ(Fault(R"({"model":"m","messages":[{"role":"assistant"}]})"), "messages[0].content");
}

TEST(ParseChatCompletionTest, SaysWhatAnAnswerFromDocumentsCannotDo) {
  const auto refused = [](absl::string_view members) {
    const absl::Status status = ParseChatCompletion(Body(members))->ask_refusal;
    return status.ok() ? "" : GetErrorDetail(status)->field;
  };
  EXPECT_EQ(refused(R"("n":2)"), "n");
  EXPECT_EQ(refused(R"("logprobs":true)"), "logprobs");
  EXPECT_EQ(refused(R"("logit_bias":{"1":1})"), "logit_bias");
  EXPECT_EQ(refused(R"("dry_multiplier":1)"), "dry_multiplier");
  EXPECT_EQ(refused(R"("tools":[{"type":"function","function":{"name":"a"}}])"), "tools");
  EXPECT_EQ(refused(R"("n":1,"tools":[],"logprobs":false,"presence_penalty":0,"logit_bias":{})"),
            "");
}

TEST(ParseEmbeddingsTest, TakesTextsAndRefusesTokens) {
  EXPECT_EQ(ParseEmbeddings(R"({"model":"m","input":"a"})")->embed.texts_size(), 1);
  EXPECT_TRUE(
      ParseEmbeddings(R"({"model":"m","input":["a","b"],"encoding_format":"base64"})")->base64);
  for (const char* body :
       {R"({"model":"m","input":[1,2]})", R"({"model":"m","input":[[1],[2]]})"}) {
    EXPECT_EQ(GetErrorDetail(ParseEmbeddings(body).status())->reason, "TOKEN_INPUT_UNSUPPORTED");
  }
  EXPECT_FALSE(ParseEmbeddings(R"({"model":"m","input":[]})").ok());
  EXPECT_FALSE(ParseEmbeddings(R"({"model":"m","input":[""]})").ok());
}

class OpenAiAnswerTest : public testing::Test {
 protected:
  static v1::AskResponse Token(const std::string& text) {
    v1::AskResponse event;
    event.mutable_token()->set_text(text);
    return event;
  }
  static v1::AskResponse Cited() {
    v1::AskResponse event;
    event.mutable_citation()->set_number(1);
    event.mutable_citation()->set_document_id("a/b");
    event.mutable_citation()->set_document_name("b.md");
    event.mutable_citation()->mutable_range()->set_begin(3);
    event.mutable_citation()->mutable_range()->set_end(9);
    return event;
  }
  OpenAiAnswer answer_{
      {.id = "id", .model = "ragmesh", .created = 1, .include_usage = true, .collection = "c"}};
};

TEST_F(OpenAiAnswerTest, StreamsByteForByteAsOpenAiDoes) {
  EXPECT_EQ(answer_.First(),
            "data: "
            "{\"id\":\"id\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":"
            "\"ragmesh\",\"choices\":"
            "[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"logprobs\":null,"
            "\"finish_reason\":null}],\"usage\":null}\n\n");
  EXPECT_THAT(answer_.Add(Token("Hi")), HasSubstr("\"delta\":{\"content\":\"Hi\"}"));
  const std::string last = answer_.Last();
  EXPECT_THAT(last, HasSubstr("\"delta\":{},\"logprobs\":null,\"finish_reason\":\"stop\""));
  EXPECT_THAT(last, HasSubstr("\"choices\":[],\"usage\":{\"prompt_tokens\":0"));
  EXPECT_TRUE(last.ends_with("data: [DONE]\n\n"));
}

TEST_F(OpenAiAnswerTest, AnnotatesCitationsByCodePoint) {
  answer_.Add(Token("Größe [1]."));
  answer_.Add(Cited());
  const auto citation = answer_.Whole()["choices"][0]["message"]["annotations"][0]["url_citation"];
  EXPECT_EQ(citation["start_index"], 6);
  EXPECT_EQ(citation["end_index"], 9);
  EXPECT_EQ(citation["url"], "/#/documents/c/a%2Fb?range=3-9");
  EXPECT_EQ(answer_.Whole()["rag"]["citations"][0]["documentName"], "b.md");
}

v1::ChatResponse Delta(std::uint32_t choice, const std::string& text) {
  v1::ChatResponse event;
  event.mutable_token()->set_choice(choice);
  event.mutable_token()->set_text(text);
  return event;
}

v1::ChatResponse Done(std::uint32_t choice, v1::FinishReason reason) {
  v1::ChatResponse event;
  event.mutable_done()->set_choice(choice);
  event.mutable_done()->set_finish_reason(reason);
  return event;
}

TEST(OpenAiChoicesTest, KeepTheirTextsAndReasonsApart) {
  OpenAiAnswer answer({.id = "id", .model = "m", .choices = 2});
  EXPECT_THAT(answer.First(), HasSubstr(R"({"index":1,"delta":{"role":"assistant")"));
  EXPECT_THAT(answer.Add(Delta(1, "b")), HasSubstr(R"({"index":1,"delta":{"content":"b"})"));
  EXPECT_THAT(answer.Add(Delta(0, "a")), HasSubstr(R"({"index":0,"delta":{"content":"a"})"));
  answer.Add(Delta(1, "B"));
  answer.Add(Done(0, v1::FINISH_REASON_STOP));
  answer.Add(Done(1, v1::FINISH_REASON_LENGTH));
  const auto choices = answer.Whole()["choices"];
  ASSERT_EQ(choices.size(), 2u);
  EXPECT_EQ(choices[0]["message"]["content"], "a");
  EXPECT_EQ(choices[1]["message"]["content"], "bB");
  EXPECT_EQ(choices[1]["index"], 1);
  EXPECT_EQ(choices[0]["finish_reason"], "stop");
  EXPECT_EQ(choices[1]["finish_reason"], "length");
  EXPECT_THAT(answer.Last(),
              HasSubstr(R"("index":1,"delta":{},"logprobs":null,"finish_reason":"length")"));
}

v1::ChatResponse CallDelta(std::uint32_t index, const char* id, const char* name,
                           const char* arguments) {
  v1::ChatResponse event;
  auto* call = event.mutable_token()->add_tool_calls();
  call->set_index(index);
  call->set_id(id);
  call->set_name(name);
  call->set_arguments(arguments);
  return event;
}

TEST(OpenAiToolCallsTest, AreDeltasWithAnIndexAndWholeInTheMessage) {
  OpenAiAnswer answer({.id = "id", .model = "m"});
  EXPECT_THAT(answer.Add(CallDelta(0, "c1", "get_time", "")),
              HasSubstr(R"("delta":{"tool_calls":[{"index":0,"id":"c1","type":"function",)"
                        R"("function":{"name":"get_time","arguments":""}}]},"logprobs":null)"));
  EXPECT_THAT(
      answer.Add(CallDelta(0, "", "", "{\"a\":")),
      HasSubstr(R"("delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"a\":"}}]})"));
  answer.Add(CallDelta(0, "", "", "1}"));
  answer.Add(CallDelta(1, "c2", "get_weather", "{}"));
  EXPECT_EQ(answer.Add(CallDelta(1u << 30, "c3", "f", "{}")), "");
  answer.Add(Done(0, v1::FINISH_REASON_TOOL_CALLS));
  const auto choice = answer.Whole()["choices"][0];
  EXPECT_EQ(choice["finish_reason"], "tool_calls");
  EXPECT_TRUE(choice["message"]["content"].is_null());
  EXPECT_EQ(
      choice["message"]["tool_calls"].dump(),
      R"([{"id":"c1","type":"function","function":{"name":"get_time","arguments":"{\"a\":1}"}},)"
      R"({"id":"c2","type":"function","function":{"name":"get_weather","arguments":"{}"}}])");
  EXPECT_THAT(answer.Last(), HasSubstr(R"("finish_reason":"tool_calls")"));
}

TEST(OpenAiToolCallsTest, StandBesideText) {
  OpenAiAnswer answer({.id = "id", .model = "m"});
  answer.Add(Delta(0, "Let me see."));
  answer.Add(CallDelta(0, "c1", "get_time", "{}"));
  const auto message = answer.Whole()["choices"][0]["message"];
  EXPECT_EQ(message["content"], "Let me see.");
  EXPECT_EQ(message["tool_calls"].size(), 1u);
}

TEST(OpenAiLogprobsTest, StandBesideTheTextWithBytesAndAlternatives) {
  OpenAiAnswer answer({.id = "id", .model = "m"});
  v1::ChatResponse event = Delta(0, "hé");
  auto* first = event.mutable_token()->add_logprobs();
  first->mutable_chosen()->set_text("h\xC3");  // ends inside a character
  first->mutable_chosen()->set_logprob(-0.5);
  first->add_top()->set_text("x");
  event.mutable_token()->add_logprobs()->mutable_chosen()->set_text("\xA9");
  event.mutable_token()->add_logprobs()->mutable_chosen()->set_token_id(2);  // a control token
  EXPECT_THAT(answer.Add(event), HasSubstr(R"("bytes":[104,195],"top_logprobs":[{"token":"x")"));
  const auto logprobs = answer.Whole()["choices"][0]["logprobs"];
  ASSERT_EQ(logprobs["content"].size(), 2u);
  EXPECT_EQ(logprobs["content"][0]["logprob"], -0.5);
  EXPECT_EQ(logprobs["content"][1]["bytes"], nlohmann::ordered_json({0xA9}));
  EXPECT_TRUE(logprobs["refusal"].is_null());
}

TEST_F(OpenAiAnswerTest, AddsUsage) {
  v1::AskResponse event;
  event.mutable_usage()->set_prompt_tokens(7);
  event.mutable_usage()->set_completion_tokens(2);
  answer_.Add(event);
  EXPECT_EQ(answer_.Whole()["usage"]["total_tokens"], 9);
}

}  // namespace
}  // namespace ragmesh::bridge
