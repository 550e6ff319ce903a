#include "libs/segment/string_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <set>
#include <string>
#include <vector>

#include "libs/testing/status_matchers.h"

namespace ragmesh::segment {
namespace {

using ::ragmesh::testing::HasReason;

TEST(StringTableTest, FindsEveryStringByNumberAndByContent) {
  std::mt19937 random(1);
  for (const std::size_t count : {0, 1, 2, 3, 100, 5000}) {
    std::set<std::string> strings;
    while (strings.size() < count) {
      std::string text(random() % 40, '\0');
      for (char& c : text) c = static_cast<char>(random());
      strings.insert(text);
    }
    StringTableBuilder builder;
    for (const std::string& text : strings) builder.Add(text);
    const std::string bytes = builder.Take(/*with_lookup=*/true);
    const auto table = StringTable::Open(bytes);
    ASSERT_TRUE(table.ok()) << table.status();
    ASSERT_EQ(table->size(), count);
    std::uint32_t number = 0;
    for (const std::string& text : strings) {
      EXPECT_EQ((*table)[number], text);
      EXPECT_EQ(table->Find(text), number);
      EXPECT_EQ(table->LowerBound(text), number);
      ++number;
    }
    EXPECT_EQ(table->Find("not among them"), std::nullopt);
    EXPECT_EQ(table->LowerBound(std::string(60, '\xFF')), count);
  }
}

TEST(StringTableTest, DamagedBytesAreRefusedOrGiveSomeString) {
  StringTableBuilder builder;
  for (int i = 0; i < 50; ++i) builder.Add(std::to_string(i * i));
  const std::string good = builder.Take(/*with_lookup=*/true);
  EXPECT_THAT(StringTable::Open(absl::string_view(good).substr(0, 15)), HasReason("CORRUPT_DATA"));
  std::mt19937 random(2);
  for (int i = 0; i < 3000; ++i) {
    std::string bad = good;
    bad[random() % bad.size()] = static_cast<char>(random());
    const auto table = StringTable::Open(bad);
    if (!table.ok()) continue;
    for (std::uint64_t n = 0; n < table->size(); ++n) EXPECT_LE((*table)[n].size(), bad.size());
    (void)table->Find("144");
  }
}

}  // namespace
}  // namespace ragmesh::segment
