#include "libs/linalg/gemm.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "tests/unit/linalg/panel_case.h"
#include "tests/unit/linalg/tables.h"

namespace ragmesh::linalg {

class PackedMatrixPeer {
 public:
  static void MultiplyByDots(const PackedMatrix& packed, const float* a, std::size_t a_stride,
                             std::size_t rows, const float* bias, float* out,
                             std::size_t out_stride) {
    packed.MultiplyByDots(a, a_stride, rows, 0, packed.outputs(), bias, out, out_stride);
  }
};

namespace {

// What a product depends on: the kernel or, without one, what stands in for it.
const void* CodeOf(const InPrecision& pair) {
  if (!Supports(*pair.table, pair.precision)) return nullptr;
  const PanelKernel& kernel = KernelOf(*pair.table, pair.precision);
  return kernel.multiply == nullptr ? reinterpret_cast<const void*>(pair.table->dot)
                                    : reinterpret_cast<const void*>(kernel.multiply);
}

float LargestMagnitude(const float* values, std::size_t n) {
  float largest = 0;
  for (std::size_t i = 0; i < n; ++i) largest = std::max(largest, std::fabs(values[i]));
  return largest;
}

float Spread(const float* values, std::size_t n) {
  const auto [lowest, highest] = std::minmax_element(values, values + n);
  return *highest - *lowest;
}

class GemmTest : public ::testing::TestWithParam<InPrecision> {
 protected:
  std::vector<float> Random(std::size_t n) {
    std::normal_distribution<float> normal;
    std::vector<float> values(n);
    for (float& value : values) value = normal(random_);
    return values;
  }

  static PackedRows Rows(const Kernels& table, Precision precision, const std::vector<float>& a,
                         std::size_t inputs) {
    PackedRows rows(table, precision, inputs);
    rows.Reset(a.size() / inputs);
    for (std::size_t r = 0; r < a.size() / inputs; ++r) rows.Set(r, a.data() + r * inputs);
    return rows;
  }

  static std::vector<float> Multiply(const Kernels& table, Precision precision,
                                     const std::vector<float>& a, const std::vector<float>& w,
                                     std::size_t inputs, const float* bias) {
    const std::size_t rows = a.size() / inputs, outputs = w.size() / inputs;
    PackedMatrix packed(table, precision);
    packed.Pack(w.data(), outputs, inputs);
    std::vector<float> out(rows * outputs);
    packed.Multiply(Rows(table, precision, a, inputs), 0, rows, {.bias = bias}, out.data(),
                    outputs);
    return out;
  }

  // How far a product of two values may be from the true one, by the rounding of both.
  double Rounding(double a, double spread_a, double w, double largest_w) const {
    switch (precision_) {
      case Precision::kF32:
        return 0;
      case Precision::kBf16:
        return std::fabs(a * w) * (0x1p-7 + 0x1p-16);  // 2^-8 each
      case Precision::kInt8:
        break;
    }
    const double step_a = spread_a / 254 * 0.501, step_w = largest_w / 127 * 0.501;
    return std::fabs(a) * step_w + std::fabs(w) * step_a + step_a * step_w;
  }

  void ExpectRight(std::size_t rows, std::size_t outputs, std::size_t inputs) {
    const auto a = Random(rows * inputs), w = Random(outputs * inputs), bias = Random(outputs);
    const std::vector<float> out = Multiply(table_, precision_, a, w, inputs, bias.data());
    for (std::size_t r = 0; r < rows; ++r) {
      const double spread_a = Spread(a.data() + r * inputs, inputs);
      for (std::size_t o = 0; o < outputs; ++o) {
        const double largest_w = LargestMagnitude(w.data() + o * inputs, inputs);
        double sum = bias[o], magnitude = std::fabs(sum), rounding = 0;
        for (std::size_t i = 0; i < inputs; ++i) {
          const double x = a[r * inputs + i], y = w[o * inputs + i];
          sum += x * y;
          magnitude += std::fabs(x * y);
          rounding += Rounding(x, spread_a, y, largest_w);
        }
        ASSERT_NEAR(out[r * outputs + o], sum,
                    rounding + 0x1p-23 * static_cast<double>(inputs + 2) * magnitude)
            << rows << " x " << outputs << " x " << inputs << " at " << r << ", " << o;
      }
    }
    if (precision_ != Precision::kInt8) return;
    const std::vector<float> scalar =
        Multiply(*SupportedKernels().front(), precision_, a, w, inputs, bias.data());
    ASSERT_EQ(std::memcmp(out.data(), scalar.data(), out.size() * sizeof(float)), 0)
        << "sums are exact: " << rows << " x " << outputs << " x " << inputs;
  }

  const Kernels& table_ = *GetParam().table;
  const Precision precision_ = GetParam().precision;
  std::mt19937 random_{7};
};

class Int8GemmTest : public GemmTest {};

TEST_P(GemmTest, AgreesWithDoublePrecisionForAwkwardShapes) {
  for (std::size_t n = 1; n <= 130; ++n) {
    ASSERT_NO_FATAL_FAILURE(ExpectRight(7, n, 33));
    ASSERT_NO_FATAL_FAILURE(ExpectRight(7, 17, n));
  }
  for (const std::size_t rows : {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 49}) {
    for (const std::size_t outputs : {1, 16, 17, 65}) {
      for (const std::size_t inputs : {1, 6, 64, 129})
        ASSERT_NO_FATAL_FAILURE(ExpectRight(rows, outputs, inputs));
    }
  }
}

TEST_P(GemmTest, ARowDoesNotDependOnTheOthers) {
  const std::size_t rows = 131, outputs = 70, inputs = 300;
  const auto a = Random(rows * inputs), w = Random(outputs * inputs);
  PackedMatrix packed(table_, precision_);
  packed.Pack(w.data(), outputs, inputs);
  if (!packed.rows_are_independent()) GTEST_SKIP() << "OpenBLAS does not promise it";
  const PackedRows packed_a = Rows(table_, precision_, a, inputs);
  std::vector<float> together(rows * outputs), alone(outputs);
  packed.Multiply(packed_a, 0, rows, {}, together.data(), outputs);
  for (std::size_t r = 0; r < rows; ++r) {
    packed.Multiply(packed_a, r, 1, {}, alone.data(), outputs);
    for (std::size_t o = 0; o < outputs; ++o)
      ASSERT_EQ(together[r * outputs + o], alone[o]) << r << ", " << o;
  }
}

TEST_P(GemmTest, PanelsMakeUpTheProductAndTouchNothingElse) {
  const std::size_t rows = 9, outputs = 150, inputs = 40, out_stride = outputs + 3;
  const auto a = Random(rows * inputs), w = Random(outputs * inputs), bias = Random(outputs);
  PackedMatrix packed(table_, precision_);
  packed.Pack(w.data(), outputs, inputs);
  const PackedRows packed_a = Rows(table_, precision_, a, inputs);
  std::vector<float> whole(rows * outputs), out(rows * out_stride, -9.0f);
  packed.Multiply(packed_a, 0, rows, {.bias = bias.data()}, whole.data(), outputs);
  for (std::size_t panel = packed.panels(); panel-- > 0;) {
    packed.MultiplyPanel(packed_a, 0, rows, panel, {.bias = bias.data()}, out.data(), out_stride);
    const std::size_t first = panel * packed.panel_width();
    for (std::size_t r = 0; r < rows; ++r) {
      for (std::size_t o = 0; o < out_stride; ++o) {
        const bool done = o >= first && o < outputs;
        ASSERT_EQ(out[r * out_stride + o], done ? whole[r * outputs + o] : -9.0f) << r << ", " << o;
      }
    }
  }
}

TEST_P(GemmTest, GeluIsThatOfTheResults) {
  for (const std::size_t outputs : {1, 16, 63, 64, 150}) {
    const std::size_t rows = 7, inputs = 40;
    const auto a = Random(rows * inputs), w = Random(outputs * inputs), bias = Random(outputs);
    PackedMatrix packed(table_, precision_);
    packed.Pack(w.data(), outputs, inputs);
    const PackedRows packed_a = Rows(table_, precision_, a, inputs);
    std::vector<float> plain(rows * outputs), out(rows * outputs);
    packed.Multiply(packed_a, 0, rows, {.bias = bias.data()}, plain.data(), outputs);
    packed.Multiply(packed_a, 0, rows, {.bias = bias.data(), .gelu = true}, out.data(), outputs);
    table_.gelu(plain.data(), plain.size());
    for (std::size_t i = 0; i < out.size(); ++i) ASSERT_FLOAT_EQ(out[i], plain[i]) << i;
  }
}

TEST_P(GemmTest, AViewOfThePartsMultipliesAsTheMatrixThatMadeThem) {
  const std::size_t rows = 9, outputs = 150, inputs = 40;
  const auto a = Random(rows * inputs), w = Random(outputs * inputs), bias = Random(outputs);
  PackedMatrix packed(table_, precision_);
  packed.Pack(w.data(), outputs, inputs);
  const PackedMatrix::Parts& parts = packed.parts();
  AlignedBytes elsewhere;
  elsewhere.Reserve(parts.panels.size() + 1);
  std::memcpy(elsewhere.data(), parts.panels.data(), parts.panels.size());
  const std::vector<float> scales(parts.scales.begin(), parts.scales.end());
  const std::vector<float> sums(parts.sums.begin(), parts.sums.end());
  const PackedMatrix::Parts copy = {{elsewhere.data(), parts.panels.size()}, scales, sums};
  PackedMatrix view(table_, precision_);
  ASSERT_TRUE(view.View(outputs, inputs, copy));
  const PackedRows packed_a = Rows(table_, precision_, a, inputs);
  std::vector<float> expected(rows * outputs), out(rows * outputs);
  packed.Multiply(packed_a, 0, rows, {.bias = bias.data()}, expected.data(), outputs);
  view.Multiply(packed_a, 0, rows, {.bias = bias.data()}, out.data(), outputs);
  EXPECT_EQ(out, expected);
}

TEST_P(GemmTest, AViewRefusesPartsOfAnotherShapeOrPlace) {
  const std::size_t outputs = 150, inputs = 40;
  const auto w = Random(outputs * inputs);
  PackedMatrix packed(table_, precision_);
  packed.Pack(w.data(), outputs, inputs);
  const PackedMatrix::Parts good = packed.parts();
  EXPECT_TRUE(PackedMatrix(table_, precision_).View(outputs, inputs, good));
  EXPECT_FALSE(PackedMatrix(table_, precision_).View(outputs + 100, inputs, good));
  EXPECT_FALSE(PackedMatrix(table_, precision_).View(outputs, inputs + 4, good));
  EXPECT_FALSE(PackedMatrix(table_, precision_).View(outputs, inputs, {}));
  AlignedBytes elsewhere;
  elsewhere.Reserve(good.panels.size() + 1);
  const PackedMatrix::Parts odd = {
      {elsewhere.data() + 1, good.panels.size()}, good.scales, good.sums};
  EXPECT_FALSE(PackedMatrix(table_, precision_).View(outputs, inputs, odd));
  const PackedMatrix::Parts more = {good.panels, w, w};
  EXPECT_FALSE(PackedMatrix(table_, precision_).View(outputs, inputs, more));
}

TEST_P(GemmTest, RowsMayBeReplacedAndGrowInNumber) {
  const std::size_t outputs = 5, inputs = 21;
  const auto w = Random(outputs * inputs);
  PackedMatrix packed(table_, precision_);
  packed.Pack(w.data(), outputs, inputs);
  PackedRows rows(table_, precision_, inputs);
  for (const std::size_t count : {3, 1, 40}) {
    const auto a = Random(count * inputs);
    rows.Reset(count);
    for (std::size_t r = 0; r < count; ++r) rows.Set(r, a.data() + r * inputs);
    std::vector<float> out(count * outputs);
    packed.Multiply(rows, 0, count, {}, out.data(), outputs);
    EXPECT_EQ(out, Multiply(table_, precision_, a, w, inputs, nullptr)) << count;
  }
}

TEST_P(Int8GemmTest, FactorsOfTheInputsScaleRows) {
  const std::size_t outputs = 20, inputs = 70;
  const auto values = Random(inputs), factors = Random(inputs), w = Random(outputs * inputs);
  std::vector<float> scaled(inputs), out(outputs);
  for (std::size_t i = 0; i < inputs; ++i) scaled[i] = values[i] * factors[i];
  PackedRows rows(table_, precision_, inputs);
  rows.Reset(1);
  rows.Set(0, values.data(), factors.data());
  PackedMatrix packed(table_, precision_);
  packed.Pack(w.data(), outputs, inputs);
  packed.Multiply(rows, 0, 1, {}, out.data(), outputs);
  EXPECT_EQ(out, Multiply(table_, precision_, scaled, w, inputs, nullptr));
}

TEST_P(Int8GemmTest, TakesWeightsThatAreRoundedAlready) {
  const std::size_t outputs = 20, inputs = 70;
  const auto a = Random(3 * inputs), w = Random(outputs * inputs);
  PackedMatrix packed(table_, precision_);
  packed.Pack(RoundToInt8(w.data(), outputs, inputs));
  std::vector<float> out(3 * outputs);
  packed.Multiply(Rows(table_, precision_, a, inputs), 0, 3, {}, out.data(), outputs);
  EXPECT_EQ(out, Multiply(table_, precision_, a, w, inputs, nullptr));
}

TEST_P(GemmTest, ZerosGiveTheBias) {
  const std::size_t outputs = 20, inputs = 10;
  auto a = Random(2 * inputs), w = Random(outputs * inputs);
  const auto bias = Random(outputs);
  std::fill_n(a.begin(), inputs, 0.0f);
  std::fill_n(w.begin() + 3 * inputs, inputs, 0.0f);
  const auto out = Multiply(table_, precision_, a, w, inputs, bias.data());
  for (std::size_t o = 0; o < outputs; ++o) EXPECT_EQ(out[o], bias[o]) << o;
  EXPECT_EQ(out[outputs + 3], bias[3]);
}

TEST_P(GemmTest, NanStaysInItsRow) {
  const std::size_t rows = 8, outputs = 20, inputs = 35;
  auto a = Random(rows * inputs);
  const auto w = Random(outputs * inputs), bias = Random(outputs);
  a[5 * inputs + 34] = std::numeric_limits<float>::quiet_NaN();
  const auto out = Multiply(table_, precision_, a, w, inputs, bias.data());
  for (std::size_t i = 0; i < out.size(); ++i) EXPECT_EQ(std::isnan(out[i]), i / outputs == 5) << i;
}

std::string NameOf(const ::testing::TestParamInfo<InPrecision>& info) { return Name(info.param); }

INSTANTIATE_TEST_SUITE_P(EveryTable, GemmTest, ::testing::ValuesIn(EveryPrecision(CodeOf)), NameOf);
INSTANTIATE_TEST_SUITE_P(EveryTable, Int8GemmTest,
                         ::testing::ValuesIn(InInt8(EveryPrecision(CodeOf), true)), NameOf);

TEST(RoundToInt8Test, KeepsTheLargestOfEveryOutput) {
  const std::vector<float> weights = {0.5f, -2.0f, 1.0f, 0.0f, 0.0f, 0.0f};
  const Int8Matrix rounded = RoundToInt8(weights.data(), 2, 3);
  EXPECT_EQ(rounded.values, (std::vector<std::int8_t>{32, -127, 64, 0, 0, 0}));
  EXPECT_EQ(rounded.scales, (std::vector<float>{2.0f / 127, 0.0f}));
}

// The tests above go through OpenBLAS where it is installed; an image has none.
TEST(GemmWithoutOpenBlasTest, AgreesWithOpenBlas) {
  ASSERT_NE(OpenBlasSgemm(), nullptr) << "the build packages bring it";
  const Kernels& scalar = **SelectKernels("scalar");
  const std::size_t rows = 5, outputs = 70, inputs = 33;
  std::mt19937 random(3);
  std::normal_distribution<float> normal;
  std::vector<float> a(rows * inputs), w(outputs * inputs), bias(outputs);
  for (auto* values : {&a, &w, &bias}) {
    for (float& value : *values) value = normal(random);
  }
  PackedRows packed_a(scalar, Precision::kF32, inputs);
  packed_a.Reset(rows);
  for (std::size_t r = 0; r < rows; ++r) packed_a.Set(r, a.data() + r * inputs);
  PackedMatrix packed(scalar, Precision::kF32);
  packed.Pack(w.data(), outputs, inputs);
  std::vector<float> expected(rows * outputs), out(rows * outputs);
  packed.Multiply(packed_a, 0, rows, {.bias = bias.data()}, expected.data(), outputs);
  PackedMatrixPeer::MultiplyByDots(packed, a.data(), inputs, rows, bias.data(), out.data(),
                                   outputs);
  for (std::size_t i = 0; i < out.size(); ++i) EXPECT_NEAR(out[i], expected[i], 1e-5f) << i;
}

}  // namespace
}  // namespace ragmesh::linalg
