#include "libs/http/policy.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ragmesh::http {
namespace {

RequestHead Head(std::string method, Headers headers) {
  return {.method = std::move(method), .path = "/", .headers = std::move(headers), .id = "r1"};
}

TEST(CheckPolicyTest, RefusesAMissingHost) {
  const auto refusal = CheckPolicy({}, Head("GET", {}));
  ASSERT_TRUE(refusal.has_value());
  EXPECT_EQ(refusal->status, 400);
}

TEST(CheckPolicyTest, RefusesAHostNameThatIsNotListed) {
  ServerOptions options;
  options.allowed_hosts = LoopbackHosts("127.0.0.1");
  EXPECT_EQ(CheckPolicy(options, Head("GET", {{"Host", "evil.example:8080"}}))->status, 421);
  EXPECT_EQ(CheckPolicy(options, Head("GET", {{"Host", "localhost:8080"}})), std::nullopt);
  EXPECT_EQ(CheckPolicy(options, Head("GET", {{"Host", "[::1]:8080"}})), std::nullopt);
}

TEST(CheckPolicyTest, RefusesChangesFromForeignPagesOnly) {
  const Headers foreign = {{"Host", "a.example"}, {"Origin", "https://b.example"}};
  EXPECT_EQ(CheckPolicy({}, Head("POST", foreign))->status, 403);
  EXPECT_EQ(CheckPolicy({}, Head("GET", foreign)), std::nullopt);
  EXPECT_EQ(CheckPolicy({}, Head("POST", {{"Host", "a.example"}, {"Origin", "http://a.example"}})),
            std::nullopt);
  EXPECT_EQ(CheckPolicy({}, Head("POST", {{"Host", "a.example"}, {"Origin", "null"}}))->status,
            403);
}

TEST(CheckPolicyTest, AnswersPreflightsOfListedOriginsOnly) {
  const Headers preflight = {{"Host", "a.example"},
                             {"Origin", "https://b.example"},
                             {"Access-Control-Request-Method", "POST"}};
  EXPECT_EQ(CheckPolicy({}, Head("OPTIONS", preflight))->status, 403);
  ServerOptions options;
  options.allowed_origins = {"https://b.example"};
  EXPECT_EQ(CheckPolicy(options, Head("OPTIONS", preflight))->status, 204);
}

TEST(AddStandardHeadersTest, SendsCorsHeadersToListedOriginsOnly) {
  ServerOptions options;
  options.allowed_origins = {"https://b.example"};
  Headers listed, other;
  AddStandardHeaders(options, Head("GET", {{"Host", "a"}, {"Origin", "https://b.example"}}),
                     listed);
  AddStandardHeaders(options, Head("GET", {{"Host", "a"}, {"Origin", "https://c.example"}}), other);
  EXPECT_EQ(FindHeader(listed, "Access-Control-Allow-Origin"), "https://b.example");
  EXPECT_EQ(FindHeader(other, "Access-Control-Allow-Origin"), "");
  EXPECT_EQ(FindHeader(other, "Vary"), "Origin");
}

TEST(AddStandardHeadersTest, ForbidsInlineScriptsAndFraming) {
  Headers headers;
  AddStandardHeaders({}, Head("GET", {}), headers);
  const std::string policy(FindHeader(headers, "Content-Security-Policy"));
  EXPECT_THAT(policy, testing::HasSubstr("default-src 'none'"));
  EXPECT_THAT(policy, testing::HasSubstr("frame-ancestors 'none'"));
  EXPECT_THAT(policy, testing::Not(testing::HasSubstr("unsafe")));
}

}  // namespace
}  // namespace ragmesh::http
