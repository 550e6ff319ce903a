#include "libs/vector_index/flat_search.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <random>
#include <thread>

#include "libs/concurrency/thread_pool.h"
#include "libs/testing/fake_clock.h"
#include "libs/testing/status_matchers.h"

namespace ragmesh::vector_index {
namespace {

bool LowerSlotFirst(std::uint32_t a, std::uint32_t b) { return a < b; }

std::vector<float> RandomRow(std::mt19937* random, std::uint32_t dimension) {
  std::normal_distribution<float> normal;
  std::vector<float> row(dimension);
  for (float& value : row) value = normal(*random);
  return row;
}

std::vector<ScoredSlot> Naive(const RowView& view, absl::Span<const float> query,
                              const SlotSet& allowed, std::size_t k) {
  TopK top(k, LowerSlotFirst);
  for (std::uint32_t row = 0; row < view.rows; ++row) {
    if (allowed.Contains(row))
      top.Offer(row, linalg::DefaultKernels().dot(query.data(), view.Row(row), view.dimension));
  }
  return top.Take();
}

bool Same(const std::vector<ScoredSlot>& a, const std::vector<ScoredSlot>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](auto& x, auto& y) { return x.slot == y.slot && x.score == y.score; });
}

const CallContext kNoDeadline(absl::InfiniteFuture());

TEST(FlatSearchTest, EqualsTheNaiveScanOnEveryThreadCountAndFilter) {
  ThreadPool pool("scan", 3, 16);
  std::mt19937 random(1);
  for (const std::uint32_t rows : {0u, 1u, 63u, 64u, 1024u, 1025u, 5000u}) {
    RowBlocks blocks(100);
    for (std::uint32_t i = 0; i < rows; ++i) {
      blocks.Append(i % 7 == 3 && i > 0 ? absl::Span<const float>(blocks.Row(i - 1), 100)  // ties
                                        : absl::Span<const float>(RandomRow(&random, 100)));
    }
    for (const unsigned one_in : {1u, 2u, 10u}) {
      SlotSet allowed(rows);
      for (std::uint32_t i = 0; i < rows; ++i) {
        if (random() % one_in == 0) allowed.Add(i);
      }
      const auto query = RandomRow(&random, 100);
      const RowView view = blocks.view();
      for (const int threads : {1, 2, 4}) {
        const FlatSearchOptions options{&linalg::DefaultKernels(), &pool, threads};
        const auto found =
            FlatSearch(view, query, allowed, 10, LowerSlotFirst, options, kNoDeadline);
        ASSERT_TRUE(found.ok());
        EXPECT_TRUE(Same(*found, Naive(view, query, allowed, 10)))
            << rows << " rows, " << threads << " threads";
      }
    }
  }
}

TEST(FlatSearchTest, CancelledCallEndsWithItsStatus) {
  RowBlocks blocks(8);
  for (int i = 0; i < 3000; ++i) blocks.Append({1, 0, 0, 0, 0, 0, 0, 0});
  SlotSet allowed(3000);
  CallContext call(absl::InfiniteFuture());
  call.Cancel();
  const std::vector<float> query(8, 1.0f);
  EXPECT_THAT(FlatSearch(blocks.view(), query, allowed, 3, LowerSlotFirst,
                         {&linalg::DefaultKernels()}, call),
              testing::StatusIs(absl::StatusCode::kCancelled));
}

TEST(FlatSearchTest, PassedDeadlineEndsTheSearch) {
  testing::FakeClock clock;
  CallContext call(clock.Now() + absl::Seconds(1), "", clock);
  clock.Advance(absl::Seconds(2));
  RowBlocks blocks(1);
  blocks.Append({1});
  EXPECT_THAT(FlatSearch(blocks.view(), {1.0f}, SlotSet(1), 3, LowerSlotFirst,
                         {&linalg::DefaultKernels()}, call),
              testing::StatusIs(absl::StatusCode::kDeadlineExceeded));
}

TEST(RowBlocksTest, RowsAreAlignedAndViewsKeepTheirRowsWhileOthersAreAppended) {
  RowBlocks blocks(5);
  for (int i = 0; i < 1500; ++i) blocks.Append({float(i), 1, 2, 3, 4});
  const RowView view = blocks.view();
  std::thread writer([&blocks] {
    for (int i = 0; i < 3000; ++i) blocks.Append({-1, -1, -1, -1, -1});
  });
  for (std::uint32_t row = 0; row < view.rows; ++row) {
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(view.Row(row)) % 64, 0u);
    EXPECT_EQ(view.Row(row)[0], float(row));
  }
  writer.join();
  EXPECT_EQ(view.rows, 1500u);
  EXPECT_EQ(blocks.rows(), 4500u);
}

}  // namespace
}  // namespace ragmesh::vector_index
