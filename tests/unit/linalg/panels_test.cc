// The product kernels of every table, in every precision it has.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <string>
#include <vector>

#include "tests/unit/linalg/panel_case.h"
#include "tests/unit/linalg/tables.h"

namespace ragmesh::linalg {
namespace {

bool SameBits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

class PanelsTest : public ::testing::TestWithParam<InPrecision> {
 protected:
  void Check(std::size_t rows, std::size_t columns, std::size_t inputs) {
    case_.Randomise(rows, columns, inputs, random_);
    kernel_.multiply(case_.LayOut(kernel_));
    ASSERT_NO_FATAL_FAILURE(case_.ExpectResultIsRight());
  }

  const Precision precision_ = GetParam().precision;
  const PanelKernel& kernel_ = KernelOf(*GetParam().table, precision_);
  PanelCase case_{precision_};
  std::mt19937 random_{17};
};

class Int8PanelsTest : public PanelsTest {};   // sums are exact
class FloatPanelsTest : public PanelsTest {};  // operands may be NaN

TEST_P(PanelsTest, EveryNumberOfColumns) {
  for (std::size_t columns = 1; columns <= kernel_.width; ++columns)
    ASSERT_NO_FATAL_FAILURE(Check(7, columns, 33));
}

TEST_P(PanelsTest, EveryNumberOfInputs) {
  for (std::size_t inputs = 1; inputs <= 130; ++inputs)
    ASSERT_NO_FATAL_FAILURE(Check(7, kernel_.width - 3, inputs));
}

TEST_P(PanelsTest, EveryNumberOfRows) {
  for (std::size_t rows = 1; rows <= 50; ++rows)
    ASSERT_NO_FATAL_FAILURE(Check(rows, kernel_.width, 65));
}

TEST_P(PanelsTest, BiasMayBeAbsent) {
  case_.Randomise(5, kernel_.width, 20, random_);
  PanelProduct product = case_.LayOut(kernel_);
  kernel_.multiply(product);
  const std::vector<float> with = case_.Result();
  product.bias = nullptr;
  kernel_.multiply(product);
  const std::vector<float> without = case_.Result();
  for (std::size_t i = 0; i < with.size(); ++i)
    EXPECT_NEAR(with[i], without[i] + case_.bias[i % kernel_.width], 1e-3f);
}

TEST_P(PanelsTest, ARowDoesNotDependOnTheOthers) {
  const std::size_t rows = 67;
  case_.Randomise(rows, kernel_.width, 100, random_);
  const PanelProduct product = case_.LayOut(kernel_);
  kernel_.multiply(product);
  const std::vector<float> together = case_.Result();
  for (std::size_t count : {1, 2, 5, 15, 16, 17, 31, 33}) {
    for (std::size_t first = 0; first < rows; first += count) {
      PanelProduct part = product;
      part.rows = std::min(count, rows - first);
      part.a = static_cast<const char*>(product.a) + first * product.a_stride_bytes;
      part.out += first * product.out_stride;
      if (product.quantized_rows != nullptr) part.quantized_rows += first;
      kernel_.multiply(part);
    }
    ASSERT_TRUE(SameBits(together, case_.Result())) << count << " at a time";
  }
}

TEST_P(Int8PanelsTest, EqualsScalarBitForBit) {
  const PanelKernel& scalar = SupportedKernels().front()->int8;
  const std::size_t columns = std::min(kernel_.width, scalar.width);
  for (const std::size_t rows : {1, 6, 13, 49}) {
    for (const std::size_t inputs : {1, 3, 4, 31, 64, 130, 384, 3000}) {
      case_.Randomise(rows, columns, inputs, random_);
      scalar.multiply(case_.LayOut(scalar));
      const std::vector<float> expected = case_.Result();
      kernel_.multiply(case_.LayOut(kernel_));
      ASSERT_TRUE(SameBits(expected, case_.Result())) << rows << " x " << inputs;
    }
  }
}

TEST_P(Int8PanelsTest, DoesNotSaturate) {
  for (const float a : {-127.0f, 127.0f}) {
    for (const float w : {-127.0f, 127.0f}) {
      case_.Randomise(3, kernel_.width, 4096, random_);
      std::fill(case_.a.begin(), case_.a.end(), a);
      std::fill(case_.w.begin(), case_.w.end(), w);
      kernel_.multiply(case_.LayOut(kernel_));
      ASSERT_NO_FATAL_FAILURE(case_.ExpectResultIsRight());
    }
  }
}

TEST_P(FloatPanelsTest, NanAndInfinityStayInTheirRowOrColumn) {
  const std::size_t rows = 9, columns = kernel_.width - 1, inputs = 37;
  for (const float odd :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    for (const std::size_t at : {0, 5, 36}) {
      case_.Randomise(rows, columns, inputs, random_);
      case_.a[4 * inputs + at] = odd;
      case_.w[3 * inputs + at] = odd;
      kernel_.multiply(case_.LayOut(kernel_));
      const std::vector<float> result = case_.Result();
      for (std::size_t i = 0; i < result.size(); ++i) {
        const bool finite = i / columns != 4 && i % columns != 3;
        ASSERT_EQ(std::isfinite(result[i]), finite) << odd << " at " << i;
        if (std::isnan(odd) && !finite) {
          ASSERT_TRUE(std::isnan(result[i])) << i;
        }
      }
    }
  }
}

std::vector<InPrecision> EveryProduct() {
  return EveryPrecision(
      [](const InPrecision& p) { return KernelOf(*p.table, p.precision).multiply; });
}
std::string NameOf(const ::testing::TestParamInfo<InPrecision>& info) { return Name(info.param); }

INSTANTIATE_TEST_SUITE_P(EveryTable, PanelsTest, ::testing::ValuesIn(EveryProduct()), NameOf);
INSTANTIATE_TEST_SUITE_P(EveryTable, Int8PanelsTest,
                         ::testing::ValuesIn(InInt8(EveryProduct(), true)), NameOf);
INSTANTIATE_TEST_SUITE_P(EveryTable, FloatPanelsTest,
                         ::testing::ValuesIn(InInt8(EveryProduct(), false)), NameOf);

}  // namespace
}  // namespace ragmesh::linalg
