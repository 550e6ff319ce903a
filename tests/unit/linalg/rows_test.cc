// What happens to a row between two products: GELU, layer norm, rounding to fewer bits. Every table
// within the bounds kernels.h states.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "libs/linalg/kernels.h"
#include "tests/unit/linalg/guarded_memory.h"
#include "tests/unit/linalg/tables.h"

namespace ragmesh::linalg {
namespace {

constexpr std::size_t kMaxLength = 130;
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kDenormal = std::numeric_limits<float>::denorm_min();

class RowsTest : public ::testing::TestWithParam<const Kernels*> {
 protected:
  std::vector<float> Random(std::size_t n, float spread) {
    std::normal_distribution<float> normal(0, spread);
    std::vector<float> values(n);
    for (float& value : values) value = normal(random_);
    return values;
  }

  // At the end of memory, so that lengths differ in alignment too.
  static float* Copy(const std::vector<float>& values, GuardedMemory& memory) {
    float* const to = memory.Last<float>(values.size());
    std::copy(values.begin(), values.end(), to);
    return to;
  }

  // With bits compared by value, but for the sign of NaN.
  static bool Same(float a, float b) {
    return std::isnan(a) ? std::isnan(b) : std::memcmp(&a, &b, sizeof(a)) == 0;
  }

  // `factors` may be empty, for none.
  void ExpectQuantizesAsScalar(const std::vector<float>& values,
                               const std::vector<float>& factors = {}) {
    const std::size_t n = values.size();
    std::vector<std::int8_t> expected(n);
    QuantizedRow expected_row, row = {-1, -1, -1};
    const bool with_factors = !factors.empty();
    scalar_.quantize(values.data(), with_factors ? factors.data() : nullptr, n, expected.data(),
                     &expected_row);
    auto* const out = out_.Last<std::int8_t>(n);
    table_.quantize(Copy(values, in_), with_factors ? Copy(factors, gain_) : nullptr, n, out, &row);
    ASSERT_TRUE(std::equal(expected.begin(), expected.end(), out)) << n;
    ASSERT_EQ(row.sum, expected_row.sum) << n;
    ASSERT_TRUE(Same(row.scale, expected_row.scale)) << row.scale << " " << expected_row.scale;
    ASSERT_TRUE(Same(row.offset, expected_row.offset)) << row.offset << " " << expected_row.offset;
  }

  std::vector<std::int8_t> Quantize(const std::vector<float>& values, QuantizedRow* row) const {
    std::vector<std::int8_t> out(values.size(), 99);
    table_.quantize(values.data(), nullptr, values.size(), out.data(), row);
    return out;
  }

  void ExpectRoundsAsScalar(const std::vector<float>& values) {
    const std::size_t n = values.size();
    std::vector<std::uint16_t> expected(n);
    scalar_.to_bf16(values.data(), n, expected.data());
    auto* const out = out_.Last<std::uint16_t>(n);
    table_.to_bf16(Copy(values, in_), n, out);
    for (std::size_t i = 0; i < n; ++i) {
      const bool denormal = std::fpclassify(values[i]) == FP_SUBNORMAL;
      ASSERT_TRUE(out[i] == expected[i] || (denormal && (out[i] & 0x7FFF) == 0))
          << values[i] << ": " << out[i] << " for " << expected[i];
    }
  }

  const Kernels& table_ = *GetParam();
  const Kernels& scalar_ = *SupportedKernels().front();
  std::mt19937 random_{11};
  GuardedMemory in_{1 << 20}, out_{1 << 20}, gain_{1 << 12}, offset_{1 << 12}, update_{1 << 12};
};

TEST_P(RowsTest, GeluAgreesWithDoublePrecision) {
  std::vector<float> x;
  for (float value = -14; value <= 14; value += 0.00137f) x.push_back(value);
  x.insert(x.end(), {0.0f, -0.0f, 1e-30f, -1e-30f, kDenormal, 100.0f, -100.0f, 3e18f, -3e18f});
  std::vector<std::size_t> lengths = {x.size()};
  for (std::size_t n = 0; n <= kMaxLength; ++n) lengths.push_back(n);
  for (const std::size_t n : lengths) {
    const std::vector<float> before(x.end() - static_cast<std::ptrdiff_t>(n), x.end());
    float* const y = Copy(before, in_);
    table_.gelu(y, n);
    for (std::size_t i = 0; i < n; ++i) {
      const double expected = 0.5 * before[i] * std::erfc(-before[i] / std::sqrt(2.0));
      ASSERT_NEAR(y[i], expected, 0x1p-21 * (1 + std::fabs(before[i]))) << before[i];
    }
  }
}

TEST_P(RowsTest, GeluSpreadsNanToItselfAlone) {
  for (std::size_t at = 0; at < 20; ++at) {
    std::vector<float> x(20, 1.0f);
    x[at] = kNan;
    table_.gelu(x.data(), x.size());
    for (std::size_t i = 0; i < x.size(); ++i) EXPECT_EQ(std::isnan(x[i]), i == at);
  }
}

TEST_P(RowsTest, LayerNormAgreesWithDoublePrecisionAtEveryLength) {
  constexpr float kEpsilon = 1e-12f;
  for (std::size_t n = 2; n <= kMaxLength; ++n) {
    for (const bool with_update : {false, true}) {
      const std::vector<float> x = Random(n, 2), gain = Random(n, 1), offset = Random(n, 1),
                               update = with_update ? Random(n, 1) : std::vector<float>(n);
      float* const y = Copy(x, in_);
      table_.add_layer_norm(with_update ? Copy(update, update_) : nullptr, Copy(gain, gain_),
                            Copy(offset, offset_), kEpsilon, y, n);
      std::vector<double> sum(n);
      double mean = 0, variance = 0;
      for (std::size_t i = 0; i < n; ++i)
        mean += (sum[i] = double{x[i]} + update[i]) / static_cast<double>(n);
      for (const double value : sum)
        variance += (value - mean) * (value - mean) / static_cast<double>(n);
      for (std::size_t i = 0; i < n; ++i) {
        const double expected =
            (sum[i] - mean) / std::sqrt(variance + kEpsilon) * gain[i] + offset[i];
        ASSERT_NEAR(y[i], expected, 0x1p-18 * (std::fabs(gain[i]) + std::fabs(offset[i])))
            << n << " at " << i;
      }
    }
  }
}

TEST_P(RowsTest, LayerNormOfEqualValuesIsTheOffset) {
  std::vector<float> x(40, 3.0f), gain(40, 2.0f), offset(40, 0.5f);
  table_.add_layer_norm(nullptr, gain.data(), offset.data(), 1e-12f, x.data(), x.size());
  for (const float value : x) EXPECT_EQ(value, 0.5f);
}

TEST_P(RowsTest, LayerNormSpreadsNanToTheRow) {
  for (std::size_t at = 0; at < 20; ++at) {
    std::vector<float> x(20, 1.0f), gain(20, 2.0f), offset(20, 0.5f), update(20, 1.0f);
    (at % 2 == 0 ? x : update)[at] = kNan;
    table_.add_layer_norm(update.data(), gain.data(), offset.data(), 1e-12f, x.data(), x.size());
    for (const float value : x) EXPECT_TRUE(std::isnan(value));
  }
}

TEST_P(RowsTest, QuantizeEqualsScalarAtEveryLength) {
  for (std::size_t n = 0; n <= kMaxLength; ++n) {
    for (const float spread : {1e-6f, 1.0f, 1e6f}) {
      std::vector<float> values = Random(n, spread);
      ASSERT_NO_FATAL_FAILURE(ExpectQuantizesAsScalar(values));
      ASSERT_NO_FATAL_FAILURE(ExpectQuantizesAsScalar(values, Random(n, 2)));
      for (float& value : values) value += 30 * spread;  // all of one sign
      ASSERT_NO_FATAL_FAILURE(ExpectQuantizesAsScalar(values));
    }
  }
}

TEST_P(RowsTest, QuantizedBytesStandForTheirValues) {
  for (const std::size_t n : {2, 5, 16, 33, 100, 130}) {
    for (const float shift : {0.0f, 3.0f, -1000.0f, 4000.0f}) {
      std::vector<float> values = Random(n, 1);
      for (float& value : values) value += shift;
      QuantizedRow row;
      const std::vector<std::int8_t> out = Quantize(values, &row);
      std::int32_t sum = 0;
      for (std::size_t i = 0; i < n; ++i) {
        ASSERT_GE(out[i], -127);
        ASSERT_NEAR(double{row.offset} + double{row.scale} * out[i], values[i],
                    0.5001 * row.scale + 0x1p-23 * std::fabs(values[i]));
        sum += out[i];
      }
      ASSERT_EQ(row.sum, sum);
      ASSERT_EQ(*std::max_element(out.begin(), out.end()), 127);
      ASSERT_EQ(*std::min_element(out.begin(), out.end()), -127);
    }
  }
}

TEST_P(RowsTest, QuantizeRoundsTiesToEven) {
  // From -127 to 127, so the factor is 1, the offset 0 and every other value a tie.
  std::vector<float> ties = {127.0f, -127.0f};
  for (float value = -126.5f; value < 127; ++value) ties.push_back(value);
  ASSERT_NO_FATAL_FAILURE(ExpectQuantizesAsScalar(ties));
  QuantizedRow row;
  const std::vector<std::int8_t> out = Quantize(ties, &row);
  EXPECT_EQ(row.scale, 1.0f);
  EXPECT_EQ(row.offset, 0.0f);
  for (std::size_t i = 2; i < out.size(); ++i) EXPECT_EQ(out[i] % 2, 0) << int{out[i]};
}

TEST_P(RowsTest, QuantizeTakesNearlyEqualValuesForConstant) {
  for (const float value : {0.0f, -0.0f, kDenormal, -1e-40f, 1e-37f, 1.0f, -3e38f}) {
    for (const std::size_t n : {1, 8, 33}) {
      const std::vector<float> values(n, value);
      ASSERT_NO_FATAL_FAILURE(ExpectQuantizesAsScalar(values));
      QuantizedRow row;
      EXPECT_EQ(Quantize(values, &row), std::vector<std::int8_t>(n, 0));
      EXPECT_EQ(row.scale, 0.0f);
      EXPECT_NEAR(row.offset, value, kDenormal);  // half of an odd denormal rounds
    }
  }
  // Around the limit, 2^-14.
  for (const float spread : {0x1p-15f, 0x1.fffp-15f, 0x1p-14f, 0x1.002p-14f, 0x1p-13f}) {
    std::vector<float> values(20, 1.0f - spread);
    values[7] = 1.0f;
    ASSERT_NO_FATAL_FAILURE(ExpectQuantizesAsScalar(values));
  }
}

TEST_P(RowsTest, QuantizeTakesZerosOfBothSignsAndDenormals) {
  std::vector<float> values = Random(70, 1), zeros(70), tiny(70);
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (i % 3 == 0) values[i] = kDenormal * static_cast<float>(i);
    zeros[i] = i % 5 < 2 ? 0.0f : -0.0f;
    tiny[i] = kDenormal * static_cast<float>(i * i % 17) * (i % 2 == 0 ? 1 : -1);
  }
  for (const auto& row : {values, zeros, tiny}) {
    ASSERT_NO_FATAL_FAILURE(ExpectQuantizesAsScalar(row));
    for (std::size_t n = 0; n < row.size(); ++n) {
      ASSERT_NO_FATAL_FAILURE(
          ExpectQuantizesAsScalar({row.begin(), row.begin() + static_cast<std::ptrdiff_t>(n)}));
    }
  }
}

TEST_P(RowsTest, QuantizeAnswersWhatIsNotFiniteWithNan) {
  for (const float odd : {kNan, -kNan, kInfinity, -kInfinity}) {
    for (const std::size_t n : {1, 7, 8, 9, 31, 33, 70}) {
      for (std::size_t at = 0; at < n; ++at) {
        std::vector<float> values = Random(n, 1);
        values[at] = odd;
        ASSERT_NO_FATAL_FAILURE(ExpectQuantizesAsScalar(values));
        QuantizedRow row;
        ASSERT_EQ(Quantize(values, &row), std::vector<std::int8_t>(n, 0));
        ASSERT_TRUE(std::isnan(row.scale) && std::isnan(row.offset));
        ASSERT_EQ(row.sum, 0);
      }
    }
  }
  // Among values that are all the same.
  for (const std::size_t n : {2, 17, 33, 64, 130}) {
    std::vector<float> values(n, 1.0f);
    values[n / 2] = kNan;
    ASSERT_NO_FATAL_FAILURE(ExpectQuantizesAsScalar(values));
  }
  // Finite, but not their spread.
  std::vector<float> values(10, 3e38f);
  values[3] = -3e38f;
  ASSERT_NO_FATAL_FAILURE(ExpectQuantizesAsScalar(values));
  QuantizedRow row;
  EXPECT_EQ(Quantize(values, &row), std::vector<std::int8_t>(10, 0));
  EXPECT_TRUE(std::isnan(row.scale));
}

TEST_P(RowsTest, ToBf16RoundsAsScalarAtEveryLength) {
  for (std::size_t n = 0; n <= kMaxLength; ++n)
    ASSERT_NO_FATAL_FAILURE(ExpectRoundsAsScalar(Random(n, 100)));
}

TEST_P(RowsTest, ToBf16RoundsEveryKindOfValue) {
  std::vector<float> values = {0.0f,
                               -0.0f,
                               kNan,
                               -kNan,
                               kInfinity,
                               -kInfinity,
                               std::numeric_limits<float>::max(),
                               std::numeric_limits<float>::lowest(),
                               std::numeric_limits<float>::min(),
                               kDenormal,
                               -kDenormal,
                               1e-40f};
  // Every exponent, with what lies at, just below and just above a tie, behind even and odd digits.
  for (std::uint32_t high = 0x0080; high < 0x7F80; high += 0x40) {
    for (const std::uint32_t digit : {0u, 1u}) {
      for (const std::uint32_t low : {0x0000u, 0x0001u, 0x7FFFu, 0x8000u, 0x8001u, 0xFFFFu}) {
        const std::uint32_t bits = (high + digit) << 16 | low;
        float value;
        std::memcpy(&value, &bits, sizeof(value));
        values.push_back(high % 0x80 == 0 ? value : -value);
      }
    }
  }
  ASSERT_NO_FATAL_FAILURE(ExpectRoundsAsScalar(values));
}

INSTANTIATE_TEST_SUITE_P(EveryTable, RowsTest,
                         ::testing::ValuesIn(SupportedKernels().begin(), SupportedKernels().end()),
                         [](const auto& info) { return TableName(*info.param); });

}  // namespace
}  // namespace ragmesh::linalg
