#include "libs/linalg/gemm.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <string>
#include <vector>

namespace ragmesh::linalg {

class PackedMatrixPeer {
 public:
  static void MultiplyByDots(const PackedMatrix& packed, const float* a, std::size_t a_stride,
                             std::size_t rows, const float* bias, float* out,
                             std::size_t out_stride) {
    packed.MultiplyByDots(a, a_stride, rows, bias, out, out_stride);
  }
};

namespace {

class GemmTest : public ::testing::TestWithParam<const Kernels*> {
 protected:
  std::vector<float> Random(std::size_t n) {
    std::normal_distribution<float> normal;
    std::vector<float> values(n);
    for (float& value : values) value = normal(random_);
    return values;
  }
  const Kernels& table_ = *GetParam();
  std::mt19937 random_{7};
};

TEST_P(GemmTest, AgreesWithDoublePrecisionForAwkwardShapes) {
  for (const std::size_t rows : {1, 2, 5, 6, 7, 11, 12, 13, 49}) {
    for (const std::size_t outputs : {1, 7, 8, 9, 15, 16, 17, 31, 32, 33, 50}) {
      for (const std::size_t inputs : {1, 3, 32, 65}) {
        const std::size_t a_stride = inputs + 2, out_stride = outputs + 3;
        const auto a = Random(rows * a_stride), w = Random(outputs * inputs),
                   bias = Random(outputs);
        std::vector<float> out(rows * out_stride, -9.0f);
        PackedMatrix packed(table_);
        packed.Pack(w.data(), outputs, inputs, inputs, 1);
        packed.Multiply(a.data(), a_stride, rows, bias.data(), out.data(), out_stride);
        for (std::size_t r = 0; r < rows; ++r) {
          for (std::size_t o = 0; o < outputs; ++o) {
            double sum = bias[o], magnitude = std::fabs(sum);
            for (std::size_t i = 0; i < inputs; ++i) {
              sum += double{a[r * a_stride + i]} * w[o * inputs + i];
              magnitude += std::fabs(double{a[r * a_stride + i]} * w[o * inputs + i]);
            }
            ASSERT_NEAR(out[r * out_stride + o], sum,
                        1.2e-7 * static_cast<double>(inputs + 1) * magnitude)
                << rows << "x" << outputs << "x" << inputs << " at " << r << ", " << o;
          }
          for (std::size_t o = outputs; o < out_stride; ++o)
            ASSERT_EQ(out[r * out_stride + o], -9.0f);
        }
      }
    }
  }
}

TEST_P(GemmTest, PacksATransposedMatrixTheSameWay) {
  const std::size_t outputs = 33, inputs = 20;
  const auto w = Random(outputs * inputs), a = Random(inputs);
  std::vector<float> transposed(w.size()), out(outputs), other(outputs);
  for (std::size_t o = 0; o < outputs; ++o) {
    for (std::size_t i = 0; i < inputs; ++i) transposed[i * outputs + o] = w[o * inputs + i];
  }
  PackedMatrix packed(table_);
  packed.Pack(w.data(), outputs, inputs, inputs, 1);
  packed.Multiply(a.data(), inputs, 1, nullptr, out.data(), outputs);
  packed.Pack(transposed.data(), outputs, inputs, 1, outputs);
  packed.Multiply(a.data(), inputs, 1, nullptr, other.data(), outputs);
  EXPECT_EQ(out, other);
}

TEST_P(GemmTest, ARowDoesNotDependOnTheOthers) {
  if (table_.multiply_panel == nullptr) GTEST_SKIP() << "OpenBLAS does not promise it";
  const std::size_t rows = 131, outputs = 40, inputs = 300;
  const auto a = Random(rows * inputs), w = Random(outputs * inputs);
  std::vector<float> together(rows * outputs), alone(outputs);
  PackedMatrix packed(table_);
  packed.Pack(w.data(), outputs, inputs, inputs, 1);
  packed.Multiply(a.data(), inputs, rows, nullptr, together.data(), outputs);
  for (std::size_t r = 0; r < rows; ++r) {
    packed.Multiply(a.data() + r * inputs, inputs, 1, nullptr, alone.data(), outputs);
    for (std::size_t o = 0; o < outputs; ++o)
      ASSERT_EQ(together[r * outputs + o], alone[o]) << r << ", " << o;
  }
}

INSTANTIATE_TEST_SUITE_P(EveryTable, GemmTest,
                         ::testing::ValuesIn(SupportedKernels().begin(), SupportedKernels().end()),
                         [](const auto& info) { return std::string(info.param->name); });

// The tests above go through OpenBLAS where it is installed; an image has none.
TEST(GemmWithoutOpenBlasTest, AgreesWithOpenBlas) {
  ASSERT_NE(OpenBlasSgemm(), nullptr) << "the build packages bring it";
  const Kernels& scalar = **SelectKernels("scalar");
  const std::size_t rows = 5, outputs = 17, inputs = 33;
  std::mt19937 random(3);
  std::normal_distribution<float> normal;
  std::vector<float> a(rows * inputs), w(outputs * inputs), bias(outputs);
  for (auto* values : {&a, &w, &bias}) {
    for (float& value : *values) value = normal(random);
  }
  PackedMatrix packed(scalar);
  packed.Pack(w.data(), outputs, inputs, inputs, 1);
  std::vector<float> expected(rows * outputs), out(rows * outputs);
  packed.Multiply(a.data(), inputs, rows, bias.data(), expected.data(), outputs);
  PackedMatrixPeer::MultiplyByDots(packed, a.data(), inputs, rows, bias.data(), out.data(),
                                   outputs);
  for (std::size_t i = 0; i < out.size(); ++i) EXPECT_NEAR(out[i], expected[i], 1e-5f) << i;
}

}  // namespace
}  // namespace ragmesh::linalg
