// Every quantised type against the blocks of quant_types.json, which make_quant_vectors.py wrote:
// sizes as the format has them, values bit for bit.
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <nlohmann/json.hpp>

#include "absl/strings/escaping.h"
#include "libs/gguf/tensor_type.h"
#include "libs/quant/types.h"
#include "libs/testing/test_data.h"

namespace ragmesh::quant {
namespace {

constexpr QuantType kTypes[] = {QuantType::kQ4_0, QuantType::kQ4_1, QuantType::kQ5_0,
                                QuantType::kQ5_1, QuantType::kQ8_0, QuantType::kIQ4_NL,
                                QuantType::kQ2_K, QuantType::kQ3_K, QuantType::kQ4_K,
                                QuantType::kQ5_K, QuantType::kQ6_K};

TEST(QuantTypesGoldenTest, BlocksExpandToTheBitsOfTheReference) {
  const std::string source = std::getenv("RAGMESH_SOURCE_DIR");
  const auto golden =
      nlohmann::json::parse(testing::ReadFileOrDie(source + "/tests/golden/gguf/quant_types.json"));
  ASSERT_EQ(golden["cases"].size(), std::size(kTypes));
  for (std::size_t i = 0; i < std::size(kTypes); ++i) {
    const auto& expected = golden["cases"][i];
    const QuantType type = kTypes[i];
    SCOPED_TRACE(ToString(type));
    EXPECT_EQ(expected["type"], ToString(type));
    EXPECT_EQ(expected["block_values"], BlockValues(type));
    EXPECT_EQ(expected["block_bytes"], BlockBytes(type));
    const auto shape = gguf::FindBlockShape(expected["number"].get<std::uint32_t>());
    ASSERT_TRUE(shape.has_value());
    EXPECT_STREQ(shape->name, ToString(type));
    EXPECT_EQ(shape->values, BlockValues(type));
    EXPECT_EQ(shape->bytes, BlockBytes(type));

    const std::string blocks = absl::HexStringToBytes(expected["blocks"].get<std::string>());
    const std::string bits = absl::HexStringToBytes(expected["f32"].get<std::string>());
    const std::size_t columns = blocks.size() / BlockBytes(type) * BlockValues(type);
    ASSERT_EQ(bits.size(), columns * sizeof(float));
    std::vector<float> values(columns), out(columns);
    std::memcpy(values.data(), bits.data(), bits.size());
    ExpandRow(type, reinterpret_cast<const std::uint8_t*>(blocks.data()), columns, out.data());
    EXPECT_EQ(out, values);
  }
}

}  // namespace
}  // namespace ragmesh::quant
