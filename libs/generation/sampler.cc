#include "libs/generation/sampler.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace ragmesh::generation {
namespace {

constexpr float kNever = -std::numeric_limits<float>::infinity();
constexpr float kForbiddingBias = -100;

// SplitMix64: tiny, well mixed, and the same everywhere, unlike the distributions of the standard
// library.
std::uint64_t NextOf(std::uint64_t* state) {
  std::uint64_t z = (*state += 0x9E3779B97F4A7C15ull);
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
  return z ^ (z >> 31);
}

// The lower id among equals.
void TakeBest(absl::Span<const float> logits, Candidates* out) {
  out->clear();
  Candidate best{.logit = kNever};
  for (std::uint32_t id = 0; id < logits.size(); ++id) {
    if (logits[id] > best.logit && std::isfinite(logits[id]))
      best = {.logit = logits[id], .id = id, .probability = 1};
  }
  if (best.probability > 0) out->push_back(best);
}

}  // namespace

Sampler::Sampler(const stages::Sampling& sampling, std::uint64_t seed,
                 std::shared_ptr<const SequenceBreakers> breakers)
    : sampling_(sampling),
      state_(seed),
      penalties_(sampling),
      dry_(sampling, std::move(breakers)) {}

std::optional<std::uint32_t> Sampler::Pick(const Step& step) {
  const absl::Span<const Candidate> distribution = Distribution(step);
  if (distribution.empty()) return std::nullopt;
  return Draw(distribution);
}

absl::Span<const Candidate> Sampler::Distribution(const Step& step) {
  const absl::Span<const float> logits = Edit(step);
  if (sampling_.temperature <= 0) {
    TakeBest(logits, &candidates_);
    return candidates_;
  }
  if (sampling_.top_k > 0) {
    TakeTop(logits, sampling_.top_k, &candidates_);
  } else {
    TakeAll(logits, &candidates_);
  }
  if (candidates_.empty()) return candidates_;
  Filter();
  Weigh(sampling_.temperature, &candidates_);
  return candidates_;
}

// The logits after bias, masks and penalties: `step.logits` themselves when nothing changes them.
absl::Span<const float> Sampler::Edit(const Step& step) {
  if (step.forbidden.empty() && step.allowed.empty() && sampling_.logit_bias.empty() &&
      !penalties_.active() && !dry_.active()) {
    return step.logits;
  }
  edited_.assign(step.logits.begin(), step.logits.end());
  for (const stages::LogitBias& entry : sampling_.logit_bias) {
    if (entry.token_id >= edited_.size()) continue;
    edited_[entry.token_id] =
        entry.bias <= kForbiddingBias ? kNever : edited_[entry.token_id] + entry.bias;
  }
  Forbid(step);
  if (penalties_.active()) penalties_.Apply(step.context, absl::MakeSpan(edited_));
  if (dry_.active()) dry_.Apply(step.context, absl::MakeSpan(edited_));
  return edited_;
}

void Sampler::Forbid(const Step& step) {
  for (const std::uint32_t id : step.forbidden) {
    if (id < edited_.size()) edited_[id] = kNever;
  }
  if (step.allowed.empty()) return;
  for (std::size_t begin = 0; begin < edited_.size(); begin += 32) {
    const std::size_t word = begin / 32;
    const std::uint32_t bits = word < step.allowed.size() ? step.allowed[word] : 0;
    if (bits == 0xFFFFFFFFu) continue;
    const std::size_t end = std::min(begin + 32, edited_.size());
    for (std::size_t id = begin; id < end; ++id) {
      if ((bits >> (id - begin) & 1) == 0) edited_[id] = kNever;
    }
  }
}

void Sampler::Filter() {
  if (sampling_.typical_p < 1) {
    Weigh(1, &candidates_);
    KeepTypical(sampling_.typical_p, &candidates_, &scratch_);
  }
  if (sampling_.top_p < 1) {
    Weigh(1, &candidates_);
    KeepTopP(sampling_.top_p, &candidates_, &scratch_);
  }
  if (sampling_.min_p > 0) KeepMinP(sampling_.min_p, &candidates_);
  if (sampling_.xtc_probability > 0 && sampling_.xtc_threshold <= 0.5 && candidates_.size() > 1 &&
      NextUniform() < sampling_.xtc_probability) {
    Weigh(1, &candidates_);
    DropTopChoices(sampling_.xtc_threshold, &candidates_);
  }
}

std::uint32_t Sampler::Draw(absl::Span<const Candidate> distribution) {
  if (distribution.size() == 1) return distribution[0].id;
  double target = NextUniform();
  std::uint32_t last = distribution[0].id;
  for (const Candidate& candidate : distribution) {
    if (candidate.probability <= 0) continue;
    last = candidate.id;
    target -= candidate.probability;
    if (target < 0) break;
  }
  return last;
}

double Sampler::NextUniform() { return static_cast<double>(NextOf(&state_) >> 11) * 0x1p-53; }

std::uint64_t ChoiceSeed(std::uint64_t seed, std::uint32_t choice) {
  if (choice == 0) return seed;
  std::uint64_t state = seed ^ (std::uint64_t{choice} << 32);
  return NextOf(&state);
}

}  // namespace ragmesh::generation
