#include "libs/tuning/significance.h"

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

namespace ragmesh::tuning {
namespace {

constexpr std::size_t kExactDifferences = 16;
constexpr int kPermutations = 10'000;
constexpr int kSamples = 5'000;

}  // namespace

double PairedPermutation(absl::Span<const double> differences, std::uint64_t seed) {
  std::vector<double> values;  // zeros stay zeros whatever their sign
  for (const double value : differences) {
    if (value != 0) values.push_back(value);
  }
  double sum = 0;
  for (const double value : values) sum += value;
  // Sums of the same numbers with the same signs may differ by rounding.
  const double observed = std::abs(sum) - 1e-12 * static_cast<double>(values.size());
  if (values.size() <= kExactDifferences) {
    const std::uint32_t all = 1u << values.size();
    std::uint32_t as_far = 0;
    for (std::uint32_t signs = 0; signs < all; ++signs) {
      double flipped = 0;
      for (std::size_t i = 0; i < values.size(); ++i)
        flipped += (signs >> i) & 1 ? -values[i] : values[i];
      as_far += std::abs(flipped) >= observed ? 1 : 0;
    }
    return static_cast<double>(as_far) / all;
  }
  std::mt19937_64 random(seed);
  int as_far = 0;
  for (int round = 0; round < kPermutations; ++round) {
    double flipped = 0;
    std::uint64_t signs = 0;
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (i % 64 == 0) signs = random();
      flipped += (signs >> (i % 64)) & 1 ? -values[i] : values[i];
    }
    as_far += std::abs(flipped) >= observed ? 1 : 0;
  }
  return (as_far + 1.0) / (kPermutations + 1.0);  // what was seen is one of the possibilities
}

Interval BootstrapInterval(absl::Span<const double> differences, std::uint64_t seed) {
  if (differences.empty()) return {};
  std::mt19937_64 random(seed);
  std::vector<double> means(kSamples);
  const double n = static_cast<double>(differences.size());
  for (double& mean : means) {
    for (std::size_t i = 0; i < differences.size(); ++i)
      mean += differences[random() % differences.size()] / n;
  }
  std::sort(means.begin(), means.end());
  return {means[kSamples * 25 / 1000], means[kSamples * 975 / 1000 - 1]};
}

}  // namespace ragmesh::tuning
