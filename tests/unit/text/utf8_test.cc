#include "libs/text/utf8.h"

#include <gtest/gtest.h>

#include <string>

namespace ragmesh::text {
namespace {

TEST(Utf8Test, EveryCodePointSurvivesEncodingAndDecoding) {
  for (char32_t c = 0; c <= 0x10FFFF; ++c) {
    if (c == 0xD800) c = 0xE000;
    std::string bytes;
    AppendUtf8(c, &bytes);
    const CodePoint point = DecodeUtf8(bytes, 0);
    ASSERT_TRUE(point.valid) << std::hex << static_cast<unsigned>(c);
    ASSERT_EQ(point.value, c);
    ASSERT_EQ(point.size, bytes.size());
  }
}

TEST(Utf8Test, SurrogatesAndValuesOutOfRangeAreWrittenAsReplacement) {
  for (const char32_t c : {char32_t{0xD800}, char32_t{0xDFFF}, char32_t{0x110000}}) {
    std::string bytes;
    AppendUtf8(c, &bytes);
    EXPECT_EQ(bytes, "\xEF\xBF\xBD");
  }
}

TEST(Utf8Test, OneReplacementPerMaximalSubpart) {
  // Unicode 15, table 3-8 and its neighbours.
  EXPECT_EQ(ReplaceInvalidUtf8("a\xF1\x80\x80\xE1\x80\xC2"
                               "b\x80"
                               "c\x80\xBF"
                               "d"),
            "a\uFFFD\uFFFD\uFFFD"
            "b\uFFFD"
            "c\uFFFD\uFFFD"
            "d");
  EXPECT_EQ(ReplaceInvalidUtf8("\xC0\xAF"), "\uFFFD\uFFFD");                      // overlong
  EXPECT_EQ(ReplaceInvalidUtf8("\xED\xA0\x80"), "\uFFFD\uFFFD\uFFFD");            // surrogate
  EXPECT_EQ(ReplaceInvalidUtf8("\xF4\x90\x80\x80"), "\uFFFD\uFFFD\uFFFD\uFFFD");  // above U+10FFFF
  EXPECT_EQ(ReplaceInvalidUtf8("\xE2\x82"), "\uFFFD");                            // cut short
}

TEST(Utf8Test, FindsTheFirstInvalidByte) {
  EXPECT_EQ(FindInvalidUtf8("plain ascii of some length"), absl::string_view::npos);
  EXPECT_EQ(FindInvalidUtf8("gr\xC3\xBC\xC3\x9F"
                            "e"),
            absl::string_view::npos);
  EXPECT_EQ(FindInvalidUtf8("0123456789\xFFz"), 10u);
}

TEST(Utf8Test, KnowsOverlongSurrogateAndTruncatedForms) {
  EXPECT_TRUE(IsValidUtf8(""));
  EXPECT_TRUE(IsValidUtf8("gr\u00fcn \u6f22\u5b57 \U0001F642"));
  EXPECT_FALSE(IsValidUtf8("\xC0\xAF"));
  EXPECT_FALSE(IsValidUtf8("\xE0\x80\x80"));
  EXPECT_FALSE(IsValidUtf8("\xED\xA0\x80"));
  EXPECT_FALSE(IsValidUtf8("\xF4\x90\x80\x80"));
  EXPECT_FALSE(IsValidUtf8("a\xE2\x82"));
  EXPECT_FALSE(IsValidUtf8("\x80"));
}

TEST(Utf8Test, CountsCodePoints) {
  EXPECT_EQ(CountCodePoints(""), 0u);
  EXPECT_EQ(CountCodePoints("abcdefghijk"), 11u);
  EXPECT_EQ(CountCodePoints("\u00e9\u4e16\U0001F600x"), 4u);
  EXPECT_EQ(CountCodePoints("\xFF\xFE"), 2u);
}

TEST(Utf8Test, FloorNeverCutsACodePoint) {
  const std::string text = "a\u00e9\u4e16\U0001F600b";
  const std::size_t expected[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 11};
  for (std::size_t i = 0; i < std::size(expected); ++i)
    EXPECT_EQ(FloorCodePoint(text, i), expected[i]) << i;
  EXPECT_EQ(FloorCodePoint(text, 1000), text.size());
}

TEST(Utf8Test, FloorAgreesWithDecodingOnArbitraryBytes) {
  std::uint32_t state = 12345;
  for (int round = 0; round < 2000; ++round) {
    std::string bytes;
    for (int i = 0; i < 12; ++i) {
      state = state * 1664525 + 1013904223;
      const unsigned char choices[] = {0x61, 0x80, 0xBF, 0xC3, 0xE2, 0xF0, 0xED, 0x9F};
      bytes.push_back(static_cast<char>(choices[state >> 24 & 7]));
    }
    std::size_t boundary = 0;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      if (i >= boundary + DecodeUtf8(bytes, boundary).size)
        boundary += DecodeUtf8(bytes, boundary).size;
      EXPECT_EQ(FloorCodePoint(bytes, i), boundary) << "round " << round << " position " << i;
    }
  }
}

}  // namespace
}  // namespace ragmesh::text
