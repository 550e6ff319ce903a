#include "libs/pipeline/backoff.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "libs/base/error.h"
#include "libs/testing/status_matchers.h"

namespace ragmesh::pipeline {
namespace {

using ::ragmesh::testing::StatusIs;

const BackoffOptions kQuick{absl::Microseconds(10), absl::Microseconds(40),
                            absl::Microseconds(200)};

TEST(BackoffTest, GivesUpWithTheLastErrorWhenWaitsAreUsedUp) {
  int attempts = 0, told = 0;
  const CallContext call(absl::InfiniteFuture());
  const absl::Status status = RetryWithBackoff(
      kQuick, [&] { return ++attempts, Unavailable("STAGE_UNREACHABLE", "down"); },
      [&](const absl::Status&) { ++told; }, call);
  EXPECT_THAT(status, testing::HasReason("STAGE_UNREACHABLE"));
  EXPECT_EQ(attempts, told + 1);
  EXPECT_EQ(attempts, 8);  // waits of 10, 20, 40, 40, 40, 40 and 10 us
}

TEST(BackoffTest, DoesNotRepeatWhatCannotRecover) {
  int attempts = 0;
  const CallContext call(absl::InfiniteFuture());
  const absl::Status status = RetryWithBackoff(
      kQuick, [&] { return ++attempts, InvalidField("x", "is bad"); }, [](const absl::Status&) {},
      call);
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_EQ(attempts, 1);
}

TEST(BackoffTest, CancellationEndsAWaitAtOnce) {
  const CallContext call(absl::InfiniteFuture());
  const BackoffOptions slow{absl::Hours(1), absl::Hours(1), absl::Hours(2)};
  const absl::Status status = RetryWithBackoff(
      slow, [] { return Unavailable("X", "down"); }, [&](const absl::Status&) { call.Cancel(); },
      call);
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kCancelled));
}

}  // namespace
}  // namespace ragmesh::pipeline
