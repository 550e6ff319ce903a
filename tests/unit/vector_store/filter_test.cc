#include "libs/vector_store/filter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "libs/testing/status_matchers.h"

namespace ragmesh::vector_store {
namespace {

using ::ragmesh::testing::HasReason;
using stages::Filter;
using stages::FilterAnd;
using stages::FilterEquals;
using stages::FilterIn;
using stages::FilterNot;
using stages::FilterOr;
using stages::FilterRange;

class FilterTest : public ::testing::Test {
 protected:
  bool Match(Filter filter) const {
    EXPECT_THAT(ValidateFilter(filter), testing::IsOk());
    return Matches(filter, {"d1", "report.pdf", "application/pdf", "en", &metadata});
  }
  static Filter Not(Filter filter) {
    return {FilterNot{std::make_shared<const Filter>(std::move(filter))}};
  }

  stages::Metadata metadata{{"year", std::int64_t{2020}},
                            {"ratio", 0.5},
                            {"draft", true},
                            {"team", std::string("a")},
                            {"tags", std::vector<std::string>{"x", "y"}},
                            {"at", absl::FromUnixSeconds(100)}};
};

TEST_F(FilterTest, EqualsComparesValuesOfOneKind) {
  EXPECT_TRUE(Match({FilterEquals{"team", std::string("a")}}));
  EXPECT_FALSE(Match({FilterEquals{"team", std::string("b")}}));
  EXPECT_TRUE(Match({FilterEquals{"year", 2020.0}}));
  EXPECT_FALSE(Match({FilterEquals{"year", std::string("2020")}}));
  EXPECT_TRUE(Match({FilterEquals{"draft", true}}));
  EXPECT_FALSE(Match({FilterEquals{"draft", std::int64_t{1}}}));
  EXPECT_TRUE(Match({FilterEquals{"at", absl::FromUnixSeconds(100)}}));
}

TEST_F(FilterTest, ListsMatchByAnyElement) {
  EXPECT_TRUE(Match({FilterEquals{"tags", std::string("y")}}));
  EXPECT_FALSE(Match({FilterEquals{"tags", std::string("z")}}));
  EXPECT_TRUE(Match({FilterIn{"tags", {std::string("z"), std::string("x")}}}));
  EXPECT_FALSE(Match({FilterIn{"tags", {}}}));
}

TEST_F(FilterTest, ReservedFieldsReadTheDocument) {
  EXPECT_TRUE(Match({FilterEquals{"document_id", std::string("d1")}}));
  EXPECT_TRUE(Match({FilterEquals{"document_name", std::string("report.pdf")}}));
  EXPECT_TRUE(Match({FilterIn{"media_type", {std::string("application/pdf")}}}));
  EXPECT_FALSE(Match({FilterEquals{"language", std::string("de")}}));
}

TEST_F(FilterTest, RangesHoldTheirBounds) {
  EXPECT_TRUE(Match({FilterRange{.field = "year", .greater_or_equal = std::int64_t{2020}}}));
  EXPECT_FALSE(Match({FilterRange{.field = "year", .greater_than = std::int64_t{2020}}}));
  EXPECT_TRUE(Match({FilterRange{.field = "year", .greater_than = 2019.5, .less_than = 2020.5}}));
  EXPECT_TRUE(Match({FilterRange{.field = "at", .less_or_equal = absl::FromUnixSeconds(100)}}));
  EXPECT_FALSE(Match({FilterRange{.field = "team", .less_or_equal = 3.0}}));
}

TEST_F(FilterTest, RangesOverStringsGoByTheirBytes) {
  metadata["part"] = std::string("P-17");
  EXPECT_TRUE(Match({FilterRange{.field = "part", .greater_or_equal = std::string("P-17")}}));
  EXPECT_FALSE(Match({FilterRange{.field = "part", .greater_than = std::string("P-17")}}));
  EXPECT_TRUE(Match({FilterRange{
      .field = "part", .greater_than = std::string("P-1"), .less_than = std::string("P-2")}}));
  EXPECT_FALSE(Match({FilterRange{.field = "part", .less_than = std::string("A")}}));
  EXPECT_TRUE(Match({FilterRange{.field = "document_name", .less_than = std::string("s")}}));
  // Numbers, times and lists are no strings.
  EXPECT_FALSE(Match({FilterRange{.field = "year", .greater_than = std::string("")}}));
  EXPECT_FALSE(Match({FilterRange{.field = "at", .greater_than = std::string("")}}));
  EXPECT_FALSE(Match({FilterRange{.field = "tags", .greater_than = std::string("")}}));
}

TEST_F(FilterTest, PrefixesAreOfStringsAndOfElementsOfLists) {
  using stages::FilterPrefix;
  metadata["part"] = std::string("P-17");
  EXPECT_TRUE(Match({FilterPrefix{"part", "P-"}}));
  EXPECT_TRUE(Match({FilterPrefix{"part", "P-17"}}));
  EXPECT_FALSE(Match({FilterPrefix{"part", "P-170"}}));
  EXPECT_FALSE(Match({FilterPrefix{"part", "p-"}}));
  EXPECT_TRUE(Match({FilterPrefix{"tags", "y"}}));
  EXPECT_FALSE(Match({FilterPrefix{"tags", "z"}}));
  EXPECT_FALSE(Match({FilterPrefix{"year", "20"}}));
  EXPECT_FALSE(Match({FilterPrefix{"absent", ""}}));
  EXPECT_TRUE(Match({FilterPrefix{"document_name", "report"}}));
  EXPECT_TRUE(Match(Not({FilterPrefix{"part", "Q"}})));
}

TEST_F(FilterTest, LargeWholeNumbersAreNotRounded) {
  metadata["id"] = std::int64_t{9007199254740993};  // 2^53 + 1, which no double holds
  EXPECT_FALSE(Match({FilterEquals{"id", 9007199254740992.0}}));
  EXPECT_TRUE(Match({FilterRange{.field = "id", .greater_than = 9007199254740992.0}}));
}

TEST_F(FilterTest, AbsentFieldMatchesNothingAndItsNegationMatches) {
  EXPECT_FALSE(Match({FilterEquals{"absent", std::string("a")}}));
  EXPECT_TRUE(Match(Not({FilterEquals{"absent", std::string("a")}})));
}

TEST_F(FilterTest, AndOrNotCombine) {
  const Filter yes{FilterEquals{"team", std::string("a")}},
      no{FilterEquals{"team", std::string("b")}};
  EXPECT_TRUE(Match({FilterAnd{{yes, yes}}}));
  EXPECT_FALSE(Match({FilterAnd{{yes, no}}}));
  EXPECT_TRUE(Match({FilterOr{{no, yes}}}));
  EXPECT_FALSE(Match({FilterOr{{}}}));
  EXPECT_TRUE(Match({FilterAnd{{}}}));
  EXPECT_TRUE(Match(Not(no)));
}

TEST_F(FilterTest, FiltersThatCanMatchNothingAreRefused) {
  EXPECT_THAT(ValidateFilter({FilterRange{.field = "x", .less_than = true}}),
              HasReason("FILTER_TYPE_MISMATCH"));
  EXPECT_THAT(ValidateFilter(
                  {FilterRange{.field = "x", .greater_than = 1.0, .less_than = std::string("a")}}),
              HasReason("FILTER_TYPE_MISMATCH"));
  EXPECT_THAT(ValidateFilter({FilterRange{.field = "x"}}), HasReason("FILTER_TYPE_MISMATCH"));
  EXPECT_THAT(
      ValidateFilter({FilterRange{.field = "x", .greater_than = 1.0, .less_than = absl::Now()}}),
      HasReason("FILTER_TYPE_MISMATCH"));
  EXPECT_THAT(ValidateFilter({FilterEquals{"x", std::vector<std::string>{"a"}}}),
              HasReason("FILTER_TYPE_MISMATCH"));
  EXPECT_THAT(ValidateFilter({FilterEquals{"language", true}}), HasReason("FILTER_TYPE_MISMATCH"));
  EXPECT_THAT(ValidateFilter({FilterEquals{"x", std::nan("")}}), HasReason("FILTER_TYPE_MISMATCH"));
  EXPECT_THAT(ValidateFilter({FilterEquals{"", true}}), HasReason("INVALID_FIELD"));
  EXPECT_THAT(ValidateFilter({FilterNot{}}), HasReason("INVALID_FIELD"));
}

TEST_F(FilterTest, DepthAndNodesAreBounded) {
  Filter deep{FilterEquals{"x", true}};
  for (int i = 0; i < kMaxFilterDepth - 1; ++i) deep = Not(deep);
  EXPECT_THAT(ValidateFilter(deep), testing::IsOk());
  EXPECT_THAT(ValidateFilter(Not(deep)), HasReason("LIMIT_EXCEEDED"));
  FilterOr wide;
  wide.filters.resize(1001, {FilterEquals{"x", true}});
  EXPECT_THAT(ValidateFilter({wide}), HasReason("LIMIT_EXCEEDED"));
  EXPECT_THAT(ValidateFilter({FilterEquals{"x", std::string(1 << 20, 'x')}}),
              HasReason("LIMIT_EXCEEDED"));
}

}  // namespace
}  // namespace ragmesh::vector_store
