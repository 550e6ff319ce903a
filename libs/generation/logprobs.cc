#include "libs/generation/logprobs.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "libs/generation/token_filters.h"

namespace ragmesh::generation {
namespace {

constexpr double kLeast = -9999;  // what OpenAI gives for tokens that are hardly possible

double LogSumExp(absl::Span<const float> logits) {
  double top = -std::numeric_limits<double>::infinity();
  for (const float logit : logits) {
    if (std::isfinite(logit)) top = std::max<double>(top, logit);
  }
  double sum = 0;
  for (const float logit : logits) {
    if (std::isfinite(logit)) sum += std::exp(logit - top);
  }
  return top + std::log(sum);
}

}  // namespace

stages::TokenLogprobs ReadLogprobs(absl::Span<const float> logits, std::uint32_t chosen,
                                   std::size_t top) {
  const double total = LogSumExp(logits);
  const auto score = [&](std::uint32_t id) {
    const double logprob = logits[id] - total;
    return stages::ScoredToken{.token_id = id,
                               .logprob = static_cast<float>(logprob > kLeast ? logprob : kLeast)};
  };
  stages::TokenLogprobs result{.chosen = score(chosen)};
  if (top == 0) return result;
  Candidates best;
  TakeTop(logits, top, &best);
  std::stable_sort(best.begin(), best.end(),
                   [](const Candidate& a, const Candidate& b) { return a.logit > b.logit; });
  for (const Candidate& candidate : best) result.top.push_back(score(candidate.id));
  return result;
}

}  // namespace ragmesh::generation
