#include "libs/pipeline/choose_passages.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "libs/testing/status_matchers.h"

namespace ragmesh::pipeline {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

const CallContext kCall{absl::InfiniteFuture()};

Passage At(const std::string& document, std::uint32_t position, double score = 0,
           std::vector<float> vector = {}) {
  Passage passage;
  passage.chunk.document_id = document;
  passage.chunk.id = absl::StrCat(document, position);
  passage.chunk.vector = std::move(vector);
  passage.position = position;
  passage.score = score;
  return passage;
}

std::vector<std::string> Ids(const std::vector<Passage>& passages) {
  std::vector<std::string> ids;
  for (const Passage& passage : passages) ids.push_back(passage.chunk.id);
  return ids;
}

std::vector<std::string> NeighbourIds(const Passage& passage) {
  std::vector<std::string> ids;
  for (const auto& neighbour : passage.neighbours) ids.push_back(neighbour.chunk.id);
  return ids;
}

TEST(ChoosePassagesTest, TheBestAreTakenWithinTheQuotaOfTheirDocuments) {
  const std::vector<Passage> ranked{At("a", 0, 9), At("a", 1, 8), At("b", 0, 7), At("c", 0, 6)};
  auto passages = ranked;
  RAGMESH_ASSERT_OK(ChoosePassages({}, 2, &passages, kCall));
  EXPECT_THAT(Ids(passages), ElementsAre("a0", "a1"));
  passages = ranked;
  RAGMESH_ASSERT_OK(ChoosePassages({.max_per_document = 1}, 2, &passages, kCall));
  EXPECT_THAT(Ids(passages), ElementsAre("a0", "b0"));
}

TEST(ChoosePassagesTest, DiverseOnesAreChosenByTheirVectors) {
  std::vector<Passage> passages{At("a", 0, 9, {1, 0}), At("b", 0, 8.9, {1, 0}),
                                At("c", 0, 8, {0, 1}), At("d", 0, 1, {0, 1})};
  passages[2].explanation.emplace();
  RAGMESH_ASSERT_OK(
      ChoosePassages({.diversity = stages::Diversity{.lambda = 0.5}}, 2, &passages, kCall));
  EXPECT_THAT(Ids(passages), ElementsAre("a0", "c0"));
  EXPECT_DOUBLE_EQ(passages[1].score, 0.5 * 7 / 8);
  EXPECT_DOUBLE_EQ(*passages[1].explanation->relevance, 7.0 / 8);
  EXPECT_DOUBLE_EQ(*passages[1].explanation->similarity, 0);
}

TEST(ChoosePassagesTest, NeighboursAreDealtAnewToThoseThatWereChosen) {
  // As a store sends them: a4 comes first and brought 3 and 5; a6 brought 7 alone, b0 brought b1.
  std::vector<Passage> found{At("a", 4), At("a", 6), At("b", 0)};
  const auto neighbour = [](const std::string& document, std::uint32_t position) {
    return stages::Neighbour{At(document, position).chunk, position};
  };
  found[0].neighbours = {neighbour("a", 3), neighbour("a", 5)};
  found[1].neighbours = {neighbour("a", 7)};
  found[2].neighbours = {neighbour("b", 1)};
  std::vector<Passage> chosen{found[2], found[1]};  // a4 is left out
  DealNeighbours({.before = 1, .after = 1}, found, &chosen);
  EXPECT_THAT(NeighbourIds(chosen[0]), ElementsAre("b1"));
  EXPECT_THAT(NeighbourIds(chosen[1]), ElementsAre("a5", "a7"));
  EXPECT_EQ(chosen[0].run, 1u);
  EXPECT_EQ(chosen[1].run, 2u);
  chosen = {found[1], found[0]};
  DealNeighbours({.before = 2, .after = 0}, found, &chosen);
  EXPECT_THAT(NeighbourIds(chosen[0]), ElementsAre("a5"));
  EXPECT_THAT(NeighbourIds(chosen[1]), ElementsAre("a3"));  // a2 never came
  EXPECT_EQ(chosen[0].run, chosen[1].run);
  chosen = {found[0]};  // a hit that was left out is a neighbour like any other
  DealNeighbours({.before = 0, .after = 2}, found, &chosen);
  EXPECT_THAT(NeighbourIds(chosen[0]), ElementsAre("a5", "a6"));
  chosen.clear();
  DealNeighbours({.before = 1, .after = 1}, found, &chosen);
  EXPECT_THAT(chosen, IsEmpty());
}

}  // namespace
}  // namespace ragmesh::pipeline
