#include "libs/lexical/inverted_index.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "libs/lexical/index_search.h"
#include "libs/lexical/postings_image.h"
#include "libs/lexical/postings_writer.h"

namespace ragmesh::lexical {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Key;

using Counts = std::map<std::string, std::uint32_t>;

ChunkTerms Terms(const Counts& counts) {
  ChunkTerms terms;
  for (const auto& [term, count] : counts) {
    terms.terms.push_back({term, {0, 0, count}});
    for (std::uint32_t i = 0; i < count; ++i) terms.positions.push_back(terms.lengths[2] + i);
    terms.lengths[2] += count;
  }
  return terms;
}

InvertedIndex::Document Add(InvertedIndex* index, std::uint32_t slot, const ChunkTerms& terms) {
  const auto document = index->Intern(terms);
  index->Append(slot, document);
  index->Activate(document);
  return document;
}

InvertedIndex::Document Add(InvertedIndex* index, std::uint32_t slot, const Counts& counts) {
  auto document = Add(index, slot, Terms(counts));
  document.positions = {};
  return document;
}

std::map<std::uint32_t, double> Search(const InvertedIndex& index,
                                       const std::vector<std::string>& query,
                                       std::uint64_t allowed = ~0ull, const Bm25& bm25 = {}) {
  const Scorer scorer(bm25, index.statistics());
  std::vector<QueryTerm> terms = DistinctTerms(query);
  for (QueryTerm& term : terms) {
    const std::uint32_t documents = index.DocumentFrequency(term.term);
    if (documents > 0) term.weight = term.times * scorer.Idf(documents);
  }
  std::map<std::uint32_t, double> scores;
  index.ScoreAll(terms, scorer, {allowed},
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

TEST(InvertedIndexTest, AnExplanationAddsUpToTheScoreInTheIndexAndInItsImage) {
  InvertedIndex index;
  Add(&index, 0, Terms({{"mesh", 2}, {"stage", 1}}));
  Add(&index, 1, Terms({{"stage", 3}}));
  const auto bytes = WritePostings({{.index = &index, .new_slots = {{0, 1}}}}, {.slots = 2});
  ASSERT_TRUE(bytes.ok()) << bytes.status();
  const auto image = PostingsImage::Open(*bytes);
  ASSERT_TRUE(image.ok()) << image.status();
  Query query;
  for (const char* term : {"none", "stage", "mesh", "stage"})
    query.clauses.push_back({.terms = {{term, 0}}});
  for (const IndexPart* part :
       {static_cast<const IndexPart*>(&index), static_cast<const IndexPart*>(&*image)}) {
    const SearchPart whole{part, 5, {}, nullptr};
    const auto explained = ExplainIndex({&whole, 1}, query, {}, {5, 6, 9});
    const auto scores = ScoreIndex({&whole, 1}, query, {}, {5, 6, 9});
    ASSERT_TRUE(explained.ok());
    ASSERT_TRUE(scores.ok());
    const auto& terms = (*explained)[0];
    ASSERT_EQ(terms.size(), 2u);
    EXPECT_EQ(terms[0].term, "stage");
    EXPECT_EQ(terms[0].times, 2);
    EXPECT_EQ(terms[1].term, "mesh");
    EXPECT_EQ(terms[1].frequency, 2);
    EXPECT_DOUBLE_EQ(terms[1].idf, std::log(1 + (2 - 1 + 0.5) / (1 + 0.5)));
    EXPECT_EQ(terms[0].score + terms[1].score, (*scores)[0]);
    EXPECT_EQ((*explained)[1].size(), 1u);
    EXPECT_THAT((*explained)[2], IsEmpty());
  }
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
  const ChunkTerms terms = Terms({{"mesh", 3}, {"new", 1}});
  const auto document = index.Intern(terms);
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
  EXPECT_EQ(index.statistics().documents, 1u);
  EXPECT_EQ(index.statistics().total_length, 5u);
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
  EXPECT_THAT(compacted.SortedTerms(), ElementsAre("mesh", "stage"));
  EXPECT_EQ(compacted.terms(), 2u);
}

TEST(InvertedIndexTest, FieldsWeighCountsAndLengthsBeforeSaturation) {
  InvertedIndex index;
  ChunkTerms both;
  both.terms = {{"mesh", {1, 2, 3}}, {"stage", {0, 0, 1}}};
  both.positions = {0, 10, 11, 20, 21, 22, 23};
  both.lengths = {1, 2, 4};
  Add(&index, 0, both);
  Add(&index, 1, Counts{{"stage", 1}});
  const Bm25 bm25{1.5, 0.5, {3, 2, 0.5}};
  const double length = 3 * 1 + 2 * 2 + 0.5 * 4, average = (length + 0.5) / 2;
  const double tf = 3 * 1 + 2 * 2 + 0.5 * 3;
  EXPECT_DOUBLE_EQ(
      Search(index, {"mesh"}, ~0ull, bm25).at(0),
      std::log(1 + (2 - 1 + 0.5) / 1.5) * tf / (tf + 1.5 * (0.5 + 0.5 * length / average)));
}

TEST(InvertedIndexTest, TermOfFieldsWithoutWeightIsNotFound) {
  InvertedIndex index;
  ChunkTerms title;
  title.terms = {{"mesh", {1, 0, 0}}};
  title.positions = {0};
  title.lengths = {1, 0, 0};
  Add(&index, 0, title);
  Add(&index, 1, Counts{{"mesh", 1}});
  EXPECT_THAT(Search(index, {"mesh"}, ~0ull, {1.2, 1.0, {0, 1, 1}}), ElementsAre(Key(1)));
}

TEST(InvertedIndexTest, CountBeyondSixteenBitsIsHeldAndThePositionsAfterItAreRight) {
  InvertedIndex index;
  ChunkTerms many;
  many.terms = {{"a", {0, 0, 70'000}}, {"b", {0, 0, 1}}};
  for (std::uint32_t i = 0; i <= 70'000; ++i) many.positions.push_back(i);
  many.lengths = {0, 0, 70'001};
  Add(&index, 0, many);
  std::size_t kept = 0;
  index.ForEachPosting("a", [&](std::uint32_t, const Occurrences& occurrences,
                                absl::Span<const std::uint32_t> positions) {
    EXPECT_EQ(occurrences.count, 65'535u);
    kept = positions.size();
  });
  EXPECT_EQ(kept, 65'535u);
  index.ForEachPosting(
      "b", [](std::uint32_t, const Occurrences&, absl::Span<const std::uint32_t> positions) {
        EXPECT_THAT(positions, ElementsAre(70'000u));
      });
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
