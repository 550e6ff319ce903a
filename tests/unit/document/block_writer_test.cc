#include "libs/document/block_writer.h"

#include <gmock/gmock.h>

#include <functional>

#include "libs/document/block_sequence.h"
#include "libs/testing/status_matchers.h"

namespace ragmesh::document {
namespace {

using ::ragmesh::testing::HasReason;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class BlockWriterTest : public ::testing::Test {
 protected:
  BlockWriter Writer(const ParseLimits& limits = {}) { return BlockWriter(limits, on_block_); }
  void TearDown() override {
    BlockSequence sequence;
    for (const stages::Block& block : blocks_) RAGMESH_EXPECT_OK(sequence.Check(block));
  }

  std::vector<stages::Block> blocks_;
  std::function<absl::Status(stages::Block)> on_block_ = [this](stages::Block block) {
    blocks_.push_back(std::move(block));
    return absl::OkStatus();
  };
};

TEST_F(BlockWriterTest, LaysBlocksOutWithABlankLineBetween) {
  BlockWriter writer = Writer();
  RAGMESH_EXPECT_OK(writer.Paragraph("One."));
  RAGMESH_EXPECT_OK(writer.Paragraph("  "));
  RAGMESH_EXPECT_OK(writer.Paragraph("Two."));
  EXPECT_EQ(NormalisedText(blocks_), "One.\n\nTwo.");
  EXPECT_EQ(blocks_[1].range, (stages::ByteRange{6, 10}));
  EXPECT_EQ(writer.TakeCoverage().characters_out, 10u);
}

TEST_F(BlockWriterTest, KeepsThePathOfHeadings) {
  BlockWriter writer = Writer();
  RAGMESH_EXPECT_OK(writer.Heading(1, "A"));
  RAGMESH_EXPECT_OK(writer.Heading(3, "B"));
  RAGMESH_EXPECT_OK(writer.Paragraph("in B"));
  RAGMESH_EXPECT_OK(writer.Heading(2, "C"));
  RAGMESH_EXPECT_OK(writer.Paragraph("in C"));
  EXPECT_THAT(blocks_[1].heading_path, ElementsAre("A"));
  EXPECT_THAT(blocks_[2].heading_path, ElementsAre("A", "B"));
  EXPECT_THAT(blocks_[3].heading_path, ElementsAre("A"));
  EXPECT_THAT(blocks_[4].heading_path, ElementsAre("A", "C"));
}

TEST_F(BlockWriterTest, GivesRowsTheirTableAndHeader) {
  BlockWriter writer = Writer();
  writer.BeginTable();
  RAGMESH_EXPECT_OK(writer.Row({"a", "b"}, true));
  RAGMESH_EXPECT_OK(writer.Row({"1", ""}));
  RAGMESH_EXPECT_OK(writer.Row({"", " "}));
  writer.EndTable();
  writer.BeginTable();
  RAGMESH_EXPECT_OK(writer.Row({"x"}));
  EXPECT_EQ(NormalisedText(blocks_), "a | b\n1 | \n\nx");
  EXPECT_THAT(blocks_[1].header_cells, ElementsAre("a", "b"));
  EXPECT_THAT(blocks_[2].header_cells, IsEmpty());
  EXPECT_EQ(blocks_[0].table, 1u);
  EXPECT_EQ(blocks_[2].table, 2u);
}

TEST_F(BlockWriterTest, CutsALongPieceAtWhiteSpaceAndSaysSo) {
  std::string text;
  while (text.size() < 3 * kMaxBlockBytes) text += "word ";
  BlockWriter writer = Writer();
  RAGMESH_EXPECT_OK(writer.Paragraph(text));
  EXPECT_GE(blocks_.size(), 3u);
  for (const stages::Block& block : blocks_)
    EXPECT_EQ(block.text.substr(block.text.size() - 4), "word");
  EXPECT_THAT(writer.TakeCoverage().warnings, SizeIs(1));
}

TEST_F(BlockWriterTest, CutsALongRowInsideItsColumns) {
  BlockWriter writer = Writer();
  RAGMESH_EXPECT_OK(writer.Row({"key", std::string(2 * kMaxBlockBytes, 'x')}));
  ASSERT_GE(blocks_.size(), 3u);
  EXPECT_EQ(blocks_[0].cells[0], "key");
  EXPECT_EQ(blocks_[1].cells[0], "");
}

TEST_F(BlockWriterTest, ListsPagesWithoutText) {
  BlockWriter writer = Writer();
  RAGMESH_EXPECT_OK(writer.BeginPage());
  RAGMESH_EXPECT_OK(writer.BeginPage());
  RAGMESH_EXPECT_OK(writer.Paragraph("text"));
  RAGMESH_EXPECT_OK(writer.BeginPage());
  const stages::Coverage coverage = writer.TakeCoverage();
  EXPECT_EQ(coverage.pages, 3u);
  EXPECT_THAT(coverage.empty_pages, ElementsAre(1, 3));
  EXPECT_EQ(blocks_[0].page, 2u);
}

TEST_F(BlockWriterTest, StopsAtEachLimit) {
  BlockWriter text = Writer({.max_text_bytes = 5});
  EXPECT_THAT(text.Paragraph("123456"), HasReason("LIMIT_EXCEEDED"));
  BlockWriter blocks = Writer({.max_blocks = 1});
  RAGMESH_EXPECT_OK(blocks.Paragraph("1"));
  EXPECT_THAT(blocks.Paragraph("2"), HasReason("LIMIT_EXCEEDED"));
  BlockWriter pages = Writer({.max_pages = 1});
  RAGMESH_EXPECT_OK(pages.BeginPage());
  EXPECT_THAT(pages.BeginPage(), HasReason("LIMIT_EXCEEDED"));
}

TEST(BlockSequenceTest, FindsBlocksThatBreakTheRules) {
  stages::Block block{.text = "text", .range = {0, 4}};
  RAGMESH_EXPECT_OK(BlockSequence().Check(block));
  block.range = {1, 5};
  EXPECT_FALSE(BlockSequence().Check(block).ok());
  block.range = {0, 5};
  EXPECT_FALSE(BlockSequence().Check(block).ok());
  EXPECT_FALSE(BlockSequence().Check({.text = " ", .range = {0, 1}}).ok());
  EXPECT_FALSE(BlockSequence().Check({.text = "x", .range = {0, 1}, .table = 1}).ok());
  EXPECT_FALSE(BlockSequence()
                   .Check({.kind = stages::BlockKind::kHeading, .text = "x", .range = {0, 1}})
                   .ok());
}

}  // namespace
}  // namespace ragmesh::document
