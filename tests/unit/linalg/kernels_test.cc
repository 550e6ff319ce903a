#include "libs/linalg/kernels.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "libs/testing/status_matchers.h"
#include "tests/unit/linalg/tables.h"

namespace ragmesh::linalg {
namespace {

using ::ragmesh::testing::HasReason;

constexpr std::size_t kMaxLength = 130;
constexpr float kEpsilon = 1.1920929e-7f;  // 2^-23

// Values at every offset from an aligned start, with room on both sides.
class Buffer {
 public:
  Buffer(std::mt19937& random, std::size_t offset) : values_(kMaxLength + 40), offset_(offset) {
    std::normal_distribution<float> normal;
    for (float& value : values_) value = normal(random);
  }
  float* data() { return values_.data() + offset_; }

 private:
  std::vector<float> values_;
  std::size_t offset_;
};

class KernelsTest : public ::testing::TestWithParam<const Kernels*> {
 protected:
  const Kernels& table_ = *GetParam();
  const Kernels& scalar_ = *SupportedKernels().front();
  std::mt19937 random_{20240101};
};

TEST_P(KernelsTest, DotAgreesWithScalarAtEveryLengthAndOffset) {
  for (std::size_t n = 0; n <= kMaxLength; ++n) {
    for (std::size_t offset = 0; offset < 4; ++offset) {
      Buffer a(random_, offset), b(random_, (offset * 3 + n) % 7);
      double magnitude = 0;
      for (std::size_t i = 0; i < n; ++i) magnitude += std::fabs(double{a.data()[i]} * b.data()[i]);
      EXPECT_NEAR(table_.dot(a.data(), b.data(), n), scalar_.dot(a.data(), b.data(), n),
                  static_cast<double>(n) * kEpsilon * magnitude)
          << "n " << n << " offset " << offset;
    }
  }
}

TEST_P(KernelsTest, DotIsTheSameBitForBitWhateverTheAlignment) {
  std::vector<float> a(200), b(200);
  std::normal_distribution<float> normal;
  for (std::size_t i = 0; i < 130; ++i) a[i] = normal(random_), b[i] = normal(random_);
  const float expected = table_.dot(a.data(), b.data(), 130);
  for (std::size_t offset = 1; offset < 16; ++offset) {
    std::memmove(a.data() + offset, a.data() + offset - 1, 130 * sizeof(float));
    std::memmove(b.data() + offset, b.data() + offset - 1, 130 * sizeof(float));
    EXPECT_EQ(table_.dot(a.data() + offset, b.data() + offset, 130), expected)
        << "offset " << offset;
  }
}

TEST_P(KernelsTest, DotRowsEqualsDotBitForBit) {
  std::normal_distribution<float> normal;
  for (const std::size_t n : {0, 1, 7, 8, 31, 33, 64, 100, 130}) {
    const std::size_t stride = n + 3, count = 11;
    std::vector<float> query(n), rows(stride * count), out(count + 1, -7.0f);
    for (float& value : query) value = normal(random_);
    for (float& value : rows) value = normal(random_);
    table_.dot_rows(query.data(), rows.data(), stride, count, n, out.data());
    for (std::size_t r = 0; r < count; ++r) {
      EXPECT_EQ(out[r], table_.dot(query.data(), rows.data() + r * stride, n))
          << "n " << n << " row " << r;
    }
    EXPECT_EQ(out[count], -7.0f);
  }
}

TEST_P(KernelsTest, DotSpreadsNanFromAnyPosition) {
  for (const std::size_t n : {1, 8, 9, 17, 40, 63, 130}) {
    for (std::size_t i = 0; i < n; ++i) {
      std::vector<float> a(n, 1.0f), b(n, 1.0f);
      a[i] = std::numeric_limits<float>::quiet_NaN();
      EXPECT_TRUE(std::isnan(table_.dot(a.data(), b.data(), n))) << "n " << n << " position " << i;
    }
  }
}

TEST_P(KernelsTest, DotIgnoresWhatLiesBehindItsLength) {
  for (std::size_t n = 0; n <= 70; ++n) {
    std::vector<float> a(n + 32, std::numeric_limits<float>::quiet_NaN());
    std::vector<float> b(n + 32, std::numeric_limits<float>::infinity());
    std::fill_n(a.begin(), n, 1.0f);
    std::fill_n(b.begin(), n, 2.0f);
    EXPECT_EQ(table_.dot(a.data(), b.data(), n), 2.0f * static_cast<float>(n));
  }
}

TEST_P(KernelsTest, DenormalsAreNotFlushed) {
  const float denormal = std::numeric_limits<float>::denorm_min();
  for (const std::size_t n : {1, 5, 8, 16, 33}) {
    std::vector<float> a(n, denormal), b(n, 1.0f), y(n, 0.0f);
    EXPECT_EQ(table_.dot(a.data(), b.data(), n), denormal * static_cast<float>(n));
    table_.add_scaled(3.0f, a.data(), y.data(), n);
    for (const float value : y) EXPECT_EQ(value, 3 * denormal);
  }
}

TEST_P(KernelsTest, DotInt8IsExactIncludingTheExtremes) {
  std::uniform_int_distribution<int> any(-128, 127);
  for (std::size_t n = 0; n <= kMaxLength; ++n) {
    std::vector<std::int8_t> a(n + 3), b(n + 1);
    for (auto& value : a) value = static_cast<std::int8_t>(any(random_));
    for (auto& value : b) value = static_cast<std::int8_t>(any(random_));
    EXPECT_EQ(table_.dot_i8(a.data() + 3, b.data() + 1, n),
              scalar_.dot_i8(a.data() + 3, b.data() + 1, n));
  }
  const std::vector<std::int8_t> lowest(kMaxDotInt8, -128);
  EXPECT_EQ(table_.dot_i8(lowest.data(), lowest.data(), kMaxDotInt8),
            16384 * static_cast<std::int32_t>(kMaxDotInt8));
}

TEST_P(KernelsTest, AddScaledAndScaleTouchOnlyTheirLength) {
  for (std::size_t n = 0; n <= kMaxLength; ++n) {
    Buffer x(random_, n % 5), y(random_, n % 3);
    const std::vector<float> before(y.data(), y.data() + n + 16);
    std::vector<float> expected = before;
    scalar_.add_scaled(0.37f, x.data(), expected.data(), n);
    table_.add_scaled(0.37f, x.data(), y.data(), n);
    for (std::size_t i = 0; i < n; ++i) {
      EXPECT_NEAR(y.data()[i], expected[i],
                  2 * kEpsilon * (std::fabs(before[i]) + std::fabs(x.data()[i])));
    }
    for (std::size_t i = n; i < n + 16; ++i) EXPECT_EQ(y.data()[i], before[i]);
    std::vector<float> scaled = before;
    table_.scale(-1.7f, scaled.data(), n);
    for (std::size_t i = 0; i < n; ++i) EXPECT_EQ(scaled[i], before[i] * -1.7f);
    for (std::size_t i = n; i < n + 16; ++i) EXPECT_EQ(scaled[i], before[i]);
  }
}

INSTANTIATE_TEST_SUITE_P(EveryTable, KernelsTest,
                         ::testing::ValuesIn(SupportedKernels().begin(), SupportedKernels().end()),
                         [](const auto& info) { return TableName(*info.param); });

TEST(SelectKernelsTest, FindsEverySupportedTableByName) {
  for (const Kernels* table : SupportedKernels())
    EXPECT_THAT(SelectKernels(table->name), testing::IsOkAndHolds(table));
}

TEST(SelectKernelsTest, AutoIsTheFastest) {
  EXPECT_THAT(SelectKernels("auto"), testing::IsOkAndHolds(&DefaultKernels()));
  EXPECT_EQ(SupportedKernels().back(), &DefaultKernels());
}

TEST(SelectKernelsTest, TablesComeSlowestFirst) {
  const std::vector<std::string> order = {"scalar", "avx2",        "avx2-vnni",
                                          "avx512", "avx512-vnni", "avx512-bf16",
                                          "amx",    "neon",        "neon-dotprod"};
  auto at = order.begin();
  for (const Kernels* table : SupportedKernels()) {
    at = std::find(at, order.end(), table->name);
    ASSERT_NE(at, order.end()) << table->name;
  }
}

TEST(SelectKernelsTest, TheTableOfAnotherProcessorIsRefusedAsSuch) {
#if defined(__aarch64__)
  const auto selected = SelectKernels("avx2");
#else
  const auto selected = SelectKernels("neon");
#endif
  EXPECT_THAT(selected, HasReason("INVALID_FIELD"));
  EXPECT_THAT(std::string(selected.status().message()), ::testing::HasSubstr("cannot run"));
}

TEST(SelectKernelsTest, UnknownNameIsRefusedWithTheChoices) {
  const auto selected = SelectKernels("sse9");
  EXPECT_THAT(selected, HasReason("INVALID_FIELD"));
  EXPECT_THAT(GetErrorDetail(selected.status())->next_step, ::testing::HasSubstr("scalar"));
}

}  // namespace
}  // namespace ragmesh::linalg
