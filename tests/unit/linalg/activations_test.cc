// Softmax, GELU and layer norm of every table against double precision, within the bounds kernels.h
// states.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "libs/linalg/kernels.h"

namespace ragmesh::linalg {
namespace {

class ActivationsTest : public ::testing::TestWithParam<const Kernels*> {
 protected:
  std::vector<float> Random(std::size_t n, float spread) {
    std::normal_distribution<float> normal(0, spread);
    std::vector<float> values(n);
    for (float& value : values) value = normal(random_);
    return values;
  }
  const Kernels& table_ = *GetParam();
  std::mt19937 random_{11};
};

TEST_P(ActivationsTest, SoftmaxAgreesWithDoublePrecisionAtEveryLength) {
  for (std::size_t n = 1; n <= 130; ++n) {
    const std::vector<float> x = Random(n, 5);
    std::vector<float> y = x;
    y.push_back(-3.0f);
    table_.softmax(y.data(), n);
    double max = -INFINITY, sum = 0;
    for (const float value : x) max = std::max<double>(max, value);
    for (const float value : x) sum += std::exp(value - max);
    for (std::size_t i = 0; i < n; ++i) {
      const double expected = std::exp(x[i] - max) / sum;
      ASSERT_NEAR(y[i], expected, expected * 0x1p-23 * (8 + max - x[i]) + 1e-37)
          << n << " at " << i;
    }
    EXPECT_EQ(y[n], -3.0f);
  }
}

TEST_P(ActivationsTest, SoftmaxOfFarApartValuesIsStable) {
  std::vector<float> x = {1000.0f, -1000.0f, 999.0f};
  table_.softmax(x.data(), x.size());
  EXPECT_NEAR(x[0], 0.73105858f, 1e-6);
  EXPECT_NEAR(x[1], 0, 1e-37);
  EXPECT_NEAR(x[2], 0.26894142f, 1e-6);
}

TEST_P(ActivationsTest, SoftmaxSpreadsNan) {
  for (const std::size_t n : {1, 7, 8, 9, 16, 17, 40}) {
    for (std::size_t i = 0; i < n; ++i) {
      std::vector<float> x(n, 1.0f);
      x[i] = std::numeric_limits<float>::quiet_NaN();
      table_.softmax(x.data(), n);
      for (const float value : x) EXPECT_TRUE(std::isnan(value)) << n << " at " << i;
    }
  }
}

TEST_P(ActivationsTest, GeluAgreesWithDoublePrecision) {
  std::vector<float> x;
  for (float value = -14; value <= 14; value += 0.00137f) x.push_back(value);
  x.insert(x.end(), {0.0f, -0.0f, 1e-30f, -1e-30f, 100.0f, -100.0f, 3e18f, -3e18f});
  for (std::size_t n : {x.size(), x.size() - 3, std::size_t{5}}) {
    std::vector<float> y = x;
    table_.gelu(y.data(), n);
    for (std::size_t i = 0; i < n; ++i) {
      const double expected = 0.5 * x[i] * std::erfc(-x[i] / std::sqrt(2.0));
      ASSERT_NEAR(y[i], expected, 0x1p-21 * (1 + std::fabs(x[i]))) << x[i];
    }
    for (std::size_t i = n; i < x.size(); ++i) ASSERT_EQ(y[i], x[i]);
  }
  float nan = std::numeric_limits<float>::quiet_NaN();
  table_.gelu(&nan, 1);
  EXPECT_TRUE(std::isnan(nan));
}

TEST_P(ActivationsTest, LayerNormAgreesWithDoublePrecisionAtEveryLength) {
  for (std::size_t n = 2; n <= 130; ++n) {
    const std::vector<float> x = Random(n, 2), gain = Random(n, 1), offset = Random(n, 1);
    std::vector<float> y = x;
    y.push_back(5.0f);
    table_.layer_norm(gain.data(), offset.data(), 1e-12f, y.data(), n);
    double mean = 0, variance = 0;
    for (const float value : x) mean += value / static_cast<double>(n);
    for (const float value : x)
      variance += (value - mean) * (value - mean) / static_cast<double>(n);
    for (std::size_t i = 0; i < n; ++i) {
      const double expected = (x[i] - mean) / std::sqrt(variance + 1e-12) * gain[i] + offset[i];
      ASSERT_NEAR(y[i], expected, 0x1p-18 * (std::fabs(gain[i]) + std::fabs(offset[i])))
          << n << " at " << i;
    }
    EXPECT_EQ(y[n], 5.0f);
  }
}

TEST_P(ActivationsTest, LayerNormOfEqualValuesIsTheOffset) {
  std::vector<float> x(40, 3.0f), gain(40, 2.0f), offset(40, 0.5f);
  table_.layer_norm(gain.data(), offset.data(), 1e-12f, x.data(), x.size());
  for (const float value : x) EXPECT_EQ(value, 0.5f);
}

INSTANTIATE_TEST_SUITE_P(EveryTable, ActivationsTest,
                         ::testing::ValuesIn(SupportedKernels().begin(), SupportedKernels().end()),
                         [](const auto& info) { return std::string(info.param->name); });

}  // namespace
}  // namespace ragmesh::linalg
