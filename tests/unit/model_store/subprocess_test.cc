#include "libs/model_store/subprocess.h"

#include <gtest/gtest.h>

#include "libs/testing/status_matchers.h"

namespace ragmesh::model_store {
namespace {

using ::ragmesh::testing::StatusIs;

class SubprocessTest : public ::testing::Test {
 protected:
  CallContext call_{absl::InfiniteFuture()};
};

TEST_F(SubprocessTest, GivesExitCodeAndBothOutputs) {
  RAGMESH_ASSERT_OK_AND_ASSIGN(
      const auto result,
      RunSubprocess({"sh", "-c", "echo out; echo err >&2; exit 3"}, {}, nullptr, call_));
  EXPECT_EQ(result.exit_code, 3);
  EXPECT_EQ(result.output_tail, "out\nerr\n");
}

TEST_F(SubprocessTest, KeepsOnlyTheEndOfALongOutput) {
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto result,
                               RunSubprocess({"seq", "100000"}, {}, nullptr, call_));
  EXPECT_EQ(result.output_tail.size(), 8192u);
  EXPECT_TRUE(result.output_tail.ends_with("\n99999\n100000\n"));
}

TEST_F(SubprocessTest, AddsToTheEnvironment) {
  RAGMESH_ASSERT_OK_AND_ASSIGN(
      const auto result,
      RunSubprocess({"sh", "-c", "echo $GREETING"}, {{"GREETING", "hello"}}, nullptr, call_));
  EXPECT_EQ(result.output_tail, "hello\n");
}

TEST_F(SubprocessTest, EndOfTheCallKillsTheProgramAndItsChildren) {
  const CallContext call(absl::InfiniteFuture());
  EXPECT_THAT(RunSubprocess(
                  {"sh", "-c", "sleep 600 & sleep 600"}, {}, [&] { call.Cancel(); }, call),
              StatusIs(absl::StatusCode::kCancelled));
}

TEST_F(SubprocessTest, AbsentProgramIsNotFound) {
  EXPECT_THAT(RunSubprocess({"no-such-program"}, {}, nullptr, call_),
              StatusIs(absl::StatusCode::kNotFound));
}

}  // namespace
}  // namespace ragmesh::model_store
