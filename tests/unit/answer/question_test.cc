#include "libs/answer/question.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace ragmesh::answer {
namespace {

std::string Short(const std::string& question, const std::string& text) {
  stages::StoredChunk chunk;
  chunk.chunk.text = text;
  chunk.chunk.range = {0, text.size()};
  const Evidence evidence(question, std::vector<stages::StoredChunk>{chunk});
  return ShortAnswer(question, evidence.sentences()[0], evidence);
}

TEST(QuestionTest, KindsAreToldByTheirWords) {
  EXPECT_EQ(KindOf("Was Lincoln the sixteenth President?"), QuestionKind::kYesNo);
  EXPECT_EQ(KindOf("Is it red or blue?"), QuestionKind::kOther);
  EXPECT_EQ(KindOf("Who led the team?"), QuestionKind::kPerson);
  EXPECT_EQ(KindOf("In what year did Tesla die?"), QuestionKind::kTime);
  EXPECT_EQ(KindOf("How many points?"), QuestionKind::kCount);
  EXPECT_EQ(KindOf("Where is it?"), QuestionKind::kPlace);
  EXPECT_EQ(KindOf(""), QuestionKind::kOther);
}

TEST(QuestionTest, ShortAnswersStandInTheSentence) {
  EXPECT_EQ(Short("When did Tesla die?", "Tesla died on 7 January 1943."), "7 January 1943");
  EXPECT_EQ(Short("What year did Tesla die?", "Tesla died on 7 January 1943."), "1943");
  EXPECT_EQ(Short("How many points did the Panthers defense surrender?",
                  "The Panthers defense gave up just 308 points, ranking sixth."),
            "308");
  EXPECT_EQ(Short("Who led the Panthers in sacks?",
                  "Defensive tackle Kawann Short led the Panthers in sacks."),
            "Kawann Short");
  EXPECT_EQ(
      Short("Where was the Summer Theatre located?", "The Summer Theatre was in the Saxon Garden."),
      "Saxon Garden");
}

TEST(QuestionTest, YesAndNoFollowTheSentence) {
  const std::string sixteenth = "Abraham Lincoln was the sixteenth President of the United States.";
  EXPECT_EQ(Short("Was Abraham Lincoln the sixteenth President of the United States?", sixteenth),
            "Yes");
  EXPECT_EQ(Short("Was Abraham Lincoln the fifteenth President of the United States?", sixteenth),
            "No");
  EXPECT_EQ(Short("Did Tesla marry?", "Tesla did not marry."), "No");
  EXPECT_EQ(Short("Did Tesla own a telescope and a ship?", "Tesla died in 1943."), "");
}

TEST(QuestionTest, AFollowUpIsReadWithTheTurnBefore) {
  const std::vector<Turn> history = {
      {"Who was Nikola Tesla?", "Nikola Tesla was an inventor. He lived in New York."}};
  EXPECT_EQ(RetrievalQuery("When did he die?", history),
            "Who was Nikola Tesla? Nikola Tesla was an inventor. When did he die?");
  EXPECT_EQ(RetrievalQuery("How many points did the Panthers defense surrender?", history),
            "How many points did the Panthers defense surrender?");
  EXPECT_LE(
      RetrievalQuery(std::string(4000, 'x'), {{std::string(5000, 'y'), std::string(5000, 'z')}})
          .size(),
      4096u);
}

}  // namespace
}  // namespace ragmesh::answer
