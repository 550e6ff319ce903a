#include "libs/linalg/postings_kernels.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "tests/unit/linalg/guarded_memory.h"

namespace ragmesh::linalg {
namespace {

// Integers of `bits` bits, packed by the definition, one bit at a time.
std::vector<std::uint8_t> Pack(const std::vector<std::uint32_t>& integers, unsigned bits) {
  std::vector<std::uint8_t> bytes(kPackedReadBytes, 0xFF);
  for (std::size_t i = 0; i < integers.size(); ++i) {
    for (unsigned bit = 0; bit < bits; ++bit) {
      const std::size_t place = i * bits + bit;
      const auto mask = static_cast<std::uint8_t>(1u << place % 8);
      bytes[place / 8] = static_cast<std::uint8_t>(
          (integers[i] >> bit & 1) != 0 ? bytes[place / 8] | mask : bytes[place / 8] & ~mask);
    }
  }
  return bytes;
}

TEST(PostingsKernelsTest, EveryWidthUnpacksToWhatWasPacked) {
  std::mt19937 random(1);
  GuardedMemory guarded(kPackedReadBytes);
  for (unsigned bits = 0; bits <= kMaxPackedBits; ++bits) {
    std::vector<std::uint32_t> integers(kPackedBlock);
    for (auto& integer : integers) integer = random() & ((1u << bits) - 1);
    const auto packed = Pack(integers, bits);
    auto* const at_the_end = guarded.Last<std::uint8_t>(kPackedReadBytes);
    std::copy(packed.begin(), packed.end(), at_the_end);
    for (const PostingsKernels* table : SupportedPostingsKernels()) {
      std::vector<std::uint32_t> out(kPackedBlock);
      table->unpack(at_the_end, bits, out.data());
      EXPECT_EQ(out, integers) << table->name << ", " << bits << " bits";
    }
  }
}

TEST(PostingsKernelsTest, AscendingNumbersAreSumsOfTheirGaps) {
  std::mt19937 random(2);
  for (unsigned bits = 0; bits <= kMaxPackedBits; ++bits) {
    for (const std::uint32_t before : {0xFFFFFFFFu, 0u, 12'345'678u, 0xFFFFFF00u}) {
      std::vector<std::uint32_t> gaps(kPackedBlock), expected(kPackedBlock);
      std::uint32_t last = before;
      for (std::size_t i = 0; i < kPackedBlock; ++i) {
        gaps[i] = random() & ((1u << bits) - 1);
        last = expected[i] = last + 1 + gaps[i];
      }
      const auto packed = Pack(gaps, bits);
      for (const PostingsKernels* table : SupportedPostingsKernels()) {
        std::vector<std::uint32_t> out(kPackedBlock);
        table->unpack_ascending(packed.data(), bits, before, out.data());
        EXPECT_EQ(out, expected) << table->name << ", " << bits << " bits";
      }
    }
  }
}

TEST(PostingsKernelsTest, SumsOfCodesAreThoseOfTheScalarTableAndStopAtTheTop) {
  std::mt19937 random(3);
  GuardedMemory codes_memory(1024), sums_memory(4096);
  const PostingsKernels& scalar = *SupportedPostingsKernels()[0];
  for (const std::size_t n : {0u, 64u, 128u, 640u}) {
    auto* const codes = codes_memory.Last<std::uint8_t>(n / 2);
    for (std::size_t i = 0; i < n / 2; ++i) codes[i] = static_cast<std::uint8_t>(random());
    std::vector<std::uint16_t> table(16), before(n);
    for (auto& entry : table) entry = static_cast<std::uint16_t>(random());
    for (auto& sum : before) sum = static_cast<std::uint16_t>(random());
    std::vector<std::uint16_t> expected = before;
    scalar.add_codes(codes, n, table.data(), expected.data());
    for (std::size_t i = 0; i < n; ++i) {
      const unsigned code =
          i % 64 < 32 ? codes[i / 64 * 32 + i % 32] & 15 : codes[i / 64 * 32 + i % 32] >> 4;
      ASSERT_EQ(expected[i], std::min<unsigned>(before[i] + table[code], 0xFFFF));
    }
    for (const PostingsKernels* kernels : SupportedPostingsKernels()) {
      auto* const sums = sums_memory.Last<std::uint16_t>(n);
      std::copy(before.begin(), before.end(), sums);
      kernels->add_codes(codes, n, table.data(), sums);
      EXPECT_EQ(std::vector<std::uint16_t>(sums, sums + n), expected) << kernels->name;
    }
  }
}

TEST(PostingsKernelsTest, SelectionHoldsBothBoundsAndTheLargestIsFound) {
  std::mt19937 random(4);
  const PostingsKernels& scalar = *SupportedPostingsKernels()[0];
  for (const std::size_t n : {0u, 64u, 192u}) {
    for (int round = 0; round < 20; ++round) {
      std::vector<std::uint16_t> values(n);
      for (auto& value : values) value = static_cast<std::uint16_t>(random());
      const auto low = static_cast<std::uint16_t>(random());
      const auto high = static_cast<std::uint16_t>(round == 0 ? 0xFFFF : random());
      std::vector<std::uint32_t> expected(n), out(n);
      expected.resize(scalar.select(values.data(), n, low, high, expected.data()));
      for (const std::uint32_t i : expected) ASSERT_TRUE(values[i] >= low && values[i] <= high);
      for (const PostingsKernels* kernels : SupportedPostingsKernels()) {
        out.resize(n);
        out.resize(kernels->select(values.data(), n, low, high, out.data()));
        EXPECT_EQ(out, expected) << kernels->name;
        EXPECT_EQ(kernels->largest(values.data(), n), scalar.largest(values.data(), n));
      }
    }
  }
}

}  // namespace
}  // namespace ragmesh::linalg
