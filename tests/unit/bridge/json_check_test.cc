#include "libs/bridge/json_check.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/error.h"

namespace ragmesh::bridge {
namespace {

std::string ReasonOf(absl::string_view json) {
  const absl::Status status = CheckJson(json);
  return status.ok() ? "OK" : GetErrorDetail(status)->reason;
}

TEST(CheckJsonTest, AcceptsAnyOneValue) {
  EXPECT_EQ(ReasonOf(R"({"a":[1,2.5e3,null,true,"x"],"b":{"a":1}})"), "OK");
  EXPECT_EQ(ReasonOf("7"), "OK");
  EXPECT_EQ(ReasonOf("1e999999"), "INVALID_JSON");  // no double holds it
  EXPECT_EQ(ReasonOf("123456789012345678901234567890"), "OK");
}

TEST(CheckJsonTest, RefusesWhatReadersDisagreeOn) {
  EXPECT_EQ(ReasonOf(R"({"a":1,"a":2})"), "DUPLICATE_KEY");
  EXPECT_EQ(ReasonOf(R"({"a":1,"\u0061":2})"), "DUPLICATE_KEY");
  EXPECT_EQ(ReasonOf("{} {}"), "INVALID_JSON");
  EXPECT_EQ(ReasonOf(""), "INVALID_JSON");
  EXPECT_EQ(ReasonOf("{'a':1}"), "INVALID_JSON");
  EXPECT_EQ(ReasonOf("\"\xC0\xAF\""), "INVALID_UTF8");
}

TEST(CheckJsonTest, BoundsDepthWithoutRecursion) {
  EXPECT_EQ(ReasonOf(std::string(64, '[') + std::string(64, ']')), "OK");
  EXPECT_EQ(ReasonOf(std::string(65, '[') + std::string(65, ']')), "JSON_TOO_DEEP");
  EXPECT_EQ(ReasonOf(std::string(1000000, '[')), "JSON_TOO_DEEP");
}

}  // namespace
}  // namespace ragmesh::bridge
