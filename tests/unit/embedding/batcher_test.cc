#include "libs/embedding/batcher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <utility>

#include "libs/concurrency/thread_pool.h"
#include "libs/testing/fake_clock.h"
#include "libs/testing/manual_executor.h"
#include "libs/testing/status_matchers.h"

namespace ragmesh::embedding {
namespace {

using ::ragmesh::testing::HasReason;
using ::ragmesh::testing::IsOk;
using ::testing::ElementsAre;

class BatcherTest : public ::testing::Test {
 protected:
  Batcher::Item Item(const std::string& name, Priority priority = Priority::kPassage,
                     std::size_t tokens = 10) {
    return {tokens, priority, call_, [this, name](const absl::Status& turn) {
              log_.push_back(turn.ok() ? name : name + " dropped");
            }};
  }
  template <typename... Items>
  static std::vector<Batcher::Item> List(Items... items) {
    std::vector<Batcher::Item> list;
    (list.push_back(std::move(items)), ...);
    return list;
  }
  void RunAll() {
    while (compute_.RunOne()) {
    }
  }

  testing::FakeClock clock_;
  CallContext call_{clock_.Now() + absl::Seconds(10), "", clock_};
  testing::ManualExecutor compute_;
  std::vector<std::string> log_;
};

TEST_F(BatcherTest, RunsQueriesBeforePassagesAndElseInOrder) {
  Batcher batcher({}, compute_);
  ASSERT_THAT(batcher.Submit(List(Item("p1"), Item("p2"))), IsOk());
  ASSERT_THAT(batcher.Submit(List(Item("q", Priority::kQuery))), IsOk());
  ASSERT_THAT(batcher.Submit(List(Item("p3"))), IsOk());
  RunAll();
  EXPECT_THAT(log_, ElementsAre("q", "p1", "p2", "p3"));
}

TEST_F(BatcherTest, AQueryGoesBetweenTwoBatchesOfPassages) {
  Batcher batcher({.max_batch_tokens = 20}, compute_);
  auto first = Item("p1");
  first.run = [&](const absl::Status&) {
    log_.push_back("p1");
    EXPECT_THAT(batcher.Submit(List(Item("q", Priority::kQuery))), IsOk());
  };
  ASSERT_THAT(batcher.Submit(List(std::move(first), Item("p2"), Item("p3"))), IsOk());
  RunAll();
  EXPECT_THAT(log_, ElementsAre("p1", "p2", "q", "p3"));
  EXPECT_EQ(batcher.stats().batches, 3u);
}

TEST_F(BatcherTest, AnItemOverTheTokenBudgetIsABatchOfItsOwn) {
  Batcher batcher({.max_batch_tokens = 20}, compute_);
  ASSERT_THAT(batcher.Submit(List(Item("big", Priority::kPassage, 500), Item("small"))), IsOk());
  RunAll();
  EXPECT_THAT(log_, ElementsAre("big", "small"));
  EXPECT_EQ(batcher.stats().batches, 2u);
  EXPECT_EQ(batcher.stats().tokens, 510u);
}

TEST_F(BatcherTest, TakesAllItemsOfACallOrNone) {
  Batcher batcher({.max_queued_items = 3}, compute_);
  ASSERT_THAT(batcher.Submit(List(Item("a"), Item("b"))), IsOk());
  const absl::Status refused = batcher.Submit(List(Item("c"), Item("d")));
  EXPECT_THAT(refused, HasReason("QUEUE_FULL"));
  EXPECT_TRUE(GetErrorDetail(refused)->retry_after.has_value());
  EXPECT_EQ(batcher.stats().queued_items, 2u);
  EXPECT_THAT(batcher.Submit(List(Item("1"), Item("2"), Item("3"), Item("4"))),
              HasReason("LIMIT_EXCEEDED"));
  RunAll();
  EXPECT_THAT(log_, ElementsAre("a", "b"));
}

TEST_F(BatcherTest, RefusesWhenTheComputeThreadsTakeNothing) {
  testing::ManualExecutor full(/*capacity=*/0);
  Batcher batcher({}, full);
  EXPECT_THAT(batcher.Submit(List(Item("a"))), HasReason("QUEUE_FULL"));
}

TEST_F(BatcherTest, DropsWhatWasCancelledOrIsLateWhenItsTurnComes) {
  Batcher batcher({}, compute_);
  const CallContext cancelled = call_.Child(absl::InfiniteFuture());
  auto item = Item("cancelled");
  item.call = cancelled;
  auto late = Item("late");
  late.call = call_.Child(clock_.Now() + absl::Seconds(1));
  ASSERT_THAT(batcher.Submit(List(std::move(item), std::move(late), Item("kept"))), IsOk());
  cancelled.Cancel();
  clock_.Advance(absl::Seconds(2));
  RunAll();
  EXPECT_THAT(log_, ElementsAre("cancelled dropped", "late dropped", "kept"));
  EXPECT_EQ(batcher.stats().dropped, 2u);
  EXPECT_EQ(batcher.stats().items, 1u);
}

TEST_F(BatcherTest, KeepsAsManyThreadsBusyAsItMay) {
  Batcher batcher({.max_parallel = 2}, compute_);
  ASSERT_THAT(batcher.Submit(List(Item("a"), Item("b"), Item("c"))), IsOk());
  EXPECT_EQ(compute_.queue_depth(), 2u);
  RunAll();
}

TEST(BatcherThreadsTest, RunsEveryItemOnceUnderConcurrentCalls) {
  std::atomic<int> runs{0};
  {
    ThreadPool compute("compute", 3, 16);
    Batcher batcher({.max_batch_tokens = 8, .max_parallel = 3}, compute);
    {
      ThreadPool submitters("submit", 4, 64);
      for (int i = 0; i < 32; ++i) {
        ASSERT_TRUE(submitters.TrySubmit([&] {
          std::vector<Batcher::Item> items;
          for (int k = 0; k < 20; ++k) {
            items.push_back({3, k % 3 == 0 ? Priority::kQuery : Priority::kPassage,
                             CallContext(absl::InfiniteFuture()),
                             [&runs](const absl::Status&) { ++runs; }});
          }
          EXPECT_THAT(batcher.Submit(std::move(items)), IsOk());
        }));
      }
    }
  }
  EXPECT_EQ(runs, 640);
}

}  // namespace
}  // namespace ragmesh::embedding
