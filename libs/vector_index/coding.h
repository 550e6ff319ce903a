// Vectors as signs and as bytes, and queries to hold against them.
//
// Signs follow Gao and Long, "RaBitQ" (SIGMOD 2024, arXiv 2405.12497): what remains of a vector
// beside a centre is turned at random, and of each value of that the sign is kept. From the signs
// and two numbers its inner product with any query can be estimated without bias; the error is
// about 0.75 / sqrt(dimension) of what remained. Bytes are the turned vector itself, in steps of
// one size, which a turned vector of length 1 hardly ever leaves.
#ifndef RAGMESH_LIBS_VECTOR_INDEX_CODING_H_
#define RAGMESH_LIBS_VECTOR_INDEX_CODING_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "libs/linalg/gemm.h"
#include "libs/linalg/kernels.h"
#include "libs/vector_index/rotation.h"

namespace ragmesh::vector_index {

// Where the vectors of one index lie: what they are turned by and their mean, which estimates are
// made around. Thread-safe.
class Frame {
 public:
  // `mean` has `dimension` values.
  Frame(std::size_t dimension, absl::Span<const float> mean);

  std::size_t dimension() const { return rotation_.dimension(); }
  // Bytes of a vector as bytes; six bits of signs to each six of them.
  std::size_t size() const { return rotation_.size(); }
  std::size_t triples() const { return size() / linalg::kSignDimensions; }
  std::size_t block_bytes() const { return linalg::SignBlockBytes(triples()); }
  const Rotation& rotation() const { return rotation_; }
  const std::vector<float>& turned_mean() const { return turned_mean_; }
  // What one step of a byte stands for.
  float byte_step() const { return byte_step_; }

  // What Shortlist has to allow for products of bytes: more than four times the deviation of the
  // difference of two of their errors.
  float byte_slack() const;

  // `turned` has size() values, and so has `bytes`.
  void ToBytes(const float* turned, std::int8_t* bytes) const;

 private:
  const Rotation rotation_;
  std::vector<float> turned_mean_;
  float byte_step_;
};

// A block of 64 vectors as signs: writes what linalg::SignScan reads.
class SignBlock {
 public:
  // `memory` holds frame.block_bytes() bytes at a multiple of 64. Empties all places.
  SignBlock(const Frame& frame, std::uint8_t* memory);
  // Puts a vector into place `lane`. `turned` and the centre it is coded around, turned too, have
  // frame.size() values.
  void Set(std::size_t lane, const float* turned, const float* turned_centre);

 private:
  const Frame& frame_;
  std::uint8_t* const memory_;
};

// A query as one frame's estimates take it. Not changed after it is made: thread-safe.
class CodedQuery {
 public:
  // `query` has frame.dimension() values, of length 1. Estimates are raised by `margin` times a
  // vector's factor and the length of what the query has beside the mean, so that few vectors are
  // better than their estimate; 0.6 of that is a standard deviation of the error.
  CodedQuery(const Frame& frame, const float* query, double margin);

  const linalg::SignScan& scan() const { return scan_; }
  const std::int8_t* bytes() const { return bytes_.data(); }
  // Times a product of bytes: the product of what they stand for.
  float byte_scale() const { return byte_scale_; }
  // With the frame's mean.
  float mean_product() const { return mean_product_; }

 private:
  linalg::AlignedBytes tables_;
  linalg::SignScan scan_;
  std::vector<std::int8_t> bytes_;
  float byte_scale_ = 0, mean_product_ = 0;
};

}  // namespace ragmesh::vector_index

#endif  // RAGMESH_LIBS_VECTOR_INDEX_CODING_H_
