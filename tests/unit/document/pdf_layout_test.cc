#include "libs/document/pdf_layout.h"

#include <gmock/gmock.h>

namespace ragmesh::document {
namespace {

using ::testing::ElementsAre;
using ::testing::SizeIs;

std::vector<std::string> Texts(const std::vector<PageParagraph>& paragraphs) {
  std::vector<std::string> texts;
  for (const PageParagraph& paragraph : paragraphs) texts.push_back(paragraph.text);
  return texts;
}

PageRun MakeRun(std::string text, double left, double top, double width = 200, double size = 10,
                bool bold = false) {
  return {std::move(text), left, left + width, top, top + size, size, bold};
}

TEST(PdfLayoutTest, JoinsLinesAndSplitsAtWideGaps) {
  EXPECT_THAT(Texts(LayOutPage({MakeRun("one", 50, 100), MakeRun("two", 50, 112),
                                MakeRun("three", 50, 124), MakeRun("far", 50, 150)})),
              ElementsAre("one\ntwo\nthree", "far"));
}

TEST(PdfLayoutTest, ReadsTwoColumnsUnderATitle) {
  std::vector<PageRun> runs = {MakeRun("Title across", 50, 40, 500, 18)};
  for (int i = 0; i < 6; ++i) {
    runs.push_back(MakeRun("left" + std::to_string(i), 50, 100 + 12 * i, 240));
    runs.push_back(MakeRun("Right" + std::to_string(i), 310, 100 + 12 * i, 240));
  }
  EXPECT_THAT(Texts(LayOutPage(runs)),
              ElementsAre("Title across", "left0\nleft1\nleft2\nleft3\nleft4\nleft5",
                          "Right0\nRight1\nRight2\nRight3\nRight4\nRight5"));
}

TEST(PdfLayoutTest, PutsAFullWidthPieceBetweenTheColumnsAroundIt) {
  std::vector<PageRun> runs;
  for (int i = 0; i < 6; ++i) {
    runs.push_back(MakeRun("A" + std::to_string(i), 50, 100 + 12 * i, 240));
    runs.push_back(MakeRun("B" + std::to_string(i), 310, 100 + 12 * i, 240));
    runs.push_back(MakeRun("C" + std::to_string(i), 50, 300 + 12 * i, 240));
    runs.push_back(MakeRun("D" + std::to_string(i), 310, 300 + 12 * i, 240));
  }
  runs.push_back(MakeRun("Figure across", 50, 220, 500));
  std::string order;
  for (const std::string& text : Texts(LayOutPage(runs))) order += text[0];
  EXPECT_EQ(order, "ABFCD");
}

TEST(PdfLayoutTest, ReadsTablesRowByRow) {
  std::vector<PageRun> runs;
  for (int i = 0; i < 6; ++i) {
    runs.push_back(MakeRun("key" + std::to_string(i), 50, 100 + 12 * i, 30));
    runs.push_back(MakeRun("value" + std::to_string(i), 310, 100 + 12 * i, 30));
  }
  EXPECT_EQ(LayOutPage(runs)[0].text.substr(0, 22), "key0 value0\nkey1 value");
}

TEST(PdfLayoutTest, BeginsAParagraphAtABulletAnIndentAndANewSize) {
  EXPECT_THAT(LayOutPage({MakeRun("Intro", 50, 100), MakeRun("\u2022 one", 60, 112),
                          MakeRun("\u2022 two", 60, 124)}),
              SizeIs(3));
  EXPECT_THAT(LayOutPage({MakeRun("a", 50, 100), MakeRun("b", 50, 112), MakeRun("c", 65, 124, 185),
                          MakeRun("d", 50, 136)}),
              SizeIs(2));
  EXPECT_THAT(LayOutPage({MakeRun("Head", 50, 98, 200, 14), MakeRun("text", 50, 112)}), SizeIs(2));
}

TEST(PdfLayoutTest, RecognisesListItems) {
  EXPECT_TRUE(BeginsListItem("- item"));
  EXPECT_TRUE(BeginsListItem("12. item"));
  EXPECT_TRUE(BeginsListItem("(a) item"));
  EXPECT_FALSE(BeginsListItem("1999 was a year"));
  EXPECT_FALSE(BeginsListItem("3.14 is pi"));
  EXPECT_FALSE(BeginsListItem(""));
}

}  // namespace
}  // namespace ragmesh::document
