#include "libs/base/call_context.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <thread>

#include "libs/testing/fake_clock.h"
#include "libs/testing/status_matchers.h"

namespace ragmesh {
namespace {

using testing::FakeClock;
using testing::IsOk;
using testing::StatusIs;

TEST(CallContextTest, IsFineUntilItsDeadline) {
  FakeClock clock;
  const CallContext call(clock.Now() + absl::Seconds(2), "", clock);
  EXPECT_THAT(call.Check(), IsOk());
  EXPECT_EQ(call.Remaining(), absl::Seconds(2));
  clock.Advance(absl::Seconds(3));
  EXPECT_THAT(call.Check(), StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_EQ(call.Remaining(), absl::ZeroDuration());
}

TEST(CallContextTest, ACancelledCallSaysSo) {
  const CallContext call(absl::InfiniteFuture());
  call.Cancel();
  EXPECT_THAT(call.Check(), StatusIs(absl::StatusCode::kCancelled));
}

TEST(CallContextTest, RunsCallbacksOnceOnCancel) {
  const CallContext call(absl::InfiniteFuture());
  int runs = 0;
  const auto registration = call.OnCancel([&runs] { ++runs; });
  call.Cancel();
  call.Cancel();
  EXPECT_EQ(runs, 1);
}

TEST(CallContextTest, RunsACallbackAtOnceWhenAlreadyCancelled) {
  const CallContext call(absl::InfiniteFuture());
  call.Cancel();
  bool ran = false;
  const auto registration = call.OnCancel([&ran] { ran = true; });
  EXPECT_TRUE(ran);
}

TEST(CallContextTest, ADroppedRegistrationNeverRuns) {
  const CallContext call(absl::InfiniteFuture());
  bool ran = false;
  {
    const auto registration = call.OnCancel([&ran] { ran = true; });
  }
  call.Cancel();
  EXPECT_FALSE(ran);
}

TEST(CallContextTest, DroppingARegistrationWaitsForItsRunningCallback) {
  const CallContext call(absl::InfiniteFuture());
  std::atomic<bool> entered{false}, leave{false}, left{false};
  auto registration = call.OnCancel([&] {
    entered = true;
    while (!leave) std::this_thread::yield();
    left = true;
  });
  std::thread canceller([&call] { call.Cancel(); });
  while (!entered) std::this_thread::yield();
  std::thread releaser([&leave] { leave = true; });
  registration = CallContext::Registration();
  { const auto dropped = std::move(registration); }
  canceller.join();
  releaser.join();
  EXPECT_TRUE(left);
}

TEST(CallContextTest, AChildEndsWithItsParentAndNotTheOtherWayRound) {
  FakeClock clock;
  const CallContext parent(clock.Now() + absl::Seconds(5), "00-trace", clock);
  const CallContext first = parent.Child(clock.Now() + absl::Seconds(1));
  const CallContext second = parent.Child(absl::InfiniteFuture());
  EXPECT_EQ(first.Remaining(), absl::Seconds(1));
  EXPECT_EQ(second.Remaining(), absl::Seconds(5));
  EXPECT_EQ(second.trace_parent(), "00-trace");
  first.Cancel();
  EXPECT_FALSE(parent.cancelled());
  EXPECT_FALSE(second.cancelled());
  parent.Cancel();
  EXPECT_TRUE(second.cancelled());
}

// The last handle of a child may go while its parent is being cancelled: the cancelling thread then
// owns it and destroys its registration from inside that registration's callback.
TEST(CallContextTest, CallbackMayDestroyItsOwnRegistration) {
  const CallContext call(absl::InfiniteFuture());
  auto registration = std::make_unique<CallContext::Registration>();
  int runs = 0;
  *registration = call.OnCancel([&] {
    registration.reset();
    ++runs;
  });
  call.Cancel();
  EXPECT_EQ(runs, 1);
}

}  // namespace
}  // namespace ragmesh
