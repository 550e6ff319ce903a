#include "libs/remote_generation/server_error.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/testing/status_matchers.h"

namespace ragmesh::remote_generation {
namespace {

using ragmesh::testing::HasReason;
using ragmesh::testing::StatusIs;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

absl::Status Error(int status, absl::string_view body = "") {
  return ServerError(status, body, std::nullopt, "/keys/server");
}

// The counts of a CONTEXT_TOO_LONG.
std::string Counts(absl::string_view body) {
  const auto detail = GetErrorDetail(Error(400, body));
  if (!detail.has_value() || detail->reason != "CONTEXT_TOO_LONG") return "another error";
  const auto at = [&](const char* name) {
    const auto found = detail->metadata.find(name);
    return found == detail->metadata.end() ? std::string("?") : found->second;
  };
  return at("prompt_tokens") + " of " + at("context_tokens");
}

TEST(ServerErrorTest, KnowsALongPromptOfLlamaServer) {
  EXPECT_EQ(Counts(R"({"error":{"code":400,"message":"request (5000 tokens) exceeds the available)"
                   R"( context size","type":"exceed_context_size_error","n_prompt_tokens":5000,)"
                   R"("n_ctx":2048}})"),
            "5000 of 2048");
}

TEST(ServerErrorTest, KnowsALongPromptOfVllm) {
  EXPECT_EQ(Counts(R"({"object":"error","message":"This model's maximum context length is 2048)"
                   R"( tokens. However, you requested 3000 tokens (2900 in the messages, 100 in)"
                   R"( the completion).","type":"BadRequestError","code":400})"),
            "2900 of 2048");
  EXPECT_EQ(Counts(R"({"error":{"message":"'max_tokens' is too large: 4096. This model's maximum)"
                   R"( context length is 2048 tokens and your request has 25 input tokens","code":)"
                   R"(400}})"),
            "25 of 2048");
}

TEST(ServerErrorTest, KnowsALongPromptByItsCode) {
  EXPECT_EQ(Counts(R"({"error":{"message":"too long","code":"context_length_exceeded"}})"),
            "? of ?");
}

TEST(ServerErrorTest, OtherRefusalsAreTheRequestsFault) {
  const absl::Status error =
      Error(422, R"({"error":{"type":"BadRequestError","param":"top_k","message":"bad"}})");
  EXPECT_THAT(error, HasReason("REMOTE_REFUSED"));
  EXPECT_EQ(GetErrorDetail(error)->field, "top_k");
  EXPECT_FALSE(IsServerFault(error));
}

TEST(ServerErrorTest, RepeatsNoWordsOfTheServer) {
  for (const int status : {400, 401, 404, 429, 500}) {
    EXPECT_THAT(
        std::string(Error(status, R"({"error":{"message":"SECRET PROMPT","type":"SECRET PROMPT",)"
                                  R"("code":"a_code"}})")
                        .message()),
        AllOf(Not(HasSubstr("SECRET")), HasSubstr("a_code")));
  }
}

TEST(ServerErrorTest, ARefusedKeyNamesItsFile) {
  for (const int status : {401, 403}) {
    const absl::Status error = Error(status);
    EXPECT_THAT(error, HasReason("REMOTE_KEY_REFUSED"));
    EXPECT_THAT(error, StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("/keys/server")));
    EXPECT_TRUE(IsServerFault(error));
  }
}

TEST(ServerErrorTest, ABusyServerIsAFullQueueAndNoFault) {
  const absl::Status error = ServerError(429, "", absl::Seconds(7), "");
  EXPECT_THAT(error,
              AllOf(StatusIs(absl::StatusCode::kResourceExhausted), HasReason("QUEUE_FULL")));
  EXPECT_EQ(GetErrorDetail(error)->retry_after, absl::Seconds(7));
  EXPECT_FALSE(IsServerFault(error));
}

TEST(ServerErrorTest, AServerThatFailsIsUnavailable) {
  for (const int status : {500, 501, 502, 503, 504, 204, 418}) {
    const absl::Status error = ServerError(status, "<html>", absl::Seconds(9), "");
    EXPECT_THAT(error, AllOf(StatusIs(absl::StatusCode::kUnavailable), HasReason("REMOTE_FAILED")));
    EXPECT_EQ(GetErrorDetail(error)->retry_after, absl::Seconds(9));
    EXPECT_TRUE(IsServerFault(error));
  }
}

TEST(ServerErrorTest, AWrongAddressIsSaidSo) {
  EXPECT_THAT(Error(404), HasReason("REMOTE_NOT_FOUND"));
  EXPECT_THAT(Error(302), HasReason("REMOTE_REDIRECTS"));
}

TEST(ServerErrorTest, TakesBodiesThatAreNoErrors) {
  for (const char* body : {"", "null", "[1]", "{", R"({"error":"text"})", R"({"error":[]})"})
    EXPECT_THAT(Error(400, body), HasReason("REMOTE_REFUSED")) << body;
}

TEST(ServerErrorTest, ErrorsOfTheCallerAreNoFaultOfTheServers) {
  EXPECT_FALSE(IsServerFault(absl::CancelledError("gone")));
  EXPECT_FALSE(IsServerFault(absl::DeadlineExceededError("late")));
  EXPECT_FALSE(IsServerFault(absl::UnavailableError("untyped")));
}

}  // namespace
}  // namespace ragmesh::remote_generation
