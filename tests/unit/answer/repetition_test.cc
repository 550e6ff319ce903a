#include "libs/answer/repetition.h"

#include <gtest/gtest.h>

#include <string>

namespace ragmesh::answer {
namespace {

std::string Times(int count, const std::string& piece) {
  std::string text;
  for (int i = 0; i < count; ++i) text += piece;
  return text;
}

TEST(RepetitionTest, SeesAPhraseWrittenOverAndOver) {
  EXPECT_TRUE(EndsInLoop("The gateway is a " + Times(4, "collection of a ")));
  EXPECT_TRUE(EndsInLoop("It runs " + Times(3, "on many machines, and ") + "on ma"));
}

TEST(RepetitionTest, LetsPlainTextPass) {
  EXPECT_FALSE(EndsInLoop("The seal of pump P-17 is replaced every 18 months by two technicians."));
  EXPECT_FALSE(EndsInLoop("He said no, no, no."));
  EXPECT_FALSE(EndsInLoop("It does and it does and then it ends."));
}

TEST(RepetitionTest, AsksForThreeTimes) {
  const std::string piece = "a sentence of more than forty-eight bytes, which is long. ";
  EXPECT_FALSE(EndsInLoop(Times(2, piece)));
  EXPECT_TRUE(EndsInLoop(Times(3, piece)));
}

TEST(RepetitionTest, NoTextIsNoLoop) { EXPECT_FALSE(EndsInLoop("")); }

}  // namespace
}  // namespace ragmesh::answer
