#include "libs/log/logger.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_split.h"
#include "libs/base/scoped_fd.h"
#include "libs/testing/fake_clock.h"
#include "libs/testing/status_matchers.h"

namespace ragmesh::log {
namespace {

using ::ragmesh::testing::FakeClock;
using ::ragmesh::testing::IsOkAndHolds;
using ::ragmesh::testing::StatusIs;

class LoggerTest : public ::testing::Test {
 protected:
  LoggerTest() {
    int fds[2];
    EXPECT_EQ(::pipe(fds), 0);
    read_ = ScopedFd(fds[0]);
    write_ = ScopedFd(fds[1]);
  }

  Logger Make(Level level = Level::kInfo) {
    return Logger({.stage = "embedder", .level = level, .fd = write_.get()}, clock_);
  }

  // Everything written, one parsed object per line; fails on a line that is not JSON.
  std::vector<nlohmann::json> Lines() {
    write_.reset();
    std::string all;
    char buffer[4096];
    for (ssize_t n; (n = ::read(read_.get(), buffer, sizeof(buffer))) > 0;) all.append(buffer, n);
    std::vector<nlohmann::json> lines;
    for (absl::string_view line : absl::StrSplit(all, '\n', absl::SkipEmpty())) {
      lines.push_back(nlohmann::json::parse(std::string(line)));
    }
    return lines;
  }

  FakeClock clock_;
  ScopedFd read_, write_;
};

TEST_F(LoggerTest, WritesOneJsonObjectPerEvent) {
  Make().Write(
      Level::kWarning, "call", "4bf92f3577b34da6a3ce929d0e0e4736",
      {{"method", "Embed"}, {"texts", 3}, {"ok", true}, {"wait", absl::Milliseconds(1500)}});
  const auto lines = Lines();
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_EQ(lines[0], nlohmann::json({{"ts", "2023-11-14T22:13:20.000000Z"},
                                      {"level", "warning"},
                                      {"event", "call"},
                                      {"stage", "embedder"},
                                      {"trace_id", "4bf92f3577b34da6a3ce929d0e0e4736"},
                                      {"method", "Embed"},
                                      {"texts", 3},
                                      {"ok", true},
                                      {"wait", 1.5}}));
}

TEST_F(LoggerTest, LeavesOutWhatIsBelowTheLevel) {
  Logger logger = Logger({.stage = "s", .level = Level::kWarning, .fd = write_.get()}, clock_);
  logger.Info("quiet", {});
  logger.Error("loud", {});
  const auto lines = Lines();
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_EQ(lines[0]["event"], "loud");
}

TEST_F(LoggerTest, StaysJsonWhateverTheValuesHold) {
  Make().Info("odd \"event\"\n", {{"quote", "a\"b\\c\n\x01"},
                                  {"broken", std::string("\xC3(\xED\xA0\x80\xF5")},
                                  {"good", "é€😀"},
                                  {"nan", std::nan("")}});
  const auto lines = Lines();
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_EQ(lines[0]["quote"], "a\"b\\c\n\x01");
  EXPECT_EQ(lines[0]["good"], "é€😀");
  EXPECT_TRUE(lines[0]["nan"].is_null());
}

TEST_F(LoggerTest, CutsALineThatIsTooLongAndSaysSo) {
  Make().Info("big", {{"first", 1}, {"huge", std::string(100'000, 'x')}, {"last", 2}});
  const auto lines = Lines();
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_EQ(lines[0]["first"], 1);
  EXPECT_EQ(lines[0]["truncated"], true);
  EXPECT_FALSE(lines[0].contains("huge"));
}

TEST_F(LoggerTest, KeepsLinesWholeUnderConcurrency) {
  Logger logger({.stage = "s", .fd = write_.get()}, clock_);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&logger, t] {
      for (int i = 0; i < 50; ++i) logger.Info("e", {{"thread", t}, {"i", i}});
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(Lines().size(), 200u);
}

TEST(LevelTest, ParsesNamesAndRefusesOthers) {
  EXPECT_THAT(ParseLevel("debug"), IsOkAndHolds(Level::kDebug));
  EXPECT_THAT(ParseLevel("verbose"), StatusIs(absl::StatusCode::kInvalidArgument));
}

}  // namespace
}  // namespace ragmesh::log
