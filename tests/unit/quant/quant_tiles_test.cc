// Products in tile registers, run in software where no processor has any; where one has, the other
// tests of kernels run them too, as those of the table "amx".
#include <gtest/gtest.h>

#if defined(__x86_64__)

#include "libs/quant/simd_avx512.h"

#define RAGMESH_SIMD_TARGET __attribute__((target(RAGMESH_VNNI_FEATURES)))
#include "libs/quant/tiles.h"
#include "tests/unit/linalg/emulated_tiles.h"
#include "tests/unit/quant/random_matrix.h"

namespace ragmesh::quant {
namespace {

struct Case {
  QuantType type;
  std::size_t columns;
};

class QuantTilesTest : public ::testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    if (Avx512QuantKernels() == nullptr)
      GTEST_SKIP() << "skipped: the vectors beside the registers need AVX-512 with VNNI";
  }
  std::mt19937 random_{31};
};

TEST_P(QuantTilesTest, HaveTheBitsOfTheScalarTable) {
  const auto [type, columns] = GetParam();
  constexpr std::size_t kRows = 37, kStride = 40;  // two panels and a rest
  const Packed packed(type, columns, kRows, &random_);
  for (const std::size_t count : {1, 7, 16, 17, 30, 48}) {
    const Rounded x(RandomFloats(count * columns, &random_), columns, ScalarQuantKernels());
    std::vector<float> expected(count * kStride, 7), actual = expected;
    ScalarQuantKernels().mul_q8(packed.matrix, x.rows, expected.data(), kStride);
    linalg::amx::EmulatedTiles<linalg::amx::TileProduct::kSigned> tiles;
    simd::MulQ8Tiles(packed.matrix, x.rows, actual.data(), kStride, tiles);
    EXPECT_EQ(actual, expected) << count << " activation rows";
    EXPECT_FALSE(tiles.configured());
    EXPECT_EQ(tiles.configurations(), 1);
  }
}

// An odd number of runs, more than are unpacked together, and a few of each type.
INSTANTIATE_TEST_SUITE_P(
    Types, QuantTilesTest,
    ::testing::Values(Case{QuantType::kQ4_0, 32}, Case{QuantType::kQ4_0, 96},
                      Case{QuantType::kQ4_0, 4160}, Case{QuantType::kQ4_1, 576},
                      Case{QuantType::kQ5_0, 896}, Case{QuantType::kQ5_1, 96},
                      Case{QuantType::kQ8_0, 1536}, Case{QuantType::kIQ4_NL, 96},
                      Case{QuantType::kQ2_K, 512}, Case{QuantType::kQ3_K, 512},
                      Case{QuantType::kQ4_K, 2304}, Case{QuantType::kQ5_K, 256},
                      Case{QuantType::kQ6_K, 256}, Case{QuantType::kQ6_K, 2304}),
    [](const auto& info) {
      return std::string(ToString(info.param.type)) + "_" + std::to_string(info.param.columns);
    });

}  // namespace
}  // namespace ragmesh::quant

#endif  // defined(__x86_64__)
