#include "libs/backup/snapshot_folder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/base/sha256.h"
#include "libs/testing/status_matchers.h"
#include "libs/testing/test_data.h"

namespace ragmesh::backup {
namespace {

namespace fs = std::filesystem;
using ::ragmesh::testing::HasReason;
using ::testing::HasSubstr;

class SnapshotFolderTest : public ::testing::Test {
 protected:
  SnapshotFolderTest() { Make("snapshot", {{"000012.sst", "sorted"}, {"CURRENT", "MANIFEST"}}); }

  void Make(const std::string& name,
            const std::vector<std::pair<std::string, std::string>>& files) {
    const fs::path folder = dir_.path() / name;
    fs::create_directories(folder / "store");
    Manifest manifest;
    manifest.store_format = 3;
    manifest.created = absl::FromUnixSeconds(1);
    for (const auto& [file, bytes] : files) {
      std::ofstream(folder / "store" / file) << bytes;
      manifest.files.push_back({file, bytes.size(), Sha256Hex(bytes)});
    }
    std::ofstream(folder / "snapshot.json") << ToText(manifest);
  }
  absl::Status Verify() {
    return VerifySnapshot(
               Path("snapshot"), [](std::uint64_t) {}, call_)
        .status();
  }
  absl::Status Copy() {
    fs::remove_all(dir_.path() / "copy");
    fs::create_directory(dir_.path() / "copy");
    return CopySnapshotFiles(
               Path("snapshot"), Path("copy"), [](std::uint64_t) {}, call_)
        .status();
  }
  std::string Path(const std::string& name) const { return (dir_.path() / name).string(); }
  fs::path Store(const std::string& file) const { return dir_.path() / "snapshot/store" / file; }

  // Neither verified nor copied, and the message names `what`.
  void ExpectRefused(const std::string& what) {
    for (const absl::Status& status : {Verify(), Copy()}) {
      EXPECT_THAT(status, HasReason("CORRUPT_DATA"));
      EXPECT_THAT(std::string(status.message()), HasSubstr(what));
    }
  }

  testing::TempDir dir_;
  const CallContext call_{absl::InfiniteFuture()};
};

TEST_F(SnapshotFolderTest, AWholeOneIsVerifiedAndCopied) {
  RAGMESH_EXPECT_OK(Verify());
  RAGMESH_EXPECT_OK(Copy());
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto bytes, ReadFile(Path("copy/000012.sst"), 100));
  EXPECT_EQ(bytes, "sorted");
}

TEST_F(SnapshotFolderTest, AFolderWithoutManifestIsNone) {
  EXPECT_THAT(VerifySnapshot(
                  Path("absent"), [](std::uint64_t) {}, call_),
              HasReason("SNAPSHOT_NOT_FOUND"));
}

TEST_F(SnapshotFolderTest, AnotherDigestIsRefused) {
  std::ofstream(Store("000012.sst")) << "sortEd";
  ExpectRefused("000012.sst");
}

TEST_F(SnapshotFolderTest, ATruncatedFileIsRefused) {
  fs::resize_file(Store("000012.sst"), 3);
  ExpectRefused("3 bytes instead of 6");
}

TEST_F(SnapshotFolderTest, AMissingFileIsRefused) {
  fs::remove(Store("CURRENT"));
  ExpectRefused("CURRENT is missing");
}

TEST_F(SnapshotFolderTest, AMixtureOfTwoIsRefused) {
  Make("other", {{"000013.sst", "more"}});
  fs::copy(dir_.path() / "other/store/000013.sst", Store("000013.sst"));
  ExpectRefused("000013.sst is not in the manifest");
}

TEST_F(SnapshotFolderTest, TheManifestOfAnotherIsRefused) {
  Make("other", {{"000012.sst", "sOrted"}, {"CURRENT", "MANIFEST"}});
  fs::copy_file(dir_.path() / "other/snapshot.json", dir_.path() / "snapshot/snapshot.json",
                fs::copy_options::overwrite_existing);
  ExpectRefused("000012.sst does not match its digest");
}

TEST_F(SnapshotFolderTest, LinksAreRefused) {
  std::ofstream(dir_.path() / "elsewhere") << "sorted";
  fs::remove(Store("000012.sst"));
  fs::create_symlink(dir_.path() / "elsewhere", Store("000012.sst"));
  ExpectRefused("000012.sst is not a regular file");
}

TEST_F(SnapshotFolderTest, ALinkInPlaceOfTheFolderIsRefused) {
  fs::rename(dir_.path() / "snapshot/store", dir_.path() / "moved");
  fs::create_directory_symlink(dir_.path() / "moved", dir_.path() / "snapshot/store");
  ExpectRefused("store is not a folder");
}

TEST_F(SnapshotFolderTest, AFolderIsPutInPlaceAsAWhole) {
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto making, FolderInTheMaking::Begin(Path("new")));
  RAGMESH_ASSERT_OK(WriteFile(making->path() + "/a", "1"));
  EXPECT_FALSE(fs::exists(Path("new")));
  RAGMESH_ASSERT_OK(making->PutInPlace());
  EXPECT_TRUE(fs::exists(Path("new/a")));
  EXPECT_FALSE(fs::exists(making->path()));
}

TEST_F(SnapshotFolderTest, WhatIsGivenUpLeavesNothing) {
  std::string path;
  {
    RAGMESH_ASSERT_OK_AND_ASSIGN(const auto making, FolderInTheMaking::Begin(Path("new")));
    path = making->path();
    RAGMESH_ASSERT_OK(WriteFile(path + "/a", "1"));
  }
  EXPECT_FALSE(fs::exists(path));
  EXPECT_FALSE(fs::exists(Path("new")));
}

TEST_F(SnapshotFolderTest, AFolderWithSomethingInItIsLeftAlone) {
  fs::create_directory(dir_.path() / "new");
  std::ofstream(dir_.path() / "new/mine") << "1";
  EXPECT_THAT(FolderInTheMaking::Begin(Path("new")), HasReason("FOLDER_NOT_EMPTY"));
  EXPECT_TRUE(fs::exists(Path("new/mine")));
}

TEST_F(SnapshotFolderTest, SomethingThatAppearsMeanwhileIsLeftAlone) {
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto making, FolderInTheMaking::Begin(Path("new")));
  fs::create_directory(dir_.path() / "new");
  std::ofstream(dir_.path() / "new/mine") << "1";
  EXPECT_THAT(making->PutInPlace(), HasReason("FOLDER_NOT_EMPTY"));
  EXPECT_TRUE(fs::exists(Path("new/mine")));
}

TEST_F(SnapshotFolderTest, TwoDoNotMakeTheSame) {
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto making, FolderInTheMaking::Begin(Path("new")));
  EXPECT_THAT(FolderInTheMaking::Begin(Path("new")), HasReason("IN_USE"));
}

TEST_F(SnapshotFolderTest, WhatAKilledProcessLeftIsTakenOver) {
  fs::create_directory(dir_.path() / ".new.part");
  std::ofstream(dir_.path() / ".new.part/half") << "1";
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto making, FolderInTheMaking::Begin(Path("new")));
  EXPECT_TRUE(fs::is_empty(making->path()));
  fs::create_directory(dir_.path() / ".other.part");
  std::ofstream(dir_.path() / ".other.part/half") << "1";
  FolderInTheMaking::RemoveLeftovers(dir_.path().string());
  EXPECT_FALSE(fs::exists(dir_.path() / ".other.part"));
  EXPECT_TRUE(fs::exists(making->path()));  // somebody is at it
}

}  // namespace
}  // namespace ragmesh::backup
