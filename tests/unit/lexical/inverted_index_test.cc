#include "libs/lexical/inverted_index.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>

namespace ragmesh::lexical {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Key;

InvertedIndex::Document Intern(InvertedIndex* index,
                               const std::map<std::string, std::uint32_t>& counts) {
  InvertedIndex::Document document;
  for (const auto& [term, count] : counts) {
    document.terms.emplace_back(index->Intern(term), count);
    document.length += count;
  }
  return document;
}

InvertedIndex::Document Add(InvertedIndex* index, std::uint32_t slot,
                            const std::map<std::string, std::uint32_t>& counts) {
  const auto document = Intern(index, counts);
  index->Append(slot, document);
  index->Activate(document);
  return document;
}

std::map<std::uint32_t, double> Search(const InvertedIndex& index,
                                       const std::vector<std::string>& query,
                                       std::uint64_t allowed = ~0ull) {
  std::map<std::uint32_t, double> scores;
  index.Search(query, {}, {allowed},
               [&](std::uint32_t slot, double score) { scores[slot] = score; });
  return scores;
}

TEST(InvertedIndexTest, ScoresAreTheFormula) {
  InvertedIndex index;
  Add(&index, 0, {{"mesh", 2}, {"stage", 1}});
  Add(&index, 1, {{"stage", 1}});
  const double average = 2.0;
  const auto term = [&](double n, double df, double tf, double length) {
    return std::log(1 + (n - df + 0.5) / (df + 0.5)) * tf /
           (tf + 1.2 * (0.25 + 0.75 * length / average));
  };
  const auto scores = Search(index, {"mesh", "stage"});
  EXPECT_DOUBLE_EQ(scores.at(0), term(2, 1, 2, 3) + term(2, 2, 1, 3));
  EXPECT_DOUBLE_EQ(scores.at(1), term(2, 2, 1, 1));
}

TEST(InvertedIndexTest, RepeatedQueryTermCountsTwice) {
  InvertedIndex index;
  Add(&index, 0, {{"mesh", 1}});
  EXPECT_DOUBLE_EQ(Search(index, {"mesh", "mesh"}).at(0), 2 * Search(index, {"mesh"}).at(0));
}

TEST(InvertedIndexTest, AnExplanationAddsUpToTheScore) {
  InvertedIndex index;
  Add(&index, 0, {{"mesh", 2}, {"stage", 1}});
  Add(&index, 1, {{"stage", 3}});
  const std::vector<std::string> query{"none", "stage", "mesh", "stage"};
  const auto parts = index.Explain(query, {}, 0);
  ASSERT_EQ(parts.size(), 2u);
  EXPECT_EQ(parts[0].term, 1u);
  EXPECT_EQ(parts[0].occurrences, 2);
  EXPECT_EQ(parts[1].term, 2u);
  EXPECT_EQ(parts[1].frequency, 2);
  EXPECT_DOUBLE_EQ(parts[1].idf, std::log(1 + (2 - 1 + 0.5) / (1 + 0.5)));
  EXPECT_EQ(parts[0].score + parts[1].score, Search(index, query).at(0));  // to the last bit
  EXPECT_THAT(index.Explain({"mesh"}, {}, 1), IsEmpty());
  EXPECT_THAT(index.Explain({"mesh"}, {}, 9), IsEmpty());
}

TEST(InvertedIndexTest, OnlyAllowedSlotsAreFound) {
  InvertedIndex index;
  Add(&index, 0, {{"mesh", 1}});
  Add(&index, 1, {{"mesh", 1}});
  EXPECT_THAT(Search(index, {"mesh"}, 0b10), ElementsAre(Key(1)));
  EXPECT_THAT(Search(index, {"mesh"}, 0), IsEmpty());
}

TEST(InvertedIndexTest, AppendedDocumentChangesNoScoreUntilActivated) {
  InvertedIndex index;
  Add(&index, 0, {{"mesh", 1}});
  const auto before = Search(index, {"mesh"}, 1);
  const auto document = Intern(&index, {{"mesh", 3}, {"new", 1}});
  index.Append(1, document);
  EXPECT_EQ(Search(index, {"mesh"}, 1), before);
  EXPECT_EQ(index.terms(), 1u);
  index.Activate(document);
  EXPECT_NE(Search(index, {"mesh"}, 1), before);
  EXPECT_EQ(index.terms(), 2u);
}

TEST(InvertedIndexTest, DeactivatingRestoresEveryScore) {
  InvertedIndex index;
  Add(&index, 0, {{"mesh", 1}, {"stage", 4}});
  const auto before = Search(index, {"mesh", "stage"}, 1);
  const auto document = Add(&index, 1, {{"mesh", 7}});
  index.Deactivate(document);
  EXPECT_EQ(Search(index, {"mesh", "stage"}, 1), before);
  EXPECT_EQ(index.documents(), 1u);
  EXPECT_EQ(index.total_length(), 5u);
}

TEST(InvertedIndexTest, CompactionKeepsScoresAndForgetsTerms) {
  InvertedIndex index;
  const auto gone = Add(&index, 0, {{"mesh", 1}, {"gone", 1}});
  Add(&index, 1, {{"mesh", 2}});
  Add(&index, 2, {{"mesh", 1}, {"stage", 3}});
  index.Deactivate(gone);
  const auto before = Search(index, {"mesh", "stage"}, 0b110);
  const std::uint32_t map[] = {InvertedIndex::kDropped, 0, 1};
  const InvertedIndex compacted = index.Compacted(map);
  const auto after = Search(compacted, {"mesh", "stage"});
  EXPECT_DOUBLE_EQ(after.at(0), before.at(1));
  EXPECT_DOUBLE_EQ(after.at(1), before.at(2));
  EXPECT_EQ(compacted.Find("gone"), nullptr);
  EXPECT_EQ(compacted.terms(), 2u);
}

TEST(InvertedIndexTest, EmptyIndexAndUnknownTermsFindNothing) {
  InvertedIndex index;
  EXPECT_THAT(Search(index, {"mesh"}), IsEmpty());
  Add(&index, 0, {{"mesh", 1}});
  EXPECT_THAT(Search(index, {"other"}), IsEmpty());
  EXPECT_THAT(Search(index, {}), IsEmpty());
}

}  // namespace
}  // namespace ragmesh::lexical
