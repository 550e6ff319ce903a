#include "libs/generation/schedule.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "libs/base/error.h"
#include "libs/testing/fake_clock.h"
#include "libs/testing/status_matchers.h"

namespace ragmesh::generation {
namespace {

using testing::HasReason;

class ScheduleTest : public ::testing::Test {
 protected:
  StreamPtr Stream(absl::Duration remaining, const std::string& tenant = "") {
    Engine::Request request;
    request.prompt = {1, 2, 3};
    request.tenant = tenant;
    const CallContext call(clock_.Now() + remaining, "", clock_);
    return std::make_shared<StreamState>(request, call, memory_.pool.get());
  }
  // So many streams that run, and last for so long.
  void Occupy(std::size_t streams, absl::Duration each) {
    for (std::size_t i = 0; i < streams; ++i)
      RAGMESH_ASSERT_OK(schedule_.Add(Stream(absl::Hours(1))));
    schedule_.Admit(memory_);
    ASSERT_EQ(schedule_.running().size(), streams);
    schedule_.pace().LearnStream(each);
  }

  testing::FakeClock clock_;
  KvMemory memory_{*KvPool::Create({.layers = 1, .heads = 1, .head_dim = 32}, 1 << 20), 0.5,
                   nullptr};
  Schedule schedule_{2, 3};
};

TEST_F(ScheduleTest, AFullQueueSaysWhenAPlaceIsLikelyToBeFree) {
  Occupy(2, absl::Seconds(8));
  for (int i = 0; i < 3; ++i) RAGMESH_ASSERT_OK(schedule_.Add(Stream(absl::Hours(1))));
  const absl::Status refused = schedule_.Add(Stream(absl::Hours(1)));
  EXPECT_THAT(refused, HasReason("QUEUE_FULL"));
  EXPECT_EQ(GetErrorDetail(refused)->retry_after, absl::Seconds(2));
}

TEST_F(ScheduleTest, ACallThatWouldEndWhileItWaitsIsRefusedAtOnce) {
  Occupy(2, absl::Seconds(8));
  RAGMESH_EXPECT_OK(schedule_.Add(Stream(absl::Seconds(4))));
  const absl::Status refused = schedule_.Add(Stream(absl::Milliseconds(500)));
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(refused, HasReason("DEADLINE_TOO_SHORT"));
  const auto detail = GetErrorDetail(refused);
  EXPECT_EQ(detail->retry_after, absl::Seconds(2));
  EXPECT_EQ(detail->metadata.at("waiting_ms"), "2000");
  EXPECT_EQ(detail->metadata.at("remaining_ms"), "500");
  EXPECT_EQ(schedule_.waiting().size(), 1u);
}

TEST_F(ScheduleTest, OnlyThoseThatGoFirstForCertainCountAsAhead) {
  Occupy(2, absl::Seconds(8));
  RAGMESH_ASSERT_OK(schedule_.Add(Stream(absl::Seconds(2), "one")));
  // Behind it the wait is some 6 s, and it goes first only for its own tenant.
  RAGMESH_EXPECT_OK(schedule_.Add(Stream(absl::Seconds(2), "two")));
  EXPECT_THAT(schedule_.Add(Stream(absl::Seconds(2), "one")), HasReason("DEADLINE_TOO_SHORT"));
}

TEST_F(ScheduleTest, NobodyIsRefusedBeforeAnyStreamHasEnded) {
  RAGMESH_ASSERT_OK(schedule_.Add(Stream(absl::Hours(1))));
  RAGMESH_ASSERT_OK(schedule_.Add(Stream(absl::Hours(1))));
  schedule_.Admit(memory_);
  RAGMESH_EXPECT_OK(schedule_.Add(Stream(absl::Milliseconds(1))));
}

TEST(PaceTest, APromptThatAloneTakesTooLongIsNotToBeRetried) {
  RAGMESH_EXPECT_OK(CheckInTime(absl::Seconds(1), absl::Seconds(2), absl::Seconds(2)));
  const absl::Status alone = CheckInTime(absl::ZeroDuration(), absl::Seconds(5), absl::Seconds(2));
  EXPECT_THAT(alone, HasReason("DEADLINE_TOO_SHORT"));
  EXPECT_EQ(GetErrorDetail(alone)->retry_after, std::nullopt);
  EXPECT_EQ(GetErrorDetail(alone)->metadata.at("reading_ms"), "5000");
  const absl::Status behind = CheckInTime(absl::Seconds(3), absl::Seconds(2), absl::Seconds(2));
  EXPECT_EQ(GetErrorDetail(behind)->retry_after, absl::Seconds(3));
}

TEST(PaceTest, MeansFollowWhatWasSeenLately) {
  Pace pace;
  EXPECT_EQ(pace.Reading(1000), absl::ZeroDuration());
  pace.LearnPass(100, absl::Milliseconds(100));
  EXPECT_EQ(pace.Reading(1000), absl::Seconds(1));
  for (int i = 0; i < 30; ++i) pace.LearnPass(100, absl::Milliseconds(300));
  EXPECT_NEAR(absl::ToDoubleSeconds(pace.Reading(1000)), 3, 0.01);
}

TEST(PaceTest, WhatWasSeenLongAgoTellsNothing) {
  testing::FakeClock clock;
  Pace pace(clock);
  pace.LearnPass(100, absl::Hours(1));  // the machine slept
  pace.LearnStream(absl::Seconds(4));
  clock.Advance(absl::Seconds(11));
  EXPECT_EQ(pace.Reading(1000), absl::ZeroDuration());
  EXPECT_EQ(pace.Waiting(0, 2), absl::Seconds(1));
  pace.LearnPass(100, absl::Milliseconds(100));
  EXPECT_EQ(pace.Reading(1000), absl::Seconds(1));
  clock.Advance(absl::Seconds(61));
  EXPECT_EQ(pace.Waiting(0, 2), absl::ZeroDuration());
}

}  // namespace
}  // namespace ragmesh::generation
