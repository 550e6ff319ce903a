#include "libs/pipeline/allowed_roots.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "libs/testing/status_matchers.h"
#include "libs/testing/test_data.h"

namespace ragmesh::pipeline {
namespace {

using ::ragmesh::testing::HasReason;
using ::testing::ElementsAre;
namespace fs = std::filesystem;

class AllowedRootsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    root_ = fs::canonical(folder_.path()) / "root";
    fs::create_directories(root_ / "sub" / ".git");
    std::ofstream(folder_.path() / "secret.txt") << "secret";
    std::ofstream(root_ / "b.txt") << "b";
    std::ofstream(root_ / "a.txt") << "aa";
    std::ofstream(root_ / ".hidden") << "h";
    std::ofstream(root_ / "sub" / "c.txt") << "c";
    std::ofstream(root_ / "sub" / ".git" / "config") << "g";
    auto roots = AllowedRoots::Create({root_});
    ASSERT_TRUE(roots.ok());
    roots_.emplace(*std::move(roots));
  }

  const testing::TempDir folder_;
  fs::path root_;
  std::optional<AllowedRoots> roots_;
  const CallContext call_{absl::InfiniteFuture()};
};

TEST_F(AllowedRootsTest, WalkFindsVisibleFilesByName) {
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto files, roots_->Walk(root_, 10, call_));
  std::vector<std::string> names;
  for (const FoundFile& file : files) names.push_back(file.relative);
  EXPECT_THAT(names, ElementsAre("a.txt", "b.txt", "sub/c.txt"));
  EXPECT_EQ(files[0].size_bytes, 2u);
}

TEST_F(AllowedRootsTest, LinksThatLeaveTheRootAreNotFollowed) {
  fs::create_symlink(folder_.path() / "secret.txt", root_ / "link.txt");
  fs::create_directory_symlink(folder_.path(), root_ / "up");
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto files, roots_->Walk(root_, 10, call_));
  EXPECT_EQ(files.size(), 3u);
  EXPECT_THAT(roots_->Read(root_ / "link.txt", 100, call_), HasReason("PATH_NOT_ALLOWED"));
  EXPECT_THAT(roots_->Resolve(root_ / "link.txt"), HasReason("PATH_NOT_ALLOWED"));
}

TEST_F(AllowedRootsTest, OutsidePathsAreRefusedWhetherTheyExistOrNot) {
  EXPECT_THAT(roots_->Resolve("/etc/passwd"), HasReason("PATH_NOT_ALLOWED"));
  EXPECT_THAT(roots_->Resolve("/no/such/file"), HasReason("PATH_NOT_ALLOWED"));
  EXPECT_THAT(roots_->Resolve(root_.string() + "/../secret.txt"), HasReason("PATH_NOT_ALLOWED"));
  EXPECT_THAT(roots_->Resolve(root_.string() + "x"), HasReason("PATH_NOT_ALLOWED"));
  EXPECT_THAT(roots_->Resolve("relative"), HasReason("INVALID_FIELD"));
  EXPECT_THAT(roots_->Resolve(root_ / "missing"), HasReason("FILE_NOT_FOUND"));
}

TEST_F(AllowedRootsTest, BoundsAreTyped) {
  EXPECT_THAT(roots_->Walk(root_, 2, call_), HasReason("LIMIT_EXCEEDED"));
  EXPECT_THAT(roots_->Read(root_ / "a.txt", 1, call_), HasReason("LIMIT_EXCEEDED"));
  EXPECT_THAT(roots_->Read(root_ / "a.txt", 2, call_), testing::IsOkAndHolds(std::string("aa")));
}

TEST_F(AllowedRootsTest, WithoutRootsNothingIsAllowed) {
  RAGMESH_ASSERT_OK_AND_ASSIGN(const AllowedRoots none, AllowedRoots::Create({}));
  EXPECT_THAT(none.Resolve(root_), HasReason("PATH_NOT_ALLOWED"));
}

}  // namespace
}  // namespace ragmesh::pipeline
