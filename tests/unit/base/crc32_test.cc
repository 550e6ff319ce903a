#include "libs/base/crc32.h"

#include <string>

#include "gtest/gtest.h"

namespace ragmesh {
namespace {

TEST(Crc32Test, IsTheOneOfTheStandards) {
  EXPECT_EQ(Crc32("123456789"), 0xCBF43926u);  // the check value of every list of checksums
  EXPECT_EQ(Crc32(""), 0u);
  EXPECT_EQ(Crc32(absl::string_view()), 0u);
}

TEST(Crc32Test, GoesOnWhereItStopped) {
  std::string bytes;
  for (int i = 0; i < 5000; ++i) bytes.push_back(static_cast<char>(i * i >> 3));
  const std::uint32_t all = Crc32(bytes);
  for (const std::size_t cut : {0, 1, 15, 16, 17, 100, 4096, 5000}) {
    const absl::string_view view = bytes;
    EXPECT_EQ(Crc32(view.substr(cut), Crc32(view.substr(0, cut))), all) << cut;
  }
}

}  // namespace
}  // namespace ragmesh
