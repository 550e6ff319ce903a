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
  EXPECT_EQ(Fault(R"({"model":"m","n":2,"messages":[{"role":"user","content":"q"}]})"), "n");
  EXPECT_EQ(Fault(R"({"model":"m","tools":[{}],"messages":[{"role":"user","content":"q"}]})"),
            "tools");
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
          R"({"model":"m","response_format":{"type":"json_object"},"messages":[{"role":"user","content":"q"}]})"),
      "response_format");
  EXPECT_EQ(
      Fault(R"({"model":"m","rag":{"nothing":1},"messages":[{"role":"user","content":"q"}]})"),
      "nothing");
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

TEST_F(OpenAiAnswerTest, AddsUsage) {
  v1::AskResponse event;
  event.mutable_usage()->set_prompt_tokens(7);
  event.mutable_usage()->set_completion_tokens(2);
  answer_.Add(event);
  EXPECT_EQ(answer_.Whole()["usage"]["total_tokens"], 9);
}

}  // namespace
}  // namespace ragmesh::bridge
