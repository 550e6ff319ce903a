#include "libs/vector_store/records.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/testing/status_matchers.h"
#include "libs/vector_store/binary_codec.h"
#include "libs/vector_store/part_records.h"
#include "libs/vector_store/record_keys.h"

namespace ragmesh::vector_store {
namespace {

using ::ragmesh::testing::HasReason;

// The bytes that docs/formats/vector-store.md shows; a change here is a change of the format.
TEST(RecordsTest, StateAndVectorHaveTheDocumentedBytes) {
  const std::string state = Encode(CollectionState{5, 2, 300, 1, 2, 9});
  EXPECT_EQ(state.substr(0, 50), std::string("S\x03"
                                             "\x05\0\0\0\0\0\0\0"
                                             "\x02\0\0\0\0\0\0\0"
                                             "\x2C\x01\0\0\0\0\0\0"
                                             "\x01\0\0\0\0\0\0\0"
                                             "\x02\0\0\0\0\0\0\0"
                                             "\x09\0\0\0\0\0\0\0",
                                             50));
  EXPECT_EQ(state.size(), 54u);
  const std::string vector = EncodeVector({1.0f, -2.0f});
  EXPECT_EQ(vector.substr(0, 14), std::string("V\x01\x02\0\0\0\0\0\x80\x3F\0\0\0\xC0", 14));
  EXPECT_EQ(ItemKey(1, 258), std::string("\0\0\0\x01\0\0\0\0\0\0\x01\x02", 12));
}

// What a build before the counts wrote.
TEST(RecordsTest, StateOfVersionOneIsReadAndHasNoCounts) {
  const auto state = DecodeState(Seal(RecordKind::kState, 1,
                                      std::string("\x05\0\0\0\0\0\0\0"
                                                  "\x02\0\0\0\0\0\0\0"
                                                  "\x2C\x01\0\0\0\0\0\0",
                                                  24)));
  RAGMESH_ASSERT_OK(state);
  EXPECT_EQ(state->next_chunk, 300u);
  EXPECT_FALSE(state->documents.has_value());
}

TEST(RecordsTest, ReplaysComeBack) {
  ReplayRecord record{.sequence = 7,
                      .committed = absl::FromUnixSeconds(1'700'000'000),
                      .content_sha256 = "abc",
                      .upserted = {7, 2, 3, 4}};
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto upserted, DecodeReplay(Encode(record)));
  EXPECT_EQ(upserted.upserted.chunks_removed, 4u);
  EXPECT_EQ(upserted.committed, record.committed);
  record.is_delete = true;
  record.deleted = {1, 2, 7};
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto deleted, DecodeReplay(Encode(record)));
  EXPECT_EQ(deleted.deleted.chunks, 2u);
  EXPECT_EQ(deleted.content_sha256, "abc");
}

TEST(RecordsTest, TokensHaveTheDocumentedBytes) {
  const stages::PassageTokens tokens{
      .tokenizer = "t", .ids = {5, 300}, .encoder = "e", .vectors = "\x01\xFF"};
  const std::string value = Encode(tokens);
  EXPECT_EQ(value.substr(0, 12), std::string("W\x01\x01t\x02\x05\xAC\x02\x01"
                                             "e\x02\x01\xFF",
                                             13)
                                     .substr(0, 12));
  EXPECT_EQ(value.size(), 13u + 4);
  EXPECT_EQ(*DecodeTokens(value), tokens);
}

TEST(RecordsTest, IndexEntryHasTheDocumentedBytes) {
  // "mesh" once in the title and twice in the text, "pump" once in the text.
  const IndexEntry entry{
      "a", 3, 1, {{{"mesh", {1, 0, 2}}, {"pump", {0, 0, 1}}}, {0, 101, 107, 104}, {1, 0, 3}}};
  const std::string value = Encode(entry);
  const std::string expected(
      "I\x02\x01"
      "a\x03\0\0\0\0\0\0\0\x01\x02"
      "\x04mesh\x05\x01\0\0\x64\x05"
      "\x04pump\x02\x68",
      32);
  EXPECT_EQ(value.substr(0, value.size() - 4), expected);
  RAGMESH_ASSERT_OK_AND_ASSIGN(const IndexEntry decoded, DecodeIndexEntry(value));
  EXPECT_EQ(decoded.terms, entry.terms);
  EXPECT_EQ(decoded.chunk_id, "a");
}

TEST(RecordsTest, IndexEntryOfTheFirstVersionIsOfBodiesWithoutPositions) {
  BinaryWriter out;
  out.Bytes("a");
  out.U64(3);
  out.Varint(1);
  out.Varint(1);
  out.Bytes("mesh");
  out.Varint(2);
  RAGMESH_ASSERT_OK_AND_ASSIGN(const IndexEntry entry,
                               DecodeIndexEntry(Seal(RecordKind::kIndexEntry, 1, out.bytes())));
  EXPECT_EQ(entry.terms, (lexical::ChunkTerms{{{"mesh", {0, 0, 2}}}, {}, {0, 0, 2}}));
}

TEST(RecordsTest, CollectionsOfEarlierVersionsHaveTheDefaultsOfWhatTheyLack) {
  CollectionRecord record;
  record.config.lexical_weights = {3, 2, 1};
  record.config.dense_recall = 0.95;
  record.config.retention = absl::Hours(1);
  const std::string value = Encode(record);
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto payload, Unseal(RecordKind::kCollection, 3, value));
  RAGMESH_ASSERT_OK_AND_ASSIGN(const CollectionRecord third, DecodeCollection(value));
  EXPECT_EQ(third.config.lexical_weights, (stages::FieldWeights{3, 2, 1}));
  EXPECT_EQ(third.config.dense_recall, 0.95);
  EXPECT_EQ(third.config.retention, absl::Hours(1));
  RAGMESH_ASSERT_OK_AND_ASSIGN(
      const CollectionRecord second,
      DecodeCollection(Seal(RecordKind::kCollection, 2, payload.substr(0, payload.size() - 16))));
  EXPECT_EQ(second.config.lexical_weights, (stages::FieldWeights{3, 2, 1}));
  EXPECT_EQ(second.config.dense_recall, 0.99);
  RAGMESH_ASSERT_OK_AND_ASSIGN(
      const CollectionRecord first,
      DecodeCollection(Seal(RecordKind::kCollection, 1, payload.substr(0, payload.size() - 40))));
  EXPECT_EQ(first.config.lexical_weights, (stages::FieldWeights{1, 1, 1}));
}

TEST(RecordsTest, PartsHaveTheDocumentedBytes) {
  const PartsRecord parts{7, 300, 5, 3, {{1, 0x0102030405060708}, {2, 9}}};
  const std::string value = Encode(parts);
  const std::string expected(
      "G\x01\x07\0\0\0\0\0\0\0\x2C\x01\0\0\0\0\0\0\x05\0\0\0\0\0\0\0\x03\0\0\0\0\0\0\0"
      "\x02\x01\0\0\0\0\0\0\0\x08\x07\x06\x05\x04\x03\x02\x01\x02\0\0\0\0\0\0\0\x09\0\0\0\0\0\0\0",
      67);
  EXPECT_EQ(value.substr(0, value.size() - 4), expected);
  RAGMESH_ASSERT_OK_AND_ASSIGN(const PartsRecord decoded, DecodeParts(value));
  EXPECT_EQ(decoded, parts);
  EXPECT_THAT(DecodeParts(Seal(RecordKind::kParts, 1, expected.substr(2, 40))),
              HasReason("CORRUPT_DATA"));
}

TEST(RecordsTest, KeysOfWhatWasRemovedSayWhatItWas) {
  EXPECT_EQ(RemovedChunkKey(1, 2), std::string("\0\0\0\x01"
                                               "c\0\0\0\0\0\0\0\x02",
                                               13));
  RAGMESH_ASSERT_OK_AND_ASSIGN(const RemovedItem chunk, ParseRemovedKey(RemovedChunkKey(1, 2)));
  EXPECT_FALSE(chunk.is_document);
  EXPECT_EQ(chunk.number, 2u);
  RAGMESH_ASSERT_OK_AND_ASSIGN(const RemovedItem document,
                               ParseRemovedKey(RemovedDocumentKey(1, 300)));
  EXPECT_TRUE(document.is_document);
  EXPECT_EQ(document.number, 300u);
  EXPECT_THAT(ParseRemovedKey(ItemKey(1, 2)), HasReason("CORRUPT_DATA"));
}

TEST(RecordsTest, IndexEntryWithATermThatDoesNotOccurIsCorrupt) {
  EXPECT_THAT(DecodeIndexEntry(Encode(IndexEntry{"a", 1, 0, {{{"mesh", {0, 0, 0}}}, {}, {}}})),
              HasReason("CORRUPT_DATA"));
}

TEST(RecordsTest, KeysSortByNumber) {
  EXPECT_LT(ItemKey(1, 255), ItemKey(1, 256));
  EXPECT_LT(ItemKey(1, ~0ull), ItemKey(2, 0));
  EXPECT_LT(ItemKey(255, 1), ItemKey(256, 1));
}

TEST(RecordsTest, TimesOfAnyYearComeBack) {
  DocumentRecord record;
  for (const absl::Time time :
       {absl::FromUnixNanos(-1), absl::FromCivil(absl::CivilDay(9999, 12, 31), absl::UTCTimeZone()),
        absl::FromCivil(absl::CivilDay(1, 1, 1), absl::UTCTimeZone())}) {
    record.document.metadata["at"] = time;
    RAGMESH_ASSERT_OK_AND_ASSIGN(const auto decoded, DecodeDocument(Encode(record)));
    EXPECT_EQ(decoded.document.metadata, record.document.metadata);
  }
}

TEST(RecordsTest, TrailingBytesAndBadEnumsAreCorrupt) {
  EXPECT_THAT(DecodeState(Encode(DocumentRecord{})), HasReason("CORRUPT_DATA"));
  EXPECT_THAT(DecodeVector(EncodeText("")), HasReason("CORRUPT_DATA"));
  EXPECT_THAT(DecodeChunk(""), HasReason("CORRUPT_DATA"));
}

}  // namespace
}  // namespace ragmesh::vector_store
