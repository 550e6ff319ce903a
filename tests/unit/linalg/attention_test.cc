// Attention of every table against double precision.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "tests/unit/linalg/guarded_memory.h"
#include "tests/unit/linalg/panel_case.h"
#include "tests/unit/linalg/tables.h"

namespace ragmesh::linalg {
namespace {

constexpr AttentionKernel kNone;

const AttentionKernel& KernelOf(const InPrecision& pair) {
  return pair.precision == Precision::kF32    ? pair.table->f32_attention
         : pair.precision == Precision::kBf16 ? pair.table->bf16_attention
                                              : kNone;
}

constexpr std::size_t kWidths[] = {8, 16, 31, 32, 33, 64, 80, 96, 128};

class AttentionTest : public ::testing::TestWithParam<InPrecision> {
 protected:
  // Normal values. Heads lie beside each other, so rows have a distance beyond their width.
  void Randomise(std::size_t tokens, std::size_t width) {
    tokens_ = tokens, width_ = width, stride_ = width + 3;
    std::normal_distribution<float> normal;
    for (auto* operand : {&queries_, &keys_, &values_}) {
      operand->assign(tokens * stride_, std::numeric_limits<float>::quiet_NaN());
      for (std::size_t t = 0; t < tokens; ++t) {
        for (std::size_t i = 0; i < width; ++i) (*operand)[t * stride_ + i] = normal(random_);
      }
    }
    scale_ = 1 / std::sqrt(static_cast<float>(width));
  }

  float* Copy(const std::vector<float>& values, GuardedMemory& memory) const {
    const std::size_t size = (tokens_ - 1) * stride_ + width_;
    float* const to = memory.Last<float>(size);
    std::memcpy(to, values.data(), size * sizeof(float));
    return to;
  }

  // out(t, i) lies at t * (width + 2) + i.
  const float* Attend() {
    const std::size_t out_stride = width_ + 2;
    const std::size_t bytes = kernel_.scratch_bytes(tokens_, width_);
    const std::size_t padded = (bytes + 63) / 64 * 64;
    auto* const scratch = scratch_memory_.Last<std::byte>(padded);
    float* const out = out_memory_.Last<float>((tokens_ - 1) * out_stride + width_);
    kernel_.attend({.queries = Copy(queries_, query_memory_),
                    .keys = Copy(keys_, key_memory_),
                    .values = Copy(values_, value_memory_),
                    .stride = stride_,
                    .tokens = tokens_,
                    .width = width_,
                    .scale = scale_,
                    .out = out,
                    .out_stride = out_stride,
                    .scratch = scratch});
    for (std::size_t i = bytes; i < padded; ++i)
      EXPECT_EQ(scratch[i], std::byte{0xFF}) << tokens_ << " x " << width_;
    for (std::size_t t = 0; t + 1 < tokens_; ++t) {
      for (std::size_t i = width_; i < out_stride; ++i)
        EXPECT_TRUE(std::isnan(out[t * out_stride + i])) << tokens_ << " x " << width_;
    }
    return out;
  }

  float At(const std::vector<float>& operand, std::size_t t, std::size_t i) const {
    const float value = operand[t * stride_ + i];
    return bf16_ ? RoundToBf16(value) : value;
  }

  // f32 differs from the true result by float32's rounding. bf16 rounds its operands, which the
  // expectation does too, and the powers, by at most 2^-8 of each; the avx512-bf16 table also
  // rounds what they are powers of, to 2^-8 of an octave.
  void ExpectResultIsRight() {
    const float* const out = Attend();
    std::vector<double> powers(tokens_);
    // Queries are rounded after they were scaled, so that scores are logarithms to base 2.
    const float scale = scale_ * 1.44269504f;
    for (float& value : queries_) value = bf16_ ? RoundToBf16(value * scale) / scale : value;
    for (auto* operand : {&keys_, &values_}) {
      for (float& value : *operand) value = bf16_ ? RoundToBf16(value) : value;
    }
    for (std::size_t t = 0; t < tokens_; ++t) {
      double max = -INFINITY, sum = 0;
      for (std::size_t u = 0; u < tokens_; ++u) {
        double score = 0;
        for (std::size_t i = 0; i < width_; ++i)
          score += double{queries_[t * stride_ + i]} * keys_[u * stride_ + i];
        powers[u] = score * scale_;
        max = std::max(max, powers[u]);
      }
      for (double& power : powers) sum += power = std::exp(power - max);
      for (std::size_t i = 0; i < width_; ++i) {
        double value = 0, magnitude = 0;
        for (std::size_t u = 0; u < tokens_; ++u) {
          value += powers[u] / sum * values_[u * stride_ + i];
          magnitude += powers[u] / sum * std::fabs(values_[u * stride_ + i]);
        }
        const double bound = (bf16_ ? 0x1.bp-8 : 0) + 1e-5;
        ASSERT_NEAR(out[t * (width_ + 2) + i], value, bound * magnitude)
            << tokens_ << " x " << width_ << " at " << t << ", " << i;
      }
    }
  }

  void ExpectRight(std::size_t tokens, std::size_t width) {
    Randomise(tokens, width);
    ExpectResultIsRight();
  }

  const bool bf16_ = GetParam().precision == Precision::kBf16;
  const AttentionKernel& kernel_ = KernelOf(GetParam());
  std::mt19937 random_{5};
  std::size_t tokens_ = 0, width_ = 0, stride_ = 0;
  float scale_ = 1;
  std::vector<float> queries_, keys_, values_;
  GuardedMemory query_memory_{1 << 18}, key_memory_{1 << 18}, value_memory_{1 << 18},
      out_memory_{1 << 18}, scratch_memory_{1 << 20};
};

TEST_P(AttentionTest, EveryNumberOfTokens) {
  for (std::size_t tokens = 1; tokens <= 70; ++tokens) {
    ASSERT_NO_FATAL_FAILURE(ExpectRight(tokens, 32));
    ASSERT_NO_FATAL_FAILURE(ExpectRight(tokens, kWidths[tokens % std::size(kWidths)]));
  }
}

TEST_P(AttentionTest, EveryWidth) {
  for (const std::size_t width : kWidths) {
    for (const std::size_t tokens : {1, 12, 64, 65, 128})
      ASSERT_NO_FATAL_FAILURE(ExpectRight(tokens, width));
  }
  for (std::size_t width = 1; width <= 70; ++width) ASSERT_NO_FATAL_FAILURE(ExpectRight(9, width));
}

TEST_P(AttentionTest, ManyTokens) {
  for (const std::size_t width : {32, 80}) ASSERT_NO_FATAL_FAILURE(ExpectRight(257, width));
}

TEST_P(AttentionTest, FarApartScoresAreStable) {
  Randomise(20, 32);
  scale_ = 1;
  for (std::size_t t = 0; t < tokens_; ++t) {
    // A score is 40 * 40 times the token's number, up to 30,400.
    for (std::size_t i = 0; i < width_; ++i) queries_[t * stride_ + i] = keys_[t * stride_ + i] = 0;
    queries_[t * stride_] = 40;
    keys_[t * stride_] = 40 * static_cast<float>(t);
  }
  const float* const out = Attend();
  for (std::size_t t = 0; t < tokens_; ++t) {
    for (std::size_t i = 0; i < width_; ++i)
      EXPECT_NEAR(out[t * (width_ + 2) + i], At(values_, tokens_ - 1, i), 1e-30) << t << ", " << i;
  }
}

// Scores so large that no number can be added to them that leaves their fractions.
TEST_P(AttentionTest, HugeScoresAreWeighedRight) {
  for (const float size : {1e6f, 1e12f, 1e18f}) {
    Randomise(40, 32);
    scale_ = 1;
    for (std::size_t t = 0; t < tokens_; ++t) {
      for (std::size_t i = 0; i < width_; ++i)
        queries_[t * stride_ + i] = keys_[t * stride_ + i] = 0;
      queries_[t * stride_] = size;
      keys_[t * stride_] = t < 2 ? size : -size;
    }
    const float* const out = Attend();
    for (std::size_t t = 0; t < tokens_; ++t) {
      for (std::size_t i = 0; i < width_; ++i) {
        EXPECT_NEAR(out[t * (width_ + 2) + i], (At(values_, 0, i) + At(values_, 1, i)) / 2, 1e-6)
            << size << ": " << t << ", " << i;
      }
    }
  }
}

TEST_P(AttentionTest, NanSpreadsToTheRowsThatSeeIt) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  for (const std::size_t tokens : {1, 13, 40}) {
    for (const std::size_t token : {std::size_t{0}, tokens / 2, tokens - 1}) {
      const std::size_t at = token % 33;
      const auto is_nan = [&](std::vector<float>& operand, const auto& expected) {
        Randomise(tokens, 33);
        operand[token * stride_ + at] = kNan;
        const float* const out = Attend();
        for (std::size_t t = 0; t < tokens; ++t) {
          for (std::size_t i = 0; i < width_; ++i)
            ASSERT_EQ(std::isnan(out[t * (width_ + 2) + i]), expected(t, i)) << t << ", " << i;
        }
      };
      is_nan(queries_, [&](std::size_t t, std::size_t) { return t == token; });
      is_nan(keys_, [&](std::size_t, std::size_t) { return true; });
      is_nan(values_, [&](std::size_t, std::size_t i) { return i == at; });
    }
  }
}

INSTANTIATE_TEST_SUITE_P(EveryTable, AttentionTest,
                         ::testing::ValuesIn(EveryPrecision([](const InPrecision& p) {
                           return KernelOf(p).attend;
                         })),
                         [](const auto& info) { return Name(info.param); });

}  // namespace
}  // namespace ragmesh::linalg
