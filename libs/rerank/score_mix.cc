#include "libs/rerank/score_mix.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"

namespace ragmesh::rerank {
namespace {

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

// sums[i] += weight * scores[i] on `scale`.
void AddScaled(absl::Span<const double> scores, const Scale& scale, double weight,
               std::vector<double>* sums) {
  if (scale.deviation == 0) return;
  for (std::size_t i = 0; i < scores.size(); ++i)
    (*sums)[i] += weight * (scores[i] - scale.mean) / scale.deviation;
}

// Candidates' scores of one kind, `member`; the lowest where there is none, nothing when all have
// none.
std::vector<double> Filled(absl::Span<const stages::RerankCandidate> candidates,
                           std::optional<double> stages::RerankCandidate::*member) {
  std::optional<double> lowest;
  for (const stages::RerankCandidate& candidate : candidates) {
    const std::optional<double>& score = candidate.*member;
    if (score.has_value()) lowest = std::min(lowest.value_or(*score), *score);
  }
  std::vector<double> scores;
  if (!lowest.has_value()) return scores;
  for (const stages::RerankCandidate& candidate : candidates)
    scores.push_back((candidate.*member).value_or(*lowest));
  return scores;
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

Scale ScaleOf(absl::Span<const double> scores) {
  const auto count = static_cast<double>(scores.size());
  Scale scale;
  double variance = 0;
  for (const double score : scores) scale.mean += score / count;
  for (const double score : scores) variance += (score - scale.mean) * (score - scale.mean) / count;
  const double deviation = std::sqrt(variance);
  // Rounding alone may leave a tiny deviation between equal scores; it must not decide the order.
  if (deviation > 1e-12 * std::max(1e-300, std::abs(scale.mean)) && std::isfinite(deviation))
    scale.deviation = deviation;
  return scale;
}

std::vector<double> RetrievalScores(absl::Span<const stages::RerankCandidate> candidates,
                                    const stages::RerankWeights& weights) {
  std::vector<double> sums(candidates.size(), 0.0);
  const auto lexical = Filled(candidates, &stages::RerankCandidate::lexical_score);
  const auto dense = Filled(candidates, &stages::RerankCandidate::dense_score);
  AddScaled(lexical, ScaleOf(lexical), weights.lexical, &sums);
  AddScaled(dense, ScaleOf(dense), weights.dense, &sums);
  return sums;
}

std::vector<stages::Reranked> MixScores(absl::Span<const stages::RerankCandidate> candidates,
                                        absl::Span<const double> model_scores,
                                        const stages::RerankWeights& weights, std::size_t top_k,
                                        std::optional<Scale> model_scale) {
  const bool retrieved = std::any_of(candidates.begin(), candidates.end(), [](const auto& one) {
    return one.lexical_score.has_value() || one.dense_score.has_value();
  });
  if (!retrieved || (weights.lexical == 0 && weights.dense == 0))
    return Order(model_scores, model_scores, top_k);
  std::vector<double> sums = RetrievalScores(candidates, weights);
  AddScaled(model_scores, model_scale.value_or(ScaleOf(model_scores)), weights.model, &sums);
  return Order(sums, model_scores, top_k);
}

}  // namespace ragmesh::rerank
