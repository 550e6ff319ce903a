#include "libs/remote_generation/health_watch.h"

#include <vector>

#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/error.h"
#include "libs/testing/status_matchers.h"

namespace ragmesh::remote_generation {
namespace {

using ragmesh::testing::HasReason;
using ragmesh::testing::IsOk;
using ::testing::Not;

const absl::Status kDown = Unavailable("REMOTE_FAILED", "down");

// A server that is well or not, and counts its probes.
class HealthWatchTest : public ::testing::Test {
 protected:
  HealthWatch::Options Options(absl::Duration interval, absl::Duration backoff) {
    return {.interval = interval,
            .timeout = absl::Seconds(10),
            .min_backoff = backoff,
            .max_backoff = backoff};
  }
  HealthWatch::Probe Probe() {
    return [this](const CallContext&) {
      absl::MutexLock lock(&mutex_);
      ++probes_;
      last_probe_ = absl::Now();
      return server_;
    };
  }
  void Be(const absl::Status& server) {
    absl::MutexLock lock(&mutex_);
    server_ = server;
  }
  // Waits until `count` probes were made.
  void AwaitProbes(int count) {
    absl::MutexLock lock(&mutex_);
    const auto made = [&] { return probes_ >= count; };
    mutex_.Await(absl::Condition(&made));
  }
  int probes() {
    absl::MutexLock lock(&mutex_);
    return probes_;
  }

  absl::Time last_probe() {
    absl::MutexLock lock(&mutex_);
    return last_probe_;
  }

  absl::Mutex mutex_;
  absl::Status server_;
  absl::Time last_probe_;
  int probes_ = 0;
  const CallContext call_{absl::InfiniteFuture()};
};

TEST_F(HealthWatchTest, IsOpenBeforeTheFirstProbe) {
  HealthWatch watch(Options(absl::Hours(1), absl::Hours(1)), Probe(), nullptr);
  EXPECT_THAT(watch.status(), HasReason("REMOTE_NOT_PROBED"));
}

TEST_F(HealthWatchTest, StartTellsHowTheServerIs) {
  HealthWatch watch(Options(absl::Hours(1), absl::Hours(1)), Probe(), nullptr);
  EXPECT_THAT(watch.Start(call_), IsOk());
  EXPECT_THAT(watch.status(), IsOk());
  Be(kDown);
  HealthWatch other(Options(absl::Hours(1), absl::Hours(1)), Probe(), nullptr);
  EXPECT_THAT(other.Start(call_), HasReason("REMOTE_FAILED"));
  EXPECT_THAT(other.status(), HasReason("REMOTE_FAILED"));
}

TEST_F(HealthWatchTest, ProbesAgainAndAgain) {
  HealthWatch watch(Options(absl::Milliseconds(1), absl::Milliseconds(1)), Probe(), nullptr);
  RAGMESH_ASSERT_OK(watch.Start(call_));
  AwaitProbes(4);
  Be(kDown);
  AwaitProbes(probes() + 4);
  EXPECT_THAT(watch.status(), Not(IsOk()));
}

TEST_F(HealthWatchTest, AReportedFailureOpensAndTheProbeThatFollowsCloses) {
  absl::Notification closed;
  int told = 0;
  HealthWatch watch(Options(absl::Hours(1), absl::Hours(1)), Probe(),
                    [&](const absl::Status& status) {
                      if (++told == 2 && status.ok()) closed.Notify();
                    });
  RAGMESH_ASSERT_OK(watch.Start(call_));
  watch.ReportFailure(kDown);
  closed.WaitForNotification();
  EXPECT_THAT(watch.status(), IsOk());
  EXPECT_EQ(probes(), 2);
}

TEST_F(HealthWatchTest, FailuresWhileOpenBringNoMoreProbes) {
  HealthWatch watch(Options(absl::Hours(1), absl::Hours(1)), Probe(), nullptr);
  Be(kDown);
  EXPECT_THAT(watch.Start(call_), Not(IsOk()));
  for (int i = 0; i < 100; ++i) watch.ReportFailure(kDown);
  EXPECT_EQ(probes(), 1);
}

TEST_F(HealthWatchTest, ACallThatSucceedsPutsTheProbeOff) {
  constexpr absl::Duration kInterval = absl::Milliseconds(500);
  HealthWatch watch(Options(kInterval, absl::Hours(1)), Probe(), nullptr);
  RAGMESH_ASSERT_OK(watch.Start(call_));
  absl::SleepFor(absl::Milliseconds(100));
  const absl::Time succeeded = absl::Now();
  watch.ReportSuccess();
  if (probes() > 1) GTEST_SKIP() << "the machine is too busy to report within the interval";
  AwaitProbes(2);
  EXPECT_GE(last_probe(), succeeded + kInterval);
}

TEST_F(HealthWatchTest, AProbeThatTakesTooLongIsAFailure) {
  const auto hang = [](const CallContext& call) {
    absl::SleepFor(call.Remaining());
    return call.Check();
  };
  HealthWatch::Options options = Options(absl::Hours(1), absl::Hours(1));
  options.timeout = absl::Milliseconds(10);
  HealthWatch watch(options, hang, nullptr);
  EXPECT_THAT(watch.Start(call_), HasReason("REMOTE_SLOW"));
}

TEST_F(HealthWatchTest, EndsInTheMiddleOfAProbe) {
  absl::Notification probing;
  bool first = true;
  const auto hang = [&](const CallContext& call) {
    if (std::exchange(first, false)) return absl::OkStatus();
    absl::Notification cancelled;
    const auto registration = call.OnCancel([&] { cancelled.Notify(); });
    probing.Notify();
    cancelled.WaitForNotification();
    return absl::CancelledError("ended");
  };
  HealthWatch watch(Options(absl::Hours(1), absl::Hours(1)), hang, nullptr);
  RAGMESH_ASSERT_OK(watch.Start(call_));
  watch.ReportFailure(kDown);
  probing.WaitForNotification();
}

}  // namespace
}  // namespace ragmesh::remote_generation
