#include "libs/embedding/quantization.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "tests/unit/embedding/tiny_model.h"

namespace ragmesh::embedding {
namespace {

using linalg::Precision;
using ::testing::ElementsAre;

class QuantizationTest : public ::testing::Test {
 protected:
  std::shared_ptr<const EncoderModel> Load(Precision precision,
                                           const Calibration* calibration = nullptr) {
    return models_.Load({&linalg::DefaultKernels(), precision}, calibration);
  }
  const TinyModels models_;
  const std::vector<TokenIds> texts_ = {{2, 7, 19, 3}, {2, 33, 8, 21, 5, 39, 3}, {2, 3}};
};

TEST_F(QuantizationTest, CalibrationIsTheLargestAndTheMeanOfEveryChannel) {
  const auto model = Load(Precision::kF32);
  const Calibration calibration = Calibration::Measure(*model, texts_);
  std::vector<float> largest(32, 0.0f);
  std::vector<double> sum(32, 0.0);
  std::size_t rows = 0;
  for (const TokenIds& ids : texts_) {
    const EncoderText text{ids, {}};
    EncoderWorkspace workspace(*model);
    // The embeddings are what the first product reads.
    EXPECT_FALSE(model->Forward({&text, 1}, &workspace, [&](std::size_t) {
      const auto hidden = workspace.hidden(0);
      for (std::size_t i = 0; i < hidden.size(); ++i) {
        largest[i % 32] = std::max(largest[i % 32], std::fabs(hidden[i]));
        sum[i % 32] += hidden[i];
      }
      rows += ids.size();
      return false;
    }));
  }
  const auto& inputs = calibration.inputs(0, LayerProduct::kQueryKeyValue);
  EXPECT_EQ(inputs.largest, largest);
  for (std::size_t c = 0; c < 32; ++c)
    EXPECT_NEAR(inputs.mean[c], sum[c] / static_cast<double>(rows), 1e-5);
}

TEST_F(QuantizationTest, CalibrationKnowsEveryProduct) {
  const auto model = Load(Precision::kF32);
  const Calibration calibration = Calibration::Measure(*model, texts_);
  for (std::size_t layer = 0; layer < 2; ++layer) {
    for (const auto product : {LayerProduct::kQueryKeyValue, LayerProduct::kAttentionOutput,
                               LayerProduct::kIntermediate, LayerProduct::kOutput}) {
      const auto& inputs = calibration.inputs(layer, product);
      EXPECT_EQ(inputs.largest.size(), product == LayerProduct::kOutput ? 64u : 32u);
      EXPECT_EQ(inputs.mean.size(), inputs.largest.size());
      for (std::size_t c = 0; c < inputs.largest.size(); ++c) {
        EXPECT_GT(inputs.largest[c], 0);
        EXPECT_LE(std::fabs(inputs.mean[c]), inputs.largest[c]);
      }
    }
  }
}

// Channels that are alike need no scaling, so the numbers can be followed by hand.
TEST_F(QuantizationTest, RoundsAKnownMatrixAndPutsTheMeanLossIntoItsBias) {
  const Calibration::Inputs seen{{1, 1}, {0.5f, -0.25f}};
  const QuantizedProduct product = Quantize({1, -0.4f, 0.25f, 1}, {10, 20}, seen);
  EXPECT_EQ(product.divisors, (std::vector<float>{1, 1}));
  EXPECT_THAT(product.weights.values, ElementsAre(127, -51, 32, 127));  // of -50.8 and 31.75
  EXPECT_THAT(product.weights.scales, ElementsAre(1.0f / 127, 1.0f / 127));
  EXPECT_NEAR(product.bias[0], 10 + (-0.4 + 51.0 / 127) * -0.25, 1e-6);
  EXPECT_NEAR(product.bias[1], 20 + (0.25 - 32.0 / 127) * 0.5, 1e-6);
}

TEST_F(QuantizationTest, DividesALoudChannelByMoreAndMultipliesItsWeightsByTheSame) {
  const std::vector<float> weights = {1, -0.5f, 0.25f, 0.75f, 1, -1};
  const Calibration::Inputs seen{{16, 1, 1}, {0, 0, 0}};
  const QuantizedProduct product = Quantize(weights, {0, 0}, seen);
  EXPECT_GT(product.divisors[0], product.divisors[1]);
  EXPECT_LT(product.divisors[0], 16 * product.divisors[1]);
  for (std::size_t i = 0; i < weights.size(); ++i) {
    const float scale = product.weights.scales[i / 3];
    EXPECT_NEAR(scale * product.weights.values[i], weights[i] * product.divisors[i % 3],
                0.5001f * scale)
        << i;
  }
}

// A product whose inputs have two channels far from the others, one of them always at the same
// value: what the layer norms of trained encoders give.
class OutlierTest : public ::testing::TestWithParam<const linalg::Kernels*> {
 protected:
  static constexpr std::size_t kRows = 200, kInputs = 96, kOutputs = 40;

  // `deviation` of the other channel; of all else it is 1.
  void Make(float deviation) {
    std::mt19937 random(5);
    std::normal_distribution<float> normal;
    for (float& weight : weights_) weight = 0.05f * normal(random);
    for (float& value : bias_) value = normal(random);
    for (std::size_t i = 0; i < values_.size(); ++i) {
      const std::size_t c = i % kInputs;
      values_[i] = c == 7 ? 25.0f : c == 30 ? deviation * normal(random) : normal(random);
      seen_.largest[c] = std::max(seen_.largest[c], std::fabs(values_[i]));
      seen_.mean[c] += values_[i] / kRows;
    }
    linalg::PackedMatrix exact(*GetParam(), Precision::kF32);
    exact.Pack(weights_.data(), kOutputs, kInputs);
    exact_ = Multiply(exact, Precision::kF32, bias_, nullptr);
  }
  std::vector<float> Multiply(const linalg::PackedMatrix& matrix, Precision precision,
                              const std::vector<float>& bias, const float* factors) {
    linalg::PackedRows rows(*GetParam(), precision, kInputs);
    rows.Reset(kRows);
    for (std::size_t r = 0; r < kRows; ++r) rows.Set(r, values_.data() + r * kInputs, factors);
    std::vector<float> out(kRows * kOutputs);
    matrix.Multiply(rows, 0, kRows, {.bias = bias.data()}, out.data(), kOutputs);
    return out;
  }
  // Root of the mean square distance from the product in f32.
  double Error(const linalg::Int8Matrix& weights, const std::vector<float>& bias,
               const float* factors) {
    linalg::PackedMatrix matrix(*GetParam(), Precision::kInt8);
    matrix.Pack(weights);
    const auto out = Multiply(matrix, Precision::kInt8, bias, factors);
    double sum = 0;
    for (std::size_t i = 0; i < out.size(); ++i) sum += std::pow(double{out[i]} - exact_[i], 2);
    return std::sqrt(sum / static_cast<double>(out.size()));
  }

  std::vector<float> weights_ = std::vector<float>(kOutputs * kInputs);
  std::vector<float> bias_ = std::vector<float>(kOutputs);
  std::vector<float> values_ = std::vector<float>(kRows * kInputs);
  Calibration::Inputs seen_{std::vector<float>(kInputs), std::vector<float>(kInputs)};
  std::vector<float> exact_;
};

TEST_P(OutlierTest, CalibratedProductsAreSeveralTimesCloserToF32) {
  struct Case {
    float deviation;
    double gain;
  };
  for (const Case& one : {Case{12, 2}, Case{100, 4}}) {
    Make(one.deviation);
    const QuantizedProduct product = Quantize(weights_, bias_, seen_);
    std::vector<float> factors = product.divisors;
    for (float& factor : factors) factor = 1 / factor;
    const double plain =
        Error(linalg::RoundToInt8(weights_.data(), kOutputs, kInputs), bias_, nullptr);
    const double scaled = Error(product.weights, bias_, factors.data());
    const double calibrated = Error(product.weights, product.bias, factors.data());
    EXPECT_LT(scaled, plain) << one.deviation;
    EXPECT_LT(calibrated, scaled) << one.deviation;
    EXPECT_LT(calibrated, plain / one.gain) << one.deviation << ", plain " << plain;
    seen_ = {std::vector<float>(kInputs), std::vector<float>(kInputs)};
  }
}

INSTANTIATE_TEST_SUITE_P(EveryTable, OutlierTest,
                         ::testing::ValuesIn(linalg::SupportedKernels().begin(),
                                             linalg::SupportedKernels().end()),
                         [](const auto& info) { return linalg::TableName(*info.param); });

TEST_F(QuantizationTest, SilentChannelsAndZeroWeightsAreHarmless) {
  Calibration::Inputs seen{std::vector<float>(4, 0.0f), std::vector<float>(4, 0.0f)};
  const QuantizedProduct silent = Quantize({1, 2, 3, 4}, {0.5f}, seen);
  for (const float divisor : silent.divisors) EXPECT_EQ(divisor, 1.0f);
  EXPECT_EQ(silent.bias, std::vector<float>{0.5f});
  seen.largest = {1, 1, 1, 1};
  const QuantizedProduct zero = Quantize({0, 0, 0, 0}, {0.5f}, seen);
  EXPECT_EQ(zero.weights.scales, std::vector<float>{0.0f});
  EXPECT_EQ(zero.bias, std::vector<float>{0.5f});
}

TEST_F(QuantizationTest, AgreementIsOneWithItselfAndNearlySoInInt8) {
  const auto exact = Load(Precision::kF32);
  EXPECT_NEAR(Compare(*exact, *exact, texts_).least, 1, 1e-6);
  const Calibration calibration = Calibration::Measure(*exact, texts_);
  const Agreement agreement = Compare(*exact, *Load(Precision::kInt8, &calibration), texts_);
  EXPECT_GT(agreement.least, 0.999);
  EXPECT_GE(agreement.mean, agreement.least);
  EXPECT_LT(agreement.mean, 1);
}

}  // namespace
}  // namespace ragmesh::embedding
