#include "libs/rerank/cascade.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "libs/base/status_macros.h"
#include "libs/rerank/score_mix.h"

namespace ragmesh::rerank {
namespace {

// Bounds what a reranker holds in memory, and the time between two looks at the call.
constexpr std::size_t kAtOnce = 32;

// What the model says of the candidates so far, and would say of the others.
class Scores {
 public:
  explicit Scores(std::vector<double> retrieval)
      : retrieval_(std::move(retrieval)),
        model_(retrieval_.size()),
        scored_(retrieval_.size(), false) {}

  absl::Status Add(absl::Span<const std::size_t> candidates, ScoreCandidates score) {
    for (; !candidates.empty(); candidates.remove_prefix(std::min(kAtOnce, candidates.size()))) {
      const auto some = candidates.subspan(0, kAtOnce);
      RAGMESH_ASSIGN_OR_RETURN(const std::vector<double> values, score(some));
      for (std::size_t i = 0; i < some.size(); ++i) {
        model_[some[i]] = values[i];
        scored_[some[i]] = true;
      }
      count_ += some.size();
    }
    return absl::OkStatus();
  }

  bool scored(std::size_t candidate) const { return scored_[candidate]; }
  std::size_t count() const { return count_; }

  struct Guess {
    std::vector<double> optimistic;  // for candidates without a score: `margin` errors more
    Scale scale;                     // that all candidates' scores are expected to have
  };
  // By the line through the scores there are, of which there must be one at least. Of a complete
  // set, the scores themselves and exactly their scale.
  Guess Optimistic(double margin) const {
    if (count_ == model_.size()) return {model_, ScaleOf(model_)};
    const Line line = Fit();
    Guess guess{model_, {}};
    for (std::size_t i = 0; i < model_.size(); ++i)
      if (!scored_[i]) guess.optimistic[i] = line.at(retrieval_[i]);
    guess.scale = ScaleOf(guess.optimistic);
    // Predictions lie closer together than scores do. Without what they lack, the model would weigh
    // the more, the fewer it has scored.
    const double missing = static_cast<double>(model_.size() - count_);
    const double share = missing / static_cast<double>(model_.size());
    guess.scale.deviation = std::hypot(guess.scale.deviation, line.error * std::sqrt(share));
    for (std::size_t i = 0; i < model_.size(); ++i)
      if (!scored_[i]) guess.optimistic[i] += margin * line.error;
    return guess;
  }

 private:
  struct Line {
    double x_mean, y_mean, slope, error;  // error: standard error of what it predicts
    double at(double x) const { return y_mean + slope * (x - x_mean); }
  };
  Line Fit() const {
    const auto n = static_cast<double>(count_);
    const auto sum = [this](auto term) {
      double total = 0;
      for (std::size_t i = 0; i < model_.size(); ++i)
        total += scored_[i] ? term(retrieval_[i], model_[i]) : 0;
      return total;
    };
    Line line{};
    line.x_mean = sum([](double x, double) { return x; }) / n;
    line.y_mean = sum([](double, double y) { return y; }) / n;
    const double variance = sum([&](double x, double) { return std::pow(x - line.x_mean, 2); });
    const double covariance =
        sum([&](double x, double y) { return (x - line.x_mean) * (y - line.y_mean); });
    // A model that contradicts retrieval is no reason to expect more of what retrieval put last.
    if (variance > 0) line.slope = std::max(0.0, covariance / variance);
    const double squares = sum([&](double x, double y) { return std::pow(y - line.at(x), 2); });
    line.error = std::sqrt(squares / std::max(1.0, n - 2));
    return line;
  }

  const std::vector<double> retrieval_;
  std::vector<double> model_;  // 0 where there is none
  std::vector<bool> scored_;
  std::size_t count_ = 0;
};

bool AllEqual(absl::Span<const double> values) {
  return std::all_of(values.begin(), values.end(), [&](double v) { return v == values[0]; });
}

// Candidates by descending value, ties by index.
std::vector<std::size_t> Descending(absl::Span<const double> values) {
  std::vector<std::size_t> order(values.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return values[a] > values[b]; });
  return order;
}

// The best `size` without a score, or none when the first `top` have one.
std::vector<std::size_t> NextWave(const std::vector<stages::Reranked>& ranked, const Scores& scores,
                                  std::size_t top, std::size_t size) {
  std::vector<std::size_t> wave;
  for (std::size_t place = 0; place < ranked.size() && wave.size() < size; ++place) {
    if (place >= top && wave.empty()) break;
    if (!scores.scored(ranked[place].index)) wave.push_back(ranked[place].index);
  }
  return wave;
}

}  // namespace

absl::StatusOr<std::vector<stages::Reranked>> RankInWaves(const stages::RerankRequest& request,
                                                          const stages::RerankWeights& weights,
                                                          const std::optional<Cascade>& cascade,
                                                          ScoreCandidates score,
                                                          const OnRanked& on_ranked) {
  const std::size_t all = request.candidates.size();
  const std::size_t top = request.top_k == 0 ? all : std::min<std::size_t>(request.top_k, all);
  const Cascade rule = cascade.value_or(Cascade{});
  const std::vector<double> retrieval =
      RetrievalScores(request.candidates, {.lexical = 1, .dense = 1});

  Scores scores(retrieval);
  std::vector<std::size_t> wave = Descending(retrieval);
  if (cascade.has_value() && !AllEqual(retrieval))
    wave.resize(std::min(all, std::max(rule.wave, top)));
  std::vector<stages::Reranked> ranked;
  while (!wave.empty()) {
    RAGMESH_RETURN_IF_ERROR(scores.Add(wave, score));
    const Scores::Guess guess = scores.Optimistic(rule.margin);
    ranked = MixScores(request.candidates, guess.optimistic, weights, 0, guess.scale);
    wave = NextWave(ranked, scores, top, rule.wave);
  }
  ranked.resize(top);
  if (on_ranked) on_ranked(scores.count(), all - scores.count());
  return ranked;
}

}  // namespace ragmesh::rerank
