#include "libs/base/error.h"

#include <gtest/gtest.h>

#include "libs/testing/status_matchers.h"

namespace ragmesh {
namespace {

using testing::HasReason;
using testing::StatusIs;

TEST(ErrorTest, InvalidFieldNamesFieldProblemAndNextStep) {
  const absl::Status status = InvalidField("query", "must not be empty", "Send at least one word.");
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument, "query must not be empty"));
  const auto detail = GetErrorDetail(status);
  ASSERT_TRUE(detail.has_value());
  EXPECT_EQ(detail->reason, "INVALID_FIELD");
  EXPECT_EQ(detail->field, "query");
  EXPECT_EQ(detail->next_step, "Send at least one word.");
  EXPECT_FALSE(detail->retry_after.has_value());
}

TEST(ErrorTest, NotFoundMakesItsReasonFromTheKind) {
  EXPECT_THAT(NotFound("vector store", "x"), HasReason("VECTOR_STORE_NOT_FOUND"));
}

TEST(ErrorTest, QueueFullSaysWhenToRetry) {
  const auto detail = GetErrorDetail(QueueFull(absl::Milliseconds(50)));
  ASSERT_TRUE(detail.has_value());
  EXPECT_EQ(detail->retry_after, absl::Milliseconds(50));
}

TEST(ErrorTest, AnnotateKeepsCodeAndDetail) {
  const absl::Status status = Annotate(LimitExceeded("body", 11, 10, "bytes"), "document 3");
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kResourceExhausted,
                               "document 3: body is 11 bytes, the limit is 10"));
  EXPECT_EQ(GetErrorDetail(status)->metadata.at("limit"), "10");
}

TEST(ErrorTest, DetailSurvivesAwkwardBytes) {
  const std::string odd("a:1\0b", 5);
  const absl::Status status =
      MakeError(absl::StatusCode::kInternal, "m",
                {.reason = "R", .field = odd, .metadata = {{odd, "9:"}, {"", ""}}});
  const auto detail = GetErrorDetail(status);
  ASSERT_TRUE(detail.has_value());
  EXPECT_EQ(detail->field, odd);
  EXPECT_EQ(detail->metadata, (std::map<std::string, std::string>{{odd, "9:"}, {"", ""}}));
}

TEST(ErrorTest, APlainStatusHasNoDetail) {
  EXPECT_FALSE(GetErrorDetail(absl::InternalError("x")).has_value());
}

}  // namespace
}  // namespace ragmesh
