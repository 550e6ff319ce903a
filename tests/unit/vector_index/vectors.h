// Vectors for tests.
#ifndef RAGMESH_TESTS_UNIT_VECTOR_INDEX_VECTORS_H_
#define RAGMESH_TESTS_UNIT_VECTOR_INDEX_VECTORS_H_

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <random>
#include <vector>

namespace ragmesh::vector_index {

// Of length 1, in a random direction to which `towards`, if any, is added.
template <typename Random>
std::vector<float> RandomUnit(std::size_t dimension, Random& random,
                              const std::vector<float>& towards = {}) {
  std::normal_distribution<float> normal;
  std::vector<float> vector(dimension);
  for (float& value : vector) value = normal(random);
  const auto normalize = [&vector] {
    double squares = 0;
    for (const float value : vector) squares += static_cast<double>(value) * value;
    for (float& value : vector) value = static_cast<float>(value / std::sqrt(squares));
  };
  normalize();
  for (std::size_t i = 0; i < towards.size(); ++i) vector[i] += towards[i];
  normalize();
  return vector;
}

}  // namespace ragmesh::vector_index

#endif  // RAGMESH_TESTS_UNIT_VECTOR_INDEX_VECTORS_H_
