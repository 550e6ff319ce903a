#include "libs/vector_index/coding.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <random>
#include <utility>
#include <vector>

#include "tests/unit/vector_index/vectors.h"

namespace ragmesh::vector_index {
namespace {

using linalg::kSignLanes;

double Product(const float* a, const float* b, std::size_t n) {
  double sum = 0;
  for (std::size_t i = 0; i < n; ++i) sum += static_cast<double>(a[i]) * b[i];
  return sum;
}

TEST(RotationTest, KeepsProductsAtEveryDimension) {
  std::mt19937 random(1);
  for (const std::size_t dimension : {1, 2, 3, 23, 24, 25, 100, 384, 768, 1000, 1024, 4096}) {
    const Rotation rotation(dimension);
    EXPECT_EQ(rotation.size() % linalg::kSignDimensions, 0u);
    EXPECT_GE(rotation.size(), dimension);
    const std::vector<float> a = RandomUnit(dimension, random), b = RandomUnit(dimension, random);
    std::vector<float> turned_a(rotation.size()), turned_b(rotation.size());
    rotation.Apply(a.data(), turned_a.data());
    rotation.Apply(b.data(), turned_b.data());
    EXPECT_NEAR(Product(turned_a.data(), turned_a.data(), rotation.size()), 1, 1e-5);
    EXPECT_NEAR(Product(turned_a.data(), turned_b.data(), rotation.size()),
                Product(a.data(), b.data(), dimension), 1e-5);
  }
}

TEST(RotationTest, SpreadsASingleValueOverAllDimensions) {
  const Rotation rotation(384);
  for (const std::size_t at : {0, 1, 128, 383}) {
    std::vector<float> one(384, 0.0f), turned(384);
    one[at] = 1;
    rotation.Apply(one.data(), turned.data());
    for (const float value : turned) EXPECT_LT(std::fabs(value), 0.35f);
  }
}

// Files hold codes of turned vectors, so what the rotation does is part of their format.
TEST(RotationTest, IsTheSameForEver) {
  const Rotation rotation(24);
  std::vector<float> ramp(24), turned(24);
  for (std::size_t i = 0; i < 24; ++i) ramp[i] = static_cast<float>(i);
  rotation.Apply(ramp.data(), turned.data());
  const std::vector<float> expected = {
      -22.59375f, -9.43750f, 24.62500f, -7.71875f,  -14.03125f, 14.75000f,  5.68750f,   -7.03125f,
      23.25000f,  5.75000f,  1.75000f,  -15.75000f, 13.59375f,  16.43750f,  -11.62500f, -9.28125f,
      -0.71875f,  2.12500f,  2.18750f,  -20.46875f, -13.18750f, -20.25000f, -6.12500f,  3.31250f};
  for (std::size_t i = 0; i < 24; ++i) EXPECT_NEAR(turned[i], expected[i], 1e-4) << i;
}

// To the last bit, whatever the compiler makes of it: FNV-1a of what comes of 1/3, 1/4, 1/5 ...
TEST(RotationTest, IsTheSameForEverToTheLastBit) {
  const std::pair<std::size_t, std::uint64_t> expected[] = {
      {24, 0xa151ad4115bba1d1},   {33, 0x564c5b86e1f614e5},  {100, 0x34c23ba8832ba76c},
      {384, 0x6a063fd3b6ee0361},  {768, 0x15753d4e99f9ab5e}, {1024, 0xb00f92bb81ab8e03},
      {3000, 0xd5ec4e3de73ce88a},
  };
  for (const auto& [dimension, digest] : expected) {
    const Rotation rotation(dimension);
    std::vector<float> falling(dimension), turned(rotation.size());
    for (std::size_t i = 0; i < dimension; ++i) falling[i] = 1.0f / static_cast<float>(i + 3);
    rotation.Apply(falling.data(), turned.data());
    std::uint64_t found = 14695981039346656037u;
    for (const float value : turned)
      found = (found ^ std::bit_cast<std::uint32_t>(value)) * 1099511628211u;
    EXPECT_EQ(found, digest) << dimension;
  }
}

struct Coded {
  explicit Coded(const Frame& frame) : turned(frame.size()), turned_centre(frame.size()) {
    memory.Reserve(frame.block_bytes());
    block = reinterpret_cast<std::uint8_t*>(memory.data());
  }
  linalg::AlignedBytes memory;
  std::uint8_t* block;
  std::vector<float> turned, turned_centre;
};

TEST(CodingTest, EstimatesAreRightOnAverageAndWithinTheirDeviation) {
  std::mt19937 random(2);
  constexpr std::size_t kDimension = 384;
  for (const float mean_length : {0.0f, 0.4f, 0.8f}) {
    std::vector<float> mean = RandomUnit(kDimension, random);
    for (float& value : mean) value *= mean_length;
    const Frame frame(kDimension, mean);
    Coded coded(frame);
    SignBlock block(frame, coded.block);
    frame.rotation().Apply(mean.data(), coded.turned_centre.data());
    std::vector<std::vector<float>> vectors;
    for (std::size_t lane = 0; lane < kSignLanes; ++lane) {
      vectors.push_back(RandomUnit(kDimension, random, mean));
      frame.rotation().Apply(vectors.back().data(), coded.turned.data());
      block.Set(lane, coded.turned.data(), coded.turned_centre.data());
    }
    double sum = 0, squares = 0, expected_squares = 0;
    int count = 0;
    for (int i = 0; i < 50; ++i) {
      const std::vector<float> query = RandomUnit(kDimension, random, mean);
      const auto base = static_cast<float>(Product(query.data(), mean.data(), kDimension));
      for (const linalg::Kernels* kernels : linalg::SupportedKernels()) {
        const CodedQuery plain(frame, query.data(), 0), raised(frame, query.data(), 0.6);
        float estimates[kSignLanes], higher[kSignLanes], most;
        const std::uint8_t* where = coded.block;
        kernels->scan_signs(plain.scan(), &where, &base, 1, estimates, &most);
        kernels->scan_signs(raised.scan(), &where, &base, 1, higher, &most);
        for (std::size_t lane = 0; lane < kSignLanes; ++lane) {
          const double error =
              estimates[lane] - Product(query.data(), vectors[lane].data(), kDimension);
          const double deviation = higher[lane] - estimates[lane];
          EXPECT_LT(std::fabs(error), 6 * deviation);
          sum += error;
          squares += error * error;
          expected_squares += deviation * deviation;
          ++count;
        }
      }
    }
    const double deviation = std::sqrt(squares / count);
    EXPECT_LT(std::fabs(sum / count), deviation / 10);
    EXPECT_NEAR(deviation / std::sqrt(expected_squares / count), 1, 0.15);
  }
}

TEST(CodingTest, EmptyPlacesAreBelowEveryBar) {
  const Frame frame(10, std::vector<float>(10, 0.1f));
  Coded coded(frame);
  SignBlock block(frame, coded.block);
  std::mt19937 random(3);
  const std::vector<float> query = RandomUnit(10, random);
  const CodedQuery coded_query(frame, query.data(), 3);
  const float base = 1;
  float estimates[kSignLanes], most;
  const std::uint8_t* where = coded.block;
  linalg::DefaultKernels().scan_signs(coded_query.scan(), &where, &base, 1, estimates, &most);
  EXPECT_EQ(most, -std::numeric_limits<float>::infinity());
}

TEST(CodingTest, AVectorEqualToItsCentreIsEstimatedExactly) {
  std::mt19937 random(4);
  const std::vector<float> centre = RandomUnit(50, random);
  const Frame frame(50, centre);
  Coded coded(frame);
  SignBlock block(frame, coded.block);
  frame.rotation().Apply(centre.data(), coded.turned_centre.data());
  block.Set(0, coded.turned_centre.data(), coded.turned_centre.data());
  const CodedQuery query(frame, centre.data(), 3);
  const float base = 0.25f;
  float estimates[kSignLanes], most;
  const std::uint8_t* where = coded.block;
  linalg::DefaultKernels().scan_signs(query.scan(), &where, &base, 1, estimates, &most);
  EXPECT_EQ(estimates[0], 0.25f);
}

TEST(CodingTest, ProductsOfBytesLieWithinTheSlackOfShortlists) {
  std::mt19937 random(5);
  for (const std::size_t dimension : {100, 384, 1024}) {
    const Frame frame(dimension, std::vector<float>(dimension, 0.0f));
    std::vector<float> turned(frame.size());
    std::vector<std::int8_t> bytes(frame.size());
    for (int i = 0; i < 2000; ++i) {
      const std::vector<float> query = RandomUnit(dimension, random),
                               vector = RandomUnit(dimension, random, query);
      frame.rotation().Apply(vector.data(), turned.data());
      frame.ToBytes(turned.data(), bytes.data());
      const CodedQuery coded(frame, query.data(), 0);
      const double product = coded.byte_scale() * linalg::DefaultKernels().dot_i8(
                                                      coded.bytes(), bytes.data(), frame.size());
      EXPECT_NEAR(product, Product(query.data(), vector.data(), dimension), frame.byte_slack());
    }
  }
}

}  // namespace
}  // namespace ragmesh::vector_index
