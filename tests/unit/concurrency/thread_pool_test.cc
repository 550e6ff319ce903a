#include "libs/concurrency/thread_pool.h"

#include <gtest/gtest.h>

#include <atomic>

#include "absl/synchronization/notification.h"

namespace ragmesh {
namespace {

TEST(ThreadPoolTest, RunsWhatItAcceptedBeforeItGoes) {
  std::atomic<int> runs{0};
  {
    ThreadPool pool("test", 2, 100);
    for (int i = 0; i < 50; ++i) ASSERT_TRUE(pool.TrySubmit([&runs] { ++runs; }));
  }
  EXPECT_EQ(runs, 50);
}

TEST(ThreadPoolTest, RefusesWorkBeyondItsQueue) {
  absl::Notification started, release;
  ThreadPool pool("test", 1, 1);
  ASSERT_TRUE(pool.TrySubmit([&] {
    started.Notify();
    release.WaitForNotification();
  }));
  started.WaitForNotification();
  EXPECT_TRUE(pool.TrySubmit([] {}));
  EXPECT_EQ(pool.queue_depth(), 1u);
  EXPECT_FALSE(pool.TrySubmit([] {}));
  release.Notify();
}

TEST(ThreadPoolTest, TheMachineHasAtLeastOneCpu) { EXPECT_GE(AvailableCpus(), 1); }

}  // namespace
}  // namespace ragmesh
