#include "libs/segment/columns.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "libs/linalg/gemm.h"
#include "libs/testing/status_matchers.h"
#include "libs/vector_store/filter.h"

namespace ragmesh::segment {
namespace {

using ::ragmesh::testing::HasReason;
using stages::Filter;
using stages::MetadataValue;
using vector_index::SlotSet;

std::vector<MetadataValue> Numbers() {
  const std::int64_t large = (std::int64_t{1} << 53) + 1;  // between two doubles
  return {std::int64_t{0},
          -0.0,
          0.5,
          std::int64_t{1},
          1.0,
          -1.5,
          large,
          static_cast<double>(large),
          large + 1,
          std::numeric_limits<std::int64_t>::max(),
          std::numeric_limits<std::int64_t>::min(),
          0x1p63,
          -0x1p63,
          1e300,
          -1e300,
          std::numeric_limits<double>::infinity(),
          std::int64_t{-7}};
}

long double Exactly(const MetadataValue& value) {
  return std::holds_alternative<std::int64_t>(value)
             ? static_cast<long double>(std::get<std::int64_t>(value))
             : static_cast<long double>(std::get<double>(value));
}

TEST(ValueKeyTest, NumbersSortByValueWhetherWholeOrNot) {
  for (const MetadataValue& a : Numbers()) {
    for (const MetadataValue& b : Numbers()) {
      EXPECT_EQ(KeyOf(a) < KeyOf(b), Exactly(a) < Exactly(b)) << Exactly(a) << " " << Exactly(b);
      EXPECT_EQ(KeyOf(a) == KeyOf(b), Exactly(a) == Exactly(b)) << Exactly(a) << " " << Exactly(b);
    }
  }
  EXPECT_EQ(KeyOf(std::nan("")), "");
}

TEST(ValueKeyTest, TimesSortByMoment) {
  const std::vector<absl::Time> times = {absl::FromUnixSeconds(-5), absl::FromUnixNanos(-1),
                                         absl::UnixEpoch(), absl::FromUnixNanos(1),
                                         absl::FromUnixSeconds(1'700'000'000)};
  for (std::size_t i = 1; i < times.size(); ++i) EXPECT_LT(KeyOf(times[i - 1]), KeyOf(times[i]));
}

// A few values of each kind, so that documents share them.
MetadataValue RandomValue(std::mt19937& random) {
  switch (random() % 6) {
    case 0:
      return std::string(1 + random() % 2, static_cast<char>('a' + random() % 3));
    case 1:
      return static_cast<std::int64_t>(random() % 5) - 2;
    case 2:
      return static_cast<double>(random() % 9) / 2 - 2;
    case 3:
      return random() % 2 == 0;
    case 4:
      return absl::FromUnixSeconds(random() % 4);
    default: {
      std::vector<std::string> list;
      for (unsigned i = 0; i < random() % 4; ++i)
        list.emplace_back(1, static_cast<char>('a' + random() % 3));
      return list;
    }
  }
}

MetadataValue RandomScalar(std::mt19937& random) {
  MetadataValue value = RandomValue(random);
  while (KindOf(value) == ValueKind::kList) value = RandomValue(random);
  return value;
}

Filter RandomFilter(std::mt19937& random, int depth) {
  const std::string field(1, static_cast<char>('p' + random() % 3));
  switch (depth == 0 ? random() % 4 : random() % 7) {
    case 0:
      return {stages::FilterEquals{field, RandomScalar(random)}};
    case 1: {
      stages::FilterIn in{field, {}};
      for (unsigned i = 0; i < random() % 4; ++i) in.values.push_back(RandomScalar(random));
      return {in};
    }
    case 2:
      return {stages::FilterPrefix{field, std::string(random() % 2, 'b')}};
    case 3: {
      stages::FilterRange range{.field = field};
      if (random() % 3 == 0) {
        range.greater_or_equal = std::string(1, static_cast<char>('a' + random() % 3));
        if (random() % 2 == 0) range.less_than = std::string("bb");
        return {range};
      }
      const auto bound = [&]() -> MetadataValue {
        return static_cast<std::int64_t>(random() % 5) - 2;
      };
      range.greater_or_equal = bound();
      if (random() % 2 == 0) range.less_than = static_cast<double>(random() % 9) / 2 - 2;
      if (random() % 3 == 0) range.greater_than = bound();
      if (random() % 3 == 0) range.less_or_equal = bound();
      return {range};
    }
    case 4:
      return {stages::FilterNot{std::make_shared<Filter>(RandomFilter(random, depth - 1))}};
    case 5:
      return {
          stages::FilterAnd{{RandomFilter(random, depth - 1), RandomFilter(random, depth - 1)}}};
    default:
      return {stages::FilterOr{{RandomFilter(random, depth - 1), RandomFilter(random, depth - 1)}}};
  }
}

TEST(ColumnsTest, MatchWhatFiltersMatchDocumentByDocument) {
  std::mt19937 random(20);
  for (const std::uint32_t rows : {0u, 1u, 63u, 64u, 700u, 20'000u}) {
    std::vector<stages::Metadata> documents(rows);
    ColumnsBuilder builder;
    for (std::uint32_t row = 0; row < rows; ++row) {
      for (const char* field : {"p", "q", "r"}) {
        if (random() % 4 == 0) continue;
        documents[row][field] = RandomValue(random);
        builder.Add(field, documents[row][field], row);
      }
    }
    const std::string bytes = builder.Take(rows);
    const auto columns = Columns::Open(bytes, rows);
    ASSERT_TRUE(columns.ok()) << columns.status();
    for (int i = 0; i < 150; ++i) {
      const Filter filter = RandomFilter(random, 3);
      ASSERT_TRUE(vector_store::ValidateFilter(filter).ok());
      const SlotSet found = columns->Matching(filter);
      for (std::uint32_t row = 0; row < rows; ++row) {
        const vector_store::FilterSubject subject{.metadata = &documents[row]};
        ASSERT_EQ(found.Contains(row), vector_store::Matches(filter, subject))
            << rows << " rows, filter " << i << ", row " << row;
      }
      EXPECT_LE(found.Count(), columns->Estimate(filter));
    }
  }
}

TEST(ColumnsTest, RangesOfManyValuesAgreeWithCounting) {
  constexpr std::uint32_t kRows = 100'000;
  std::mt19937 random(5);
  std::vector<std::int64_t> values(kRows);
  ColumnsBuilder builder;
  for (std::uint32_t row = 0; row < kRows; ++row) {
    values[row] = static_cast<std::int64_t>(random() % 50'000);
    builder.Add("n", values[row], row);
    builder.Add("constant", std::string("x"), row);
  }
  const std::string bytes = builder.Take(kRows);
  const auto columns = Columns::Open(bytes, kRows);
  ASSERT_TRUE(columns.ok());
  for (int i = 0; i < 60; ++i) {
    const auto low = static_cast<std::int64_t>(random() % 50'000);
    const auto high = low + static_cast<std::int64_t>(random() % (i % 2 == 0 ? 100 : 50'000));
    stages::FilterRange range{.field = "n"};
    range.greater_or_equal = low;
    range.less_than = high;
    const SlotSet found = columns->Matching({range});
    std::uint64_t expected = 0;
    for (std::uint32_t row = 0; row < kRows; ++row) {
      const bool matches = values[row] >= low && values[row] < high;
      expected += matches ? 1 : 0;
      ASSERT_EQ(found.Contains(row), matches);
    }
    EXPECT_EQ(columns->Estimate({range}), expected);
  }
  EXPECT_EQ(columns->Matching({stages::FilterEquals{"constant", std::string("x")}}).Count(), kRows);
}

TEST(ColumnsTest, ListsAnswerForManyRowsAndForFew) {
  constexpr std::uint32_t kRows = 50'000;
  ColumnsBuilder builder;
  for (std::uint32_t row = 0; row < kRows; ++row) {
    std::vector<std::string> labels = {"all"};
    if (row % 2 == 0) labels.push_back("half");
    if (row % 1000 == 7) labels.push_back("few");
    builder.Add("labels", labels, row);
  }
  const std::string bytes = builder.Take(kRows);
  const auto columns = Columns::Open(bytes, kRows);
  ASSERT_TRUE(columns.ok());
  EXPECT_EQ(columns->WithAny("labels", {"all"}).Count(), kRows);
  EXPECT_EQ(columns->WithAny("labels", {"half"}).Count(), kRows / 2);
  EXPECT_EQ(columns->WithAny("labels", {"few"}).Count(), 50u);
  EXPECT_EQ(columns->WithAny("labels", {"few", "half", "none"}).Count(), kRows / 2 + 50);
  EXPECT_EQ(columns->WithAny("labels", {}).Count(), 0u);
  EXPECT_EQ(columns->WithAny("other", {"all"}).Count(), 0u);
}

TEST(ColumnsTest, DamagedBytesAreRefusedOrGiveSomeRows) {
  ColumnsBuilder builder;
  for (std::uint32_t row = 0; row < 200; ++row) {
    builder.Add("n", static_cast<std::int64_t>(row % 10), row);
    builder.Add("l", std::vector<std::string>{"a", std::to_string(row % 3)}, row);
  }
  const std::string good = builder.Take(200);
  linalg::AlignedBytes memory;
  memory.Reserve(good.size());
  for (std::size_t size = 0; size < good.size(); size += 37) {
    std::memcpy(memory.data(), good.data(), size);
    EXPECT_THAT(Columns::Open({reinterpret_cast<const char*>(memory.data()), size}, 200),
                HasReason("CORRUPT_DATA"));
  }
  std::mt19937 random(2);
  for (int i = 0; i < 5000; ++i) {
    std::string bad = good;
    bad[random() % bad.size()] = static_cast<char>(random());
    std::memcpy(memory.data(), bad.data(), bad.size());
    const auto columns =
        Columns::Open({reinterpret_cast<const char*>(memory.data()), bad.size()}, 200);
    if (!columns.ok()) continue;
    for (int f = 0; f < 4; ++f) EXPECT_LE(columns->Matching(RandomFilter(random, 2)).Count(), 200u);
    EXPECT_LE(columns->WithAny("l", {"a", "1"}).Count(), 200u);
  }
}

}  // namespace
}  // namespace ragmesh::segment
