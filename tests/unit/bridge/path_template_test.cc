#include "libs/bridge/path_template.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ragmesh::bridge {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Optional;
using testing::Pair;

std::optional<std::vector<PathBinding>> Match(absl::string_view text, absl::string_view path) {
  const auto parsed = PathTemplate::Parse(text);
  EXPECT_TRUE(parsed.ok()) << parsed.status();
  return parsed->Match(path);
}

TEST(PathTemplateTest, MatchesLiteralsAndVariables) {
  EXPECT_THAT(Match("/v1/jobs", "/v1/jobs"), Optional(IsEmpty()));
  EXPECT_THAT(Match("/v1/jobs/{job_id}", "/v1/jobs/j7"),
              Optional(ElementsAre(Pair("job_id", "j7"))));
  EXPECT_THAT(Match("/v1/{a.b}/x/{c}", "/v1/1/x/2"),
              Optional(ElementsAre(Pair("a.b", "1"), Pair("c", "2"))));
  EXPECT_EQ(Match("/v1/jobs/{job_id}", "/v1/jobs/"), std::nullopt);
  EXPECT_EQ(Match("/v1/jobs/{job_id}", "/v1/jobs/a/b"), std::nullopt);
  EXPECT_EQ(Match("/v1/jobs", "/v1/jobs/"), std::nullopt);
}

TEST(PathTemplateTest, MatchesVerbsAfterTheLastColon) {
  EXPECT_THAT(Match("/v1/jobs/{id}:watch", "/v1/jobs/a:b:watch"),
              Optional(ElementsAre(Pair("id", "a:b"))));
  EXPECT_EQ(Match("/v1/jobs/{id}:watch", "/v1/jobs/a:stop"), std::nullopt);
  EXPECT_EQ(Match("/v1/jobs/{id}:watch", "/v1/jobs/:watch"), std::nullopt);
}

TEST(PathTemplateTest, MatchesLongVariables) {
  EXPECT_THAT(Match("/v1/{name=shelves/*/books/*}", "/v1/shelves/1/books/2"),
              Optional(ElementsAre(Pair("name", "shelves/1/books/2"))));
  EXPECT_THAT(Match("/v1/{path=**}", "/v1/a/b/c"), Optional(ElementsAre(Pair("path", "a/b/c"))));
  EXPECT_THAT(Match("/v1/{path=**}", "/v1"), Optional(ElementsAre(Pair("path", ""))));
  EXPECT_THAT(Match("/v1/*/x", "/v1/any/x"), Optional(IsEmpty()));
}

TEST(PathTemplateTest, DecodesOneSegmentWholeAndKeepsEscapedSlashesInLongOnes) {
  EXPECT_THAT(Match("/v1/{id}", "/v1/a%2Fb%20c"), Optional(ElementsAre(Pair("id", "a/b c"))));
  EXPECT_THAT(Match("/v1/{id=**}", "/v1/a%2Fb%20c/d"),
              Optional(ElementsAre(Pair("id", "a%2Fb c/d"))));
  EXPECT_EQ(Match("/v1/{id}", "/v1/%zz"), std::nullopt);
  EXPECT_EQ(Match("/v1/{id}", "/v1/%ff"), std::nullopt);
}

TEST(PathTemplateTest, PrefersTheMoreSpecific) {
  EXPECT_LT(*PathTemplate::Parse("/v1/jobs/x"), *PathTemplate::Parse("/v1/jobs/{id}"));
  EXPECT_LT(*PathTemplate::Parse("/v1/jobs/{id}"), *PathTemplate::Parse("/v1/jobs/{id=**}"));
  EXPECT_LT(*PathTemplate::Parse("/v1/jobs/{id}:watch"), *PathTemplate::Parse("/v1/jobs/{id}"));
}

TEST(PathTemplateTest, RefusesWhatTheGrammarDoesNotAllow) {
  for (const char* text :
       {"", "v1", "/v1//x", "/v1/{", "/v1/{}", "/v1/{a", "/v1/{a={b}}", "/v1/{a}/{a}", "/v1/**/x",
        "/v1/x:", "/v1/{1a}", "/v1/}", "/v1/{a=**}/x", "/v1/a:b:c"}) {
    EXPECT_FALSE(PathTemplate::Parse(text).ok()) << text;
  }
}

TEST(PathTemplateTest, PrintsForOpenApi) {
  EXPECT_EQ(PathTemplate::Parse("/v1/{name=shelves/*}/x/{id}:go")->OpenApiPath(),
            "/v1/{name}/x/{id}:go");
}

}  // namespace
}  // namespace ragmesh::bridge
