#include "libs/document/parser_frames.h"

#include <gmock/gmock.h>

#include "libs/base/error.h"
#include "libs/testing/status_matchers.h"

namespace ragmesh::document {
namespace {

using ::ragmesh::testing::HasReason;
using ::ragmesh::testing::IsOkAndHolds;

stages::Block SomeBlock() {
  return {.kind = stages::BlockKind::kTableRow,
          .text = "a | b",
          .range = {7, 12},
          .page = 3,
          .heading_path = {"H"},
          .table = 2,
          .cells = {"a", "b"},
          .header_cells = {"x", "y"}};
}

TEST(ParserFramesTest, GiveBackWhatWasPutIn) {
  EXPECT_THAT(DecodeBlock(EncodeBlock(SomeBlock())), IsOkAndHolds(SomeBlock()));
  stages::DocumentInfo info{.media_type = "text/plain", .title = "t", .properties = {{"k", "v"}}};
  info.coverage.empty_pages = {1, 4};
  info.coverage.warnings = {"w"};
  const auto decoded = DecodeInfo(EncodeInfo(info));
  RAGMESH_ASSERT_OK(decoded);
  EXPECT_EQ(decoded->title, "t");
  EXPECT_EQ(decoded->properties, info.properties);
  EXPECT_EQ(decoded->coverage.empty_pages, info.coverage.empty_pages);
  const auto request =
      DecodeRequest(EncodeRequest({.name = "n", .max_cpu_seconds = 5, .probe = true}));
  RAGMESH_ASSERT_OK(request);
  EXPECT_EQ(request->name, "n");
  EXPECT_EQ(request->max_cpu_seconds, 5u);
  EXPECT_TRUE(request->probe);
}

TEST(ParserFramesTest, RefuseEveryCutOfAMessage) {
  const std::string whole = EncodeBlock(SomeBlock());
  for (std::size_t size = 0; size < whole.size(); ++size)
    EXPECT_FALSE(DecodeBlock(whole.substr(0, size)).ok()) << size;
  EXPECT_FALSE(DecodeBlock(whole + "x").ok());
}

TEST(ParserFramesTest, RefuseTextThatIsNotUtf8) {
  stages::Block block = SomeBlock();
  block.text = "\xC3(";
  EXPECT_FALSE(DecodeBlock(EncodeBlock(block)).ok());
}

TEST(ParserFramesTest, AreTakenOneByOne) {
  std::string stream;
  AppendFrame(FrameType::kBlock, "abc", &stream);
  AppendFrame(FrameType::kDone, "", &stream);
  absl::string_view view = stream;
  FrameType type;
  absl::string_view payload;
  EXPECT_THAT(TakeFrame(&view, &type, &payload), IsOkAndHolds(true));
  EXPECT_EQ(type, FrameType::kBlock);
  EXPECT_EQ(payload, "abc");
  EXPECT_THAT(TakeFrame(&view, &type, &payload), IsOkAndHolds(true));
  EXPECT_EQ(type, FrameType::kDone);
  EXPECT_THAT(TakeFrame(&view, &type, &payload), IsOkAndHolds(false));
}

TEST(ParserFramesTest, RefuseWrongTypesAndLengths) {
  absl::string_view unknown("\x09\0\0\0\0", 5);
  absl::string_view huge("\x03\xFF\xFF\xFF\x7F", 5);
  FrameType type;
  absl::string_view payload;
  EXPECT_FALSE(TakeFrame(&unknown, &type, &payload).ok());
  EXPECT_FALSE(TakeFrame(&huge, &type, &payload).ok());
}

TEST(ParserFramesTest, LetAParserGiveOnlyItsOwnReasons) {
  EXPECT_THAT(DecodeError(EncodeError(LimitExceeded("document.pages", 2, 1, "pages"))),
              HasReason("LIMIT_EXCEEDED"));
  EXPECT_THAT(DecodeError(EncodeError(QueueFull(absl::Seconds(1)))), HasReason("PARSER_CRASHED"));
  EXPECT_FALSE(DecodeError("").ok());
}

}  // namespace
}  // namespace ragmesh::document
