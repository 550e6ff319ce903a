#include "libs/journal/spool.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "libs/base/sha256.h"
#include "libs/testing/status_matchers.h"
#include "libs/testing/test_data.h"

namespace ragmesh::journal {
namespace {

using ::ragmesh::testing::HasReason;
using ::ragmesh::testing::StatusIs;

std::string Put(Spool& spool, const std::string& bytes) {
  auto writer = spool.Begin();
  EXPECT_TRUE(writer.ok());
  RAGMESH_EXPECT_OK((*writer)->Append(bytes));
  auto digest = (*writer)->Commit();
  EXPECT_TRUE(digest.ok());
  return *digest;
}

TEST(SpoolTest, NamesFilesByDigestAndCountsEqualBytesOnce) {
  const testing::TempDir folder;
  RAGMESH_ASSERT_OK_AND_ASSIGN(auto spool, Spool::Open(folder.path(), {}));
  const std::string digest = Put(*spool, "hello");
  EXPECT_EQ(digest, Sha256Hex("hello"));
  EXPECT_EQ(Put(*spool, "hello"), digest);
  EXPECT_EQ(testing::ReadFileOrDie(spool->Path(digest)), "hello");
  EXPECT_EQ(spool->total_bytes(), 5u);
  spool->Remove(digest);
  EXPECT_EQ(spool->total_bytes(), 0u);
  EXPECT_FALSE(std::filesystem::exists(spool->Path(digest)));
}

TEST(SpoolTest, LimitsAreTypedAndLeaveNothingBehind) {
  const testing::TempDir folder;
  RAGMESH_ASSERT_OK_AND_ASSIGN(
      auto spool, Spool::Open(folder.path(), {.document_bytes = 10, .total_bytes = 15}));
  Put(*spool, "0123456789");
  {
    RAGMESH_ASSERT_OK_AND_ASSIGN(auto writer, spool->Begin());
    EXPECT_THAT(writer->Append("0123456789a"), HasReason("LIMIT_EXCEEDED"));
    RAGMESH_EXPECT_OK(writer->Append("01234"));
    EXPECT_THAT(writer->Append("5"), HasReason("SPOOL_FULL"));
  }
  EXPECT_EQ(spool->total_bytes(), 10u);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path()), {}), 1);
}

TEST(SpoolTest, OpeningRemovesUnfinishedUploadsAndSweepRemovesUnneeded) {
  const testing::TempDir folder;
  std::string keep, drop;
  {
    RAGMESH_ASSERT_OK_AND_ASSIGN(auto spool, Spool::Open(folder.path(), {}));
    keep = Put(*spool, "keep");
    drop = Put(*spool, "drop");
    std::ofstream(folder.path() / "new-1-2") << "half";
  }
  RAGMESH_ASSERT_OK_AND_ASSIGN(auto spool, Spool::Open(folder.path(), {}));
  EXPECT_FALSE(std::filesystem::exists(folder.path() / "new-1-2"));
  spool->Sweep([&](absl::string_view digest) { return digest == keep; });
  EXPECT_TRUE(std::filesystem::exists(spool->Path(keep)));
  EXPECT_FALSE(std::filesystem::exists(spool->Path(drop)));
  EXPECT_EQ(spool->total_bytes(), 4u);
}

TEST(SpoolTest, SecretsAreReadableByThisUserOnlyAndGoAway) {
  const testing::TempDir folder;
  RAGMESH_ASSERT_OK_AND_ASSIGN(auto spool, Spool::Open(folder.path(), {}));
  RAGMESH_ASSERT_OK(spool->PutSecret("1-0", "sesame"));
  namespace fs = std::filesystem;
  EXPECT_EQ(fs::status(folder.path() / "secret-1-0").permissions(),
            fs::perms::owner_read | fs::perms::owner_write);
  EXPECT_THAT(spool->GetSecret("1-0"), testing::IsOkAndHolds(std::string("sesame")));
  spool->RemoveSecret("1-0");
  EXPECT_THAT(spool->GetSecret("1-0"), StatusIs(absl::StatusCode::kNotFound));
}

}  // namespace
}  // namespace ragmesh::journal
