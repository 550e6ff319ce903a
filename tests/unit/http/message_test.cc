#include "libs/http/message.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ragmesh::http {
namespace {

TEST(PercentDecodeTest, DecodesBytesAndRefusesBrokenEscapes) {
  EXPECT_EQ(PercentDecode("a%2Fb%20c+d"), "a/b c+d");
  EXPECT_EQ(PercentDecode("a+b", /*plus_is_space=*/true), "a b");
  EXPECT_EQ(PercentDecode("%"), std::nullopt);
  EXPECT_EQ(PercentDecode("%4"), std::nullopt);
  EXPECT_EQ(PercentDecode("%zz"), std::nullopt);
}

TEST(ParseQueryTest, SplitsPairsAndKeepsRepeatedNames) {
  const auto parameters = ParseQuery("a=1&b=x%3Dy&a=&&c", 10);
  ASSERT_TRUE(parameters.has_value());
  ASSERT_EQ(parameters->size(), 4u);
  EXPECT_EQ((*parameters)[1].value, "x=y");
  EXPECT_EQ((*parameters)[2].name, "a");
  EXPECT_EQ((*parameters)[3].name, "c");
}

TEST(ParseQueryTest, RefusesMoreParametersThanAllowed) {
  EXPECT_EQ(ParseQuery("a=1&b=2&c=3", 2), std::nullopt);
}

TEST(FindHeaderTest, IgnoresCaseAndTakesTheFirst) {
  const Headers headers = {{"Content-Type", "a"}, {"content-type", "b"}};
  EXPECT_EQ(FindHeader(headers, "CONTENT-TYPE"), "a");
  EXPECT_EQ(FindHeader(headers, "accept"), "");
}

}  // namespace
}  // namespace ragmesh::http
