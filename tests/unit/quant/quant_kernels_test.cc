#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <memory>
#include <random>
#include <vector>

#include "absl/strings/str_replace.h"
#include "libs/quant/kernels.h"
#include "tests/unit/quant/random_matrix.h"

namespace ragmesh::quant {
namespace {

struct Case {
  QuantType type;
  std::size_t columns;
};

std::vector<const QuantKernels*> OtherTables() {
  std::vector<const QuantKernels*> tables;
  for (const QuantKernels* table :
       {Avx2QuantKernels(), Avx512QuantKernels(), Avx512Bf16QuantKernels(), AmxQuantKernels()}) {
    if (table != nullptr) tables.push_back(table);
  }
  return tables;
}

std::vector<const QuantKernels*> Tables() {
  std::vector<const QuantKernels*> tables = OtherTables();
  tables.insert(tables.begin(), &ScalarQuantKernels());
  return tables;
}

class QuantKernelsTest : public ::testing::TestWithParam<Case> {
 protected:
  const QuantKernels& scalar_ = ScalarQuantKernels();
  std::mt19937 random_{20240607};
};

TEST_P(QuantKernelsTest, RoundedProductsAreThoseOfTheFilesValues) {
  const auto [type, columns] = GetParam();
  if (!IsQuantised(type)) GTEST_SKIP() << "skipped: rounded products need quantised weights";
  const Packed packed(type, columns, 3, &random_);
  const Rounded x(RandomFloats(columns, &random_), columns, scalar_);
  std::vector<float> actual(3), expanded(columns);
  scalar_.mul_q8(packed.matrix, x.rows, actual.data(), 3);
  for (std::size_t r = 0; r < 3; ++r) {
    ExpandRow(type, packed.file.data() + r * RowBytes(type, columns), columns, expanded.data());
    double expected = 0, magnitude = 0;
    for (std::size_t i = 0; i < columns; ++i) {
      const double product = static_cast<double>(expanded[i]) * x.tiles[i / 32].of[0].scale *
                             x.tiles[i / 32].q[0][i % 32];
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
    for (const std::size_t count : {1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 17, 29, 39}) {
      const Rounded x(RandomFloats(count * columns, &random_), columns, scalar_);
      std::vector<float> expected(count * kRows), actual(count * kRows);
      scalar_.mul_q8(packed.matrix, x.rows, expected.data(), kRows);
      table->mul_q8(packed.matrix, x.rows, actual.data(), kRows);
      EXPECT_EQ(actual, expected) << table->name << ", " << count << " activation rows";
    }
  }
}

TEST_P(QuantKernelsTest, EveryTableRoundsActivationsAlike) {
  const auto [type, columns] = GetParam();
  if (columns % 32 != 0) GTEST_SKIP() << "skipped: only whole runs are rounded";
  for (const QuantKernels* table : OtherTables()) {
    std::vector<float> x = RandomFloats(19 * columns, &random_);
    x[3] = NAN, x[columns + 5] = INFINITY, x[2 * columns - 1] = -1e-42f;
    const Rounded expected(x, columns, scalar_), actual(x, columns, *table);
    for (std::size_t i = 0; i < expected.tiles.size(); ++i)
      EXPECT_EQ(std::memcmp(&actual.tiles[i], &expected.tiles[i], sizeof(Q8Tile)), 0) << i;
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

// Blocks of keys and values of one head that a table has filled, and the same numbers in f64.
class Cache {
 public:
  Cache(const QuantKernels& table, KvType type, std::size_t dim, std::size_t positions,
        std::mt19937* random)
      : layout_(type, dim), dim_(dim) {
    const std::size_t blocks = (positions + kBlockPositions - 1) / kBlockPositions;
    for (std::size_t b = 0; b < blocks; ++b) {
      // What no position has been written to must not matter, padding of values aside.
      lines_.emplace_back(layout_.bytes / sizeof(Line) + 1);
      auto* bytes = reinterpret_cast<std::uint8_t*>(lines_.back().data());
      blocks_.push_back(bytes);
    }
    keys = RandomFloats(positions * dim, random);
    values = RandomFloats(positions * dim, random);
    for (std::size_t p = 0; p < positions; ++p) {
      table.store_kv(type, &keys[p * dim], &values[p * dim], dim, p % kBlockPositions,
                     const_cast<std::uint8_t*>(blocks_[p / kBlockPositions]));
    }
    if (type == KvType::kF32) return;
    for (std::vector<float>* floats : {&keys, &values}) {
      for (std::size_t at = 0; at < floats->size(); at += dim) Round(type, &(*floats)[at]);
    }
  }

  const std::uint8_t* const* blocks() const { return blocks_.data(); }

  std::vector<float> keys, values;  // as stored

 private:
  void Round(KvType type, float* x) const {
    for (std::size_t begin = 0; begin < dim_; begin += kScaleDims) {
      const std::size_t end = std::min(begin + kScaleDims, dim_);
      float largest = 0;
      for (std::size_t i = begin; i < end; ++i) largest = std::max(largest, std::fabs(x[i]));
      const float scale = HalfToFloat(FloatToHalf(largest / 127));
      for (std::size_t i = begin; i < end; ++i) {
        x[i] = type == KvType::kF16 ? HalfToFloat(FloatToHalf(x[i]))
               : type == KvType::kBF16
                   ? BFloatToFloat(FloatToBFloat(x[i]))
                   : scale * std::clamp(std::nearbyint(x[i] / scale), -127.0f, 127.0f);
      }
    }
  }

  const KvLayout layout_;
  const std::size_t dim_;
  std::vector<std::vector<Line>> lines_;
  std::vector<const std::uint8_t*> blocks_;
};

// Softmax attention in f64, straight from its formula.
std::vector<float> ReferenceAttention(const KvAttention& work, const Cache& cache) {
  const std::size_t dim = work.head_dim;
  const auto rounded = [&](float x) {
    return work.type == KvType::kBF16 ? BFloatToFloat(FloatToBFloat(x)) : x;
  };
  std::vector<float> out(work.rows * work.out_stride);
  for (std::size_t i = 0; i < work.rows * work.heads; ++i) {
    const std::size_t row = i / work.heads, head = i % work.heads;
    const float* query = work.queries + row * work.row_stride + head * dim;
    const std::size_t end = work.positions[row] + 1;
    const std::size_t first = work.window > 0 && end > work.window ? end - work.window : 0;
    std::vector<double> sums(dim, 0.0);
    double total = 0;
    for (std::size_t p = first; p < end; ++p) {
      double score = 0;
      for (std::size_t d = 0; d < dim; ++d)
        score += static_cast<double>(rounded(query[d])) * cache.keys[p * dim + d];
      score *= work.scale;
      if (work.soft_cap > 0) score = work.soft_cap * std::tanh(score / work.soft_cap);
      const double weight = std::exp(score);  // scores of these tests are small
      total += weight;
      for (std::size_t d = 0; d < dim; ++d) sums[d] += weight * cache.values[p * dim + d];
    }
    for (std::size_t d = 0; d < dim; ++d)
      out[row * work.out_stride + head * dim + d] = static_cast<float>(sums[d] / total);
  }
  return out;
}

class AttendTest : public ::testing::TestWithParam<const QuantKernels*> {
 protected:
  // Five rows of a stream, three heads each, the last rows first.
  struct Case {
    std::vector<float> queries, out;
    std::vector<std::uint32_t> positions;
    std::vector<Line> scratch;
    KvAttention work;
  };
  Case MakeCase(KvType type, std::size_t dim, std::size_t positions) {
    Case made;
    constexpr std::size_t kRows = 5, kHeads = 3;
    made.queries = RandomFloats(kRows * (kHeads * dim + 7), &random_);
    made.out.resize(kRows * (kHeads * dim + 2));
    for (std::size_t row = 0; row < kRows; ++row) {
      made.positions.push_back(static_cast<std::uint32_t>((positions - 1) * (kRows - row) / kRows));
    }
    made.scratch.resize(AttentionScratchFloats(dim) * sizeof(float) / sizeof(Line) + 1);
    made.work.type = type;
    made.work.head_dim = dim;
    made.work.queries = made.queries.data();
    made.work.row_stride = kHeads * dim + 7;
    made.work.rows = kRows;
    made.work.heads = kHeads;
    made.work.positions = made.positions.data();
    made.work.scale = 0.125f;
    made.work.out = made.out.data();
    made.work.out_stride = kHeads * dim + 2;
    made.work.scratch = reinterpret_cast<float*>(made.scratch.data());
    return made;
  }
  std::mt19937 random_{11};
};

TEST_P(AttendTest, LooksAtTheWindowAloneAndCapsScores) {
  for (const KvType type : {KvType::kF32, KvType::kF16, KvType::kBF16, KvType::kQ8}) {
    // A weight of bf16 is off by up to 2^-9 of it, and values go to 5.
    const float tolerance = type == KvType::kBF16 ? 1e-2f : 4e-5f;
    for (const std::size_t dim : {16, 64, 72, 96, 128}) {
      for (const std::size_t positions : {1, 3, 32, 61, 300}) {
        const Cache cache(*GetParam(), type, dim, positions, &random_);
        for (const std::size_t window : {0, 1, 20, 140}) {
          for (const float cap : {0.0f, 2.0f}) {
            Case one = MakeCase(type, dim, positions);
            one.work.blocks = cache.blocks();
            one.work.window = window;
            one.work.soft_cap = cap;
            GetParam()->attend(one.work);
            const std::vector<float> expected = ReferenceAttention(one.work, cache);
            for (std::size_t i = 0; i < one.out.size(); ++i) {
              ASSERT_NEAR(one.out[i], expected[i], tolerance)
                  << static_cast<int>(type) << " dim " << dim << ", " << positions
                  << " positions, window " << window << ", cap " << cap << " at " << i;
            }
          }
        }
      }
    }
  }
}

TEST_P(AttendTest, AQueryDoesNotDependOnItsCompany) {
  for (const KvType type : {KvType::kF32, KvType::kF16, KvType::kBF16, KvType::kQ8}) {
    constexpr std::size_t kDim = 64, kPositions = 300;
    const Cache cache(*GetParam(), type, kDim, kPositions, &random_);
    Case all = MakeCase(type, kDim, kPositions);
    all.work.blocks = cache.blocks();
    all.work.window = 200;
    GetParam()->attend(all.work);
    for (std::size_t row = 0; row < all.work.rows; ++row) {
      for (std::size_t head = 0; head < all.work.heads; ++head) {
        KvAttention one = all.work;
        std::vector<float> out(kDim);
        one.queries += row * one.row_stride + head * kDim;
        one.positions += row;
        one.rows = one.heads = 1;
        one.out = out.data();
        GetParam()->attend(one);
        for (std::size_t d = 0; d < kDim; ++d)
          EXPECT_EQ(out[d], all.out[row * all.work.out_stride + head * kDim + d]);
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(EveryTable, AttendTest, ::testing::ValuesIn(Tables()),
                         [](const auto& info) {
                           return absl::StrReplaceAll(info.param->name, {{"-", "_"}});
                         });

// Blocks of 32 positions, full of others, some of which are then copied.
TEST(CopyTurnedTest, HasTheBitsOfCopyingEachPositionInEveryTable) {
  std::mt19937 random(17);
  const auto fill = [&random](const QuantKernels& table, KvType type, std::size_t dim,
                              std::vector<Line>* block) {
    block->assign(KvLayout(type, dim).bytes / sizeof(Line), Line{});
    for (std::size_t slot = 0; slot < kBlockPositions; ++slot) {
      const std::vector<float> key = RandomFloats(dim, &random), value = RandomFloats(dim, &random);
      table.store_kv(type, key.data(), value.data(), dim, slot,
                     reinterpret_cast<std::uint8_t*>(block->data()));
    }
  };
  for (const QuantKernels* table : Tables()) {
    for (const KvType type : {KvType::kF32, KvType::kF16, KvType::kBF16, KvType::kQ8}) {
      for (int round = 0; round < 60; ++round) {
        const std::size_t dim = std::array{64, 80, 40, 7}[round % 4];
        std::vector<Line> from, expected;
        fill(*table, type, dim, &from), fill(*table, type, dim, &expected);
        std::vector<Line> actual = expected;
        KvCopy copy{.type = type, .head_dim = dim};
        copy.from = reinterpret_cast<const std::uint8_t*>(from.data());
        copy.from_slot = random() % kBlockPositions, copy.to_slot = random() % kBlockPositions;
        copy.count = 1 + random() % (kBlockPositions - std::max(copy.from_slot, copy.to_slot));
        copy.half = round % 3 == 0 ? dim / 4 : dim / 2;  // a part of the dimensions, or all
        copy.halves = round % 8 < 4;
        const std::vector<float> cosines = RandomFloats(copy.half, &random),
                                 sines = RandomFloats(copy.half, &random);
        copy.cosines = cosines.data(), copy.sines = sines.data();
        copy.to = reinterpret_cast<std::uint8_t*>(expected.data());
        QuantKernels plain = *table;
        plain.copy_pairs = nullptr;
        CopyTurned(plain, copy);
        copy.to = reinterpret_cast<std::uint8_t*>(actual.data());
        CopyTurned(*table, copy);
        EXPECT_EQ(std::memcmp(actual.data(), expected.data(), actual.size() * sizeof(Line)), 0)
            << table->name << ", type " << static_cast<int>(type) << ", " << dim << " dimensions, "
            << copy.count << " from " << copy.from_slot << " to " << copy.to_slot;
      }
    }
  }
}

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
}  // namespace ragmesh::quant
