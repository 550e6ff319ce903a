#include "libs/concurrency/thread_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

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

TEST(ThreadPoolTest, RunsWorkOnTheCallersThreadWhileOneIsIdle) {
  ThreadPool pool("test", 1, 10);
  std::thread::id where;
  EXPECT_TRUE(pool.TryRunHere([&] { where = std::this_thread::get_id(); }));
  EXPECT_EQ(where, std::this_thread::get_id());
}

TEST(ThreadPoolTest, RunsNothingHereWhileAllAreBusy) {
  absl::Notification started, release;
  ThreadPool pool("test", 1, 10);
  ASSERT_TRUE(pool.TrySubmit([&] {
    started.Notify();
    release.WaitForNotification();
  }));
  started.WaitForNotification();
  EXPECT_FALSE(pool.TryRunHere([] { FAIL(); }));
  release.Notify();
}

TEST(ThreadPoolTest, WhatRunsHereTakesTheTurnOfAThread) {
  std::atomic<bool> began{false};
  absl::Notification done;
  ThreadPool pool("test", 1, 10);
  ASSERT_TRUE(pool.TryRunHere([&] {
    ASSERT_TRUE(pool.TrySubmit([&] {
      began = true;
      done.Notify();
    }));
    EXPECT_FALSE(done.WaitForNotificationWithTimeout(absl::Milliseconds(50)));
    EXPECT_FALSE(pool.TryRunHere([] { FAIL(); }));
    EXPECT_FALSE(began);
  }));
  done.WaitForNotification();
}

TEST(ThreadPoolTest, TheMachineHasAtLeastOneCpu) { EXPECT_GE(AvailableCpus(), 1); }

}  // namespace
}  // namespace ragmesh
