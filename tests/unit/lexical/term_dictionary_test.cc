#include "libs/lexical/term_dictionary.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <string>

namespace ragmesh::lexical {
namespace {

// Terms that share beginnings, some with bytes above 127, one of the greatest length.
std::map<std::string, std::uint32_t> ManyTerms() {
  std::map<std::string, std::uint32_t> terms;
  std::mt19937 random(5);
  for (std::uint32_t i = 1; i < 5000; ++i) {
    std::string term;
    for (std::size_t bytes = 1 + random() % 12; bytes > 0; --bytes)
      term += "aab\xC3\xE5z"[random() % 6];
    terms.emplace(term, i);
  }
  terms.emplace(std::string(kMaxDictionaryTermBytes, 'a'), 77);
  return terms;
}

TEST(TermDictionaryTest, EveryTermIsFoundAndNoOther) {
  const auto terms = ManyTerms();
  TermDictionaryWriter writer;
  for (const auto& [term, number] : terms) writer.Add(term, number, number % 300, number % 7);
  const TermDictionary dictionary(writer.blocks(), writer.index());
  std::uint64_t postings = 0, positions = 0;
  for (const auto& [term, number] : terms) {
    const auto entry = dictionary.Find(term);
    ASSERT_TRUE(entry.has_value());
    EXPECT_EQ(entry->documents, number);
    EXPECT_EQ(entry->postings_offset, postings);
    EXPECT_EQ(entry->positions_offset, positions);
    postings += entry->postings_bytes;
    positions += entry->positions_bytes;
    for (const std::string& other : {term + "a", term + "\xFF", term.substr(0, term.size() - 1)})
      EXPECT_EQ(dictionary.Find(other).has_value(), terms.count(other) > 0);
  }
}

TEST(TermDictionaryTest, CursorReadsFromAnyTermOn) {
  const auto terms = ManyTerms();
  TermDictionaryWriter writer;
  for (const auto& [term, number] : terms) writer.Add(term, number, 1, 0);
  const TermDictionary dictionary(writer.blocks(), writer.index());
  for (const std::string& from : {std::string(), std::string("aa"), std::string("b"),
                                  std::string("zzzzzzzzzzzzz"), std::string("\xFF")}) {
    auto cursor = dictionary.Near(from);
    auto expected = terms.lower_bound(from);
    while (cursor.Next()) {
      if (cursor.term() < from) continue;
      ASSERT_NE(expected, terms.end());
      EXPECT_EQ(cursor.term(), expected->first);
      EXPECT_EQ(cursor.entry().documents, (expected++)->second);
    }
    EXPECT_EQ(expected, terms.end());
    EXPECT_FALSE(cursor.failed());
  }
}

TEST(TermDictionaryTest, EmptyDictionaryHasNothing) {
  const TermDictionary dictionary;
  EXPECT_FALSE(dictionary.Find("a").has_value());
  auto cursor = dictionary.Near("a");
  EXPECT_FALSE(cursor.Next());
  EXPECT_FALSE(cursor.failed());
}

TEST(TermDictionaryTest, CutBlocksEndACursorWithFailure) {
  TermDictionaryWriter writer;
  writer.Add("mesh", 1, 1, 1);
  writer.Add("stage", 1, 1, 1);
  const TermDictionary dictionary(
      absl::string_view(writer.blocks()).substr(0, writer.blocks().size() - 2), writer.index());
  auto cursor = dictionary.Begin();
  EXPECT_TRUE(cursor.Next());
  EXPECT_FALSE(cursor.Next());
  EXPECT_TRUE(cursor.failed());
  EXPECT_FALSE(dictionary.Find("stage").has_value());
}

}  // namespace
}  // namespace ragmesh::lexical
