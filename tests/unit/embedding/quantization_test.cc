#include "libs/embedding/quantization.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "libs/testing/status_matchers.h"
#include "tests/unit/embedding/tiny_encoder.h"
#include "tests/unit/linalg/tables.h"

namespace ragmesh::embedding {
namespace {

using linalg::Precision;

class QuantizationTest : public ::testing::Test {
 protected:
  std::shared_ptr<const EncoderModel> Load(Precision precision,
                                           const Calibration* calibration = nullptr) {
    const auto file = model_files::Safetensors::Parse(bytes_, "m");
    const auto config = ReadEncoderConfig(**file, {.heads = 2});
    return *EncoderModel::Load(*file, *config, linalg::DefaultKernels(), precision, calibration);
  }
  const std::string bytes_ = ToSafetensors(TinyWeights());
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
    EXPECT_FALSE(model->Forward({&text, 1}, nullptr, &workspace, [&](std::size_t) {
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
  EXPECT_EQ(calibration.inputs(1, LayerProduct::kOutput).largest.size(), 64u);
}

// A product whose inputs have two channels far larger than the others, one of them always at the
// same value: what layer norms of trained encoders give.
TEST_F(QuantizationTest, OutliersCostLittle) {
  constexpr std::size_t kRows = 200, kInputs = 96, kOutputs = 40;
  std::mt19937 random(5);
  std::normal_distribution<float> normal;
  std::vector<float> weights(kOutputs * kInputs), bias(kOutputs), values(kRows * kInputs);
  for (float& weight : weights) weight = 0.05f * normal(random);
  for (float& value : bias) value = normal(random);
  Calibration::Inputs seen{std::vector<float>(kInputs), std::vector<float>(kInputs)};
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::size_t c = i % kInputs;
    values[i] = c == 7 ? 25.0f : c == 30 ? 12.0f * normal(random) : normal(random);
    seen.largest[c] = std::max(seen.largest[c], std::fabs(values[i]));
    seen.mean[c] += values[i] / kRows;
  }
  const linalg::Kernels& kernels = linalg::DefaultKernels();
  const auto multiply = [&](Precision precision, const linalg::Int8Matrix* rounded,
                            const std::vector<float>& offsets, const float* factors) {
    linalg::PackedMatrix matrix(kernels, precision);
    rounded == nullptr ? matrix.Pack(weights.data(), kOutputs, kInputs) : matrix.Pack(*rounded);
    linalg::PackedRows rows(kernels, precision, kInputs);
    rows.Reset(kRows);
    for (std::size_t r = 0; r < kRows; ++r) rows.Set(r, values.data() + r * kInputs, factors);
    std::vector<float> out(kRows * kOutputs);
    matrix.Multiply(rows, 0, kRows, offsets.data(), out.data(), kOutputs);
    return out;
  };
  const auto exact = multiply(Precision::kF32, nullptr, bias, nullptr);
  const auto error = [&](const std::vector<float>& out) {
    double sum = 0;
    for (std::size_t i = 0; i < out.size(); ++i) sum += std::pow(double{out[i]} - exact[i], 2);
    return std::sqrt(sum / static_cast<double>(out.size()));
  };
  const QuantizedProduct product = Quantize(weights, bias, seen);
  std::vector<float> factors = product.divisors;
  for (float& factor : factors) factor = 1 / factor;
  const double plain = error(multiply(Precision::kInt8, nullptr, bias, nullptr));
  const double calibrated =
      error(multiply(Precision::kInt8, &product.weights, product.bias, factors.data()));
  EXPECT_LT(calibrated, plain / 2) << plain;
}

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
