#include "libs/generation/token_filters.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace ragmesh::generation {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

bool Better(const Candidate& a, const Candidate& b) {
  return a.logit != b.logit ? a.logit > b.logit : a.id < b.id;
}

bool ById(const Candidate& a, const Candidate& b) { return a.id < b.id; }

float Largest(const Candidates& candidates) {
  float largest = -kInfinity;
  for (const Candidate& candidate : candidates) largest = std::max(largest, candidate.logit);
  return largest;
}

// Keeps the candidates with the smallest keys, lower ids first among equals, until `enough(sum)` of
// their probabilities. Sums by buckets of the key first and sorts only the bucket in which the sum
// gets there, so a vocabulary is never sorted as a whole. Keys are at least 0; those of what
// matters are below 32, being nats.
template <typename Key, typename Enough>
void KeepUntil(const Key& key, const Enough& enough, Candidates* candidates, Candidates* scratch) {
  constexpr std::size_t kBuckets = 256;
  constexpr double kBucketsPerNat = 8;
  const auto bucket_of = [&](const Candidate& candidate) {
    return static_cast<std::size_t>(
        std::min<double>(key(candidate) * kBucketsPerNat, kBuckets - 1));
  };
  std::array<double, kBuckets> sums{};
  for (const Candidate& candidate : *candidates)
    sums[bucket_of(candidate)] += candidate.probability;
  double reached = 0;
  std::size_t bucket = 0;
  while (bucket < kBuckets && !enough(reached + sums[bucket])) reached += sums[bucket++];
  if (bucket == kBuckets) return;  // rounding: even all of them are not enough

  scratch->clear();
  for (const Candidate& candidate : *candidates) {
    if (bucket_of(candidate) == bucket) scratch->push_back(candidate);
  }
  const auto sooner = [&](const Candidate& a, const Candidate& b) {
    const double first = key(a), second = key(b);
    return first != second ? first < second : a.id < b.id;
  };
  std::sort(scratch->begin(), scratch->end(), sooner);
  std::size_t last = 0;
  while (last + 1 < scratch->size() && !enough(reached + (*scratch)[last].probability))
    reached += (*scratch)[last++].probability;
  const Candidate cut = (*scratch)[last];
  candidates->erase(
      std::remove_if(candidates->begin(), candidates->end(),
                     [&](const Candidate& candidate) { return sooner(cut, candidate); }),
      candidates->end());
}

}  // namespace

void TakeAll(absl::Span<const float> logits, Candidates* out) {
  out->clear();
  for (std::uint32_t id = 0; id < logits.size(); ++id) {
    if (std::isfinite(logits[id])) out->push_back({logits[id], id});
  }
}

void TakeTop(absl::Span<const float> logits, std::size_t k, Candidates* out) {
  if (k >= logits.size()) return TakeAll(logits, out);
  out->clear();
  const std::size_t room = k + std::max<std::size_t>(k, 256);
  const auto keep_best = [&] {
    std::nth_element(out->begin(), out->begin() + static_cast<std::ptrdiff_t>(k - 1), out->end(),
                     Better);
    out->resize(k);
  };
  float bar = -kInfinity;  // what comes later must be above it
  for (std::uint32_t id = 0; id < logits.size(); ++id) {
    if (!(logits[id] > bar && logits[id] < kInfinity)) continue;  // also when it is not a number
    out->push_back({logits[id], id});
    if (out->size() < room) continue;
    keep_best();
    bar = (*out)[k - 1].logit;
  }
  if (out->size() > k) keep_best();
  std::sort(out->begin(), out->end(), ById);
}

void Weigh(double temperature, Candidates* candidates) {
  const double top = Largest(*candidates);
  double total = 0;
  for (Candidate& candidate : *candidates) {
    candidate.probability = std::exp((candidate.logit - top) / temperature);
    total += candidate.probability;
  }
  for (Candidate& candidate : *candidates) candidate.probability /= total;
}

void KeepTypical(double p, Candidates* candidates, Candidates* scratch) {
  // Surprisals come from the logits, so that no logarithm is taken of a probability that is 0.
  const double top = Largest(*candidates);
  double total = 0;
  for (const Candidate& candidate : *candidates) total += std::exp(candidate.logit - top);
  const double log_total = top + std::log(total);
  double entropy = 0;
  for (const Candidate& candidate : *candidates)
    entropy += candidate.probability * (log_total - candidate.logit);
  KeepUntil(
      [=](const Candidate& candidate) { return std::abs(log_total - candidate.logit - entropy); },
      [p](double sum) { return sum > p; }, candidates, scratch);
}

void KeepTopP(double p, Candidates* candidates, Candidates* scratch) {
  const double top = Largest(*candidates);
  KeepUntil([top](const Candidate& candidate) { return top - candidate.logit; },
            [p](double sum) { return sum >= p; }, candidates, scratch);
}

void KeepMinP(double p, Candidates* candidates) {
  const double lowest = Largest(*candidates) + std::log(p);
  candidates->erase(
      std::remove_if(candidates->begin(), candidates->end(),
                     [lowest](const Candidate& candidate) { return candidate.logit < lowest; }),
      candidates->end());
}

void DropTopChoices(double threshold, Candidates* candidates) {
  const Candidate* last = nullptr;
  for (const Candidate& candidate : *candidates) {
    if (candidate.probability >= threshold && (last == nullptr || Better(*last, candidate)))
      last = &candidate;
  }
  if (last == nullptr) return;
  const std::uint32_t stays = last->id;
  candidates->erase(std::remove_if(candidates->begin(), candidates->end(),
                                   [&](const Candidate& candidate) {
                                     return candidate.probability >= threshold &&
                                            candidate.id != stays;
                                   }),
                    candidates->end());
}

}  // namespace ragmesh::generation
