#include "bench/store/random_text.h"

#include <cmath>
#include <cstdint>

namespace ragmesh::bench {
namespace {

constexpr std::size_t kTextBytes = 600;
constexpr double kVocabulary = 20'000;

}  // namespace

std::string RandomText(std::mt19937* random) {
  std::uniform_real_distribution<double> uniform;
  std::string text;
  while (text.size() < kTextBytes) {
    auto rank = static_cast<std::uint32_t>(std::pow(kVocabulary, uniform(*random)));
    for (std::uint32_t i = 0; i < 4 + rank % 7; ++i, rank = rank * 2654435761u + 1)
      text.push_back(static_cast<char>('a' + (rank >> 16) % 26));
    text.push_back(' ');
  }
  text.resize(kTextBytes);
  return text;
}

std::vector<float> RandomUnit(std::size_t dimension, std::mt19937* random) {
  std::normal_distribution<float> normal;
  std::vector<float> vector(dimension);
  double square = 0;
  for (float& value : vector) {
    value = normal(*random);
    square += value * value;
  }
  for (float& value : vector) value = static_cast<float>(value / std::sqrt(square));
  return vector;
}

}  // namespace ragmesh::bench
