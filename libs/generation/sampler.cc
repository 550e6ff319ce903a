#include "libs/generation/sampler.h"

#include <algorithm>
#include <cmath>

namespace ragmesh::generation {

Sampler::Sampler(const stages::Sampling& sampling, std::uint64_t seed)
    : sampling_(sampling), state_(seed) {}

std::optional<std::uint32_t> Sampler::Pick(absl::Span<const float> logits,
                                           absl::Span<const std::uint32_t> forbidden) {
  const auto allowed = [&](std::uint32_t id) {
    return std::isfinite(logits[id]) &&
           std::find(forbidden.begin(), forbidden.end(), id) == forbidden.end();
  };
  if (sampling_.temperature <= 0) {
    std::optional<std::uint32_t> best;
    for (std::uint32_t id = 0; id < logits.size(); ++id) {
      if ((!best.has_value() || logits[id] > logits[*best]) && allowed(id)) best = id;
    }
    return best;
  }
  candidates_.clear();
  for (std::uint32_t id = 0; id < logits.size(); ++id) {
    if (allowed(id)) candidates_.push_back({logits[id], id});
  }
  if (candidates_.empty()) return std::nullopt;
  KeepTopK();
  KeepLikely();
  return Draw();
}

void Sampler::KeepTopK() {
  const auto better = [](const Candidate& a, const Candidate& b) {
    return a.logit != b.logit ? a.logit > b.logit : a.id < b.id;
  };
  if (sampling_.top_k > 0 && sampling_.top_k < candidates_.size()) {
    std::nth_element(candidates_.begin(), candidates_.begin() + sampling_.top_k - 1,
                     candidates_.end(), better);
    candidates_.resize(sampling_.top_k);
  }
  std::sort(candidates_.begin(), candidates_.end(), better);
}

void Sampler::KeepLikely() {
  const double top = candidates_.front().logit;
  if (sampling_.top_p < 1) {
    double total = 0;
    for (const Candidate& candidate : candidates_) total += std::exp(candidate.logit - top);
    double reached = 0;
    std::size_t kept = 0;
    while (kept < candidates_.size() && reached < sampling_.top_p * total) {
      reached += std::exp(candidates_[kept++].logit - top);
    }
    candidates_.resize(std::max<std::size_t>(kept, 1));
  }
  if (sampling_.min_p > 0) {
    const double lowest = top + std::log(sampling_.min_p);
    while (candidates_.size() > 1 && candidates_.back().logit < lowest) candidates_.pop_back();
  }
}

std::uint32_t Sampler::Draw() {
  const double top = candidates_.front().logit;
  const auto weight = [&](const Candidate& candidate) {
    return std::exp((candidate.logit - top) / sampling_.temperature);
  };
  double total = 0;
  for (const Candidate& candidate : candidates_) total += weight(candidate);
  double target = NextUniform() * total;
  for (const Candidate& candidate : candidates_) {
    target -= weight(candidate);
    if (target < 0) return candidate.id;
  }
  return candidates_.back().id;
}

// SplitMix64: tiny, well mixed, and the same everywhere, unlike the distributions of the standard
// library.
double Sampler::NextUniform() {
  std::uint64_t z = (state_ += 0x9E3779B97F4A7C15ull);
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
  return static_cast<double>((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

}  // namespace ragmesh::generation
