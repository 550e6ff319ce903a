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

TEST(IsValidUtf8Test, KnowsOverlongSurrogateAndTruncatedForms) {
  EXPECT_TRUE(IsValidUtf8("grün 漢字 🙂"));
  EXPECT_FALSE(IsValidUtf8("\xC0\xAF"));
  EXPECT_FALSE(IsValidUtf8("\xE0\x80\x80"));
  EXPECT_FALSE(IsValidUtf8("\xED\xA0\x80"));
  EXPECT_FALSE(IsValidUtf8("\xF4\x90\x80\x80"));
  EXPECT_FALSE(IsValidUtf8("a\xE2\x82"));
  EXPECT_FALSE(IsValidUtf8("\x80"));
}

TEST(FindHeaderTest, IgnoresCaseAndTakesTheFirst) {
  const Headers headers = {{"Content-Type", "a"}, {"content-type", "b"}};
  EXPECT_EQ(FindHeader(headers, "CONTENT-TYPE"), "a");
  EXPECT_EQ(FindHeader(headers, "accept"), "");
}

}  // namespace
}  // namespace ragmesh::http
