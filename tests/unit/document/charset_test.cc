#include "libs/document/charset.h"

#include <gtest/gtest.h>

namespace ragmesh::document {
namespace {

using namespace std::string_literals;

TEST(CharsetTest, ObeysByteOrderMarks) {
  EXPECT_EQ(DecodeText("\xEF\xBB\xBFhi").utf8, "hi");
  EXPECT_EQ(DecodeText("\xFF\xFEh\0i\0"s).utf8, "hi");
  EXPECT_EQ(DecodeText("\xFE\xFF\0h\0i"s).utf8, "hi");
  EXPECT_EQ(DecodeText("\xFF\xFE\0\0h\0\0\0"s).utf8, "h");
}

TEST(CharsetTest, FindsUtf16WithoutAMark) {
  std::string text;
  for (const char c : "some plain text"s) text += {c, '\0'};
  EXPECT_EQ(DecodeText(text).utf8, "some plain text");
}

TEST(CharsetTest, KeepsUtf8WithAFewWrongBytesAndCountsThem) {
  const DecodedText decoded = DecodeText("na\xC3\xAFve caf\xC3\xA9 \xE2\x82\xAC \xC3\xBC \xFF");
  EXPECT_EQ(decoded.charset, "UTF-8");
  EXPECT_EQ(decoded.replaced, 1u);
  EXPECT_EQ(decoded.utf8, "na\u00EFve caf\u00E9 \u20AC \u00FC \uFFFD");
}

TEST(CharsetTest, ReadsOtherCharsets) {
  EXPECT_EQ(DecodeText("Gr\xFC\xDF"
                       "e aus M\xFCnchen, \x84sch\xF6n\x93")
                .utf8.substr(0, 7),
            "Gr\u00FC\u00DF"
            "e");
  EXPECT_EQ(DecodeText("\xCF\xF0\xE8\xE2\xE5\xF2", "windows-1251").utf8,
            "\u041F\u0440\u0438\u0432\u0435\u0442");
}

TEST(CharsetTest, BelievesValidUtf8MoreThanADeclaration) {
  EXPECT_EQ(DecodeText("\xC3\xA9", "iso-8859-1").utf8, "\u00E9");
}

TEST(CharsetTest, FindsTheDeclarationOfAPage) {
  EXPECT_EQ(DeclaredHtmlCharset("<meta charset=\"Shift_JIS\">"), "shift_jis");
  EXPECT_EQ(DeclaredHtmlCharset("<meta http-equiv=x content='text/html; charset=ISO-8859-1'>"),
            "windows-1252");
  EXPECT_EQ(DeclaredHtmlCharset("<p>none</p>"), "");
}

}  // namespace
}  // namespace ragmesh::document
