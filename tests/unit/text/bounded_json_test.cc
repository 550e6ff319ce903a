#include "libs/text/bounded_json.h"

#include <gtest/gtest.h>

#include <string>

#include "libs/testing/status_matchers.h"

namespace ragmesh::text {
namespace {

using ::ragmesh::testing::HasReason;
using ::ragmesh::testing::IsOk;
using ::ragmesh::testing::StatusIs;
using ::testing::HasSubstr;

TEST(BoundedJsonTest, ReadsWhatIsWithinItsLimits) {
  const auto json = ParseBoundedJson(R"({"a":[1,{"b":null}],"c":{"a":2}})", "x", {});
  ASSERT_THAT(json, IsOk());
  EXPECT_EQ((*json)["c"]["a"], 2);
}

TEST(BoundedJsonTest, RefusesWhatIsNotJson) {
  for (const char* text : {"", "{", "{\"a\":}", "[1,]", "nul", "{}x", "\"\xFF\"", "1e999"}) {
    EXPECT_THAT(ParseBoundedJson(text, "config", {}),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("config is not valid JSON")))
        << text;
  }
}

TEST(BoundedJsonTest, RefusesADuplicateKeyAtAnyDepth) {
  EXPECT_THAT(ParseBoundedJson(R"({"a":[{"k":1,"k":2}]})", "config", {}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("\"k\" twice")));
}

TEST(BoundedJsonTest, RefusesAMillionOpenBrackets) {
  const std::string deep(1'000'000, '[');
  EXPECT_THAT(ParseBoundedJson(deep, "config", {}), StatusIs(absl::StatusCode::kInvalidArgument));
  const std::string closed = std::string(40, '[') + std::string(40, ']');
  EXPECT_THAT(ParseBoundedJson(closed, "config", {.max_depth = 39}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("deeper than 39")));
  EXPECT_THAT(ParseBoundedJson(closed, "config", {.max_depth = 40}), IsOk());
}

TEST(BoundedJsonTest, RefusesWhatIsTooLong) {
  EXPECT_THAT(ParseBoundedJson("[1, 2, 3]", "config", {.max_bytes = 8}),
              HasReason("LIMIT_EXCEEDED"));
}

}  // namespace
}  // namespace ragmesh::text
