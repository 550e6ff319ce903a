#include "libs/vector_store/binary_codec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/testing/status_matchers.h"
#include "libs/vector_store/page_token.h"

namespace ragmesh::vector_store {
namespace {

using ::ragmesh::testing::HasReason;

TEST(BinaryCodecTest, NumbersAndBytesComeBack) {
  BinaryWriter out;
  for (const std::uint64_t value : {0ull, 127ull, 128ull, 300ull, ~0ull}) out.Varint(value);
  out.F64(-0.5);
  out.Bytes("abc");
  out.Floats({1.5f, -2.0f});
  const std::string bytes = out.Take();
  BinaryReader in(bytes);
  for (const std::uint64_t value : {0ull, 127ull, 128ull, 300ull, ~0ull})
    EXPECT_EQ(in.Varint(), value);
  EXPECT_EQ(in.F64(), -0.5);
  EXPECT_EQ(in.Bytes(), "abc");
  EXPECT_THAT(in.Floats(), ::testing::ElementsAre(1.5f, -2.0f));
  EXPECT_TRUE(in.at_end());
  EXPECT_FALSE(in.failed());
}

TEST(BinaryCodecTest, LengthsBeyondTheInputFailWithoutAllocating) {
  BinaryWriter out;
  out.Varint(1ull << 60);
  out.U32(0xFFFFFFFF);
  const std::string bytes = out.Take();
  BinaryReader as_bytes(bytes), as_strings(bytes), as_floats(bytes);
  EXPECT_EQ(as_bytes.Bytes(), "");
  EXPECT_TRUE(as_bytes.failed());
  EXPECT_TRUE(as_strings.Strings().empty());
  EXPECT_TRUE(as_strings.failed());
  as_floats.Varint();
  EXPECT_TRUE(as_floats.Floats().empty());
  EXPECT_TRUE(as_floats.failed());
}

TEST(BinaryCodecTest, OverlongVarintFails) {
  BinaryReader in("\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x7F");
  in.Varint();
  EXPECT_TRUE(in.failed());
}

TEST(BinaryCodecTest, EveryChangedByteOfASealedValueShows) {
  const std::string sealed = Seal(RecordKind::kText, 1, "payload");
  EXPECT_EQ(*Unseal(RecordKind::kText, 1, sealed), "payload");
  for (std::size_t i = 0; i < sealed.size(); ++i) {
    std::string changed = sealed;
    changed[i] ^= 0x10;
    EXPECT_THAT(Unseal(RecordKind::kText, 1, changed), HasReason("CORRUPT_DATA")) << i;
    EXPECT_THAT(Unseal(RecordKind::kText, 1, sealed.substr(0, i)), HasReason("CORRUPT_DATA")) << i;
  }
  EXPECT_THAT(Unseal(RecordKind::kChunk, 1, sealed), HasReason("CORRUPT_DATA"));
  EXPECT_THAT(Unseal(RecordKind::kText, 1, Seal(RecordKind::kText, 2, "x")),
              HasReason("NEWER_FORMAT"));
}

TEST(PageTokenTest, ComesBackForItsOwnListingOnly) {
  const std::string text = EncodePageToken({Listing::kChunks, 7, "doc", 3, "chunk"});
  const auto token = DecodePageToken(Listing::kChunks, 7, text);
  ASSERT_TRUE(token.ok());
  EXPECT_EQ(token->document_id, "doc");
  EXPECT_EQ(token->ordinal, 3u);
  EXPECT_EQ(token->chunk_id, "chunk");
  EXPECT_THAT(DecodePageToken(Listing::kDocuments, 7, text), HasReason("INVALID_FIELD"));
  EXPECT_THAT(DecodePageToken(Listing::kChunks, 8, text), HasReason("INVALID_FIELD"));
  EXPECT_TRUE(DecodePageToken(Listing::kChunks, 7,
                              EncodePageToken({Listing::kChunks, 7, std::string(512, 'd'), 3,
                                               std::string(512, 'c')}))
                  .ok());
}

}  // namespace
}  // namespace ragmesh::vector_store
