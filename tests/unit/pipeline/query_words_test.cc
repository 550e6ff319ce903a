#include "libs/pipeline/query_words.h"

#include "gtest/gtest.h"

namespace ragmesh::pipeline {
namespace {

TEST(QueryWordsTest, SignsGoAndWhatIsExcludedWithThem) {
  EXPECT_EQ(WordsOf("how often is the seal replaced?"), "how often is the seal replaced?");
  EXPECT_EQ(WordsOf("+pump -\"oil seal\" \"every  year\" valv* -hall"), "pump every year valv");
  EXPECT_EQ(WordsOf("a\"b c\"d"), "a b c d");
  EXPECT_EQ(WordsOf("well-known 3+4"), "well-known 3+4");  // signs inside of words are text
  EXPECT_EQ(WordsOf("\tпомпа  +\"годовая замена\"\n"), "помпа годовая замена");
}

// The store refuses these; until it does they are read somehow.
TEST(QueryWordsTest, WhatIsWrongIsReadSomehow) {
  EXPECT_EQ(WordsOf("\"open phrase"), "open phrase");
  EXPECT_EQ(WordsOf("-all -excluded"), "-all -excluded");
  EXPECT_EQ(WordsOf("+ * \"\""), "+ * \"\"");
  EXPECT_EQ(WordsOf(""), "");
  EXPECT_EQ(WordsOf("-\""), "-\"");
}

}  // namespace
}  // namespace ragmesh::pipeline
