#include "libs/embedding/token_vectors.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <random>

namespace ragmesh::embedding {
namespace {

TEST(TokenVectorsTest, KeepDirectionsAndForgetLengths) {
  const linalg::Kernels& kernels = linalg::DefaultKernels();
  constexpr std::size_t kWidth = 384, kTokens = 50;
  std::mt19937 random(3);
  std::normal_distribution<float> normal;
  std::vector<float> hidden(kWidth * kTokens);
  for (float& value : hidden) value = normal(random);
  const TokenVectors vectors = RoundTokenVectors(kernels, kTokens, hidden);
  ASSERT_EQ(vectors.bytes.size(), hidden.size());
  ASSERT_EQ(vectors.rows.size(), kTokens);
  for (std::size_t t = 0; t < kTokens; ++t) {
    double dot = 0, exact = 0, rounded = 0;
    std::int32_t sum = 0;
    for (std::size_t i = 0; i < kWidth; ++i) {
      const double value = hidden[t * kWidth + i];
      const auto byte = static_cast<std::int8_t>(vectors.bytes[t * kWidth + i]);
      const double stands_for = byte * static_cast<double>(vectors.rows[t].scale);
      dot += value * stands_for, exact += value * value, rounded += stands_for * stands_for;
      sum += byte;
    }
    EXPECT_NEAR(rounded, 1, 1e-6);
    EXPECT_GT(dot / std::sqrt(exact * rounded), 0.9999);
    EXPECT_EQ(vectors.rows[t].sum, sum);
  }
  for (float& value : hidden) value *= 8;
  EXPECT_EQ(RoundTokenVectors(kernels, kTokens, hidden).bytes, vectors.bytes);
}

TEST(TokenVectorsTest, AnyBytesStandForSomething) {
  for (const linalg::Kernels* kernels : linalg::SupportedKernels()) {
    const auto rows = RowsOf(*kernels, 4, std::string("\0\0\0\0\x80\x80\x80\x80", 8));
    ASSERT_EQ(rows.size(), 2u);
    EXPECT_EQ(rows[0].scale, 0);
    EXPECT_EQ(rows[1].scale, 1.0f / 256);
    EXPECT_EQ(rows[1].sum, -512);
  }
  EXPECT_TRUE(RowsOf(linalg::DefaultKernels(), 4, "").empty());
}

}  // namespace
}  // namespace ragmesh::embedding
