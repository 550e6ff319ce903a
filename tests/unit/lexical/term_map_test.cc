#include "libs/lexical/term_map.h"

#include <map>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ragmesh::lexical {
namespace {

using namespace std::string_literals;  // NOLINT: for zeros inside of terms

// Every way in which one term could be taken for another.
const std::string kTerms[] = {"",
                              "\0"s,
                              "a",
                              "a\0"s,
                              "a\0b"s,
                              "\0a"s,
                              "ab",
                              "eightish",
                              "eightish\0"s,
                              "eightishs",
                              "eightis\0"s,
                              "stra\xC3\x9F"
                              "e",
                              "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF",
                              "sixteen bytes it",
                              "sixteen bytes i\0"s,
                              "sixteen bytes \0t"s,
                              "sixteen bytes its",
                              "a term that is far longer than sixteen bytes"};

TEST(TermMapTest, TellsEveryTermFromEveryOther) {
  TermMap<int> map;
  int next = 0;
  for (const std::string& term : kTerms) {
    EXPECT_EQ(map.Find(term), nullptr);
    const auto [value, is_new] = map.TryEmplace(term, next);
    EXPECT_TRUE(is_new);
    EXPECT_EQ(*value, next++);
    EXPECT_FALSE(map.TryEmplace(term, -1).second);
  }
  EXPECT_EQ(map.size(), std::size(kTerms));
  for (int i = 0; i < next; ++i) {
    map.Prefetch(TermKey(kTerms[i]));
    ASSERT_NE(map.Find(kTerms[i]), nullptr);
    EXPECT_EQ(*map.Find(kTerms[i]), i);
  }
  map.Clear();
  EXPECT_EQ(map.size(), 0u);
  EXPECT_EQ(map.Find("a"), nullptr);
}

TEST(TermMapTest, VisitsEveryTermAsItWasUntilItIsEnough) {
  TermMap<int> map;
  std::map<std::string, int> expected;
  for (const std::string& term : kTerms) {
    expected[term] = static_cast<int>(expected.size());
    map.TryEmplace(term, expected[term]);
  }
  std::map<std::string, int> visited;
  map.ForEach([&](absl::string_view term, int value) {
    visited[std::string(term)] = value;
    return true;
  });
  EXPECT_EQ(visited, expected);
  int visits = 0;
  map.ForEach([&](absl::string_view, int) { return ++visits < 3; });
  EXPECT_EQ(visits, 3);
}

TEST(TermMapTest, KeysOfPaddedTermsAreTheSameWhateverFollows) {
  TermMap<int> map;
  int next = 0;
  for (const std::string& term : kTerms) map.TryEmplace(term, next++);
  next = 0;
  for (const std::string& term : kTerms) {
    const std::string padded = term + std::string(TermKey::kPadding, '\xEE');
    const TermKey key = TermKey::Padded(absl::string_view(padded).substr(0, term.size()));
    EXPECT_EQ(key.prefix(), PrefixOf(term));
    const auto [value, is_new] = map.TryEmplace(key, -1);
    EXPECT_FALSE(is_new) << term;
    EXPECT_EQ(*value, next++);
  }
}

TEST(TermMapTest, KeepsAllWhileItGrows) {
  TermMap<int> map;
  for (int i = 0; i < 100'000; ++i) map.TryEmplace(std::to_string(i * 7919), i);
  EXPECT_EQ(map.size(), 100'000u);
  for (int i = 0; i < 100'000; ++i) {
    const int* const found = map.Find(std::to_string(i * 7919));
    ASSERT_NE(found, nullptr);
    ASSERT_EQ(*found, i);
  }
  EXPECT_EQ(map.Find("7918"), nullptr);
}

TEST(TermMapTest, PrefixesSortAsTheirTermsDo) {
  EXPECT_LT(PrefixOf("a"), PrefixOf("aa"));
  EXPECT_LT(PrefixOf("az"), PrefixOf("b"));
  EXPECT_LT(PrefixOf("z"), PrefixOf("\xC3\xA4"));
  EXPECT_EQ(PrefixOf("eightish"), PrefixOf("eightish and more"));
}

}  // namespace
}  // namespace ragmesh::lexical
