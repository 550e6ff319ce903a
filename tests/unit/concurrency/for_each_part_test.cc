#include "libs/concurrency/for_each_part.h"

#include <gtest/gtest.h>

#include <atomic>
#include <vector>

#include "libs/concurrency/thread_pool.h"
#include "libs/testing/manual_executor.h"

namespace ragmesh {
namespace {

TEST(ForEachPartTest, EachItemIsDoneOnceWhateverTheParts) {
  ThreadPool pool("parts", 3, 8);
  for (const std::size_t count : {0u, 1u, 5u, 64u, 1000u}) {
    for (const std::size_t part : {1u, 7u, 2000u}) {
      std::vector<std::atomic<int>> times(count);
      ForEachPart(&pool, 3, count, part, [&](std::size_t begin, std::size_t end) {
        EXPECT_LE(end - begin, part);
        for (std::size_t i = begin; i < end; ++i) ++times[i];
      });
      for (const auto& one : times) EXPECT_EQ(one, 1);
    }
  }
}

TEST(ForEachPartTest, WithoutAnExecutorTheCallerDoesAll) {
  int done = 0;
  ForEachPart(nullptr, 4, 10, 3,
              [&](std::size_t begin, std::size_t end) { done += static_cast<int>(end - begin); });
  EXPECT_EQ(done, 10);
}

TEST(ForEachPartTest, HelpersThatComeTooLateFindNothingToDo) {
  testing::ManualExecutor executor;
  int done = 0;
  ForEachPart(&executor, 2, 10, 1,
              [&](std::size_t begin, std::size_t end) { done += static_cast<int>(end - begin); });
  EXPECT_EQ(done, 10);
  while (executor.RunOne()) {
  }
  EXPECT_EQ(done, 10);
}

}  // namespace
}  // namespace ragmesh
