#include "libs/answer/generated_text.h"

#include <gtest/gtest.h>

namespace ragmesh::answer {
namespace {

TEST(GeneratedTextTest, MarksAreTakenOut) {
  EXPECT_EQ(WithoutMarks("It is so [1]. And so [2, 3]"), "It is so . And so ");
  EXPECT_EQ(WithoutMarks("a[i] [x1] [ ["), "a[i] [x1] [ [");
}

void ExpectVerdict(absl::string_view text, absl::string_view verdict, absl::string_view claim) {
  const Verdict split = SplitVerdict(text);
  EXPECT_EQ(split.verdict, verdict) << text;
  EXPECT_EQ(split.claim, claim) << text;
}

TEST(GeneratedTextTest, AVerdictIsSplitOff) {
  ExpectVerdict("Yes, it is.", "Yes", "it is.");
  ExpectVerdict("no. It is not.", "No", "It is not.");
  ExpectVerdict("No - it is not.", "No", "it is not.");
  ExpectVerdict("Yes", "Yes", "");
}

TEST(GeneratedTextTest, AWordThatBeginsLikeAVerdictIsNone) {
  for (const char* text :
       {"Nobody came.", "No-one came.", "No pump runs.", "Yesterday it ran.", "It is.", ""}) {
    ExpectVerdict(text, "", text);
  }
}

}  // namespace
}  // namespace ragmesh::answer
