#include "libs/vector_store/give_way.h"

#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <thread>

#include "absl/synchronization/notification.h"
#include "gtest/gtest.h"
#include "libs/concurrency/thread_pool.h"

namespace ragmesh::vector_store {
namespace {

int NiceOfThisThread() { return getpriority(PRIO_PROCESS, static_cast<id_t>(syscall(SYS_gettid))); }

TEST(LongWorkTest, IsForItsLifeAndForThisThreadAlone) {
  if (sched_getscheduler(0) != SCHED_OTHER) GTEST_SKIP() << "skipped: of another policy already";
  {
    const LongWork outer;
    EXPECT_EQ(sched_getscheduler(0), SCHED_BATCH);
    {
      const LongWork inner;  // changes nothing, and leaves the outer one in force
      EXPECT_EQ(sched_getscheduler(0), SCHED_BATCH);
    }
    EXPECT_EQ(sched_getscheduler(0), SCHED_BATCH);
  }
  EXPECT_EQ(sched_getscheduler(0), SCHED_OTHER);

  absl::Notification begun, looked;
  std::thread other([&] {
    const LongWork work;
    begun.Notify();
    looked.WaitForNotification();
  });
  begun.WaitForNotification();
  EXPECT_EQ(sched_getscheduler(0), SCHED_OTHER);
  looked.Notify();
  other.join();
}

TEST(GiveWayTest, OnlyTheThreadThatCallsItGivesWay) {
  const int before = NiceOfThisThread();
  int given = 0;
  std::thread([&] {
    GiveWay(19);
    given = NiceOfThisThread();
  }).join();
  EXPECT_EQ(given, 19);
  EXPECT_EQ(NiceOfThisThread(), before);
}

TEST(YieldingExecutorTest, WorkRunsOnThreadsThatGiveWay) {
  ThreadPool pool("yielding", 1, 4);
  YieldingExecutor executor(&pool, 19);
  int given = 0;
  absl::Notification done;
  ASSERT_TRUE(executor.TrySubmit([&] {
    given = NiceOfThisThread();
    done.Notify();
  }));
  done.WaitForNotification();
  EXPECT_EQ(given, 19);
}

}  // namespace
}  // namespace ragmesh::vector_store
