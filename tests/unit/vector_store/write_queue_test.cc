#include "libs/vector_store/write_queue.h"

#include <algorithm>
#include <atomic>
#include <thread>
#include <vector>

#include "gtest/gtest.h"

namespace ragmesh::vector_store {
namespace {

TEST(WriteQueueTest, OneWriterLeadsItself) {
  WriteQueue queue;
  for (int i = 0; i < 3; ++i) {
    WriteQueue::Entry entry;
    const auto group = queue.Join(&entry);
    EXPECT_EQ(group, (std::vector<WriteQueue::Entry*>{&entry}));
    queue.Finish(group);
  }
}

// Every entry is in one group, led by one thread at a time; groups hold no name twice, and entries
// that go alone are alone.
TEST(WriteQueueTest, EveryEntryIsLedOnceAndByOneThreadAtATime) {
  constexpr int kThreads = 8, kWrites = 300;
  WriteQueue queue;
  std::atomic<int> leaders{0}, mistakes{0}, led{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kWrites; ++i) {
        WriteQueue::Entry entry;
        entry.touches = {static_cast<std::uint64_t>(i % 3), static_cast<std::uint64_t>(100 + t)};
        entry.alone = (i + t) % 10 == 0;
        const auto group = queue.Join(&entry);
        if (group.empty()) continue;
        if (leaders++ != 0 || group[0] != &entry || group.size() > WriteQueue::kMaxGroup)
          ++mistakes;
        std::vector<std::uint64_t> names;
        for (const WriteQueue::Entry* const member : group) {
          if (member->alone && group.size() > 1) ++mistakes;
          names.insert(names.end(), member->touches.begin(), member->touches.end());
        }
        std::sort(names.begin(), names.end());
        if (std::adjacent_find(names.begin(), names.end()) != names.end()) ++mistakes;
        led += static_cast<int>(group.size());
        --leaders;
        queue.Finish(group);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(mistakes, 0);
  EXPECT_EQ(led, kThreads * kWrites);
}

}  // namespace
}  // namespace ragmesh::vector_store
