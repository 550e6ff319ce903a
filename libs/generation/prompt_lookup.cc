#include "libs/generation/prompt_lookup.h"

#include <algorithm>

namespace ragmesh::generation {
namespace {

constexpr double kCost = 1.0 / 16;       // of one more token in a pass
constexpr std::size_t kTrialEvery = 24;  // tokens; a trial that fails costs an eighth of a pass
constexpr std::size_t kTrialLength = 2;

// Up to 2^21 ids keep apart, as many as any vocabulary has; others at worst guess wrong.
std::uint64_t Key(absl::Span<const std::uint32_t> tokens) {
  std::uint64_t key = 0;
  for (const std::uint32_t token : tokens) key = key << 21 ^ token;
  return key;
}

}  // namespace

absl::Span<const std::uint32_t> PromptLookup::Guess(absl::Span<const std::uint32_t> tokens) {
  // A place is known once something follows it.
  for (; seen_ < tokens.size(); ++seen_) {
    if (seen_ >= 2) twos_[Key(tokens.subspan(seen_ - 2, 2))] = static_cast<std::uint32_t>(seen_);
    if (seen_ >= 3) threes_[Key(tokens.subspan(seen_ - 3, 3))] = static_cast<std::uint32_t>(seen_);
  }
  ++since_trial_;
  std::size_t length = Length();
  if (length == 0) {
    if (since_trial_ < kTrialEvery) return {};
    length = kTrialLength;
  }
  if (tokens.size() < 3) return {};
  auto place = threes_.find(Key(tokens.last(3)));
  if (place == threes_.end()) {
    place = twos_.find(Key(tokens.last(2)));
    if (place == twos_.end()) return {};
  }
  since_trial_ = 0;
  return tokens.subspan(place->second, length);
}

void PromptLookup::Learn(std::size_t guessed, std::size_t right) {
  // Each token that came true, and the first that did not, is one observation.
  for (std::size_t i = 0; i < std::min(right + 1, guessed); ++i)
    rate_ += ((i < right ? 1.0 : 0.0) - rate_) / 8;
}

// The number of tokens that brings most tokens a second: 1 + r + r^2 + ... + r^k of them are
// expected of a pass that costs 1 + k * kCost.
std::size_t PromptLookup::Length() const {
  double best = 1.0, expected = 1.0, power = 1.0;
  std::size_t length = 0;
  for (std::size_t k = 1; k <= kMostGuessed; ++k) {
    power *= rate_;
    expected += power;
    const double gain = expected / (1 + kCost * static_cast<double>(k));
    if (gain > best * 1.02) {
      best = gain;
      length = k;
    }
  }
  return length;
}

}  // namespace ragmesh::generation
