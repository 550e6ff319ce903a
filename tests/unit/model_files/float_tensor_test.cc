#include "libs/model_files/float_tensor.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/testing/status_matchers.h"
#include "tests/unit/model_files/safetensors_bytes.h"

namespace ragmesh::model_files {
namespace {

using ::ragmesh::testing::IsOk;
using ::ragmesh::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// One tensor "w" of `dtype` with the bytes of `values`; `pad` spaces move its place in the file.
template <typename T>
std::string OneTensor(const char* dtype, const std::vector<T>& values, int pad = 0) {
  std::string data(values.size() * sizeof(T), '\0');
  std::memcpy(data.data(), values.data(), data.size());
  const std::string header =
      absl::StrCat(R"({"w":{"dtype":")", dtype, R"(","shape":[)", values.size(),
                   R"(],"data_offsets":[0,)", data.size(), "]}}");
  return SafetensorsBytes(header + std::string(pad, ' '), data);
}

TEST(FloatTensorTest, ReadsFloatsAtEveryAlignment) {
  for (int pad = 0; pad < 4; ++pad) {
    const std::string bytes = OneTensor<float>("F32", {1.5f, -2.25f, 1e-40f}, pad);
    const auto file = Safetensors::Parse(bytes, "m");
    ASSERT_THAT(file, IsOk());
    const auto tensor = FloatTensor::Read(*file, "w", {3});
    ASSERT_THAT(tensor, IsOk());
    EXPECT_THAT(tensor->values(), ElementsAre(1.5f, -2.25f, 1e-40f));
  }
}

TEST(FloatTensorTest, WidensHalvesAndBfloats) {
  const std::string half = OneTensor<std::uint16_t>("F16", {0x3C00, 0xC000, 0x0001, 0x7BFF});
  const auto half_file = Safetensors::Parse(half, "m");
  EXPECT_THAT(FloatTensor::Read(*half_file, "w", {4})->values(),
              ElementsAre(1.0f, -2.0f, std::ldexp(1.0f, -24), 65504.0f));
  const std::string brain = OneTensor<std::uint16_t>("BF16", {0x3F80, 0xC040});
  const auto brain_file = Safetensors::Parse(brain, "m");
  EXPECT_THAT(FloatTensor::Read(*brain_file, "w", {2})->values(), ElementsAre(1.0f, -3.0f));
}

TEST(FloatTensorTest, HalvesKeepSignedZeroInfinityAndNan) {
  EXPECT_TRUE(std::signbit(HalfToFloat(0x8000)));
  EXPECT_EQ(HalfToFloat(0xFC00), -std::numeric_limits<float>::infinity());
  EXPECT_TRUE(std::isnan(HalfToFloat(0x7E00)));
}

TEST(FloatTensorTest, RefusesAValueThatIsNotFiniteWhereverItIs) {
  for (const float bad :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    for (std::size_t i = 0; i < 19; ++i) {
      std::vector<float> values(19, 1.0f);
      values[i] = bad;
      const std::string bytes = OneTensor<float>("F32", values);
      EXPECT_THAT(FloatTensor::Read(*Safetensors::Parse(bytes, "m"), "w", {19}),
                  StatusIs(absl::StatusCode::kDataLoss,
                           HasSubstr("tensor w: holds a value that is not finite")));
    }
  }
}

TEST(FloatTensorTest, NamesTheTensorThatIsMissingOrHasAnotherShapeOrType) {
  const std::string bytes = OneTensor<float>("F32", {1, 2, 3});
  const auto file = *Safetensors::Parse(bytes, "m");
  EXPECT_THAT(FloatTensor::Read(file, "bias", {3}),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("tensor bias: is missing")));
  EXPECT_THAT(FloatTensor::Read(file, "w", {3, 1}),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("has shape [3], not [3, 1]")));
  const std::string integers = OneTensor<std::int32_t>("I32", {1, 2, 3});
  EXPECT_THAT(FloatTensor::Read(*Safetensors::Parse(integers, "m"), "w", {3}),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("has type I32")));
}

}  // namespace
}  // namespace ragmesh::model_files
