#include "libs/tuning/tune.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <set>

#include "absl/strings/str_cat.h"
#include "libs/testing/status_matchers.h"

namespace ragmesh::tuning {
namespace {

using ::ragmesh::testing::HasReason;

std::vector<GoldenQuestion> Questions(int count) {
  std::vector<GoldenQuestion> questions;
  for (int i = 0; i < count; ++i)
    questions.push_back(
        {absl::StrCat("q", i), RelevantBy::kDocument, {{absl::StrCat("d", i), 1}}, i + 1});
  return questions;
}

// The relevant document of question `i` at `rank`, from 1.
std::vector<std::string> RankingWith(std::size_t i, int rank) {
  std::vector<std::string> ranking;
  for (int at = 1; at < rank; ++at) ranking.push_back(absl::StrCat("other", at));
  ranking.push_back(absl::StrCat("d", i));
  return ranking;
}

TEST(TuneTest, FindsSettingsThatAreBetterAndSaysSo) {
  const auto questions = Questions(60);
  std::set<std::string> tried;
  // Dense weight 0.7 and b 0.4 are best, each on its own.
  const auto rank_all = [&](const Settings& settings) -> absl::StatusOr<Rankings> {
    EXPECT_TRUE(tried.insert(KeyOf(settings, true)).second) << "the same settings twice";
    Rankings rankings;
    for (std::size_t i = 0; i < questions.size(); ++i) {
      double off = 4 * std::abs(settings.fusion.dense_weight - 0.7) +
                   2 * std::abs(settings.bm25.b - 0.4) + 0.1 * static_cast<double>(i % 7);
      if (settings.fusion.method == stages::FusionMethod::kReciprocalRank) off += 5;
      rankings.push_back(RankingWith(i, 1 + static_cast<int>(off)));
    }
    return rankings;
  };
  RAGMESH_ASSERT_OK_AND_ASSIGN(const TuneReport report, Tune(questions, {}, {}, rank_all));
  EXPECT_NEAR(report.after.fusion.dense_weight, 0.7, 0.1);
  EXPECT_NEAR(report.after.bm25.b, 0.4, 0.2);
  EXPECT_EQ(report.after.fusion.method, stages::FusionMethod::kZScore);
  EXPECT_TRUE(report.significant);
  EXPECT_GT(report.gain, 0.1);
  EXPECT_LT(report.p_value, 0.001);
  EXPECT_LE(report.interval.low, report.gain);
  EXPECT_GE(report.interval.high, report.gain);
  EXPECT_GE(report.quality_fitted.ndcg_at_10, report.quality_after.ndcg_at_10);
  EXPECT_NEAR(report.quality_after.ndcg_at_10 - report.quality_before.ndcg_at_10, report.gain,
              1e-12);
  EXPECT_EQ(report.by_fold.size(), 5u);
  EXPECT_EQ(report.settings_tried, tried.size());
  EXPECT_LE(report.settings_tried, LikelySettings({}));
  EXPECT_TRUE(report.never_found.empty());
}

TEST(TuneTest, NoiseIsNotTakenForAGain) {
  // Every setting is a throw of dice: the best of all looks good on the questions it was chosen by.
  const auto questions = Questions(40);
  const auto rank_all = [&](const Settings& settings) -> absl::StatusOr<Rankings> {
    std::mt19937 random(static_cast<unsigned>(std::hash<std::string>()(KeyOf(settings, true))));
    Rankings rankings;
    for (std::size_t i = 0; i < questions.size(); ++i)
      rankings.push_back(RankingWith(i, 1 + static_cast<int>(random() % 12)));
    return rankings;
  };
  RAGMESH_ASSERT_OK_AND_ASSIGN(const TuneReport report, Tune(questions, {}, {}, rank_all));
  EXPECT_GT(report.quality_fitted.ndcg_at_10, report.quality_before.ndcg_at_10);
  EXPECT_FALSE(report.significant);
}

TEST(TuneTest, WithoutVectorsOnlyWordsAreTuned) {
  const auto questions = Questions(20);
  const auto rank_all = [&](const Settings& settings) -> absl::StatusOr<Rankings> {
    EXPECT_EQ(settings.fusion.dense_weight, stages::Fusion().dense_weight);
    Rankings rankings;
    for (std::size_t i = 0; i < questions.size(); ++i)
      rankings.push_back(RankingWith(i, settings.bm25.k1 == 2.0 ? 1 : 3));
    return rankings;
  };
  RAGMESH_ASSERT_OK_AND_ASSIGN(const TuneReport report,
                               Tune(questions, {}, {.hybrid = false}, rank_all));
  EXPECT_EQ(report.after.bm25.k1, 2.0);
  EXPECT_TRUE(report.significant);
  EXPECT_LE(report.settings_tried, LikelySettings({.hybrid = false}));
}

TEST(TuneTest, QuestionsWithoutAnythingFoundAreNamed) {
  const auto questions = Questions(20);
  const auto some = [&](const Settings&) -> absl::StatusOr<Rankings> {
    Rankings rankings;
    for (std::size_t i = 0; i < questions.size(); ++i)
      rankings.push_back(i == 4 ? std::vector<std::string>{"x"} : RankingWith(i, 1));
    return rankings;
  };
  RAGMESH_ASSERT_OK_AND_ASSIGN(const TuneReport report, Tune(questions, {}, {}, some));
  EXPECT_EQ(report.never_found, std::vector<int>{5});
  EXPECT_FALSE(report.significant);
  EXPECT_EQ(report.p_value, 1);
  EXPECT_EQ(KeyOf(report.after, true), KeyOf(report.before, true));
  const auto nothing = [&](const Settings&) -> absl::StatusOr<Rankings> {
    return Rankings(questions.size());
  };
  EXPECT_THAT(Tune(questions, {}, {}, nothing), HasReason("NOTHING_RELEVANT_FOUND"));
}

TEST(TuneTest, FewQuestionsAndFailedSearchesAreErrors) {
  const auto fails = [](const Settings&) -> absl::StatusOr<Rankings> {
    return absl::UnavailableError("gone");
  };
  EXPECT_THAT(Tune(Questions(9), {}, {}, fails), HasReason("TOO_FEW_QUESTIONS"));
  EXPECT_THAT(Tune(Questions(10), {}, {}, fails),
              testing::StatusIs(absl::StatusCode::kUnavailable));
}

}  // namespace
}  // namespace ragmesh::tuning
