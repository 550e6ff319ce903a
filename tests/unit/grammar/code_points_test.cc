#include "libs/grammar/code_points.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

namespace ragmesh::grammar {
namespace {

bool MatchesOne(const std::vector<std::vector<ByteRange>>& sequences, const std::string& bytes) {
  int matching = 0;
  for (const auto& sequence : sequences) {
    bool same = sequence.size() == bytes.size();
    for (std::size_t i = 0; same && i < bytes.size(); ++i) {
      const auto byte = static_cast<std::uint8_t>(bytes[i]);
      same = byte >= sequence[i].first && byte <= sequence[i].last;
    }
    if (same) ++matching;
  }
  EXPECT_LE(matching, 1) << "sequences are disjoint";
  return matching == 1;
}

TEST(CodePointsTest, JoinsRangesAndLeavesSurrogatesOut) {
  const CodePoints points = {{'c', 'd'}, {'a', 'b'}, {0xD000, 0xE000}, {'z', 'a'}};
  ASSERT_EQ(points.ranges().size(), 3u);
  EXPECT_EQ(points.ranges()[0].last, U'd');
  EXPECT_EQ(points.ranges()[1].last, 0xD7FFu);
  EXPECT_EQ(points.ranges()[2].first, 0xE000u);
  EXPECT_TRUE(CodePoints({{0xD800, 0xDFFF}}).empty());
}

TEST(CodePointsTest, ComplementHoldsTheOthers) {
  const CodePoints points = {{'a', 'z'}, {0x100, 0x10FFFF}};
  const CodePoints others = points.Complement();
  for (char32_t point = 0; point < 0x300; ++point)
    EXPECT_NE(points.Contains(point), others.Contains(point)) << static_cast<unsigned>(point);
  EXPECT_TRUE(CodePoints::All().Complement().empty());
}

TEST(CodePointsTest, ByteSequencesSpellExactlyTheSet) {
  std::mt19937 random(7);
  const char32_t edges[] = {0, 0x7F, 0x80, 0x7FF, 0x800, 0xD7FF, 0xE000, 0xFFFF, 0x10000, 0x10FFFF};
  for (int round = 0; round < 30; ++round) {
    std::vector<CodePointRange> ranges;
    for (int i = 0; i < 3; ++i) {
      const char32_t a = random() % 2 ? edges[random() % 10] : random() % 0x110000;
      const unsigned size = random() % 2 ? 70 : 70'000;
      ranges.push_back({a, a + static_cast<char32_t>(random() % size)});
    }
    const CodePoints points = CodePoints::Of(ranges);
    const auto sequences = ToByteSequences(points);
    for (int i = 0; i < 2000; ++i) {
      const CodePointRange& near = ranges[random() % 3];
      const char32_t point = random() % 2
                                 ? random() % 0x110000
                                 : (random() % 2 ? near.first : near.last) + random() % 5 - 2;
      if (point > kLastCodePoint || (point >= 0xD800 && point <= 0xDFFF)) continue;
      std::string bytes;
      AppendCodePoint(point, &bytes);
      EXPECT_EQ(MatchesOne(sequences, bytes), points.Contains(point))
          << static_cast<unsigned>(point);
      std::size_t position = 0;
      char32_t back = 0;
      ASSERT_TRUE(DecodeCodePoint(bytes, &position, &back));
      EXPECT_EQ(back, point);
    }
  }
}

TEST(CodePointsTest, DecodesNothingThatIsNotUtf8) {
  for (const char* text : {"\x80", "\xc1\xbf", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xf0\x8f\xbf\xbf",
                           "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xc3", "\xc3x", "\xe4\xb8"}) {
    std::size_t position = 0;
    char32_t point = 0;
    EXPECT_FALSE(DecodeCodePoint(text, &position, &point)) << text;
  }
}

}  // namespace
}  // namespace ragmesh::grammar
