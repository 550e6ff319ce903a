#include "libs/linalg/quant_kernels.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <random>
#include <vector>

#include "absl/strings/str_replace.h"

namespace ragmesh::linalg {
namespace {

struct Case {
  QuantType type;
  std::size_t columns;
};

std::size_t FirstHalf(QuantType type) {
  switch (type) {
    case QuantType::kQ2_K:
      return 80;
    case QuantType::kQ3_K:
      return 108;
    case QuantType::kQ6_K:
      return 208;
    default:
      return 0;
  }
}

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
      put_half(at + FirstHalf(type));
      if (HasOffsets(type)) put_half(at + FirstHalf(type) + 2);
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

std::vector<const QuantKernels*> OtherTables() {
  std::vector<const QuantKernels*> tables;
  for (const QuantKernels* table : {Avx2QuantKernels(), Avx512QuantKernels()}) {
    if (table != nullptr) tables.push_back(table);
  }
  return tables;
}

std::vector<const QuantKernels*> Tables() {
  std::vector<const QuantKernels*> tables = OtherTables();
  tables.insert(tables.begin(), &ScalarQuantKernels());
  return tables;
}

// A matrix and its packed form.
struct Packed {
  Packed(QuantType type, std::size_t columns, std::size_t rows, std::mt19937* random)
      : file(RandomRows(type, columns, rows, random)),
        lines(PackedBytes(type, rows, columns) / sizeof(Line)) {
    auto* data = reinterpret_cast<std::uint8_t*>(lines.data());
    const std::size_t panel = LayOutPanel(type, columns).bytes;
    for (std::size_t r = 0; r < rows; r += kPanelRows) {
      PackPanel(type, file.data() + r * RowBytes(type, columns), std::min(kPanelRows, rows - r),
                columns, data + r / kPanelRows * panel);
    }
    matrix = {type, data, rows, columns};
  }
  std::vector<std::uint8_t> file;
  std::vector<Line> lines;
  QuantMatrix matrix;
};

struct Rounded {
  Rounded(const std::vector<float>& x, std::size_t columns, const QuantKernels& table)
      : q(x.size()), scale(x.size() / 32), sum(x.size() / 32), total(x.size() / 16) {
    for (std::size_t at = 0; at < x.size(); at += columns) {
      table.quantize_q8(&x[at], columns, &q[at], &scale[at / 32], &sum[at / 32], &total[at / 16]);
    }
    rows = {q.data(), scale.data(), sum.data(), total.data(), x.size() / columns};
  }
  std::vector<std::int8_t> q;
  std::vector<float> scale, sum;
  std::vector<std::int32_t> total;
  Q8Rows rows;
};

class QuantKernelsTest : public ::testing::TestWithParam<Case> {
 protected:
  const QuantKernels& scalar_ = ScalarQuantKernels();
  std::mt19937 random_{20240607};
  std::vector<Line> scratch_ = std::vector<Line>(QuantScratchBytes(2048) / sizeof(Line) + 1);
};

TEST_P(QuantKernelsTest, RoundedProductsAreThoseOfTheFilesValues) {
  const auto [type, columns] = GetParam();
  if (!IsQuantised(type)) GTEST_SKIP() << "skipped: rounded products need quantised weights";
  const Packed packed(type, columns, 3, &random_);
  const Rounded x(RandomFloats(columns, &random_), columns, scalar_);
  std::vector<float> actual(3), expanded(columns);
  scalar_.mul_q8(packed.matrix, x.rows, actual.data(), 3, scratch_.data());
  for (std::size_t r = 0; r < 3; ++r) {
    ExpandRow(type, packed.file.data() + r * RowBytes(type, columns), columns, expanded.data());
    double expected = 0, magnitude = 0;
    for (std::size_t i = 0; i < columns; ++i) {
      const double product = static_cast<double>(expanded[i]) * x.scale[i / 32] * x.q[i];
      expected += product;
      magnitude += std::fabs(product);
    }
    EXPECT_NEAR(actual[r], expected, magnitude * 1e-5);
  }
}

TEST_P(QuantKernelsTest, RoundedProductsHaveTheSameBitsInEveryTableForAnyBatch) {
  const auto [type, columns] = GetParam();
  if (!IsQuantised(type)) GTEST_SKIP() << "skipped: rounded products need quantised weights";
  constexpr std::size_t kRows = 37;  // two panels and a rest
  const Packed packed(type, columns, kRows, &random_);
  for (const QuantKernels* table : OtherTables()) {
    for (const std::size_t count : {1, 2, 3, 4, 5, 6, 7, 8, 9, 17}) {
      const Rounded x(RandomFloats(count * columns, &random_), columns, scalar_);
      std::vector<float> expected(count * kRows), actual(count * kRows);
      scalar_.mul_q8(packed.matrix, x.rows, expected.data(), kRows, scratch_.data());
      table->mul_q8(packed.matrix, x.rows, actual.data(), kRows, scratch_.data());
      EXPECT_EQ(actual, expected) << table->name << ", " << count << " activation rows";
    }
  }
}

TEST_P(QuantKernelsTest, EveryTableRoundsActivationsAlike) {
  const auto [type, columns] = GetParam();
  if (columns % 32 != 0) GTEST_SKIP() << "skipped: only whole runs are rounded";
  for (const QuantKernels* table : OtherTables()) {
    const std::vector<float> x = RandomFloats(columns, &random_);
    const Rounded expected(x, columns, scalar_), actual(x, columns, *table);
    EXPECT_EQ(actual.q, expected.q);
    EXPECT_EQ(actual.scale, expected.scale);
    EXPECT_EQ(actual.sum, expected.sum);
    EXPECT_EQ(actual.total, expected.total);
  }
}

TEST_P(QuantKernelsTest, FloatProductsAreThoseOfTheFilesValues) {
  const auto [type, columns] = GetParam();
  const Packed packed(type, columns, 3, &random_);
  const std::vector<float> x = RandomFloats(columns, &random_);
  std::vector<float> actual(3), expanded(columns);
  scalar_.mul_f32(packed.matrix, x.data(), 1, actual.data(), 3);
  for (std::size_t r = 0; r < 3; ++r) {
    ExpandRow(type, packed.file.data() + r * RowBytes(type, columns), columns, expanded.data());
    double expected = 0, magnitude = 0;
    for (std::size_t i = 0; i < columns; ++i) {
      expected += static_cast<double>(expanded[i]) * x[i];
      magnitude += std::fabs(static_cast<double>(expanded[i]) * x[i]);
    }
    EXPECT_NEAR(actual[r], expected, magnitude * 4e-6);
  }
}

TEST_P(QuantKernelsTest, FloatProductsHaveTheSameBitsInEveryTableForAnyBatch) {
  const auto [type, columns] = GetParam();
  constexpr std::size_t kRows = 37;
  const Packed packed(type, columns, kRows, &random_);
  for (const QuantKernels* table : OtherTables()) {
    for (const std::size_t count : {1, 2, 4, 5, 9}) {
      const std::vector<float> x = RandomFloats(count * columns, &random_);
      std::vector<float> expected(count * kRows), actual(count * kRows);
      scalar_.mul_f32(packed.matrix, x.data(), count, expected.data(), kRows);
      table->mul_f32(packed.matrix, x.data(), count, actual.data(), kRows);
      EXPECT_EQ(actual, expected) << table->name << ", " << count << " activation rows";
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Types, QuantKernelsTest,
    ::testing::Values(Case{QuantType::kF32, 7}, Case{QuantType::kF32, 130},
                      Case{QuantType::kF16, 130}, Case{QuantType::kBF16, 130},
                      Case{QuantType::kQ4_0, 32}, Case{QuantType::kQ4_0, 576},
                      Case{QuantType::kQ4_1, 576}, Case{QuantType::kQ5_0, 896},
                      Case{QuantType::kQ8_0, 1536}, Case{QuantType::kQ4_K, 1024},
                      Case{QuantType::kQ6_K, 1024}, Case{QuantType::kQ5_1, 896},
                      Case{QuantType::kIQ4_NL, 576}, Case{QuantType::kQ2_K, 1024},
                      Case{QuantType::kQ3_K, 1024}, Case{QuantType::kQ5_K, 1024}),
    [](const auto& info) {
      return std::string(ToString(info.param.type)) + "_" + std::to_string(info.param.columns);
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
  ExpandRow(QuantType::kQ4_0, block.data(), 32, out.data());
  EXPECT_EQ(out[0], 0.5f * (3 - 8));
  EXPECT_EQ(out[16], 0.5f * (15 - 8));
  half(2, -1.0f), block[4] = 0xF3;
  ExpandRow(QuantType::kQ4_1, block.data(), 32, out.data());
  EXPECT_EQ(out[0], 0.5f * 3 - 1);
  EXPECT_EQ(out[16], 0.5f * 15 - 1);
  std::fill(block.begin(), block.end(), 0);
  half(0, 0.5f), block[2] = 1, block[4] = 1, block[6] = 0xF3;
  ExpandRow(QuantType::kQ5_0, block.data(), 32, out.data());
  EXPECT_EQ(out[0], 0.5f * (19 - 16));
  EXPECT_EQ(out[16], 0.5f * (31 - 16));
  EXPECT_EQ(out[1], 0.5f * -16);
  std::fill(block.begin(), block.end(), 0);
  half(0, 2.0f), half(2, 1.0f);
  block[4 + 0] = 3;           // s[0]
  block[4 + 4] = 5 | 2 << 6;  // n[0] = 5; top bits of n[4]
  block[4 + 8] = 0x47;        // low nibbles of s[4], n[4]
  block[16] = 0xA9, block[16 + 64] = 0x06;
  ExpandRow(QuantType::kQ4_K, block.data(), 256, out.data());
  EXPECT_EQ(out[0], 2.0f * 3 * 9 - 5);
  EXPECT_EQ(out[128], 2.0f * 7 * 6 - (4 | 2 << 4));
  std::fill(block.begin(), block.end(), 0);
  half(208, 0.5f), block[0] = 0x21, block[128] = 0x03 | 0x02 << 4, block[192] = 2,
                   block[192 + 4] = 0xFF;
  ExpandRow(QuantType::kQ6_K, block.data(), 256, out.data());
  EXPECT_EQ(out[0], 0.5f * 2 * ((1 | 3 << 4) - 32));
  EXPECT_EQ(out[64], 0.5f * -1 * ((2 | 2 << 4) - 32));
}

// Softmax attention in f64, straight from its formula.
std::vector<float> ReferenceAttention(const AttentionHead& head, const std::vector<float>& keys,
                                      const std::vector<float>& values) {
  const std::size_t dim = head.head_dim;
  std::vector<double> sums(dim, 0.0);
  double total = 0;
  for (std::size_t p = head.first; p < head.positions; ++p) {
    double score = 0;
    for (std::size_t i = 0; i < dim; ++i)
      score += static_cast<double>(head.query[i]) * keys[p * dim + i];
    score *= head.scale;
    if (head.soft_cap > 0) score = head.soft_cap * std::tanh(score / head.soft_cap);
    const double weight = std::exp(score);  // scores of these tests are small
    total += weight;
    for (std::size_t i = 0; i < dim; ++i) sums[i] += weight * values[p * dim + i];
  }
  std::vector<float> out(dim);
  for (std::size_t i = 0; i < dim; ++i) out[i] = static_cast<float>(sums[i] / total);
  return out;
}

class AttendTest : public ::testing::TestWithParam<const QuantKernels*> {};

TEST_P(AttendTest, LooksAtTheWindowAloneAndCapsScores) {
  constexpr std::size_t kDim = 72;
  std::mt19937 random(11);
  struct Window {
    std::size_t first, positions;
  };
  for (const auto& [first, positions] :
       {Window{0, 1}, Window{0, 3}, Window{0, 8}, Window{0, 61}, Window{60, 61}, Window{5, 61},
        Window{8, 9}, Window{29, 61}}) {
    for (const float cap : {0.0f, 0.5f, 30.0f}) {
      for (const bool half : {false, true}) {
        const auto query = RandomFloats(kDim, &random);
        auto keys = RandomFloats(positions * kDim, &random),
             values = RandomFloats(positions * kDim, &random);
        std::vector<std::uint16_t> half_keys(keys.size()), half_values(keys.size());
        GetParam()->to_half(keys.data(), keys.size(), half_keys.data());
        GetParam()->to_half(values.data(), values.size(), half_values.data());
        for (std::size_t i = 0; half && i < keys.size(); ++i) {
          keys[i] = HalfToFloat(half_keys[i]);
          values[i] = HalfToFloat(half_values[i]);
        }
        // Nothing outside the window counts, whatever it holds.
        const float nan = std::nanf("");
        std::fill_n(keys.begin(), first * kDim, nan),
            std::fill_n(values.begin(), first * kDim, nan);
        std::fill_n(half_keys.begin(), first * kDim, 0x7e00);
        std::vector<float> scores(positions + 8), actual(kDim);
        AttentionHead head;
        head.query = query.data();
        head.keys = half ? static_cast<const void*>(half_keys.data()) : keys.data();
        head.values = half ? static_cast<const void*>(half_values.data()) : values.data();
        head.half = half;
        head.head_dim = kDim;
        head.positions = positions;
        head.first = first;
        head.scale = 0.125f;
        head.soft_cap = cap;
        head.scores = scores.data();
        head.out = actual.data();
        GetParam()->attend(head);
        const std::vector<float> expected = ReferenceAttention(head, keys, values);
        for (std::size_t i = 0; i < kDim; ++i) {
          EXPECT_NEAR(actual[i], expected[i], 2e-5) << first << ".." << positions << " cap " << cap;
        }
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(EveryTable, AttendTest, ::testing::ValuesIn(Tables()),
                         [](const auto& info) { return absl::StrReplaceAll(info.param->name, {{"-", "_"}}); });

TEST(QuantKernelsVectorTest, Avx2AgreesWithScalarOnNormAndGates) {
  const QuantKernels* avx2 = Avx2QuantKernels();
  if (avx2 == nullptr) GTEST_SKIP() << "skipped: this processor has no AVX2";
  std::mt19937 random(11);
  const auto x = RandomFloats(77, &random), weight = RandomFloats(77, &random);
  std::vector<float> a(77), b(77), gate = x, other = x;
  ScalarQuantKernels().rms_norm(x.data(), weight.data(), 77, 1e-5f, a.data());
  avx2->rms_norm(x.data(), weight.data(), 77, 1e-5f, b.data());
  ScalarQuantKernels().silu_mul(gate.data(), weight.data(), 77);
  avx2->silu_mul(other.data(), weight.data(), 77);
  std::vector<float> gelu = x, other_gelu = x;
  gelu[0] = other_gelu[0] = -300.0f;  // far out on both sides
  gelu[1] = other_gelu[1] = 300.0f;
  ScalarQuantKernels().gelu_mul(gelu.data(), weight.data(), 77);
  avx2->gelu_mul(other_gelu.data(), weight.data(), 77);
  EXPECT_EQ(other_gelu[1], 300.0f * weight[1]);
  for (std::size_t i = 0; i < 77; ++i) {
    EXPECT_NEAR(a[i], b[i], 1e-5);
    EXPECT_NEAR(gate[i], other[i], 1e-5);
    EXPECT_NEAR(gelu[i], other_gelu[i], 1e-5);
  }
}

}  // namespace
}  // namespace ragmesh::linalg
