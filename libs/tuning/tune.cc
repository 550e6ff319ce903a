#include "libs/tuning/tune.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <random>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/ranking/ranking_metrics.h"

namespace ragmesh::tuning {
namespace {

constexpr int kMaxRounds = 4;      // of coordinate descent; two are usual
constexpr double kWorthIt = 1e-9;  // less is rounding

using Places = std::vector<std::size_t>;  // of questions

// Scores of every question under every setting that was tried.
class Scoreboard {
 public:
  Scoreboard(const std::vector<GoldenQuestion>& questions, const TuneOptions& options,
             RankAll rank_all)
      : questions_(questions), options_(options), rank_all_(rank_all) {}

  // Valid until the object goes.
  absl::StatusOr<const std::vector<Quality>*> Of(const Settings& settings) {
    const auto [it, inserted] = scores_.try_emplace(KeyOf(settings, options_.hybrid));
    if (!inserted) return &it->second;
    auto rankings = rank_all_(settings);
    if (!rankings.ok()) {
      scores_.erase(it);
      return rankings.status();
    }
    if (rankings->size() != questions_.size())
      return absl::InternalError("there is not one ranking for each question");
    for (std::size_t i = 0; i < questions_.size(); ++i) {
      const auto& grades = questions_[i].grades;
      it->second.push_back({ranking::Ndcg((*rankings)[i], grades, 10),
                            ranking::Recall((*rankings)[i], grades, options_.recall_cut),
                            ranking::ReciprocalRank((*rankings)[i], grades, 10)});
    }
    return &it->second;
  }

  std::size_t size() const { return scores_.size(); }

  std::vector<int> NeverFound() const {
    std::vector<int> lines;
    for (std::size_t i = 0; i < questions_.size(); ++i) {
      const bool found = std::any_of(scores_.begin(), scores_.end(), [i](const auto& entry) {
        return entry.second[i].ndcg_at_10 > 0 || entry.second[i].recall > 0;
      });
      if (!found) lines.push_back(questions_[i].line);
    }
    return lines;
  }

 private:
  const std::vector<GoldenQuestion>& questions_;
  const TuneOptions& options_;
  const RankAll rank_all_;
  std::map<std::string, std::vector<Quality>> scores_;
};

double MeanNdcg(const std::vector<Quality>& scores, const Places& places) {
  double sum = 0;
  for (const std::size_t place : places) sum += scores[place].ndcg_at_10;
  return sum / static_cast<double>(std::max<std::size_t>(1, places.size()));
}

Quality Mean(const std::vector<Quality>& scores) {
  Quality mean;
  const double n = static_cast<double>(std::max<std::size_t>(1, scores.size()));
  for (const Quality& one : scores) {
    mean.ndcg_at_10 += one.ndcg_at_10 / n;
    mean.recall += one.recall / n;
    mean.mrr_at_10 += one.mrr_at_10 / n;
  }
  return mean;
}

// The settings that do best on the questions at `places`.
absl::StatusOr<Settings> Descend(const Settings& start, const Places& places, bool hybrid,
                                 Scoreboard* board) {
  Settings best = start;
  RAGMESH_ASSIGN_OR_RETURN(const auto* scores, board->Of(best));
  double best_mean = MeanNdcg(*scores, places);
  for (int round = 0; round < kMaxRounds; ++round) {
    bool changed = false;
    for (std::size_t axis = 0; axis < AxisCount(hybrid); ++axis) {
      for (const Settings& variant : Variants(best, hybrid, axis)) {
        RAGMESH_ASSIGN_OR_RETURN(scores, board->Of(variant));
        const double mean = MeanNdcg(*scores, places);
        if (mean <= best_mean + kWorthIt) continue;
        best = variant;
        best_mean = mean;
        changed = true;
      }
    }
    if (!changed) break;
  }
  return best;
}

// Which fold each question is in: shuffled, then dealt out, so that folds differ by one at most.
std::vector<std::size_t> Folds(std::size_t questions, std::size_t folds, std::uint64_t seed) {
  std::vector<std::size_t> order(questions), fold_of(questions);
  std::iota(order.begin(), order.end(), 0);
  std::mt19937_64 random(seed);
  for (std::size_t i = questions; i > 1; --i) std::swap(order[i - 1], order[random() % i]);
  for (std::size_t i = 0; i < questions; ++i) fold_of[order[i]] = i % folds;
  return fold_of;
}

}  // namespace

absl::StatusOr<TuneReport> Tune(const std::vector<GoldenQuestion>& questions,
                                const Settings& in_force, const TuneOptions& options,
                                RankAll rank_all) {
  if (questions.size() < kMinQuestions) {
    return MakeError(absl::StatusCode::kInvalidArgument,
                     absl::StrCat("there are ", questions.size(), " questions, at least ",
                                  kMinQuestions, " are needed"),
                     {.reason = "TOO_FEW_QUESTIONS",
                      .field = "golden",
                      .next_step = "Add questions; from about 50 on small gains can be told from "
                                   "chance."});
  }
  const std::size_t folds = std::clamp<std::size_t>(options.folds, 2, questions.size());
  Scoreboard board(questions, options, rank_all);
  Places all(questions.size());
  std::iota(all.begin(), all.end(), 0);
  TuneReport report;
  report.before = in_force;
  RAGMESH_ASSIGN_OR_RETURN(const auto* before, board.Of(in_force));
  RAGMESH_ASSIGN_OR_RETURN(report.after, Descend(in_force, all, options.hybrid, &board));

  const std::vector<std::size_t> fold_of = Folds(questions.size(), folds, options.seed);
  std::vector<Quality> unseen(questions.size());
  for (std::size_t fold = 0; fold < folds; ++fold) {
    Places seen;
    for (const std::size_t place : all) {
      if (fold_of[place] != fold) seen.push_back(place);
    }
    RAGMESH_ASSIGN_OR_RETURN(const Settings chosen,
                             Descend(in_force, seen, options.hybrid, &board));
    RAGMESH_ASSIGN_OR_RETURN(const auto* scores, board.Of(chosen));
    for (const std::size_t place : all) {
      if (fold_of[place] == fold) unseen[place] = (*scores)[place];
    }
    report.by_fold.push_back(chosen);
  }

  std::vector<double> differences;
  for (const std::size_t place : all)
    differences.push_back(unseen[place].ndcg_at_10 - (*before)[place].ndcg_at_10);
  RAGMESH_ASSIGN_OR_RETURN(const auto* fitted, board.Of(report.after));
  report.quality_before = Mean(*before);
  report.quality_after = Mean(unseen);
  report.quality_fitted = Mean(*fitted);
  report.gain = report.quality_after.ndcg_at_10 - report.quality_before.ndcg_at_10;
  report.interval = BootstrapInterval(differences, options.seed);
  report.p_value = PairedPermutation(differences, options.seed);
  report.significant = report.gain > 0 && report.p_value <= options.significance;
  report.settings_tried = board.size();
  report.never_found = board.NeverFound();
  if (report.never_found.size() == questions.size()) {
    return WrongState(
        "NOTHING_RELEVANT_FOUND", "no setting found anything relevant for any question",
        "Check that `ragmesh documents list` shows these names or ids, and that you may "
        "see the documents.");
  }
  return report;
}

std::size_t LikelySettings(const TuneOptions& options) {
  std::size_t one_round = 0;
  for (std::size_t axis = 0; axis < AxisCount(options.hybrid); ++axis)
    one_round += Variants({}, options.hybrid, axis).size();
  // Two rounds on all questions, and one and a half that no other choice has seen for each fold.
  return 1 + one_round * (2 + options.folds * 3 / 2);
}

}  // namespace ragmesh::tuning
