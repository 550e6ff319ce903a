#include "libs/concurrency/compute_pool.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <barrier>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

namespace ragmesh {
namespace {

using ::testing::Each;

TEST(ComputePoolTest, RunsEveryItemOnce) {
  for (int threads = 1; threads <= 4; ++threads) {
    ComputePool pool(threads);
    EXPECT_EQ(pool.threads(), threads);
    for (std::size_t items = 0; items < 70; ++items) {
      std::vector<std::atomic<int>> runs(items);
      pool.Run(items, [&](std::size_t item, int thread) {
        EXPECT_GE(thread, 0);
        EXPECT_LT(thread, threads);
        ++runs[item];
      });
      EXPECT_THAT(runs, Each(::testing::Eq(1))) << items << " items, " << threads << " threads";
    }
  }
}

TEST(ComputePoolTest, ReturnsWhenAllIsDone) {
  ComputePool pool(3);
  std::vector<int> values(5, 0);
  for (int loop = 0; loop < 20'000; ++loop) {
    pool.Run(values.size(), [&](std::size_t item, int) { ++values[item]; });
    ASSERT_THAT(values, Each(loop + 1));
  }
}

TEST(ComputePoolTest, ItemsRunAtTheSameTime) {
  ComputePool pool(3);
  std::barrier<> all(3);
  std::vector<int> threads(3, -1);
  pool.Run(3, [&](std::size_t item, int thread) {
    threads[item] = thread;
    all.arrive_and_wait();  // none goes on until three are here
  });
  EXPECT_THAT(threads, ::testing::UnorderedElementsAre(0, 1, 2));
}

TEST(ComputePoolTest, AnItemRunsOnTheThreadItIsToldOf) {
  ComputePool pool(2);
  std::barrier<> both(2);
  std::vector<std::thread::id> first(2), second(2);
  for (auto* ids : {&first, &second}) {
    pool.Run(2, [&](std::size_t, int thread) {
      (*ids)[static_cast<std::size_t>(thread)] = std::this_thread::get_id();
      both.arrive_and_wait();
    });
  }
  EXPECT_EQ(first[0], std::this_thread::get_id());
  EXPECT_NE(first[1], first[0]);
  EXPECT_EQ(first, second);
}

// 'R' running, 'S' sleeping, as proc(5) has it.
char StateOf(pid_t thread) {
  std::ifstream file("/proc/self/task/" + std::to_string(thread) + "/stat");
  const std::string stat((std::istreambuf_iterator<char>(file)), {});
  return stat.at(stat.rfind(") ") + 2);  // behind the name, which may hold anything
}

TEST(ComputePoolTest, WakesAHelperThatHasGoneToSleep) {
  ComputePool pool(2);
  std::barrier<> both(2);
  std::atomic<pid_t> helper{0};
  for (int loop = 0; loop < 100; ++loop) {
    pool.Run(2, [&](std::size_t, int thread) {
      if (thread == 1) helper = static_cast<pid_t>(syscall(SYS_gettid));
      both.arrive_and_wait();
    });
    while (StateOf(helper) != 'S') std::this_thread::yield();
  }
}

TEST(ComputePoolTest, EndsWithoutEverRunning) {
  for (int i = 0; i < 100; ++i) ComputePool pool(4);
}

}  // namespace
}  // namespace ragmesh
