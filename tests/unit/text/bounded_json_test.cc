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

TEST(OrderedJsonTest, KeepsTheOrderOfMembersAndAllValues) {
  const char* text = R"({"z":[1,-2,2.5,{"b":null,"a":true}],"a":{},"m":"\u00e9","e":[]})";
  const auto json = ParseOrderedJson(text, "x", {});
  ASSERT_THAT(json, IsOk());
  EXPECT_EQ(json->dump(), R"({"z":[1,-2,2.5,{"b":null,"a":true}],"a":{},"m":"é","e":[]})");
  EXPECT_EQ(*ParseOrderedJson("3", "x", {}), 3);
}

TEST(OrderedJsonTest, RefusesWhatTheOtherRefuses) {
  for (const char* text : {"", "{", "{\"a\":}", "[1,]", "nul", "{}x", "\"\xFF\"", "1e999"}) {
    EXPECT_THAT(ParseOrderedJson(text, "config", {}),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("config is not valid JSON")))
        << text;
  }
  EXPECT_THAT(ParseOrderedJson(R"({"a":[{"k":1,"k":2}]})", "config", {}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("\"k\" twice")));
  EXPECT_THAT(ParseOrderedJson("[1, 2, 3]", "config", {.max_bytes = 8}),
              HasReason("LIMIT_EXCEEDED"));
  const std::string closed = std::string(40, '[') + std::string(40, ']');
  EXPECT_THAT(ParseOrderedJson(closed, "config", {.max_depth = 39}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("deeper than 39")));
  EXPECT_THAT(ParseOrderedJson(closed, "config", {.max_depth = 40}), IsOk());
}

TEST(OrderedJsonTest, ReadsAHundredThousandMembersInLinearTime) {
  std::string text = "{";
  for (int i = 0; i < 100'000; ++i) text += "\"" + std::to_string(i) + "\":0,";
  text += "\"last\":1}";
  const auto json = ParseOrderedJson(text, "x", {});
  ASSERT_THAT(json, IsOk());
  EXPECT_EQ(json->size(), 100'001u);
}

}  // namespace
}  // namespace ragmesh::text
