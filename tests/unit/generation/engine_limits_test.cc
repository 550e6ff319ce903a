// What an engine does for calls that do not read, or have too little time.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "absl/time/clock.h"
#include "libs/base/error.h"
#include "libs/testing/fake_clock.h"
#include "libs/testing/status_matchers.h"
#include "tests/unit/generation/engine_fixture.h"

namespace ragmesh::generation {
namespace {

using testing::HasReason;

using EngineLimitsTest = EngineTest;

TEST_F(EngineLimitsTest, AStreamThatIsNeverReadEndsAndItsMemoryGoesToOthers) {
  Engine::Options options = Plain();
  options.max_unread = 8;
  options.longest_pause = absl::Milliseconds(20);
  Make(options);
  options.kv_bytes = 16 * block_bytes_;  // 512 positions: both together do not fit
  auto engine = Make(options);
  auto unread = *engine->Submit(Asks(1, 300, 100), CallContext(absl::InfiniteFuture()));
  EXPECT_EQ(Ask(*engine, Asks(2, 300, 200)).tokens.size(), 200u);
  while (engine->running() > 0) std::this_thread::yield();
  // What had been written until then is there, and then why there is no more.
  for (int i = 0; i < 8; ++i) EXPECT_TRUE(unread->Next()->has_value());
  EXPECT_THAT(unread->Next(), HasReason("SLOW_READER"));
}

TEST_F(EngineLimitsTest, AReaderThatIsSlowButReadsKeepsItsStream) {
  Engine::Options options = Plain();
  options.max_unread = 2;
  options.longest_pause = absl::Milliseconds(500);
  auto engine = Make(options);
  auto stream = *engine->Submit(Asks(1, 10, 40), CallContext(absl::InfiniteFuture()));
  while (engine->running() > 0 && stream->Next().ok()) std::this_thread::yield();
  EXPECT_EQ(Ask(*engine, Asks(1, 10, 40)).tokens.size(), 40u);
}

class EngineDeadlineTest : public EngineTest {
 protected:
  // A call with so much time left for ever.
  CallContext Call(absl::Duration remaining) {
    return CallContext(clock_.Now() + remaining, "", clock_);
  }
  testing::FakeClock clock_{absl::Now() + absl::Hours(1)};
};

TEST_F(EngineDeadlineTest, APromptThatCannotBeReadInTimeIsRefusedWithCounts) {
  auto engine = Make(Plain());
  const Engine::Request request = Asks(1, 1500, 2);
  auto early = *engine->Submit(request, Call(absl::Nanoseconds(50)));
  EXPECT_EQ(Read(*early).tokens.size(), 2u) << "nothing is known of the pace yet";
  auto late = *engine->Submit(request, Call(absl::Nanoseconds(50)));
  const absl::Status refused = late->Next().status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(refused, HasReason("DEADLINE_TOO_SHORT"));
  EXPECT_EQ(GetErrorDetail(refused)->metadata.at("waiting_ms"), "0");
  EXPECT_EQ(GetErrorDetail(refused)->metadata.at("remaining_ms"), "0");
  auto relaxed = *engine->Submit(request, Call(absl::Minutes(10)));
  EXPECT_EQ(Read(*relaxed).tokens.size(), 2u);
}

TEST_F(EngineDeadlineTest, WhatIsKeptOfAPromptTakesNoTime) {
  Engine::Options options = Plain();
  options.keep_prompts = true;
  auto engine = Make(options);
  const Engine::Request request = Asks(1, 1500, 2);
  // Enough for the 28 tokens that are left of it, and not for 1,500.
  const absl::Duration fifth = absl::Seconds(Ask(*engine, request).outcome.prefill_seconds / 5);
  auto again = *engine->Submit(request, Call(fifth));
  EXPECT_EQ(Read(*again).tokens.size(), 2u);
  auto other = *engine->Submit(Asks(2, 1500, 2), Call(fifth));
  EXPECT_THAT(other->Next().status(), HasReason("DEADLINE_TOO_SHORT"));
}

}  // namespace
}  // namespace ragmesh::generation
