#include "libs/postgres_store/filter_sql.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "absl/strings/match.h"

namespace ragmesh::postgres_store {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(FilterSqlTest, NoValueOrNameBecomesPartOfTheText) {
  const std::string hostile = "x'; DROP TABLE documents; --";
  Statement statement;
  const std::string sql =
      FilterSql({stages::FilterAnd{{{stages::FilterEquals{hostile, hostile}},
                                    {stages::FilterIn{hostile, {hostile, std::int64_t{1}}}},
                                    {stages::FilterPrefix{hostile, hostile}},
                                    {stages::FilterRange{hostile, hostile}}}}},
                &statement);
  EXPECT_THAT(sql, Not(HasSubstr("DROP")));
  EXPECT_GE(statement.params().size(), 8u);
  const std::string visible = VisibleSql({7, hostile}, {hostile}, &statement);
  EXPECT_THAT(visible, Not(HasSubstr("DROP")));
  EXPECT_THAT(visible, HasSubstr("d.tenant = $"));
  EXPECT_THAT(visible, HasSubstr("d.labels && $"));
}

TEST(FilterSqlTest, OnlyTheNameOfAllLabelsLeavesLabelsOut) {
  Statement statement;
  EXPECT_THAT(VisibleSql({1, "t"}, {}, &statement), HasSubstr("d.labels &&"));
  EXPECT_THAT(VisibleSql({1, "t"}, {"**"}, &statement), HasSubstr("d.labels &&"));
  EXPECT_THAT(VisibleSql({1, "t"}, {stages::kAllLabels}, &statement), Not(HasSubstr("d.labels")));
}

TEST(FilterSqlTest, NumbersAreWrittenSoThatNoneIsRounded) {
  EXPECT_EQ(NumericText(std::int64_t{9007199254740993}), "9007199254740993");
  EXPECT_EQ(NumericText(9007199254740992.0), "9007199254740992");
  EXPECT_EQ(NumericText(1e22), "10000000000000000000000");
  EXPECT_EQ(NumericText(0.1), "0.10000000000000001");
  EXPECT_EQ(NumericText(-2.0), "-2");
  EXPECT_EQ(NumericText(std::numeric_limits<double>::infinity()), "Infinity");
  EXPECT_EQ(NumericText(true), "1");
  EXPECT_EQ(NumericText(absl::UnixEpoch() + absl::Nanoseconds(3)), "12");
  EXPECT_EQ(NumericText(absl::UnixEpoch() - absl::Nanoseconds(1) / 4), "-1");
  EXPECT_EQ(NumericText(absl::FromUnixSeconds(253402300799)), "1013609203196000000000");
}

TEST(ValuesTest, ArraysOfFloatsAreReadAsTheyAreWritten) {
  const std::vector<float> values = {1.5f, -0.25f, std::numeric_limits<float>::max()};
  Params params;
  params.Float4s(values);
  EXPECT_EQ(ReadFloat4s(params.values()[0]), values);
  std::string cut = params.values()[0];
  cut.pop_back();
  EXPECT_TRUE(ReadFloat4s(cut).empty());
  EXPECT_TRUE(ReadFloat4s("").empty());
  std::string lying = params.values()[0];
  lying[12] = '\x7F';  // a count that its bytes do not hold
  EXPECT_TRUE(ReadFloat4s(lying).empty());
}

TEST(ValuesTest, NumbersOfAnotherSizeReadAsZero) {
  Params params;
  params.Int8(-5).Int4(7).Float8(0.5);
  EXPECT_EQ(ReadInt8(params.values()[0]), -5);
  EXPECT_EQ(ReadInt4(params.values()[1]), 7);
  EXPECT_EQ(ReadFloat8(params.values()[2]), 0.5);
  EXPECT_EQ(ReadInt8(params.values()[1]), 0);
}

}  // namespace
}  // namespace ragmesh::postgres_store
