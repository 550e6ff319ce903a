// An orthogonal map that looks random: it spreads every vector evenly over its dimensions, so that
// one bit, or one byte of a fixed scale, says equally much of each.
#ifndef RAGMESH_LIBS_VECTOR_INDEX_ROTATION_H_
#define RAGMESH_LIBS_VECTOR_INDEX_ROTATION_H_

#include <cstddef>
#include <vector>

namespace ragmesh::vector_index {

// Rounds of random signs, a Hadamard transform of as many values as are a power of two, at the
// front and at the back in turn, and mixed halves, after the "fast Hadamard and Kac" rotation of
// Gao and others (SIGMOD 2025). The same for the same dimension, always. Thread-safe.
class Rotation {
 public:
  explicit Rotation(std::size_t dimension);  // at least 1

  std::size_t dimension() const { return dimension_; }
  // Values of a turned vector: a multiple of linalg::kSignDimensions, at least dimension().
  std::size_t size() const { return size_; }
  // `in` has dimension() values, `out` size(); they must not overlap.
  void Apply(const float* in, float* out) const;

 private:
  static constexpr int kRounds = 4;

  const std::size_t dimension_, size_;
  std::size_t span_ = 1;      // of the transform
  std::vector<float> signs_;  // kRounds x size_: 1 or -1
};

}  // namespace ragmesh::vector_index

#endif  // RAGMESH_LIBS_VECTOR_INDEX_ROTATION_H_
