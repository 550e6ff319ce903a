// What searches ask of vectors as bits and bytes: every table against the scalar one, bit for bit.
#include <gtest/gtest.h>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <random>
#include <vector>

#include "libs/linalg/gemm.h"
#include "libs/linalg/kernels.h"
#include "tests/unit/linalg/guarded_memory.h"
#include "tests/unit/linalg/tables.h"

namespace ragmesh::linalg {
namespace {

class CodesTest : public ::testing::TestWithParam<const Kernels*> {
 protected:
  const Kernels& table_ = *GetParam();
  const Kernels& scalar_ = *SupportedKernels().front();
  std::mt19937 random_{20240102};
};

// A query of `triples` triples whose dimensions count -10 to 10.
std::vector<std::uint8_t> RandomTables(std::size_t triples, std::mt19937& random) {
  std::vector<std::uint8_t> tables;
  for (std::size_t group = 0; group < triples * 4; ++group) {
    int values[6], magnitude = 0;
    for (int& value : values) {
      value = static_cast<int>(random() % 21) - 10;
      magnitude += std::abs(value);
    }
    for (int entry = 0; entry < 64; ++entry) {
      int sum = magnitude;
      for (int bit = 0; bit < 6; ++bit) sum += (entry >> bit) & 1 ? values[bit] : -values[bit];
      tables.push_back(static_cast<std::uint8_t>(sum));
    }
  }
  return tables;
}

TEST_P(CodesTest, ScanSignsAgreesWithScalarBitForBit) {
  for (const std::size_t triples : {1, 2, 16, 43, 171, 200}) {
    for (const std::size_t count : {1, 2, 3, 8}) {
      const std::vector<std::uint8_t> entries = RandomTables(triples, random_);
      AlignedBytes tables, blocks;
      tables.Reserve(entries.size());
      std::memcpy(tables.data(), entries.data(), entries.size());
      const std::size_t bytes = SignBlockBytes(triples);
      blocks.Reserve(count * bytes);
      std::vector<const std::uint8_t*> where;
      std::vector<float> bases;
      for (std::size_t b = 0; b < count; ++b) {
        auto* const block = reinterpret_cast<std::uint8_t*>(blocks.data()) + b * bytes;
        for (std::size_t i = 0; i < triples * 3 * kSignLanes; ++i)
          block[i] = static_cast<std::uint8_t>(random_());
        std::uint16_t numbers[2 * kSignLanes];
        std::normal_distribution<float> normal;
        for (std::uint16_t& number : numbers) {
          const float value = normal(random_);
          scalar_.to_bf16(&value, 1, &number);
        }
        numbers[kSignLanes + 5] = 0xFF80;  // -infinity: no vector in this place
        std::memcpy(block + triples * 3 * kSignLanes, numbers, sizeof(numbers));
        where.push_back(block);
        bases.push_back(normal(random_));
      }
      const SignScan scan = {reinterpret_cast<const std::uint8_t*>(tables.data()), triples, 0.01f,
                             -3.0f};
      std::vector<float> expected(count * kSignLanes), found(expected.size());
      std::vector<float> expected_maxima(count), found_maxima(count);
      scalar_.scan_signs(scan, where.data(), bases.data(), count, expected.data(),
                         expected_maxima.data());
      table_.scan_signs(scan, where.data(), bases.data(), count, found.data(), found_maxima.data());
      EXPECT_EQ(found, expected) << triples << " triples, " << count << " blocks";
      EXPECT_EQ(found_maxima, expected_maxima);
      EXPECT_EQ(expected[5], -std::numeric_limits<float>::infinity());
    }
  }
}

TEST_P(CodesTest, ScanSignsCountsUpToSixteenBits) {
  constexpr std::size_t kTriples = 136;  // 544 tables whose bits add 20 when they are set: 65,280
  AlignedBytes tables, block;
  tables.Reserve(kTriples * 4 * 64);
  block.Reserve(SignBlockBytes(kTriples));
  for (std::size_t i = 0; i < kTriples * 4 * 64; ++i)
    tables.data()[i] = static_cast<std::byte>(20 * std::popcount(i % 64));
  std::memset(block.data(), 0xFF, SignBlockBytes(kTriples));
  std::uint16_t numbers[2 * kSignLanes] = {};
  for (std::size_t v = 0; v < kSignLanes; ++v) numbers[v] = 0x3F80;  // 1
  std::memcpy(block.data() + kTriples * 3 * kSignLanes, numbers, sizeof(numbers));
  const auto* where = reinterpret_cast<const std::uint8_t*>(block.data());
  const float base = 0;
  std::vector<float> found(kSignLanes);
  float most = 0;
  table_.scan_signs({reinterpret_cast<const std::uint8_t*>(tables.data()), kTriples, 1, 0}, &where,
                    &base, 1, found.data(), &most);
  EXPECT_EQ(found, std::vector<float>(kSignLanes, 65280.0f));
  EXPECT_EQ(most, 65280.0f);
}

TEST_P(CodesTest, AboveMarksWhatIsLargerAndNeitherEqualsNorNaN) {
  std::vector<float> values(kSignLanes);
  for (std::size_t v = 0; v < kSignLanes; ++v) values[v] = static_cast<float>(random_() % 5);
  values[7] = std::numeric_limits<float>::quiet_NaN();
  values[63] = 4;
  for (const float bar : {-1.0f, 2.0f, 4.0f}) {
    std::uint64_t expected = 0;
    for (std::size_t v = 0; v < kSignLanes; ++v) expected |= std::uint64_t{values[v] > bar} << v;
    EXPECT_EQ(table_.above(values.data(), bar), expected) << bar;
  }
}

TEST_P(CodesTest, DotListedReadsTheRowsNamedAndNothingBehindThem) {
  for (const std::size_t n : {1, 31, 63, 64, 65, 127, 128, 384, 392}) {
    const std::size_t rows = 9, stride = n + 5;
    GuardedMemory query_memory(n), row_memory(stride * rows);
    auto* const query = query_memory.Last<std::int8_t>(n);
    // The last row ends where the guarded page begins.
    auto* const first = row_memory.Last<std::int8_t>(stride * (rows - 1) + n);
    for (std::size_t i = 0; i < n; ++i) query[i] = static_cast<std::int8_t>(random_());
    for (std::size_t i = 0; i < stride * (rows - 1) + n; ++i)
      first[i] = static_cast<std::int8_t>(random_());
    const std::vector<std::uint32_t> which = {8, 0, 3, 3, 7, 1, 2, 8, 5, 4};
    std::vector<std::int32_t> found(which.size());
    table_.dot_listed_i8(query, first, stride, which.data(), which.size(), n, found.data());
    for (std::size_t i = 0; i < which.size(); ++i)
      EXPECT_EQ(found[i], scalar_.dot_i8(query, first + which[i] * stride, n)) << n << ", " << i;
    table_.dot_listed_i8(query, first, stride, which.data(), 0, n, nullptr);
  }
}

INSTANTIATE_TEST_SUITE_P(EveryTable, CodesTest,
                         ::testing::ValuesIn(SupportedKernels().begin(), SupportedKernels().end()),
                         [](const auto& info) { return TableName(*info.param); });

}  // namespace
}  // namespace ragmesh::linalg
