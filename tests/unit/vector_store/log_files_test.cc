#include "libs/vector_store/log_files.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>

#include "libs/testing/test_data.h"
#include "tests/unit/vector_store/disk_of_syncs.h"

namespace ragmesh::vector_store {
namespace {

class LogFilesTest : public ::testing::Test {
 protected:
  std::unique_ptr<rocksdb::FSWritableFile> New(const std::string& name) {
    std::unique_ptr<rocksdb::FSWritableFile> file;
    EXPECT_TRUE(logs.NewWritableFile((dir.path() / name).string(), {}, &file, nullptr).ok());
    return file;
  }

  const testing::TempDir dir;
  const std::shared_ptr<DiskOfSyncs> disk = std::make_shared<DiskOfSyncs>("");
  LogFiles logs{disk};
};

TEST_F(LogFilesTest, ALogIsSyncedWhenItHasNewBytes) {
  const auto log = New("000007.log");
  EXPECT_TRUE(log->Sync({}, nullptr).ok());  // the file itself
  EXPECT_EQ(disk->syncs, 1);
  EXPECT_TRUE(log->Append("record", {}, nullptr).ok());
  EXPECT_TRUE(log->Sync({}, nullptr).ok());
  EXPECT_EQ(disk->syncs, 2);
  disk->failing = 3;
  EXPECT_TRUE(log->Sync({}, nullptr).ok());  // of nothing, which cannot fail
  EXPECT_EQ(disk->syncs, 2);
  EXPECT_TRUE(log->Append("record", {}, {}, nullptr).ok());
  EXPECT_FALSE(log->Sync({}, nullptr).ok());
  EXPECT_TRUE(log->Sync({}, nullptr).ok());  // asked again: its bytes were not on the disk
  EXPECT_EQ(disk->syncs, 4);
}

TEST_F(LogFilesTest, OtherFilesAreSyncedWheneverAsked) {
  const auto table = New("000007.sst");
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(table->Sync({}, nullptr).ok());
  EXPECT_EQ(disk->syncs, 3);
}

}  // namespace
}  // namespace ragmesh::vector_store
