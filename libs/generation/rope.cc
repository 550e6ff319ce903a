#include "libs/generation/rope.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace ragmesh::generation {
namespace {

// The pair, as a real number, that turns `turns` times in the original context.
double PairThatTurns(double turns, const RopeConfig& config, double dim) {
  const auto context = static_cast<double>(config.original_context);
  return dim * std::log(context / (turns * 2 * std::numbers::pi)) / (2 * std::log(config.base));
}

// Per pair, the share of its own speed that it keeps: 1 for the fast ones, 0 for the slow ones.
std::vector<double> KeptShares(const RopeConfig& config, std::size_t dim) {
  const auto size = static_cast<double>(dim);
  const double low = std::max(0.0, std::floor(PairThatTurns(config.beta_fast, config, size)));
  const double high = std::min(size - 1, std::ceil(PairThatTurns(config.beta_slow, config, size)));
  const double width = std::max(0.001, high - low);
  std::vector<double> shares(dim / 2);
  for (std::size_t j = 0; j < shares.size(); ++j) {
    const double slow = std::clamp((static_cast<double>(j) - low) / width, 0.0, 1.0);
    shares[j] = (1 - slow) * config.extrapolation;
  }
  return shares;
}

}  // namespace

std::vector<double> RopeFrequencies(const RopeConfig& config, std::size_t dim,
                                    absl::Span<const float> divisors) {
  std::vector<double> frequencies(dim / 2);
  std::vector<double> kept(dim / 2, config.scaling == RopeScaling::kNone ? 1.0 : 0.0);
  if (config.scaling == RopeScaling::kYarn) kept = KeptShares(config, dim);
  for (std::size_t j = 0; j < frequencies.size(); ++j) {
    const double exponent = -2.0 * static_cast<double>(j) / static_cast<double>(dim);
    double own = std::pow(config.base, exponent);
    if (!divisors.empty()) own /= divisors[j];
    frequencies[j] = own * kept[j] + own / config.factor * (1 - kept[j]);
  }
  return frequencies;
}

double RopeMagnitude(const RopeConfig& config) {
  const bool stretched = config.scaling == RopeScaling::kYarn && config.extrapolation > 0;
  return config.magnitude * (stretched ? 1 + 0.1 * std::log(std::max(1.0, config.factor)) : 1);
}

}  // namespace ragmesh::generation
