#include "libs/remote_generation/completion_stream.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/testing/status_matchers.h"
#include "tests/unit/remote_generation/scripted_model_server.h"

namespace ragmesh::remote_generation {
namespace {

using ragmesh::testing::Delta;
using ragmesh::testing::Finish;
using ragmesh::testing::HasReason;
using ragmesh::testing::kUsageEvent;
using ragmesh::testing::StatusIs;

class CompletionStreamTest : public ::testing::Test {
 protected:
  absl::Status Add(const std::string& data) {
    return stream_.Add(
        absl::StrCat("data: ", data, "\n\n"), [this](const stages::TokenEvent& event) {
          text_ += event.text;
          ++events_;
          calls_.insert(calls_.end(), event.tool_calls.begin(), event.tool_calls.end());
          return absl::OkStatus();
        });
  }

  CompletionStream stream_;
  std::string text_;
  int events_ = 0;
  std::vector<stages::ToolCallDelta> calls_;
};

TEST_F(CompletionStreamTest, ReadsAChat) {
  for (const std::string& data :
       {std::string(R"({"choices":[{"index":0,"delta":{"role":"assistant","content":null}}]})"),
        Delta("Hel"), Delta("lo"), Delta(""), Finish("stop"), std::string(kUsageEvent),
        std::string("[DONE]")}) {
    EXPECT_FALSE(stream_.done());
    RAGMESH_ASSERT_OK(Add(data));
  }
  EXPECT_TRUE(stream_.done());
  EXPECT_EQ(text_, "Hello");
  EXPECT_EQ(events_, 2);
  RAGMESH_ASSERT_OK_AND_ASSIGN(const stages::GenerateResult result, stream_.Finish());
  EXPECT_EQ(result.finish_reason, stages::FinishReason::kStop);
  EXPECT_EQ(result.usage.prompt_tokens, 12u);
  EXPECT_EQ(result.usage.cached_prompt_tokens, 4u);
  EXPECT_EQ(result.usage.completion_tokens, 3u);
}

TEST_F(CompletionStreamTest, ReadsACompletion) {
  RAGMESH_ASSERT_OK(Add(R"({"choices":[{"text":"abc","finish_reason":"length"}]})"));
  EXPECT_EQ(text_, "abc");
  RAGMESH_ASSERT_OK_AND_ASSIGN(const stages::GenerateResult result, stream_.Finish());
  EXPECT_EQ(result.finish_reason, stages::FinishReason::kLength);
  EXPECT_EQ(result.usage.prompt_tokens, 0u);
}

TEST_F(CompletionStreamTest, TellsWhichStopStringMatchedWhereTheServerDoes) {
  RAGMESH_ASSERT_OK(Add(R"({"choices":[{"text":"","finish_reason":"stop","stop_reason":"END"}]})"));
  EXPECT_EQ(stream_.Finish()->stop_sequence, "END");
}

TEST_F(CompletionStreamTest, LeavesOutWhatAModelThinks) {
  RAGMESH_ASSERT_OK(Add(R"({"choices":[{"delta":{"reasoning_content":"hm"}}]})"));
  EXPECT_EQ(events_, 0);
}

std::string Calls(const std::string& list) {
  return absl::StrCat(R"({"choices":[{"delta":{"content":null,"tool_calls":)", list, "}}]}");
}

TEST_F(CompletionStreamTest, HandsOnCallsAsTheyCome) {
  RAGMESH_ASSERT_OK(Add(Calls(
      R"([{"index":0,"id":"c1","type":"function","function":{"name":"f","arguments":""}}])")));
  RAGMESH_ASSERT_OK(Add(Calls(R"([{"index":0,"function":{"arguments":"{\"a\":"}}])")));
  RAGMESH_ASSERT_OK(Add(Calls(R"([{"index":0,"function":{"arguments":"1}"}},)"
                              R"({"index":1,"id":"c2","function":{"name":"g"}}])")));
  RAGMESH_ASSERT_OK(Add(Finish("tool_calls")));
  EXPECT_THAT(calls_, ::testing::ElementsAre(stages::ToolCallDelta{0, "c1", "f", ""},
                                             stages::ToolCallDelta{0, "", "", "{\"a\":"},
                                             stages::ToolCallDelta{0, "", "", "1}"},
                                             stages::ToolCallDelta{1, "c2", "g", ""}));
  EXPECT_EQ(stream_.Finish()->finish_reason, stages::FinishReason::kToolCalls);
}

TEST_F(CompletionStreamTest, AStopBehindACallIsTheCalls) {
  RAGMESH_ASSERT_OK(Add(Calls(R"([{"index":0,"id":"c1","function":{"name":"f"}}])")));
  RAGMESH_ASSERT_OK(Add(Finish("stop")));
  EXPECT_EQ(stream_.Finish()->finish_reason, stages::FinishReason::kToolCalls);
}

TEST_F(CompletionStreamTest, RefusesCallsThatAreNone) {
  for (const char* list :
       {"{}", R"([{"index":128,"function":{"name":"f"}}])", R"([{"id":7}])",
        R"([{"function":{"name":"a b"}}])", R"([{"function":{"arguments":{}}}])"}) {
    EXPECT_THAT(Add(Calls(list)), HasReason("REMOTE_BAD_ANSWER")) << list;
  }
}

TEST_F(CompletionStreamTest, AStreamWithoutItsEndIsCut) {
  RAGMESH_ASSERT_OK(Add(Delta("half an ans")));
  EXPECT_THAT(stream_.Finish(), HasReason("REMOTE_CUT"));
}

TEST_F(CompletionStreamTest, AnErrorInTheStreamIsThatError) {
  EXPECT_THAT(Add(R"({"error":{"code":503,"message":"x"}})"), HasReason("REMOTE_FAILED"));
  EXPECT_THAT(Add(R"({"error":{"code":429}})"), StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_THAT(Add(R"({"error":"text"})"), HasReason("REMOTE_FAILED"));
  EXPECT_THAT(Add(R"({"error":{"code":400,"type":"exceed_context_size_error"}})"),
              HasReason("CONTEXT_TOO_LONG"));
}

TEST_F(CompletionStreamTest, AFilteredAnswerIsAnErrorOfItsOwn) {
  EXPECT_THAT(Add(Finish("content_filter")), HasReason("CONTENT_FILTERED"));
}

TEST_F(CompletionStreamTest, RefusesWhatIsNoStreamOfCompletions) {
  EXPECT_THAT(Add("{"), HasReason("REMOTE_BAD_ANSWER"));
  EXPECT_THAT(Add("[]"), HasReason("REMOTE_BAD_ANSWER"));
  EXPECT_THAT(Add(R"({"choices":[{"text":5}]})"), HasReason("REMOTE_BAD_ANSWER"));
  EXPECT_THAT(Add(R"({"choices":[{"text":"\ud800"}]})"), HasReason("REMOTE_BAD_ANSWER"));
  EXPECT_THAT(Add(Finish("abort")), HasReason("REMOTE_BAD_ANSWER"));
  EXPECT_THAT(Add(std::string(100, '[')), HasReason("REMOTE_BAD_ANSWER"));
}

TEST_F(CompletionStreamTest, TakesEventsWithMembersOfOtherTypes) {
  for (const char* data :
       {R"({"choices":{}})", R"({"choices":[]})", R"({"choices":[3]})", R"({"usage":[]})",
        R"({"usage":{"prompt_tokens":-1}})", R"({"choices":[{"delta":"x"}]})", "{}"}) {
    RAGMESH_EXPECT_OK(Add(data)) << data;
  }
  EXPECT_EQ(events_, 0);
}

TEST_F(CompletionStreamTest, EndsAnAnswerThatDoesNot) {
  const std::string piece(512 << 10, 'x');
  absl::Status status;
  int pieces = 0;
  while (status.ok() && pieces < 100) {
    status = Add(Delta(piece));
    ++pieces;
  }
  EXPECT_THAT(status, HasReason("REMOTE_BAD_ANSWER"));
  EXPECT_EQ(pieces, 33);  // 16 MiB and one
}

TEST_F(CompletionStreamTest, ReadsNothingAfterDone) {
  RAGMESH_ASSERT_OK(Add(Finish("stop")));
  RAGMESH_ASSERT_OK(Add("[DONE]"));
  RAGMESH_ASSERT_OK(Add(Delta("more")));
  EXPECT_EQ(text_, "");
}

}  // namespace
}  // namespace ragmesh::remote_generation
