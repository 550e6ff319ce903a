#include "libs/linalg/quant_kernels.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <memory>
#include <random>
#include <vector>

namespace ragmesh::linalg {
namespace {

struct Case {
  QuantType type;
  std::size_t columns;
};

// Random bytes are valid rows once their f16 scales are finite and small.
std::vector<std::uint8_t> RandomRows(QuantType type, std::size_t columns, std::size_t rows,
                                     std::mt19937* random) {
  std::vector<std::uint8_t> bytes(rows * RowBytes(type, columns));
  for (auto& byte : bytes) byte = static_cast<std::uint8_t>((*random)());
  const std::size_t block = BlockBytes(type);
  std::uniform_real_distribution<float> value(-0.1f, 0.1f);
  const auto put_half = [&](std::size_t at) {
    const std::uint16_t half = FloatToHalf(value(*random));
    std::memcpy(&bytes[at], &half, sizeof(half));
  };
  for (std::size_t at = 0; at < bytes.size(); at += block) {
    if (type == QuantType::kF32) {
      const float number = value(*random);
      std::memcpy(&bytes[at], &number, sizeof(number));
    } else if (type == QuantType::kBF16) {
      bytes[at + 1] = static_cast<std::uint8_t>((bytes[at + 1] & 0x80) | 0x3D);
    } else {
      put_half(at + (type == QuantType::kQ6_K ? 208 : 0));
      if (type == QuantType::kQ4_1 || type == QuantType::kQ4_K) put_half(at + 2);
    }
  }
  return bytes;
}

std::vector<float> RandomFloats(std::size_t count, std::mt19937* random) {
  std::normal_distribution<float> value(0, 2);
  std::vector<float> floats(count);
  for (float& one : floats) one = value(*random);
  return floats;
}

struct alignas(64) Line {
  char bytes[64];
};

class QuantKernelsTest : public ::testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    if (Avx2QuantKernels() == nullptr) GTEST_SKIP() << "skipped: this processor has no AVX2";
  }
  const QuantKernels& scalar_ = ScalarQuantKernels();
  std::mt19937 random_{20240607};
  std::vector<Line> scratch_ = std::vector<Line>(QuantScratchBytes(2048) / sizeof(Line) + 1);
};

TEST_P(QuantKernelsTest, Avx2ExpandsToTheSameBits) {
  const auto [type, columns] = GetParam();
  const auto rows = RandomRows(type, columns, 1, &random_);
  std::vector<float> expected(columns), actual(columns);
  scalar_.dequantize(type, rows.data(), columns, expected.data());
  Avx2QuantKernels()->dequantize(type, rows.data(), columns, actual.data());
  EXPECT_EQ(actual, expected);
}

TEST_P(QuantKernelsTest, Avx2RoundedProductsHaveTheSameBitsForAnyBatch) {
  const auto [type, columns] = GetParam();
  if (!IsQuantised(type)) GTEST_SKIP() << "skipped: rounded products need quantised weights";
  constexpr std::size_t kRows = 21;  // two panels and a rest
  const auto rows = RandomRows(type, columns, kRows, &random_);
  for (const std::size_t count : {1, 2, 3, 4, 5, 9}) {
    const std::vector<float> x = RandomFloats(count * columns, &random_);
    std::vector<std::int8_t> q(x.size());
    std::vector<float> scale(x.size() / 32), sum(x.size() / 32);
    for (std::size_t a = 0; a < count; ++a) {
      scalar_.quantize_q8(&x[a * columns], columns, &q[a * columns], &scale[a * columns / 32],
                          &sum[a * columns / 32]);
    }
    const WeightRows weights{type, rows.data(), columns, kRows};
    const Q8Rows activations{q.data(), scale.data(), sum.data(), count};
    std::vector<float> expected(count * kRows), actual(count * kRows);
    scalar_.mul_q8(weights, activations, expected.data(), kRows, scratch_.data());
    Avx2QuantKernels()->mul_q8(weights, activations, actual.data(), kRows, scratch_.data());
    EXPECT_EQ(actual, expected) << count << " activation rows";
  }
}

TEST_P(QuantKernelsTest, Avx2FloatProductsAreCloseAndDoNotDependOnTheBatch) {
  const auto [type, columns] = GetParam();
  constexpr std::size_t kRows = 11, kCount = 8;
  const auto rows = RandomRows(type, columns, kRows, &random_);
  const std::vector<float> x = RandomFloats(kCount * columns, &random_);
  const WeightRows weights{type, rows.data(), columns, kRows};
  std::vector<float> expected(kCount * kRows), actual(kCount * kRows), single(kRows),
      expanded(columns);
  scalar_.mul_f32(weights, x.data(), kCount, expected.data(), kRows, scratch_.data());
  Avx2QuantKernels()->mul_f32(weights, x.data(), kCount, actual.data(), kRows, scratch_.data());
  for (std::size_t a = 0; a < kCount; ++a) {
    Avx2QuantKernels()->mul_f32(weights, &x[a * columns], 1, single.data(), kRows, scratch_.data());
    for (std::size_t r = 0; r < kRows; ++r) {
      EXPECT_EQ(actual[a * kRows + r], single[r]);
      // n roundings of at most 2^-24 of the sum of magnitudes.
      scalar_.dequantize(type, rows.data() + r * RowBytes(type, columns), columns, expanded.data());
      double magnitude = 0;
      for (std::size_t i = 0; i < columns; ++i)
        magnitude += std::fabs(expanded[i] * x[a * columns + i]);
      EXPECT_NEAR(actual[a * kRows + r], expected[a * kRows + r], magnitude * columns * 0x1p-24);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Types, QuantKernelsTest,
                         ::testing::Values(Case{QuantType::kF32, 7}, Case{QuantType::kF32, 130},
                                           Case{QuantType::kF16, 130}, Case{QuantType::kBF16, 130},
                                           Case{QuantType::kQ4_0, 32}, Case{QuantType::kQ4_0, 576},
                                           Case{QuantType::kQ4_1, 576}, Case{QuantType::kQ5_0, 896},
                                           Case{QuantType::kQ8_0, 1536},
                                           Case{QuantType::kQ4_K, 1024},
                                           Case{QuantType::kQ6_K, 1024}),
                         [](const auto& info) {
                           return std::string(ToString(info.param.type)) + "_" +
                                  std::to_string(info.param.columns);
                         });

TEST(QuantTypesTest, HalvesSurviveTheWayThroughFloat) {
  for (std::uint32_t half = 0; half < 0x10000; ++half) {
    const float value = HalfToFloat(static_cast<std::uint16_t>(half));
    if (std::isnan(value)) continue;
    EXPECT_EQ(FloatToHalf(value), half);
  }
  EXPECT_EQ(FloatToHalf(65520.0f), 0x7C00);
  EXPECT_EQ(FloatToHalf(65519.0f), 0x7BFF);
  EXPECT_EQ(FloatToHalf(1.0f + 0x1p-11f), 0x3C00);  // ties to even
}

// Each block spelled out by hand from the published layouts.
TEST(QuantTypesTest, ReadsOneBlockOfEachTypeAsPublished) {
  std::vector<float> out(256);
  std::vector<std::uint8_t> block(210, 0);
  const auto half = [&](std::size_t at, float value) {
    const std::uint16_t bits = FloatToHalf(value);
    std::memcpy(&block[at], &bits, sizeof(bits));
  };
  half(0, 0.5f), block[2] = 0xF3;
  ScalarQuantKernels().dequantize(QuantType::kQ4_0, block.data(), 32, out.data());
  EXPECT_EQ(out[0], 0.5f * (3 - 8));
  EXPECT_EQ(out[16], 0.5f * (15 - 8));
  half(2, -1.0f), block[4] = 0xF3;
  ScalarQuantKernels().dequantize(QuantType::kQ4_1, block.data(), 32, out.data());
  EXPECT_EQ(out[0], 0.5f * 3 - 1);
  EXPECT_EQ(out[16], 0.5f * 15 - 1);
  std::fill(block.begin(), block.end(), 0);
  half(0, 0.5f), block[2] = 1, block[4] = 1, block[6] = 0xF3;
  ScalarQuantKernels().dequantize(QuantType::kQ5_0, block.data(), 32, out.data());
  EXPECT_EQ(out[0], 0.5f * (19 - 16));
  EXPECT_EQ(out[16], 0.5f * (31 - 16));
  EXPECT_EQ(out[1], 0.5f * -16);
  std::fill(block.begin(), block.end(), 0);
  half(0, 2.0f), half(2, 1.0f);
  block[4 + 0] = 3;           // s[0]
  block[4 + 4] = 5 | 2 << 6;  // n[0] = 5; top bits of n[4]
  block[4 + 8] = 0x47;        // low nibbles of s[4], n[4]
  block[16] = 0xA9, block[16 + 64] = 0x06;
  ScalarQuantKernels().dequantize(QuantType::kQ4_K, block.data(), 256, out.data());
  EXPECT_EQ(out[0], 2.0f * 3 * 9 - 5);
  EXPECT_EQ(out[128], 2.0f * 7 * 6 - (4 | 2 << 4));
  std::fill(block.begin(), block.end(), 0);
  half(208, 0.5f), block[0] = 0x21, block[128] = 0x03 | 0x02 << 4, block[192] = 2,
                   block[192 + 4] = 0xFF;
  ScalarQuantKernels().dequantize(QuantType::kQ6_K, block.data(), 256, out.data());
  EXPECT_EQ(out[0], 0.5f * 2 * ((1 | 3 << 4) - 32));
  EXPECT_EQ(out[64], 0.5f * -1 * ((2 | 2 << 4) - 32));
}

TEST(QuantKernelsVectorTest, Avx2AgreesWithScalarOnSoftmaxNormAndSilu) {
  const QuantKernels* avx2 = Avx2QuantKernels();
  if (avx2 == nullptr) GTEST_SKIP() << "skipped: this processor has no AVX2";
  std::mt19937 random(11);
  for (const std::size_t positions : {1, 3, 8, 61}) {
    for (const bool half : {false, true}) {
      constexpr std::size_t kDim = 72;
      const auto query = RandomFloats(kDim, &random);
      const auto keys = RandomFloats(positions * kDim, &random),
                 values = RandomFloats(positions * kDim, &random);
      std::vector<std::uint16_t> half_keys(keys.size()), half_values(keys.size());
      ScalarQuantKernels().to_half(keys.data(), keys.size(), half_keys.data());
      avx2->to_half(values.data(), values.size(), half_values.data());
      std::vector<float> scores(positions + 8), expected(kDim), actual(kDim);
      AttentionHead head{query.data(), keys.data(), values.data(), half,           kDim,
                         positions,    0.125f,      scores.data(), expected.data()};
      if (half) head.keys = half_keys.data(), head.values = half_values.data();
      ScalarQuantKernels().attend(head);
      head.out = actual.data();
      avx2->attend(head);
      for (std::size_t i = 0; i < kDim; ++i) EXPECT_NEAR(actual[i], expected[i], 2e-5);
    }
  }
  const auto x = RandomFloats(77, &random), weight = RandomFloats(77, &random);
  std::vector<float> a(77), b(77), gate = x, other = x;
  ScalarQuantKernels().rms_norm(x.data(), weight.data(), 77, 1e-5f, a.data());
  avx2->rms_norm(x.data(), weight.data(), 77, 1e-5f, b.data());
  ScalarQuantKernels().silu_mul(gate.data(), weight.data(), 77);
  avx2->silu_mul(other.data(), weight.data(), 77);
  for (std::size_t i = 0; i < 77; ++i) {
    EXPECT_NEAR(a[i], b[i], 1e-5);
    EXPECT_NEAR(gate[i], other[i], 1e-5);
  }
}

}  // namespace
}  // namespace ragmesh::linalg
