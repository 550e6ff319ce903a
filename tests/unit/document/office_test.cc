// DOCX, PPTX and XLSX made in memory, good and hostile.
#include <gmock/gmock.h>
#include <zip.h>

#include <map>

#include "libs/testing/status_matchers.h"
#include "libs/testing/test_data.h"
#include "tests/unit/document/parse_fixture.h"

namespace ragmesh::document {
namespace {

using ::ragmesh::testing::HasReason;
using stages::BlockKind;
using ::testing::ElementsAre;

std::string Zip(const std::map<std::string, std::string>& parts) {
  testing::TempDir temp;
  const std::string path = (temp.path() / "made.zip").string();
  int error = 0;
  zip_t* archive = zip_open(path.c_str(), ZIP_CREATE, &error);
  for (const auto& [name, content] : parts) {
    zip_file_add(archive, name.c_str(),
                 zip_source_buffer(archive, content.data(), content.size(), 0), ZIP_FL_ENC_UTF_8);
  }
  EXPECT_EQ(zip_close(archive), 0);
  return testing::ReadFileOrDie(path);
}

std::string Docx(const std::string& body, const std::string& prologue = "") {
  return Zip({{"word/document.xml",
               prologue + "<w:document xmlns:w=\"w\"><w:body>" + body + "</w:body></w:document>"},
              {"word/styles.xml",
               "<w:styles xmlns:w=\"w\"><w:style w:type=\"paragraph\" w:styleId=\"H1\"><w:name "
               "w:val=\"heading 1\"/></w:style>"
               "<w:style w:type=\"paragraph\" w:styleId=\"Mine\"><w:basedOn "
               "w:val=\"H1\"/></w:style></w:styles>"},
              {"word/_rels/document.xml.rels",
               "<Relationships><Relationship Id=\"r1\" Type=\"http://x/styles\" "
               "Target=\"styles.xml\"/></Relationships>"}});
}

std::string P(const std::string& text, const std::string& properties = "") {
  return "<w:p><w:pPr>" + properties + "</w:pPr><w:r><w:t>" + text + "</w:t></w:r></w:p>";
}

TEST(DocxTest, FindsHeadingsListsAndTables) {
  const Parsed parsed =
      ParseBytes(Docx(P("Head", "<w:pStyle w:val=\"Mine\"/>") + P("text") +
                      P("item", "<w:numPr><w:ilvl w:val=\"1\"/><w:numId w:val=\"3\"/></w:numPr>") +
                      "<w:tbl><w:tblPr><w:tblLook w:firstRow=\"1\"/></w:tblPr><w:tr><w:tc>" +
                      P("a") + "</w:tc><w:tc>" + P("b") +
                      "</w:tc></w:tr><w:tr><w:tc><w:tcPr><w:gridSpan w:val=\"2\"/></w:tcPr>" +
                      P("1") + "</w:tc></w:tr></w:tbl>" +
                      "<w:p><w:del><w:r><w:delText>gone</w:delText></w:r></"
                      "w:del><w:ins><w:r><w:t>new</w:t></w:r></w:ins></w:p>"));
  ASSERT_TRUE(parsed.info.ok()) << parsed.info.status();
  EXPECT_EQ(parsed.text, "Head\n\ntext\n\nitem\n\na | b\n1 | \n\nnew");
  EXPECT_EQ(parsed.blocks[0].kind, BlockKind::kHeading);
  EXPECT_EQ(parsed.blocks[2].level, 2u);
  EXPECT_THAT(parsed.blocks[4].header_cells, ElementsAre("a", "b"));
  EXPECT_EQ(parsed.info->media_type, kDocxType);
}

TEST(DocxTest, RefusesADocumentTypeAndBrokenXml) {
  EXPECT_THAT(ParseBytes(Docx(P("x"), "<!DOCTYPE a [<!ENTITY b \"c\">]>")).info,
              HasReason("MALFORMED_DOCUMENT"));
  EXPECT_THAT(ParseBytes(Docx("<w:p>")).info, HasReason("MALFORMED_DOCUMENT"));
}

TEST(DocxTest, RefusesDeepNesting) {
  std::string deep;
  for (int i = 0; i < 600; ++i) deep += "<w:x>";
  EXPECT_THAT(ParseBytes(Docx(deep)).info, HasReason("LIMIT_EXCEEDED"));
}

TEST(OfficeTest, RefusesBombsBeforeExpandingThem) {
  EXPECT_THAT(ParseBytes(Docx(std::string(20 << 20, ' '))).info, HasReason("LIMIT_EXCEEDED"))
      << "ratio";
  EXPECT_THAT(ParseBytes(Docx(P("x")), "", {.max_zip_bytes = 100}).info,
              HasReason("LIMIT_EXCEEDED"))
      << "size";
  EXPECT_THAT(ParseBytes(Docx(P("x")), "", {.max_zip_entries = 2}).info,
              HasReason("LIMIT_EXCEEDED"))
      << "entries";
}

TEST(OfficeTest, SurvivesEveryCutOfAFile) {
  const std::string whole = Docx(P("some text"));
  for (std::size_t size = 0; size < whole.size(); size += 7)
    EXPECT_FALSE(ParseBytes(whole.substr(0, size)).info.ok());
}

TEST(XlsxTest, ReadsSheetsStringsDatesAndTables) {
  const Parsed parsed = ParseBytes(Zip(
      {{"xl/workbook.xml",
        "<workbook xmlns:r=\"r\"><sheets><sheet name=\"First\" sheetId=\"9\" "
        "r:id=\"rId1\"/></sheets></workbook>"},
       {"xl/_rels/workbook.xml.rels",
        "<Relationships><Relationship Id=\"rId1\" Type=\"http://x/worksheet\" "
        "Target=\"/xl/worksheets/s.xml\"/>"
        "<Relationship Id=\"rId2\" Type=\"http://x/sharedStrings\" Target=\"sharedStrings.xml\"/>"
        "<Relationship Id=\"rId3\" Type=\"http://x/styles\" "
        "Target=\"styles.xml\"/></Relationships>"},
       {"xl/sharedStrings.xml",
        "<sst><si><t>part</t></si><si><r><t>da</t></r><r><t>te</t></r></si></sst>"},
       {"xl/styles.xml",
        "<styleSheet><cellXfs><xf numFmtId=\"0\"/><xf numFmtId=\"14\"/></cellXfs></styleSheet>"},
       {"xl/worksheets/s.xml",
        "<worksheet><sheetData><row r=\"2\"><c r=\"B2\" t=\"s\"><v>0</v></c><c r=\"C2\" "
        "t=\"s\"><v>1</v></c></row>"
        "<row r=\"3\"><c r=\"B3\" t=\"inlineStr\"><is><t>bolt</t></is></c><c r=\"C3\" "
        "s=\"1\"><v>45443</v></c></row>"
        "<row r=\"9\"><c r=\"A9\"><f>1+1</f><v>2</v></c></row></sheetData></worksheet>"}}));
  ASSERT_TRUE(parsed.info.ok()) << parsed.info.status();
  EXPECT_EQ(parsed.text, "First\n\npart | date\nbolt | 2024-05-31\n\n2");
  EXPECT_THAT(parsed.blocks[2].header_cells, ElementsAre("part", "date"));
  EXPECT_EQ(parsed.blocks[0].page, 1u);
}

TEST(PptxTest, ReadsSlidesInOrderWithNotes) {
  const Parsed parsed = ParseBytes(Zip(
      {{"ppt/presentation.xml",
        "<p:presentation xmlns:p=\"p\" xmlns:r=\"r\"><p:sldIdLst><p:sldId id=\"256\" r:id=\"b\"/>"
        "<p:sldId id=\"257\" r:id=\"a\"/></p:sldIdLst></p:presentation>"},
       {"ppt/_rels/presentation.xml.rels",
        "<Relationships><Relationship Id=\"a\" Type=\"x/slide\" Target=\"slides/s1.xml\"/>"
        "<Relationship Id=\"b\" Type=\"x/slide\" Target=\"slides/s2.xml\"/></Relationships>"},
       {"ppt/slides/s1.xml",
        "<p:sld xmlns:p=\"p\" "
        "xmlns:a=\"a\"><p:sp><a:p><a:r><a:t>second</a:t></a:r></a:p></p:sp></p:sld>"},
       {"ppt/slides/s2.xml",
        "<p:sld xmlns:p=\"p\" xmlns:a=\"a\"><p:sp><p:nvPr><p:ph "
        "type=\"body\"/></p:nvPr><a:p><a:pPr lvl=\"1\"/><a:r><a:t>item"
        "</a:t></a:r></a:p></p:sp><p:sp><p:nvPr><p:ph "
        "type=\"title\"/></p:nvPr><a:p><a:r><a:t>Title</a:t></a:r></a:p></p:sp></p:sld>"},
       {"ppt/slides/_rels/s2.xml.rels",
        "<Relationships><Relationship Id=\"n\" Type=\"x/notesSlide\" "
        "Target=\"../notesSlides/n.xml\"/></Relationships>"},
       {"ppt/notesSlides/n.xml",
        "<p:notes xmlns:p=\"p\" xmlns:a=\"a\"><p:sp><a:p><a:r><a:t>say "
        "this</a:t></a:r></a:p></p:sp></p:notes>"}}));
  ASSERT_TRUE(parsed.info.ok()) << parsed.info.status();
  EXPECT_EQ(parsed.text, "Title\n\nitem\n\nsay this\n\nsecond");
  EXPECT_EQ(parsed.blocks[1].level, 2u);
  EXPECT_EQ(parsed.blocks[3].page, 2u);
}

}  // namespace
}  // namespace ragmesh::document
