#include "libs/rerank/score_mix.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"

namespace ragmesh::rerank {
namespace {

using Scores = std::vector<std::optional<double>>;

absl::Status CheckScore(std::size_t index, absl::string_view name,
                        const std::optional<double>& score) {
  if (!score.has_value() || std::isfinite(*score)) return absl::OkStatus();
  return InvalidField(absl::StrCat("candidates[", index, "].", name), "must be a finite number",
                      "Leave the score out when there is none.");
}

absl::Status CheckWeights(const stages::RerankWeights& weights) {
  for (const double weight : {weights.lexical, weights.dense, weights.model}) {
    if (!std::isfinite(weight) || weight < 0)
      return InvalidField("weights", "must be finite numbers from 0");
  }
  if (weights.lexical + weights.dense + weights.model > 0) return absl::OkStatus();
  return InvalidField("weights", "must not all be 0",
                      "Leave the weights out to use the model's own.");
}

// sums[i] += weight * z-score of scores[i].
void AddNormalised(Scores scores, double weight, std::vector<double>* sums) {
  std::optional<double> lowest;
  for (const auto& score : scores) {
    if (score.has_value()) lowest = lowest.has_value() ? std::min(*lowest, *score) : *score;
  }
  if (!lowest.has_value()) return;
  const auto count = static_cast<double>(scores.size());
  double mean = 0, variance = 0;
  for (auto& score : scores) {
    if (!score.has_value()) score = lowest;
    mean += *score / count;
  }
  for (const auto& score : scores) variance += (*score - mean) * (*score - mean) / count;
  const double deviation = std::sqrt(variance);
  // Rounding alone may leave a tiny deviation between equal scores; it must not decide the order.
  if (!(deviation > 1e-12 * std::max(1e-300, std::abs(mean))) || !std::isfinite(deviation)) return;
  for (std::size_t i = 0; i < scores.size(); ++i)
    (*sums)[i] += weight * (*scores[i] - mean) / deviation;
}

std::vector<stages::Reranked> Order(absl::Span<const double> scores,
                                    absl::Span<const double> model_scores, std::size_t top_k) {
  std::vector<stages::Reranked> ranked(scores.size());
  for (std::size_t i = 0; i < scores.size(); ++i) {
    ranked[i] = {
        .index = static_cast<std::uint32_t>(i), .score = scores[i], .model_score = model_scores[i]};
  }
  std::stable_sort(
      ranked.begin(), ranked.end(),
      [](const stages::Reranked& a, const stages::Reranked& b) { return a.score > b.score; });
  if (top_k != 0 && top_k < ranked.size()) ranked.resize(top_k);
  return ranked;
}

}  // namespace

absl::Status CheckRequest(const stages::RerankRequest& request, const RequestLimits& limits) {
  const auto over = [](absl::string_view field, std::size_t value, std::size_t limit,
                       absl::string_view unit) {
    return LimitExceeded(field, static_cast<long long>(value), static_cast<long long>(limit), unit);
  };
  if (request.query.empty())
    return InvalidField("query", "must not be empty", "Send at least one word.");
  if (request.query.size() > limits.max_query_bytes) {
    return over("query", request.query.size(), limits.max_query_bytes, "bytes");
  }
  if (request.candidates.empty()) return InvalidField("candidates", "must not be empty");
  if (request.candidates.size() > limits.max_candidates) {
    return over("candidates", request.candidates.size(), limits.max_candidates, "candidates");
  }
  for (std::size_t i = 0; i < request.candidates.size(); ++i) {
    const stages::RerankCandidate& candidate = request.candidates[i];
    if (candidate.text.size() > limits.max_passage_bytes) {
      return over(absl::StrCat("candidates[", i, "].text"), candidate.text.size(),
                  limits.max_passage_bytes, "bytes");
    }
    RAGMESH_RETURN_IF_ERROR(CheckScore(i, "dense_score", candidate.dense_score));
    RAGMESH_RETURN_IF_ERROR(CheckScore(i, "lexical_score", candidate.lexical_score));
  }
  return request.weights.has_value() ? CheckWeights(*request.weights) : absl::OkStatus();
}

std::vector<stages::Reranked> MixScores(absl::Span<const stages::RerankCandidate> candidates,
                                        absl::Span<const double> model_scores,
                                        const stages::RerankWeights& weights, std::size_t top_k) {
  Scores lexical, dense;
  bool retrieved = false;
  for (const stages::RerankCandidate& candidate : candidates) {
    lexical.push_back(candidate.lexical_score);
    dense.push_back(candidate.dense_score);
    retrieved =
        retrieved || candidate.lexical_score.has_value() || candidate.dense_score.has_value();
  }
  if (!retrieved || (weights.lexical == 0 && weights.dense == 0))
    return Order(model_scores, model_scores, top_k);
  std::vector<double> sums(candidates.size(), 0.0);
  AddNormalised(std::move(lexical), weights.lexical, &sums);
  AddNormalised(std::move(dense), weights.dense, &sums);
  AddNormalised(Scores(model_scores.begin(), model_scores.end()), weights.model, &sums);
  return Order(sums, model_scores, top_k);
}

}  // namespace ragmesh::rerank
