#include "libs/lexical/growing_list.h"

#include <cstdint>
#include <cstring>
#include <numeric>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace ragmesh::lexical {
namespace {

std::vector<std::uint32_t> ItemsOf(const GrowingList<std::uint32_t>& list) {
  return {list.begin(), list.end()};
}

TEST(GrowingListTest, ListsThatGrowSideBySideKeepTheirItems) {
  ListMemory memory;
  std::vector<GrowingList<std::uint32_t>> lists(300);
  std::vector<std::vector<std::uint32_t>> expected(lists.size());
  for (std::uint32_t item = 0; item < 60'000; ++item) {
    const std::size_t to = item % (1 + item % lists.size());  // the first ones grow long
    lists[to].Append(item, &memory);
    expected[to].push_back(item);
  }
  for (std::size_t i = 0; i < lists.size(); ++i) {
    EXPECT_EQ(ItemsOf(lists[i]), expected[i]) << i;
    EXPECT_EQ(lists[i].empty(), expected[i].empty()) << i;
  }
}

TEST(GrowingListTest, WhatWasWrittenToRoomCountsOnceItIsAdded) {
  ListMemory memory;
  GrowingList<char> list;
  std::string expected;
  for (int i = 0; i < 500; ++i) {
    const std::string word(static_cast<std::size_t>(i % 7), static_cast<char>('a' + i % 26));
    std::memcpy(list.Room(7, &memory), word.data(), word.size());
    list.Added(word.size());
    expected += word;
  }
  EXPECT_EQ(std::string(list.begin(), list.end()), expected);
}

TEST(GrowingListTest, ListLongerThanABlockHasOneOfItsOwn) {
  ListMemory memory;
  GrowingList<std::uint32_t> list;
  for (std::uint32_t i = 0; i < 1'000'000; ++i) list.Append(i, &memory);
  std::vector<std::uint32_t> expected(1'000'000);
  std::iota(expected.begin(), expected.end(), 0u);
  EXPECT_EQ(ItemsOf(list), expected);
  // The list itself, all it outgrew, and the ends of blocks.
  EXPECT_LT(memory.bytes(), 2 * (4u << 20) + (1u << 20));
}

TEST(ListMemoryTest, LittleIsTakenForLittleAndPiecesThatCameBackAreHandedOutAgain) {
  ListMemory memory;
  EXPECT_EQ(memory.bytes(), 0u);
  void* const first = memory.Take(4);
  void* const second = memory.Take(4);
  EXPECT_NE(first, second);
  EXPECT_LE(memory.bytes(), 4096u);
  memory.Return(first, 4);
  memory.Return(second, 4);
  EXPECT_EQ(memory.Take(4), second);
  EXPECT_EQ(memory.Take(4), first);
  const std::uint64_t bytes = memory.bytes();
  for (int i = 0; i < 1'000; ++i) memory.Return(memory.Take(7), 7);
  EXPECT_LE(memory.bytes(), bytes + 4096);
}

}  // namespace
}  // namespace ragmesh::lexical
