#include "libs/vector_index/top_k.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

namespace ragmesh::vector_index {
namespace {

bool LowerSlotFirst(std::uint32_t a, std::uint32_t b) { return a < b; }

std::vector<std::uint32_t> Slots(TopK top) {
  std::vector<std::uint32_t> slots;
  for (const ScoredSlot& scored : top.Take()) slots.push_back(scored.slot);
  return slots;
}

TEST(TopKTest, BestFirstAndTiesAsTold) {
  TopK top(3, LowerSlotFirst);
  for (const auto& [slot, score] : {std::pair{9u, 1.0}, {4u, 2.0}, {7u, 2.0}, {2u, 1.0}, {8u, 2.0}})
    top.Offer(slot, score);
  EXPECT_THAT(Slots(top), ::testing::ElementsAre(4, 7, 8));
}

TEST(TopKTest, ZeroKeepsNothing) {
  TopK top(0, LowerSlotFirst);
  top.Offer(1, 1.0);
  EXPECT_THAT(Slots(top), ::testing::IsEmpty());
}

TEST(TopKTest, EqualsASortOverRandomStreams) {
  std::mt19937 random(7);
  for (int round = 0; round < 200; ++round) {
    const std::size_t k = random() % 12;
    std::vector<ScoredSlot> all;
    TopK top(k, LowerSlotFirst);
    for (std::uint32_t slot = 0; slot < random() % 60; ++slot) {
      all.push_back({slot, static_cast<double>(random() % 5)});
      top.Offer(slot, all.back().score);
    }
    std::stable_sort(all.begin(), all.end(), [](auto& a, auto& b) { return a.score > b.score; });
    std::vector<std::uint32_t> expected;
    for (std::size_t i = 0; i < std::min(k, all.size()); ++i) expected.push_back(all[i].slot);
    EXPECT_EQ(Slots(top), expected) << "round " << round;
  }
}

}  // namespace
}  // namespace ragmesh::vector_index
