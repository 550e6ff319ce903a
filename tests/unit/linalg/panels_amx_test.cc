// The loops over tile registers, run in software where no processor has any; where one has, the
// other tests of kernels run them too, as those of the table "amx".
#include "libs/linalg/panels_amx.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <vector>

#include "tests/unit/linalg/emulated_tiles.h"
#include "tests/unit/linalg/panel_case.h"

namespace ragmesh::linalg::amx {
namespace {

constexpr std::size_t kRowCounts[] = {1,  2,  7,  15, 16, 17, 18, 30, 31,
                                      32, 33, 35, 47, 48, 49, 64, 65, 131};

void MultiplyInt8(const PanelProduct& p) {
  EmulatedTiles<TileProduct::kSignedByUnsigned> tiles;
  MultiplyPanel<std::int32_t>(
      p, tiles, [&](const std::int32_t* sums, std::size_t first, std::size_t rows) {
        for (std::size_t r = first; r < first + rows; ++r, sums += kPanelWidth) {
          for (std::size_t c = 0; c < p.columns; ++c) {
            const QuantizedRow& row = p.quantized_rows[r];
            p.out[r * p.out_stride + c] =
                std::fma(static_cast<float>(sums[c] - 128 * row.sum) * row.scale,
                         p.column_scales[c], std::fma(row.offset, p.column_sums[c], p.bias[c]));
          }
        }
      });
  EXPECT_FALSE(tiles.configured());
  EXPECT_EQ(tiles.configurations(), p.rows == 0 ? 0 : 1);
}

void MultiplyBf16(const PanelProduct& p) {
  EmulatedTiles<TileProduct::kBf16> tiles;
  MultiplyPanel<float>(p, tiles, [&](const float* sums, std::size_t first, std::size_t rows) {
    for (std::size_t r = first; r < first + rows; ++r, sums += kPanelWidth) {
      for (std::size_t c = 0; c < p.columns; ++c) p.out[r * p.out_stride + c] = sums[c] + p.bias[c];
    }
  });
  EXPECT_FALSE(tiles.configured());
  EXPECT_EQ(tiles.configurations(), p.rows == 0 ? 0 : 1);
}

constexpr PanelKernel kInt8 = {
    .width = kPanelWidth, .group = 4, .weight_offset = 128, .multiply = MultiplyInt8};
constexpr PanelKernel kBf16 = {.width = kPanelWidth, .group = 2, .multiply = MultiplyBf16};

class PanelsAmxTest : public ::testing::TestWithParam<Precision> {
 protected:
  void Check(std::size_t rows, std::size_t columns, std::size_t inputs) {
    case_.Randomise(rows, columns, inputs, random_);
    kernel_.multiply(case_.LayOut(kernel_));
    ASSERT_NO_FATAL_FAILURE(case_.ExpectResultIsRight());
  }

  const PanelKernel kernel_ = GetParam() == Precision::kInt8 ? kInt8 : kBf16;
  PanelCase case_{GetParam()};
  std::mt19937 random_{23};
};

TEST_P(PanelsAmxTest, EveryNumberOfRows) {
  for (const std::size_t rows : kRowCounts) ASSERT_NO_FATAL_FAILURE(Check(rows, kPanelWidth, 128));
}

TEST_P(PanelsAmxTest, EveryNumberOfInputs) {
  for (std::size_t inputs = 1; inputs <= 130; ++inputs)
    ASSERT_NO_FATAL_FAILURE(Check(inputs % 2 == 0 ? 5 : 19, kPanelWidth - 1, inputs));
}

TEST_P(PanelsAmxTest, EveryNumberOfColumns) {
  for (std::size_t columns = 1; columns <= kPanelWidth; ++columns)
    ASSERT_NO_FATAL_FAILURE(Check(18, columns, 64));
}

TEST_P(PanelsAmxTest, ARowDoesNotDependOnTheOthers) {
  const std::size_t rows = 67;
  case_.Randomise(rows, kPanelWidth, 96, random_);
  const PanelProduct product = case_.LayOut(kernel_);
  kernel_.multiply(product);
  const std::vector<float> together = case_.Result();
  for (const std::size_t count : {1, 5, 16, 17, 33}) {
    for (std::size_t first = 0; first < rows; first += count) {
      PanelProduct part = product;
      part.rows = std::min(count, rows - first);
      part.a = static_cast<const char*>(product.a) + first * product.a_stride_bytes;
      part.out += first * product.out_stride;
      if (product.quantized_rows != nullptr) part.quantized_rows += first;
      kernel_.multiply(part);
    }
    const std::vector<float> apart = case_.Result();
    ASSERT_EQ(std::memcmp(together.data(), apart.data(), apart.size() * sizeof(float)), 0) << count;
  }
}

INSTANTIATE_TEST_SUITE_P(Precisions, PanelsAmxTest,
                         ::testing::Values(Precision::kBf16, Precision::kInt8),
                         [](const auto& info) { return std::string(ToString(info.param)); });

TEST(PanelsAmxInt8Test, EqualsScalarBitForBit) {
  const PanelKernel& scalar = SupportedKernels().front()->int8;
  PanelCase panel(Precision::kInt8);
  std::mt19937 random(29);
  for (const std::size_t rows : kRowCounts) {
    for (const std::size_t inputs : {3, 64, 100, 384}) {
      panel.Randomise(rows, scalar.width, inputs, random);
      scalar.multiply(panel.LayOut(scalar));
      const std::vector<float> expected = panel.Result();
      kInt8.multiply(panel.LayOut(kInt8));
      const std::vector<float> result = panel.Result();
      ASSERT_EQ(std::memcmp(expected.data(), result.data(), result.size() * sizeof(float)), 0)
          << rows << " x " << inputs;
    }
  }
}

TEST(PanelsAmxBlocksTest, CoverAllRowsInBlocksOfOneHeight) {
  for (std::size_t rows = 1; rows <= 200; ++rows) {
    const Blocks blocks(rows, 16);
    EXPECT_LE(blocks.rows, kTileRows);
    std::size_t covered = 0;
    for (std::size_t block = 0; block < blocks.count; ++block) {
      EXPECT_LE(blocks.First(block), covered) << rows;
      covered = blocks.First(block) + blocks.rows;
    }
    EXPECT_EQ(covered, rows);
    EXPECT_LT(blocks.count * blocks.rows, rows + blocks.count) << "hardly a row comes twice";
  }
}

TEST(PanelsAmxBlocksTest, StepsDivideTheInputs) {
  for (std::size_t groups = 1; groups <= 300; ++groups) {
    const Blocks blocks(1, groups);
    EXPECT_EQ(groups % blocks.groups, 0u);
    if (groups % kTileLanes == 0) {
      EXPECT_EQ(blocks.groups, kTileLanes);
    }
  }
}

TEST(PanelsAmxInt8Test, NoRowsAreNoProduct) { MultiplyInt8({.groups = 4, .columns = 3}); }

}  // namespace
}  // namespace ragmesh::linalg::amx
