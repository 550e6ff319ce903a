#include "libs/vector_store/log_files.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>

#include "libs/testing/test_data.h"

namespace ragmesh::vector_store {
namespace {

// Counts syncs, of which those fail that it is told to.
class CountingFiles final : public rocksdb::FileSystemWrapper {
 public:
  CountingFiles() : FileSystemWrapper(rocksdb::FileSystem::Default()) {}
  const char* Name() const override { return "CountingFiles"; }
  rocksdb::IOStatus NewWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSWritableFile>* file,
                                    rocksdb::IODebugContext* debug) override {
    std::unique_ptr<rocksdb::FSWritableFile> real;
    rocksdb::IOStatus made = FileSystemWrapper::NewWritableFile(path, options, &real, debug);
    if (made.ok()) *file = std::make_unique<File>(std::move(real), this);
    return made;
  }
  int syncs = 0;
  bool failing = false;

 private:
  class File final : public rocksdb::FSWritableFileOwnerWrapper {
   public:
    File(std::unique_ptr<rocksdb::FSWritableFile> file, CountingFiles* files)
        : FSWritableFileOwnerWrapper(std::move(file)), files_(*files) {}
    rocksdb::IOStatus Sync(const rocksdb::IOOptions&, rocksdb::IODebugContext*) override {
      ++files_.syncs;
      return files_.failing ? rocksdb::IOStatus::IOError("failed") : rocksdb::IOStatus::OK();
    }

   private:
    CountingFiles& files_;
  };
};

class LogFilesTest : public ::testing::Test {
 protected:
  std::unique_ptr<rocksdb::FSWritableFile> New(const std::string& name) {
    std::unique_ptr<rocksdb::FSWritableFile> file;
    EXPECT_TRUE(logs.NewWritableFile((dir.path() / name).string(), {}, &file, nullptr).ok());
    return file;
  }

  const testing::TempDir dir;
  const std::shared_ptr<CountingFiles> disk = std::make_shared<CountingFiles>();
  LogFiles logs{disk};
};

TEST_F(LogFilesTest, ALogIsSyncedWhenItHasNewBytes) {
  const auto log = New("000007.log");
  EXPECT_TRUE(log->Sync({}, nullptr).ok());  // the file itself
  EXPECT_EQ(disk->syncs, 1);
  EXPECT_TRUE(log->Append("record", {}, nullptr).ok());
  EXPECT_TRUE(log->Sync({}, nullptr).ok());
  EXPECT_EQ(disk->syncs, 2);
  disk->failing = true;
  EXPECT_TRUE(log->Sync({}, nullptr).ok());  // of nothing, which cannot fail
  EXPECT_EQ(disk->syncs, 2);
  EXPECT_TRUE(log->Append("record", {}, {}, nullptr).ok());
  EXPECT_FALSE(log->Sync({}, nullptr).ok());
  EXPECT_FALSE(log->Sync({}, nullptr).ok());  // it has bytes that are not on the disk
  disk->failing = false;
  EXPECT_TRUE(log->Sync({}, nullptr).ok());
  EXPECT_EQ(disk->syncs, 5);
}

TEST_F(LogFilesTest, OtherFilesAreSyncedWheneverAsked) {
  const auto table = New("000007.sst");
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(table->Sync({}, nullptr).ok());
  EXPECT_EQ(disk->syncs, 3);
}

}  // namespace
}  // namespace ragmesh::vector_store
