#include "libs/text/special_tokens.h"

#include <gtest/gtest.h>

namespace ragmesh::text {
namespace {

using Kind = TokenKind;

class SpecialTokensTest : public ::testing::Test {
 protected:
  // The spelling that is found at the front, "-" for none.
  std::string Found(absl::string_view text, absl::string_view foreign = "",
                    bool all_foreign = false) const {
    const auto match = specials_.MatchAt(text, 0, foreign, all_foreign);
    if (!match.has_value()) return "-";
    EXPECT_EQ(spellings_[match->id].size(), match->size);
    return spellings_[match->id];
  }

  const std::string long_spelling_ = std::string(SpecialTokens::kMaxSpelling + 1, 'x');
  const std::vector<std::string> spellings_ = {"<a>", "<a",  "<a>b",        "",    "plain",
                                               "  ",  "   ", "ü",           "h1:", "<a>",
                                               "\n1", "end", long_spelling_};
  const std::vector<Kind> kinds_ = {Kind::kControl,     Kind::kUserDefined, Kind::kControl,
                                    Kind::kControl,     Kind::kNormal,      Kind::kUserDefined,
                                    Kind::kUserDefined, Kind::kUserDefined, Kind::kUserDefined,
                                    Kind::kControl,     Kind::kUserDefined, Kind::kControl,
                                    Kind::kControl};
  const SpecialTokens specials_{spellings_, kinds_};
};

TEST_F(SpecialTokensTest, TheLongestIsFound) {
  EXPECT_EQ(Found("<a>bc"), "<a>b");
  EXPECT_EQ(Found("<a>c"), "<a>");
  EXPECT_EQ(Found("<a"), "<a");
  EXPECT_EQ(Found("<"), "-");
  EXPECT_EQ(Found("plain"), "-");
  EXPECT_EQ(Found("    "), "   ");
}

TEST_F(SpecialTokensTest, OneForeignByteIsEnoughToHideAToken) {
  EXPECT_EQ(Found("<a>b", absl::string_view("\0\0\0\1", 4)), "<a>");
  EXPECT_EQ(Found("<a>b", absl::string_view("\0\0\1\0", 4)), "<a");
  EXPECT_EQ(Found("<a>b", absl::string_view("\1\0\0\0", 4)), "-");
  EXPECT_EQ(Found("<a>b", "", true), "-");
}

TEST_F(SpecialTokensTest, LettersDigitsAndSpacesOfTheMakersAreFoundAnywhere) {
  EXPECT_EQ(Found("   ", "", true), "   ");
  EXPECT_EQ(Found("ü", "", true), "ü");
  EXPECT_EQ(Found("\n1", "", true), "\n1");
  EXPECT_EQ(Found("h1:", "", true), "-");  // punctuation may be structure
  EXPECT_EQ(Found("end", "", true), "-");  // and a control token is
  EXPECT_EQ(Found("end"), "end");
}

TEST_F(SpecialTokensTest, FindsByTheWholeSpelling) {
  EXPECT_EQ(specials_.Find("<a>"), 0);  // the lowest of two
  EXPECT_EQ(specials_.Find("<a>b"), 2);
  EXPECT_EQ(specials_.Find("<"), -1);
  EXPECT_EQ(specials_.Find(""), -1);
  EXPECT_EQ(specials_.Find("plain"), -1);
}

TEST_F(SpecialTokensTest, SpellingsOverTheBoundAreNotFound) {
  EXPECT_EQ(Found(long_spelling_), "-");
}

TEST_F(SpecialTokensTest, AnEmptyVocabularyHasNone) {
  const SpecialTokens none({}, {});
  EXPECT_EQ(none.MatchAt("a", 0, "", false), std::nullopt);
  EXPECT_EQ(none.Find("a"), -1);
}

}  // namespace
}  // namespace ragmesh::text
