#include "libs/ranking/diversity.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/testing/status_matchers.h"

namespace ragmesh::ranking {
namespace {

using ::testing::ElementsAre;

const auto kNeverEnds = [] { return absl::OkStatus(); };

std::vector<std::size_t> Places(const std::vector<Pick>& picks) {
  std::vector<std::size_t> places;
  for (const Pick& pick : picks) places.push_back(pick.place);
  return places;
}

TEST(DiversityTest, PickBestKeepsTheOrderAndTheQuota) {
  const std::vector<double> scores{9, 8, 7, 6, 5};
  const std::vector<std::uint64_t> documents{1, 1, 1, 2, 3};
  const auto document_of = [&](std::size_t place) { return documents[place]; };
  EXPECT_THAT(Places(PickBest({scores, document_of}, DocumentQuota(2, 0))), ElementsAre(0, 1));
  EXPECT_THAT(Places(PickBest({scores, document_of}, DocumentQuota(2, 1))), ElementsAre(0, 3));
  EXPECT_THAT(Places(PickBest({scores, document_of}, DocumentQuota(2, 2))), ElementsAre(0, 1, 3));
  EXPECT_THAT(Places(PickBest({scores, document_of}, DocumentQuota(9, 1))), ElementsAre(0, 3, 4));
  EXPECT_THAT(PickBest({{}, document_of}, DocumentQuota(2, 1)), ElementsAre());
}

TEST(DiversityTest, MarginalRelevanceIsTheFormula) {
  // Relevances 1, 0.75, 0.5, 0; places 0 and 1 are the same text.
  const std::vector<double> scores{5, 4, 3, 1};
  const double cosines[4][4] = {
      {1, 1, 0.2, -0.5}, {1, 1, 0.2, 0}, {0.2, 0.2, 1, 0}, {-0.5, 0, 0, 1}};
  const auto cosine = [&](std::size_t a, std::size_t b) { return cosines[a][b]; };
  const auto document_of = [](std::size_t place) { return place; };
  RAGMESH_ASSERT_OK_AND_ASSIGN(
      const auto picks,
      PickDiverse({scores, document_of}, DocumentQuota(4, 0), 0.5, cosine, kNeverEnds));
  EXPECT_THAT(Places(picks), ElementsAre(0, 2, 3, 1));
  EXPECT_DOUBLE_EQ(picks[0].score, 0.5);
  EXPECT_DOUBLE_EQ(picks[1].score, 0.5 * 0.5 - 0.5 * 0.2);
  EXPECT_DOUBLE_EQ(picks[2].score, 0);  // a cosine below 0 counts as 0
  EXPECT_DOUBLE_EQ(picks[3].score, 0.5 * 0.75 - 0.5);
  EXPECT_DOUBLE_EQ(picks[3].similarity, 1);
  EXPECT_DOUBLE_EQ(picks[3].relevance, 0.75);
}

TEST(DiversityTest, LambdaOneIsTheRankingItself) {
  const std::vector<double> scores{5, 4, 4, 1};
  const auto document_of = [](std::size_t place) { return place; };
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto picks,
                               PickDiverse(
                                   {scores, document_of}, DocumentQuota(3, 0), 1,
                                   [](std::size_t, std::size_t) { return 0.9; }, kNeverEnds));
  EXPECT_THAT(Places(picks), ElementsAre(0, 1, 2));
}

TEST(DiversityTest, QuotasHoldWhilePicking) {
  const std::vector<double> scores{5, 4, 3, 2};
  const std::vector<std::uint64_t> documents{1, 1, 2, 3};
  const auto document_of = [&](std::size_t place) { return documents[place]; };
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto picks,
                               PickDiverse(
                                   {scores, document_of}, DocumentQuota(2, 1), 0.9,
                                   [](std::size_t, std::size_t) { return 0.0; }, kNeverEnds));
  EXPECT_THAT(Places(picks), ElementsAre(0, 2));
}

TEST(DiversityTest, TheCallersEndIsTheAnswer) {
  const std::vector<double> scores{5, 4};
  const auto document_of = [](std::size_t place) { return place; };
  EXPECT_THAT(PickDiverse(
                  {scores, document_of}, DocumentQuota(2, 0), 0.5,
                  [](std::size_t, std::size_t) { return 0.0; },
                  [] { return absl::CancelledError("gone"); }),
              testing::StatusIs(absl::StatusCode::kCancelled));
}

}  // namespace
}  // namespace ragmesh::ranking
