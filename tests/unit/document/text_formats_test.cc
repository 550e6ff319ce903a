// Plain text, Markdown, HTML, CSV and JSON, each by what a reader would expect to find.
#include <gmock/gmock.h>

#include "libs/document/csv_reader.h"
#include "libs/testing/status_matchers.h"
#include "tests/unit/document/parse_fixture.h"

namespace ragmesh::document {
namespace {

using ::ragmesh::testing::HasReason;
using stages::BlockKind;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

TEST(PlainTextTest, SeparatesParagraphsAtBlankLines) {
  const Parsed parsed = ParseBytes("One\ntwo.\n\n \nThree.\n");
  EXPECT_EQ(parsed.text, "One\ntwo.\n\nThree.");
  EXPECT_EQ(parsed.info->properties.at("charset"), "UTF-8");
}

TEST(PlainTextTest, WarnsOfBytesThatAreNotText) {
  const Parsed parsed = ParseBytes("caf\xC3\xA9 na\xC3\xAFve r\xC3\xA9sum\xC3\xA9 \xFF end");
  EXPECT_THAT(parsed.info->coverage.warnings,
              ElementsAre(HasSubstr("1 byte sequences were not UTF-8")));
}

TEST(PlainTextTest, JoinsLinesThatAnEditorWrapped) {
  const Parsed parsed = ParseBytes(
      "The seal of the pump is replaced every eighteen\nmonths by two technicians, who need about "
      "four\n"
      "hours.\n\nAda Brown\nLeeds\n");
  EXPECT_EQ(parsed.text,
            "The seal of the pump is replaced every eighteen months by two technicians, who need "
            "about four hours.\n\nAda Brown\nLeeds");
}

TEST(MarkdownTest, FindsStructure) {
  const Parsed parsed = ParseBytes(
      "---\ntitle: \"The manual\"\nauthor: Ada\n---\n# Pumps &amp; valves\n\nSome *bold* "
      "[link](http://x/y) text\nwrapped.\n\n"
      "- one\n  - inner\n- two\n\n```c\nint x;\n  y();\n```\n\n| a | b |\n|---|---|\n| 1 | 2 "
      "|\n\n## Next\n\nend<br>line\n",
      "a.md");
  ASSERT_TRUE(parsed.info.ok()) << parsed.info.status();
  EXPECT_EQ(parsed.text,
            "Pumps & valves\n\nSome bold link text wrapped.\n\none\n\ninner\n\ntwo\n\nint x;\n  "
            "y();\n\na | b\n1 | 2\n\nNext\n\n"
            "end\nline");
  EXPECT_EQ(parsed.info->title, "The manual");
  EXPECT_EQ(parsed.info->properties.at("author"), "Ada");
  EXPECT_EQ(parsed.blocks[3].level, 2u);
  EXPECT_EQ(parsed.blocks[5].kind, BlockKind::kCode);
  EXPECT_THAT(parsed.blocks[7].header_cells, ElementsAre("a", "b"));
  EXPECT_THAT(parsed.blocks.back().heading_path, ElementsAre("Pumps & valves", "Next"));
}

TEST(MarkdownTest, ReadsHtmlBlocks) {
  EXPECT_EQ(
      ParseBytes("before\n\n<div><p>inside</p><script>x</script></div>\n\nafter", "a.md").text,
      "before\n\ninside\n\nafter");
}

TEST(HtmlTest, FindsStructure) {
  const Parsed parsed = ParseBytes(
      "<!doctype html><title>T</title><h1>A</h1><p>one "
      "<b>two</b>\nthree</p><ul><li>x<ul><li>y</li></ul></li></ul>"
      "<pre>a\n  b</pre><table><caption>C</caption><tr><th>h1<th>h2</tr><tr><td "
      "rowspan=2>1<td>2</tr><tr><td>3</tr></table>tail");
  ASSERT_TRUE(parsed.info.ok()) << parsed.info.status();
  EXPECT_EQ(parsed.text,
            "A\n\none two three\n\nx\n\ny\n\na\n  b\n\nC\n\nh1 | h2\n1 | 2\n | 3\n\ntail");
  EXPECT_EQ(parsed.info->title, "T");
  EXPECT_THAT(parsed.blocks[7].header_cells, ElementsAre("h1", "h2"));
}

TEST(HtmlTest, LeavesOutWhatIsNotShownAndSaysSo) {
  const Parsed parsed = ParseBytes(
      "<html><script>s()</script><style>p{}</style><nav>menu</nav><main>text</main><p "
      "hidden>secret</p>"
      "<p style='display: none'>secret</p></html>");
  EXPECT_EQ(parsed.text, "text");
  EXPECT_THAT(parsed.info->coverage.warnings,
              ElementsAre(HasSubstr("12 bytes of hidden"), HasSubstr("4 bytes of navigation")));
}

TEST(HtmlTest, KeepsNavigationWhenThereIsNothingElse) {
  EXPECT_EQ(ParseBytes("<html><body><nav>menu</nav><div>text</div></body></html>").text,
            "menu\n\ntext");
}

TEST(HtmlTest, ReadsLayoutTablesAsText) {
  const Parsed parsed = ParseBytes("<table><tr><td><h2>Head</h2><p>text</p></td></tr></table>");
  EXPECT_EQ(parsed.blocks[0].kind, BlockKind::kHeading);
  EXPECT_EQ(parsed.text, "Head\n\ntext");
}

TEST(HtmlTest, RefusesDeepNesting) {
  std::string html = "<html><body>";
  for (int i = 0; i < 600; ++i) html += "<div>";
  EXPECT_THAT(ParseBytes(html + "x").info, HasReason("LIMIT_EXCEEDED"));
  for (int i = 0; i < 20'000; ++i) html += "<b>";
  EXPECT_THAT(ParseBytes(html + "x").info, HasReason("LIMIT_EXCEEDED"));
}

TEST(CsvTest, FindsTheDelimiter) {
  EXPECT_EQ(SniffCsvDelimiter("a;b;c\n1,5;2;3\n"), ';');
  EXPECT_EQ(SniffCsvDelimiter("a\tb\n1,5\t2\n"), '\t');
  EXPECT_EQ(SniffCsvDelimiter("a|b\n1|2\n"), '|');
  EXPECT_EQ(SniffCsvDelimiter("a,\"x;y;z\"\n1,\"p;q;r\"\n"), ',');
  EXPECT_EQ(SniffCsvDelimiter("single\ncolumn\n"), ',');
}

TEST(CsvTest, MakesOneTable) {
  const Parsed parsed =
      ParseBytes("name,torque\n\"bolt, M8\",12\n\"a \"\"b\"\"\",13,extra\n", "a.csv");
  EXPECT_EQ(parsed.text, "name | torque\nbolt, M8 | 12\na \"b\" | 13 | extra");
  EXPECT_THAT(parsed.blocks[1].header_cells, ElementsAre("name", "torque"));
  EXPECT_THAT(parsed.info->coverage.warnings,
              ElementsAre(HasSubstr("1 rows have not as many fields")));
}

TEST(CsvTest, SeesThatNumbersAreNoHeader) {
  EXPECT_THAT(ParseBytes("1,2\n3,4\n", "a.csv").blocks[1].header_cells, IsEmpty());
}

TEST(CsvTest, WarnsOfAQuoteThatIsNeverClosed) {
  EXPECT_THAT(ParseBytes("a,b\n1,\"open\n2,3\n", "a.csv").info->coverage.warnings,
              Contains(HasSubstr("never closed")));
}

TEST(JsonTest, WritesOneLinePerLeafAndOneBlockPerRecord) {
  const Parsed parsed = ParseBytes(
      R"({"name":"pump","year":1999,"owner":{"name":"Ada","tags":["x","y"]},"ok":true,"none":null})");
  EXPECT_EQ(parsed.text,
            "name: pump\nyear: 1999\n\nowner.name: Ada\nowner.tags[0]: x\nowner.tags[1]: y\n\nok: "
            "true\nnone: null");
}

TEST(JsonTest, MakesABlockOfEachElementAndLine) {
  EXPECT_EQ(ParseBytes(R"([{"a":1,"b":{"c":2}},{"a":3}])").text, "a: 1\nb.c: 2\n\na: 3");
  EXPECT_EQ(ParseBytes("{\"a\":1,\"b\":{\"c\":2},\"d\":4}\n\n{\"a\":3}\n").text,
            "a: 1\nb.c: 2\nd: 4\n\na: 3");
}

TEST(JsonTest, KeepsDigitsOfNumbers) {
  EXPECT_EQ(ParseBytes(R"({"a":0.1,"b":1e400,"c":-7})").info.ok(), false)
      << "a number out of range";
  EXPECT_EQ(ParseBytes(R"({"a":0.10,"c":-7})").text, "a: 0.10\nc: -7");
}

TEST(JsonTest, RefusesDeepNestingAndWrongSyntax) {
  EXPECT_THAT(ParseBytes(std::string(100, '[') + "1" + std::string(100, ']'), "a.json").info,
              HasReason("LIMIT_EXCEEDED"));
  EXPECT_THAT(ParseBytes(std::string(5'000'000, '['), "a.json").info, HasReason("LIMIT_EXCEEDED"));
  EXPECT_THAT(ParseBytes("{\"a\": }", "a.json").info, HasReason("MALFORMED_DOCUMENT"));
  EXPECT_THAT(ParseBytes("{\"a\":1}\n{oops\n", "a.jsonl").info, HasReason("MALFORMED_DOCUMENT"));
}

}  // namespace
}  // namespace ragmesh::document
