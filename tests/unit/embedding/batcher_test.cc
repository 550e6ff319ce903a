#include "libs/embedding/batcher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <string>
#include <thread>
#include <utility>

#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "libs/concurrency/thread_pool.h"
#include "libs/testing/fake_clock.h"
#include "libs/testing/manual_executor.h"
#include "libs/testing/status_matchers.h"

namespace ragmesh::embedding {
namespace {

using ::ragmesh::testing::HasReason;
using ::ragmesh::testing::IsOk;
using ::ragmesh::testing::StatusIs;
using ::testing::ElementsAre;

class BatcherTest : public ::testing::Test {
 protected:
  using Names = std::vector<std::string>;

  Batcher::Item Item(const std::string& name, Priority priority = Priority::kPassage,
                     std::size_t tokens = 10) {
    return {tokens, priority, call_, std::make_shared<Names>(1, name), 0};
  }
  static const std::string& NameOf(const Batcher::Item& item) {
    return (*static_cast<const Names*>(item.owner.get()))[item.index];
  }
  // The items of one call.
  template <typename... Items>
  static std::vector<Batcher::Item> List(Items... items) {
    const auto names = std::make_shared<Names>(Names{NameOf(items)...});
    std::vector<Batcher::Item> list;
    (list.push_back(std::move(items)), ...);
    for (std::size_t i = 0; i < list.size(); ++i) {
      list[i].owner = names;
      list[i].index = i;
    }
    return list;
  }
  std::unique_ptr<Batcher> Make(const Batcher::Options& options, Executor& compute) {
    return std::make_unique<Batcher>(options, compute,
                                     [this](Batcher::Batch batch) { Work(std::move(batch)); });
  }
  // Notes a batch as "a+b", and what was dropped from it.
  void Work(Batcher::Batch batch) {
    std::string names;
    for (const auto& item : batch.items) names += (names.empty() ? "" : "+") + NameOf(item);
    for (const auto& [item, status] : batch.dropped) log_.push_back(NameOf(item) + " dropped");
    if (!names.empty()) log_.push_back(names);
    if (during_) during_(batch);
  }
  void RunAll() {
    while (compute_.RunOne()) {
    }
  }

  testing::FakeClock clock_;
  CallContext call_{clock_.Now() + absl::Seconds(10), "", clock_};
  testing::ManualExecutor compute_;
  std::vector<std::string> log_;
  std::function<void(const Batcher::Batch&)> during_;
};

TEST_F(BatcherTest, RunsQueriesBeforePassagesAndElseInOrder) {
  const auto batcher = Make({}, compute_);
  ASSERT_THAT(batcher->Submit(List(Item("p1"), Item("p2"))), IsOk());
  ASSERT_THAT(batcher->Submit(List(Item("q", Priority::kQuery))), IsOk());
  ASSERT_THAT(batcher->Submit(List(Item("p3"))), IsOk());
  RunAll();
  EXPECT_THAT(log_, ElementsAre("q", "p1+p2+p3"));
}

TEST_F(BatcherTest, AQueryGoesBetweenTwoBatchesOfPassages) {
  const auto batcher = Make({.max_batch_tokens = 20}, compute_);
  during_ = [&](const Batcher::Batch& batch) {
    if (NameOf(batch.items[0]) != "p1") return;
    EXPECT_THAT(batcher->Submit(List(Item("q", Priority::kQuery))), IsOk());
  };
  ASSERT_THAT(batcher->Submit(List(Item("p1"), Item("p2"), Item("p3"))), IsOk());
  RunAll();
  EXPECT_THAT(log_, ElementsAre("p1+p2", "q", "p3"));
  EXPECT_EQ(batcher->stats().batches, 3u);
}

TEST_F(BatcherTest, ABatchOfPassagesLetsQueriesInBetween) {
  const auto batcher = Make({}, compute_);
  during_ = [&](const Batcher::Batch& batch) {
    if (batch.priority == Priority::kQuery) return;
    batcher->RunWaitingQueries();  // none yet
    log_.push_back("half of the passages");
    EXPECT_THAT(batcher->Submit(List(Item("q1", Priority::kQuery), Item("q2", Priority::kQuery))),
                IsOk());
    batcher->RunWaitingQueries();
    log_.push_back("the other half");
  };
  ASSERT_THAT(batcher->Submit(List(Item("p"))), IsOk());
  RunAll();
  EXPECT_THAT(log_, ElementsAre("p", "half of the passages", "q1+q2", "the other half"));
}

TEST_F(BatcherTest, PassagesHaveTheirTurnUnderAStreamOfQueries) {
  const auto batcher = Make({.max_batch_tokens = 48}, compute_);
  int queries = 0;
  during_ = [&](const Batcher::Batch&) {
    if (++queries > 100) return;
    EXPECT_THAT(batcher->Submit(List(Item("q", Priority::kQuery, 48))), IsOk());
  };
  ASSERT_THAT(batcher->Submit(List(Item("q", Priority::kQuery, 48), Item("p"))), IsOk());
  RunAll();
  const auto turn = std::find(log_.begin(), log_.end(), "p") - log_.begin();
  EXPECT_EQ(turn, Batcher::kQueryBatchesInARow);
}

// Queries alone have no passages to make up to: a query that comes together with the first passage
// still goes first.
TEST_F(BatcherTest, QueriesThatMadeNobodyWaitCountForNothing) {
  const auto batcher = Make({}, compute_);
  for (int i = 0; i < 2 * Batcher::kQueryBatchesInARow; ++i) {
    ASSERT_THAT(batcher->Submit(List(Item("alone", Priority::kQuery))), IsOk());
    RunAll();
  }
  log_.clear();
  ASSERT_THAT(batcher->Submit(List(Item("p"), Item("q", Priority::kQuery))), IsOk());
  RunAll();
  EXPECT_THAT(log_, ElementsAre("q", "p"));
}

TEST_F(BatcherTest, PassagesHaveTheirTurnThoughEveryBatchOfThemLetsQueriesIn) {
  const auto batcher = Make({.max_batch_tokens = 10}, compute_);
  int more = 100;
  during_ = [&](const Batcher::Batch& batch) {
    if (more-- > 0) {
      EXPECT_THAT(batcher->Submit(List(Item("q", Priority::kQuery))), IsOk());
    }
    if (batch.priority == Priority::kPassage) batcher->RunWaitingQueries();
  };
  ASSERT_THAT(batcher->Submit(List(Item("q", Priority::kQuery), Item("p1"), Item("p2"))), IsOk());
  RunAll();
  const auto first = std::find(log_.begin(), log_.end(), "p1");
  EXPECT_EQ(first - log_.begin(), Batcher::kQueryBatchesInARow);
  // The one that the first batch let in counts as well.
  EXPECT_EQ(std::find(log_.begin(), log_.end(), "p2") - first, Batcher::kQueryBatchesInARow + 1);
}

TEST_F(BatcherTest, RunsOneBatchOfWaitingQueriesAtATime) {
  const auto batcher = Make({.max_batch_tokens = 20}, compute_);
  during_ = [&](const Batcher::Batch& batch) {
    if (batch.priority == Priority::kQuery) return;
    EXPECT_THAT(batcher->Submit(List(Item("q1", Priority::kQuery), Item("q2", Priority::kQuery),
                                     Item("q3", Priority::kQuery))),
                IsOk());
    batcher->RunWaitingQueries();
    log_.push_back("the other half");
  };
  ASSERT_THAT(batcher->Submit(List(Item("p"))), IsOk());
  RunAll();
  EXPECT_THAT(log_, ElementsAre("p", "q1+q2", "the other half", "q3"));
  EXPECT_EQ(batcher->stats().batches, 3u);
  EXPECT_EQ(batcher->stats().items, 4u);
}

TEST_F(BatcherTest, AnItemOverTheTokenBudgetIsABatchOfItsOwn) {
  const auto batcher = Make({.max_batch_tokens = 20}, compute_);
  ASSERT_THAT(batcher->Submit(List(Item("big", Priority::kPassage, 500), Item("small"))), IsOk());
  RunAll();
  EXPECT_THAT(log_, ElementsAre("big", "small"));
  EXPECT_EQ(batcher->stats().batches, 2u);
  EXPECT_EQ(batcher->stats().tokens, 510u);
}

// Each batch is an equal share of what is left, so threads end at about the same time.
TEST_F(BatcherTest, DividesACallAmongTheThreads) {
  static_assert(Batcher::kMinBatchTokens <= 100);
  const auto batcher = Make({.max_batch_tokens = 1000, .max_parallel = 2}, compute_);
  ASSERT_THAT(
      batcher->Submit(List(Item("a", Priority::kPassage, 100), Item("b", Priority::kPassage, 100),
                           Item("c", Priority::kPassage, 100), Item("d", Priority::kPassage, 100))),
      IsOk());
  ASSERT_TRUE(compute_.RunOne());  // this one takes all there is in the end, by shares
  EXPECT_THAT(log_, ElementsAre("a+b", "c", "d"));
  RunAll();
}

TEST_F(BatcherTest, DoesNotDivideWhatIsTooLittle) {
  const auto batcher = Make({.max_parallel = 8}, compute_);
  const std::size_t half = Batcher::kMinBatchTokens / 2;
  ASSERT_THAT(batcher->Submit(List(Item("a", Priority::kPassage, half),
                                   Item("b", Priority::kPassage, half), Item("c"))),
              IsOk());
  RunAll();
  EXPECT_THAT(log_, ElementsAre("a+b", "c"));
}

TEST_F(BatcherTest, QueriesOfSeveralCallsDoNotWaitForEachOther) {
  const auto batcher = Make({}, compute_);
  ASSERT_THAT(batcher->Submit(List(Item("a", Priority::kQuery), Item("b", Priority::kQuery))),
              IsOk());
  ASSERT_THAT(batcher->Submit(List(Item("c", Priority::kQuery))), IsOk());
  RunAll();
  EXPECT_THAT(log_, ElementsAre("a+b", "c"));
}

TEST_F(BatcherTest, ShortQueriesOfSeveralCallsFillOneBatchOfTheLeastSize) {
  const auto batcher = Make({}, compute_);
  const std::size_t half = Batcher::kMinBatchTokens / 2;
  for (const char* const name : {"a", "b", "c"})
    ASSERT_THAT(batcher->Submit(List(Item(name, Priority::kQuery, half))), IsOk());
  RunAll();
  EXPECT_THAT(log_, ElementsAre("a+b", "c"));
}

TEST_F(BatcherTest, ManyWaitingQueriesAreTakenTogether) {
  const auto batcher = Make({}, compute_);
  const std::size_t least = Batcher::kMinBatchTokens;
  for (std::size_t i = 0; i < 2 * Batcher::kQueryShares; ++i)
    ASSERT_THAT(batcher->Submit(List(Item("q", Priority::kQuery, least))), IsOk());
  ASSERT_TRUE(compute_.RunOne());
  EXPECT_EQ(log_[0], "q+q");
  EXPECT_EQ(log_.back(), "q");
}

TEST_F(BatcherTest, ACallerThatWaitsRunsItsBatchItself) {
  ThreadPool compute("compute", 1, 10);
  const auto batcher = Make({}, compute);
  std::thread::id where;
  during_ = [&](const Batcher::Batch&) { where = std::this_thread::get_id(); };
  ASSERT_THAT(batcher->SubmitAndRun(List(Item("a", Priority::kQuery))), IsOk());
  EXPECT_THAT(log_, ElementsAre("a"));
  EXPECT_EQ(where, std::this_thread::get_id());
  EXPECT_TRUE(batcher->OneAtWork());
  ASSERT_THAT(batcher->SubmitAndRun({}), IsOk());
}

TEST_F(BatcherTest, WhatComesMeanwhileIsNotTheCallersToRun) {
  ThreadPool compute("compute", 1, 10);
  absl::Notification ended;
  std::thread::id other;
  auto batcher = Make({}, compute);
  during_ = [&](const Batcher::Batch& batch) {
    if (NameOf(batch.items[0]) == "a") {
      ASSERT_THAT(batcher->SubmitAndRun(List(Item("b", Priority::kQuery))), IsOk());
    } else {
      other = std::this_thread::get_id();
      ended.Notify();
    }
  };
  ASSERT_THAT(batcher->SubmitAndRun(List(Item("a", Priority::kQuery))), IsOk());
  ended.WaitForNotification();
  EXPECT_NE(other, std::this_thread::get_id());
  batcher.reset();  // waits for the pump to end
  EXPECT_THAT(log_, ElementsAre("a", "b"));
}

TEST_F(BatcherTest, WhereNoThreadIsIdleACallersBatchWaits) {
  const auto batcher = Make({}, compute_);
  ASSERT_THAT(batcher->SubmitAndRun(List(Item("a", Priority::kQuery))), IsOk());
  EXPECT_THAT(log_, ElementsAre());
  RunAll();
  EXPECT_THAT(log_, ElementsAre("a"));
}

TEST_F(BatcherTest, SaysWhetherSeveralAreAtWork) {
  const auto batcher = Make({.max_parallel = 2}, compute_);
  std::vector<bool> one_at_work;
  during_ = [&](const Batcher::Batch&) { one_at_work.push_back(batcher->OneAtWork()); };
  ASSERT_THAT(batcher->Submit(List(Item("a"))), IsOk());
  RunAll();
  ASSERT_THAT(batcher->Submit(List(Item("b", Priority::kQuery))), IsOk());
  ASSERT_THAT(batcher->Submit(List(Item("c"))), IsOk());
  RunAll();
  EXPECT_THAT(log_, ElementsAre("a", "b", "c"));
  EXPECT_THAT(one_at_work, ElementsAre(true, false, false));
  EXPECT_FALSE(batcher->OneAtWork()) << "the next batch may come at once";
  absl::SleepFor(Batcher::kAloneAfter);
  EXPECT_TRUE(batcher->OneAtWork());
}

TEST_F(BatcherTest, TakesAllItemsOfACallOrNone) {
  const auto batcher = Make({.max_queued_items = 3}, compute_);
  ASSERT_THAT(batcher->Submit(List(Item("a"), Item("b"))), IsOk());
  const absl::Status refused = batcher->Submit(List(Item("c"), Item("d")));
  EXPECT_THAT(refused, HasReason("QUEUE_FULL"));
  EXPECT_TRUE(GetErrorDetail(refused)->retry_after.has_value());
  EXPECT_EQ(batcher->stats().queued_items, 2u);
  EXPECT_THAT(batcher->Submit(List(Item("1"), Item("2"), Item("3"), Item("4"))),
              HasReason("LIMIT_EXCEEDED"));
  RunAll();
  EXPECT_THAT(log_, ElementsAre("a+b"));
}

TEST_F(BatcherTest, RefusesWhenTheComputeThreadsTakeNothing) {
  testing::ManualExecutor full(/*capacity=*/0);
  const auto batcher = Make({}, full);
  EXPECT_THAT(batcher->Submit(List(Item("a"))), HasReason("QUEUE_FULL"));
}

TEST_F(BatcherTest, DropsWhatWasCancelledOrIsLateWhenItsTurnComes) {
  const auto batcher = Make({}, compute_);
  const CallContext cancelled = call_.Child(absl::InfiniteFuture());
  auto item = Item("cancelled");
  item.call = cancelled;
  auto late = Item("late");
  late.call = call_.Child(clock_.Now() + absl::Seconds(1));
  ASSERT_THAT(batcher->Submit(List(std::move(item), std::move(late), Item("kept"))), IsOk());
  cancelled.Cancel();
  clock_.Advance(absl::Seconds(2));
  RunAll();
  EXPECT_THAT(log_, ElementsAre("cancelled dropped", "late dropped", "kept"));
  EXPECT_EQ(batcher->stats().dropped, 2u);
  EXPECT_EQ(batcher->stats().items, 1u);
  EXPECT_EQ(batcher->stats().tokens, 10u);
  EXPECT_EQ(batcher->stats().queued_items, 0u);
}

TEST_F(BatcherTest, SaysWhyItDroppedAnItem) {
  const auto batcher = Make({}, compute_);
  std::vector<absl::Status> reasons;
  during_ = [&](const Batcher::Batch& batch) {
    for (const auto& [item, status] : batch.dropped) reasons.push_back(status);
  };
  auto cancelled = Item("cancelled");
  cancelled.call = call_.Child(absl::InfiniteFuture());
  cancelled.call.Cancel();
  auto late = Item("late", Priority::kQuery);
  late.call = call_.Child(clock_.Now());
  ASSERT_THAT(batcher->Submit(List(std::move(cancelled), std::move(late))), IsOk());
  RunAll();
  EXPECT_THAT(reasons, ElementsAre(StatusIs(absl::StatusCode::kDeadlineExceeded),
                                   StatusIs(absl::StatusCode::kCancelled)));
  EXPECT_THAT(log_, ElementsAre("late dropped", "cancelled dropped"));
}

TEST_F(BatcherTest, WhatWasDroppedTakesNoRoomInABatch) {
  const auto batcher = Make({.max_batch_tokens = 20}, compute_);
  auto cancelled = Item("cancelled", Priority::kPassage, 20);
  cancelled.call = call_.Child(absl::InfiniteFuture());
  cancelled.call.Cancel();
  ASSERT_THAT(batcher->Submit(List(std::move(cancelled), Item("a"), Item("b"))), IsOk());
  RunAll();
  EXPECT_THAT(log_, ElementsAre("cancelled dropped", "a+b"));
}

TEST_F(BatcherTest, KeepsAsManyThreadsBusyAsItMay) {
  const auto batcher = Make({.max_parallel = 2}, compute_);
  ASSERT_THAT(batcher->Submit(List(Item("a"), Item("b"), Item("c"))), IsOk());
  EXPECT_EQ(compute_.queue_depth(), 2u);
  RunAll();
}

TEST(BatcherThreadsTest, RunsEveryItemOnceUnderConcurrentCalls) {
  std::atomic<std::size_t> runs{0};
  {
    ThreadPool compute("compute", 3, 16);
    Batcher batcher({.max_batch_tokens = 8, .max_parallel = 3}, compute,
                    [&runs](const Batcher::Batch& batch) { runs += batch.items.size(); });
    {
      ThreadPool submitters("submit", 4, 64);
      for (int i = 0; i < 32; ++i) {
        ASSERT_TRUE(submitters.TrySubmit([&] {
          std::vector<Batcher::Item> items;
          for (int k = 0; k < 20; ++k) {
            items.push_back({3, k % 3 == 0 ? Priority::kQuery : Priority::kPassage,
                             CallContext(absl::InfiniteFuture()), nullptr, 0});
          }
          EXPECT_THAT(batcher.Submit(std::move(items)), IsOk());
        }));
      }
    }
  }
  EXPECT_EQ(runs, 640u);
}

}  // namespace
}  // namespace ragmesh::embedding
