#include "libs/document/normalise.h"

#include <gtest/gtest.h>

#include <random>

#include "libs/text/utf8.h"

namespace ragmesh::document {
namespace {

std::string Prose(const std::string& text) { return Normalise(text, TextForm::kProse); }

TEST(NormaliseTest, ComposesAndExpandsLigatures) {
  EXPECT_EQ(Prose("e\u0301"), "\u00E9");
  EXPECT_EQ(Prose("e\uFB03cient \uFB02ow"), "efficient flow");
  EXPECT_EQ(Prose("x\u00B2"), "x\u00B2") << "superscripts keep their meaning";
}

TEST(NormaliseTest, MendsHyphensAtLineEndsOnly) {
  EXPECT_EQ(Prose("exam-\nple of"), "example of");
  EXPECT_EQ(Prose("exam\u2010\n  ple"), "example");
  EXPECT_EQ(Prose("Anglo-\nSaxon"), "Anglo-\nSaxon");
  EXPECT_EQ(Prose("x-ray"), "x-ray");
  EXPECT_EQ(Prose("1990-\nish"), "1990-\nish");
}

TEST(NormaliseTest, StripsWhatNobodySees) {
  EXPECT_EQ(Prose("a\u00ADb\u200Bc\uFEFF\x01\x7F"), "abc");
  EXPECT_EQ(Prose("x\U000E0041\U000E0042y"), "xy") << "tag characters can hide instructions";
  EXPECT_EQ(Prose("\u202Eabc\u202C"), "abc");
  EXPECT_EQ(Prose("a\u200Db"), "ab");
  EXPECT_EQ(Prose("\u0645\u06CC\u200C\u062E"), "\u0645\u06CC\u200C\u062E")
      << "Persian needs its non-joiner";
}

TEST(NormaliseTest, FoldsBlanksAndLineBreaks) {
  EXPECT_EQ(Prose("  a\u00A0\t b \r\n\r\n c\rd\u2028e  "), "a b\nc\nd\ne");
  EXPECT_EQ(Normalise("a\nb", TextForm::kLine), "a b");
}

TEST(NormaliseTest, KeepsTheShapeOfCode) {
  EXPECT_EQ(Normalise("\n\n  if (x)  {\n\ty;  \n\n  }\n\n", TextForm::kCode),
            "  if (x)  {\n\ty;\n\n  }");
}

TEST(NormaliseTest, TurnsBytesThatAreNotUtf8IntoReplacements) {
  EXPECT_EQ(Prose("a\xFF"
                  "b"),
            "a\uFFFD"
            "b");
}

TEST(NormaliseTest, ChangesNothingTheSecondTime) {
  const char32_t alphabet[] = {'a',    'B',   '-',     ' ',    '\n',   '\t',   0xAD,
                               0xA0,   0x301, 0xE9,    0x200D, 0x200C, 0xFB01, 0x2028,
                               0x3000, 0x645, 0x1F600, 0x2010, 0xFEFF, 0xE0041};
  for (unsigned seed = 0; seed < 3000; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937 random(seed);
    std::u32string text;
    for (int i = 0; i < 30; ++i) text += alphabet[random() % std::size(alphabet)];
    std::string utf8;
    for (const char32_t c : text) {
      if (c < 0x80) {
        utf8 += static_cast<char>(c);
      } else if (c < 0x800) {
        utf8 += {static_cast<char>(0xC0 | c >> 6), static_cast<char>(0x80 | (c & 0x3F))};
      } else if (c < 0x10000) {
        utf8 += {static_cast<char>(0xE0 | c >> 12), static_cast<char>(0x80 | (c >> 6 & 0x3F)),
                 static_cast<char>(0x80 | (c & 0x3F))};
      } else {
        utf8 += {static_cast<char>(0xF0 | c >> 18), static_cast<char>(0x80 | (c >> 12 & 0x3F)),
                 static_cast<char>(0x80 | (c >> 6 & 0x3F)), static_cast<char>(0x80 | (c & 0x3F))};
      }
    }
    for (const TextForm form : {TextForm::kProse, TextForm::kCode, TextForm::kLine}) {
      const std::string once = Normalise(utf8, form);
      EXPECT_EQ(Normalise(once, form), once);
      EXPECT_TRUE(text::IsValidUtf8(once));
    }
  }
}

}  // namespace
}  // namespace ragmesh::document
