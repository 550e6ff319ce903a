#include "libs/generation/text_assembler.h"

#include <gmock/gmock.h>

namespace ragmesh::generation {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(TextAssemblerTest, HoldsBackAnUnfinishedCharacter) {
  TextAssembler assembler({});
  EXPECT_EQ(assembler.Add(1, "a\xE2\x82").text, "a");
  const auto event = assembler.Add(2, "\xAC!");
  EXPECT_EQ(event.text, "\xE2\x82\xAC!");
  EXPECT_THAT(event.token_ids, ElementsAre(1, 2));
}

TEST(TextAssemblerTest, ShowsBytesThatCannotBecomeACharacterAsReplacement) {
  TextAssembler assembler({});
  EXPECT_EQ(assembler
                .Add(1,
                     "\xFF"
                     "b")
                .text,
            "\xEF\xBF\xBD"
            "b");
  EXPECT_EQ(assembler.Add(2, "\xE2\x82").text, "");
  EXPECT_EQ(assembler.Add(3, "x").text, "\xEF\xBF\xBDx");
  EXPECT_EQ(assembler.Add(4, "\xF0\x9F").text, "");
  EXPECT_EQ(assembler.Finish().text, "\xEF\xBF\xBD");
}

TEST(TextAssemblerTest, FindsAStopStringThatSpansTokens) {
  TextAssembler assembler({"END"});
  EXPECT_EQ(assembler.Add(1, "some E").text, "some ");
  EXPECT_EQ(assembler.Add(2, "N").text, "");
  const auto event = assembler.Add(3, "D more");
  EXPECT_EQ(event.text, "");
  EXPECT_TRUE(assembler.stopped());
  EXPECT_EQ(assembler.stop_sequence(), "END");
}

TEST(TextAssemblerTest, ReleasesWhatOnlyLookedLikeAStopString) {
  TextAssembler assembler({"ENDING"});
  EXPECT_EQ(assembler.Add(1, "END").text, "");
  const auto event = assembler.Add(2, "E!");
  EXPECT_EQ(event.text, "ENDE!");
  EXPECT_THAT(event.token_ids, ElementsAre(1, 2));
}

TEST(TextAssemblerTest, TheEarliestStopStringWinsAndTheLongerAmongEqualStarts) {
  TextAssembler assembler({"cd", "b", "bc"});
  EXPECT_EQ(assembler.Add(1, "abcd").text, "a");
  EXPECT_EQ(assembler.stop_sequence(), "bc");
}

TEST(TextAssemblerTest, GivesBackWhatIsHeldAtTheEnd) {
  TextAssembler assembler({"stop"});
  EXPECT_THAT(assembler.Add(7, "st").token_ids, IsEmpty());
  const auto event = assembler.Finish();
  EXPECT_EQ(event.text, "st");
  EXPECT_THAT(event.token_ids, ElementsAre(7));
}

TEST(TextAssemblerTest, DropsOneSpaceOfTheFirstTextOnly) {
  TextAssembler assembler({}, /*drops_first_space=*/true);
  EXPECT_EQ(assembler.Add(1, "").text, "");  // a control token prints nothing
  EXPECT_EQ(assembler.Add(2, "  a").text, " a");
  EXPECT_EQ(assembler.Add(3, " b").text, " b");

  TextAssembler whole({}, /*drops_first_space=*/true);
  EXPECT_EQ(whole.Add(1, " ").text, "");
  EXPECT_EQ(whole.Add(2, " a").text, " a");

  TextAssembler none({}, /*drops_first_space=*/true);
  EXPECT_EQ(none.Add(1, "a").text, "a");
  EXPECT_EQ(none.Add(2, " b").text, " b");
}

}  // namespace
}  // namespace ragmesh::generation
