#include "bench/datasets/answer_metrics.h"

#include <gtest/gtest.h>

namespace ragmesh::bench {
namespace {

TEST(AnswerMetricsTest, NormalisationDropsCasePunctuationAndArticles) {
  EXPECT_EQ(NormaliseAnswer("  The  Answer, is: 42! "), "answer is 42");
}

TEST(AnswerMetricsTest, ExactMatchTakesTheBestAcceptedAnswer) {
  EXPECT_TRUE(ExactMatch("Yes.", {"no", "yes"}));
  EXPECT_FALSE(ExactMatch("Yes, it is", {"yes"}));
}

TEST(AnswerMetricsTest, F1CountsCommonTokensWithMultiplicity) {
  EXPECT_DOUBLE_EQ(TokenF1("in Paris", {"Paris"}), 2.0 * 1 / 3);
  EXPECT_DOUBLE_EQ(TokenF1("b b b", {"b"}), 0.5);
  EXPECT_DOUBLE_EQ(TokenF1("", {"b"}), 0);
}

TEST(AnswerMetricsTest, RecallAsksOnlyWhatOfTheTruthIsThere) {
  EXPECT_DOUBLE_EQ(TokenRecall("it was born in Paris, France", {"Paris"}), 1);
  EXPECT_DOUBLE_EQ(TokenRecall("Lyon", {"Paris"}), 0);
}

}  // namespace
}  // namespace ragmesh::bench
