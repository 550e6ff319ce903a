#include "libs/vector_index/clustering.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>
#include <utility>

#include "libs/base/check.h"
#include "libs/base/status_macros.h"

namespace ragmesh::vector_index {
namespace {

constexpr int kRounds = 8;  // further ones move hardly any vector
constexpr std::size_t kRowsPerProduct = 96;
constexpr std::size_t kLanes = linalg::kSignLanes;  // that Kernels::above looks at

// Assigning needs no more than bfloat16 has: a vector between two clusters is as well in either.
linalg::Precision PrecisionOf(const linalg::Kernels& kernels) {
  return kernels.bf16.multiply != nullptr && kernels.f32.multiply != nullptr
             ? linalg::Precision::kBf16
             : linalg::Precision::kF32;
}

void Normalize(float* row, std::size_t n) {
  double squares = 0;
  for (std::size_t i = 0; i < n; ++i) squares += static_cast<double>(row[i]) * row[i];
  const auto scale = static_cast<float>(squares > 0 ? 1 / std::sqrt(squares) : 0);
  for (std::size_t i = 0; i < n; ++i) row[i] *= scale;
}

// Sums the rows of each cluster; an empty one takes a row of the fullest.
std::vector<float> Directions(const linalg::Kernels& kernels, absl::Span<const float> sample,
                              std::size_t dimension, std::size_t count,
                              absl::Span<const std::uint32_t> clusters, std::mt19937_64* random) {
  std::vector<float> sums(count * dimension, 0.0f);
  std::vector<std::uint32_t> sizes(count, 0);
  for (std::size_t i = 0; i < clusters.size(); ++i) {
    kernels.add_scaled(1, sample.data() + i * dimension, sums.data() + clusters[i] * dimension,
                       dimension);
    ++sizes[clusters[i]];
  }
  for (std::size_t c = 0; c < count; ++c) {
    if (sizes[c] == 0) {
      std::size_t row = (*random)() % clusters.size();
      for (std::size_t tries = 0; tries < 8 && sizes[clusters[row]] < 2; ++tries)
        row = (*random)() % clusters.size();
      std::copy_n(sample.data() + row * dimension, dimension, sums.data() + c * dimension);
    }
    Normalize(sums.data() + c * dimension, dimension);
  }
  return sums;
}

}  // namespace

Clusters::Clusters(const linalg::Kernels& kernels, std::size_t dimension, std::size_t count)
    : kernels_(&kernels),
      dimension_(dimension),
      count_(count),
      packed_(kernels, PrecisionOf(kernels)) {}

void Clusters::SetDirections(std::vector<float> directions) {
  directions_ = std::move(directions);
  packed_.Pack(directions_.data(), count_, dimension_);
}

absl::StatusOr<Clusters> Clusters::Train(const linalg::Kernels& kernels,
                                         absl::Span<const float> sample, std::size_t dimension,
                                         std::size_t count, const CallContext& call) {
  const std::size_t rows = sample.size() / dimension;
  RAGMESH_CHECK(count > 0 && rows >= count, "a cluster has at least one row of the sample");
  Clusters clusters(kernels, dimension, count);
  std::mt19937_64 random(count);
  std::vector<std::size_t> order(rows);
  std::iota(order.begin(), order.end(), std::size_t{0});
  for (std::size_t i = 0; i < count; ++i) std::swap(order[i], order[i + random() % (rows - i)]);
  std::vector<float> directions(count * dimension);
  for (std::size_t c = 0; c < count; ++c)
    std::copy_n(sample.data() + order[c] * dimension, dimension, directions.data() + c * dimension);
  std::vector<std::uint32_t> assigned(rows);
  for (int round = 0; round < kRounds; ++round) {
    RAGMESH_RETURN_IF_ERROR(call.Check());
    clusters.SetDirections(std::move(directions));
    clusters.Assign(sample, absl::MakeSpan(assigned));
    directions = Directions(kernels, sample, dimension, count, assigned, &random);
  }
  clusters.SetDirections(std::move(directions));
  return clusters;
}

void Clusters::Assign(absl::Span<const float> rows, absl::Span<std::uint32_t> clusters) const {
  const std::size_t stride = (count_ + kLanes - 1) / kLanes * kLanes;
  std::vector<float> products(kRowsPerProduct * stride, -std::numeric_limits<float>::infinity());
  linalg::PackedRows packed_rows(*kernels_, PrecisionOf(*kernels_), dimension_);
  for (std::size_t first = 0; first < clusters.size(); first += kRowsPerProduct) {
    const std::size_t count = std::min(kRowsPerProduct, clusters.size() - first);
    packed_rows.Reset(count);
    for (std::size_t r = 0; r < count; ++r)
      packed_rows.Set(r, rows.data() + (first + r) * dimension_);
    packed_.Multiply(packed_rows, 0, count, {}, products.data(), stride);
    for (std::size_t r = 0; r < count; ++r) {
      const float* const row = products.data() + r * stride;
      std::uint32_t best = 0;
      float most = row[0];
      for (std::size_t c = 0; c < stride; c += kLanes) {
        std::uint64_t better = kernels_->above(row + c, most);
        for (; better != 0; better &= better - 1) {
          const std::size_t at = c + static_cast<std::size_t>(std::countr_zero(better));
          if (row[at] > most) best = static_cast<std::uint32_t>(at), most = row[at];
        }
      }
      clusters[first + r] = best;
    }
  }
}

}  // namespace ragmesh::vector_index
