#include "libs/milvus_store/filter_expr.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_split.h"
#include "libs/milvus_store/rows.h"

namespace ragmesh::milvus_store {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

// The text that a value is compared as.
std::string TextOf(const stages::MetadataValue& value) {
  const std::string expression = FilterExpression({stages::FilterRange{"f", value}});
  const std::vector<std::string> parts = absl::StrSplit(expression, '"');
  return parts[3];
}

TEST(FilterExprTest, NumbersOfBothKindsSortByValue) {
  const std::vector<stages::MetadataValue> ascending = {
      -std::numeric_limits<double>::infinity(),
      -1e300,
      std::numeric_limits<std::int64_t>::min() + 1,
      -9007199254740993,
      -9007199254740992.0,
      -2.5,
      std::int64_t{-2},
      -1e-300,
      std::int64_t{0},
      5e-324,
      0.1,
      std::int64_t{1},
      1.5,
      std::int64_t{2},
      9007199254740992.0,
      std::int64_t{9007199254740993},
      std::numeric_limits<std::int64_t>::max(),
      1e300,
      std::numeric_limits<double>::infinity()};
  for (std::size_t i = 1; i < ascending.size(); ++i)
    EXPECT_LT(TextOf(ascending[i - 1]), TextOf(ascending[i])) << i;
  EXPECT_EQ(TextOf(std::int64_t{2}), TextOf(2.0));
  EXPECT_EQ(TextOf(std::int64_t{0}), TextOf(-0.0));
}

TEST(FilterExprTest, TimesSortByTheirTicks) {
  const absl::Time now = absl::FromUnixSeconds(1'700'000'000);
  const std::vector<absl::Time> ascending = {absl::InfinitePast(),
                                             absl::UnixEpoch() - absl::Nanoseconds(1) / 4,
                                             absl::UnixEpoch(),
                                             now,
                                             now + absl::Nanoseconds(1) / 4,
                                             now + absl::Hours(1'000'000),
                                             absl::InfiniteFuture()};
  for (std::size_t i = 1; i < ascending.size(); ++i)
    EXPECT_LT(TextOf(ascending[i - 1]), TextOf(ascending[i])) << i;
}

TEST(FilterExprTest, NothingACallerWroteStandsInAnExpression) {
  const std::string hostile = "x\" || live == 1 || \"";
  for (const stages::Filter& filter : {stages::Filter{stages::FilterEquals{hostile, hostile}},
                                       stages::Filter{stages::FilterIn{hostile, {hostile}}},
                                       stages::Filter{stages::FilterPrefix{hostile, hostile}},
                                       stages::Filter{stages::FilterRange{hostile, hostile}}}) {
    EXPECT_THAT(FilterExpression(filter), Not(HasSubstr("live == 1")));
  }
  EXPECT_THAT(VisibleExpression(kChunkRow, "tenant", {hostile}), Not(HasSubstr("||")));
  EXPECT_THAT(VisibleExpression(kChunkRow, "tenant", {hostile}), HasSubstr("tenant == \"tenant\""));
  EXPECT_THAT(VisibleExpression(kChunkRow, "tenant", {}), HasSubstr("live == -1"));
}

TEST(FilterExprTest, NamesOfFieldsComeBackOutOfMeta) {
  stages::StoredDocument document;
  document.id = "a_b";
  document.name = "c_d";
  document.metadata = {{"x_y", std::string("z_z")},
                       {"n", std::int64_t{1}},
                       {"l", std::vector<std::string>{"e_f"}},
                       {"\"q\"", true}};
  EXPECT_THAT(FieldNames(MetaJson(document)), ElementsAre("\"q\"", "l", "n", "x_y"));
}

TEST(RowsTest, KeysSortAsDocumentsOrdinalsAndChunksDo) {
  const std::vector<std::string> ascending = {DocumentKey("a"),
                                              TextKey("a", 0),
                                              TextKey("a", 10),
                                              ChunkKey("a", 2, "z"),
                                              ChunkKey("a", 10, "b"),
                                              ChunkKey("a", 10, "ba"),
                                              DocumentKey(std::string("a\0", 2)),
                                              DocumentKey("a!"),
                                              DocumentKey("b")};
  for (std::size_t i = 1; i < ascending.size(); ++i) EXPECT_LT(ascending[i - 1], ascending[i]) << i;
}

TEST(RowsTest, WhatMilvusCannotHoldIsRefused) {
  stages::StoredDocument document;
  document.id = "a";
  stages::StoredChunk chunk;
  chunk.id = "c";
  chunk.chunk.text = std::string(kMaxRecordBytes, 'x');
  EXPECT_FALSE(ChunkRow(document, chunk, 0).ok());
  chunk.chunk.text = std::string(kMaxRecordBytes - 2000, 'x');
  EXPECT_TRUE(ChunkRow(document, chunk, 0).ok());
  EXPECT_LE(ChunkRow(document, chunk, 0)->record.size(), 65535u);
  EXPECT_FALSE(DocumentRows({document, 0, ""}, std::string(kMaxDocumentBytes + 1, 'x')).ok());
  document.metadata["m"] = std::string(40'000, 'x');
  EXPECT_FALSE(DocumentRows({document, 0, ""}, "").ok());
}

}  // namespace
}  // namespace ragmesh::milvus_store
