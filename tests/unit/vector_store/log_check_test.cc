#include "libs/vector_store/log_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/testing/status_matchers.h"

namespace ragmesh::vector_store {
namespace {

using ::ragmesh::testing::HasReason;

// A record as RocksDB frames it.
std::string Record(int type, const std::string& payload) {
  const std::string body = std::string(1, static_cast<char>(type)) + payload;
  const std::uint32_t crc = Crc32c(body);
  const std::uint32_t masked = ((crc >> 15) | (crc << 17)) + 0xa282ead8u;
  std::string record(reinterpret_cast<const char*>(&masked), 4);
  record.push_back(static_cast<char>(payload.size() & 0xFF));
  record.push_back(static_cast<char>(payload.size() >> 8));
  return record + body;
}

absl::Status Walk(const std::string& file) {
  LogWalk walk;
  std::size_t at = 0;
  for (bool more = true; more; at += LogWalk::kBlockBytes) {
    const auto block = file.substr(at, LogWalk::kBlockBytes);
    more = walk.Add(block, block.size() < LogWalk::kBlockBytes);
  }
  return walk.status();
}

TEST(LogCheckTest, ChecksumIsCastagnolis) {
  EXPECT_EQ(Crc32c("123456789"), 0xE3069283u);
  EXPECT_EQ(Crc32c("56789", Crc32c("1234")), 0xE3069283u);
}

TEST(LogCheckTest, EveryPlaceAtWhichACrashCutsALogIsFine) {
  const std::string file =
      Record(1, "first") + Record(2, "begin") + Record(3, "more") + Record(4, "end");
  for (std::size_t size = 0; size <= file.size(); ++size)
    RAGMESH_EXPECT_OK(Walk(file.substr(0, size)));
  RAGMESH_EXPECT_OK(Walk(file + std::string(100, '\0')));
}

TEST(LogCheckTest, EveryFlippedBitOfAWholeLogIsDamage) {
  const std::string file = Record(1, "first") + Record(2, "begin") + Record(4, "the end of it");
  for (std::size_t bit = 0; bit < file.size() * 8; ++bit) {
    std::string damaged = file;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_THAT(Walk(damaged), HasReason("CORRUPT_DATA")) << "bit " << bit;
  }
}

TEST(LogCheckTest, ARecordMayFillItsBlock) {
  const std::string block = Record(2, std::string(LogWalk::kBlockBytes - 7, 'x'));
  RAGMESH_EXPECT_OK(Walk(block));
  RAGMESH_EXPECT_OK(Walk(block + Record(4, "end")));
  EXPECT_THAT(Walk(block + Record(1, "another")), HasReason("CORRUPT_DATA"));
}

}  // namespace
}  // namespace ragmesh::vector_store
