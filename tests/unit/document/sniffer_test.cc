#include "libs/document/sniffer.h"

#include <gtest/gtest.h>

namespace ragmesh::document {
namespace {

using namespace std::string_literals;

std::string TypeOf(const std::string& bytes, const std::string& name = "") {
  static Sniffer* sniffer = new Sniffer();
  return sniffer->MediaTypeOf(bytes, name);
}

TEST(SnifferTest, BelievesBytesOverNames) {
  EXPECT_EQ(TypeOf("%PDF-1.7\n", "report.txt"), kPdfType);
  EXPECT_EQ(TypeOf("<!DOCTYPE html><p>hi", "page.md"), kHtmlType);
  EXPECT_EQ(TypeOf("\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\x08\x02\0\0\0"s, "notes.md"),
            "image/png");
  EXPECT_EQ(TypeOf("plain words", "report.pdf"), kPlainTextType);
}

TEST(SnifferTest, ChoosesBetweenTextFormatsByName) {
  EXPECT_EQ(TypeOf("# Title\n\ntext", "a.MD"), kMarkdownType);
  EXPECT_EQ(TypeOf("# Title\n\ntext", "a.txt"), kPlainTextType);
  EXPECT_EQ(TypeOf("a,b\n1,2\n", "a.csv"), kCsvType);
  EXPECT_EQ(TypeOf("{\"a\":1}\n{\"a\":2}\n", "a.jsonl"), kJsonLinesType);
}

TEST(SnifferTest, RecognisesJsonByItsStart) {
  EXPECT_EQ(TypeOf("  {\"a\": 1}"), kJsonType);
  EXPECT_EQ(TypeOf("[1, 2]"), kJsonType);
  EXPECT_EQ(TypeOf("[1] Smith et al., 2020"), kPlainTextType);
  EXPECT_EQ(TypeOf("[see below] for more"), kPlainTextType);
  EXPECT_EQ(TypeOf("{curly} words"), kPlainTextType);
}

TEST(SnifferTest, RecognisesUtf16Text) {
  std::string text = "\xFF\xFE"s;
  for (const char c : "<html><body>hello</body></html>"s) text += {c, '\0'};
  EXPECT_EQ(TypeOf(text), kHtmlType);
}

TEST(SnifferTest, NamesWhatItCannotRead) {
  EXPECT_EQ(TypeOf("{\\rtf1\\ansi hello}"), "text/rtf");
  EXPECT_EQ(TypeOf("<?xml version=\"1.0\"?><a><b>c</b></a>"), "text/xml");
  EXPECT_EQ(TypeOf("PK\x03\x04 whatever"), "application/zip");
}

}  // namespace
}  // namespace ragmesh::document
