#include "libs/concurrency/bounded_queue.h"

#include <gtest/gtest.h>

#include <memory>
#include <thread>

namespace ragmesh {
namespace {

TEST(BoundedQueueTest, GivesItemsInOrder) {
  BoundedQueue<int> queue(2);
  const CallContext call(absl::InfiniteFuture());
  EXPECT_TRUE(queue.Push(1, call));
  EXPECT_TRUE(queue.Push(2, call));
  EXPECT_EQ(queue.Pop(call), 1);
  EXPECT_EQ(queue.Pop(call), 2);
}

TEST(BoundedQueueTest, RefusesAtOnceWhenFullAndLeavesTheItem) {
  BoundedQueue<std::unique_ptr<int>> queue(1);
  auto first = std::make_unique<int>(1), second = std::make_unique<int>(2);
  EXPECT_TRUE(queue.TryPush(first));
  EXPECT_FALSE(queue.TryPush(second));
  EXPECT_NE(second, nullptr);
}

TEST(BoundedQueueTest, CancellingWakesAWaitingProducer) {
  BoundedQueue<int> queue(1);
  const CallContext call(absl::InfiniteFuture());
  EXPECT_TRUE(queue.Push(1, call));
  std::thread canceller([&call] { call.Cancel(); });
  EXPECT_FALSE(queue.Push(2, call));
  canceller.join();
}

TEST(BoundedQueueTest, CancellingWakesAWaitingConsumer) {
  BoundedQueue<int> queue(1);
  const CallContext call(absl::InfiniteFuture());
  std::thread canceller([&call] { call.Cancel(); });
  EXPECT_EQ(queue.Pop(call), std::nullopt);
  canceller.join();
}

TEST(BoundedQueueTest, AClosedQueueDrainsAndThenIsEmpty) {
  BoundedQueue<int> queue(2);
  const CallContext call(absl::InfiniteFuture());
  EXPECT_TRUE(queue.Push(1, call));
  queue.Close();
  EXPECT_FALSE(queue.Push(2, call));
  EXPECT_EQ(queue.Pop(call), 1);
  EXPECT_EQ(queue.Pop(call), std::nullopt);
}

TEST(BoundedQueueTest, HandsEveryItemOverExactlyOnceBetweenThreads) {
  BoundedQueue<int> queue(4);
  const CallContext call(absl::InfiniteFuture());
  long long sum = 0;
  std::thread consumer([&] {
    while (auto item = queue.Pop(call)) sum += *item;
  });
  for (int i = 1; i <= 10'000; ++i) ASSERT_TRUE(queue.Push(i, call));
  queue.Close();
  consumer.join();
  EXPECT_EQ(sum, 10'000LL * 10'001 / 2);
}

}  // namespace
}  // namespace ragmesh
