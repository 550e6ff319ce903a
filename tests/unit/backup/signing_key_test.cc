#include "libs/backup/signing_key.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>

#include "libs/testing/status_matchers.h"
#include "libs/testing/test_data.h"

namespace ragmesh::backup {
namespace {

using ::ragmesh::testing::HasReason;

class SigningKeyTest : public ::testing::Test {
 protected:
  std::string Path(const std::string& name) const { return (dir_.path() / name).string(); }
  testing::TempDir dir_;
};

TEST_F(SigningKeyTest, ThePublicHalfVerifiesWhatThePrivateHalfSigned) {
  RAGMESH_ASSERT_OK(Ed25519Key::Generate(Path("key")));
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto secret, Ed25519Key::FromPrivateFile(Path("key")));
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto open, Ed25519Key::FromFile(Path("key.pub")));
  const std::string signature = secret->Sign("pumps");
  EXPECT_EQ(signature.size(), 64u);
  EXPECT_EQ(secret->id(), open->id());
  EXPECT_TRUE(open->Verify("pumps", signature));
  EXPECT_FALSE(open->Verify("pump", signature));
  EXPECT_FALSE(open->Verify("pumps", signature.substr(1)));
  EXPECT_FALSE(open->Verify("pumps", ""));
}

TEST_F(SigningKeyTest, AnotherKeyVerifiesNothing) {
  RAGMESH_ASSERT_OK(Ed25519Key::Generate(Path("key")));
  RAGMESH_ASSERT_OK(Ed25519Key::Generate(Path("other")));
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto key, Ed25519Key::FromFile(Path("key")));
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto other, Ed25519Key::FromFile(Path("other.pub")));
  EXPECT_NE(key->id(), other->id());
  EXPECT_FALSE(other->Verify("pumps", key->Sign("pumps")));
}

TEST_F(SigningKeyTest, ThePrivateHalfIsItsOwnersAndNothingIsOverwritten) {
  RAGMESH_ASSERT_OK(Ed25519Key::Generate(Path("key")));
  struct stat info {};
  ASSERT_EQ(stat(Path("key").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 077, 0u);
  EXPECT_FALSE(Ed25519Key::Generate(Path("key")).ok());
}

TEST_F(SigningKeyTest, OtherFilesAreRefusedWithWhatMakesAKey) {
  std::ofstream(Path("text")) << "no key";
  EXPECT_THAT(Ed25519Key::FromFile(Path("text")), HasReason("INVALID_FIELD"));
  EXPECT_THAT(Ed25519Key::FromFile(Path("absent")), HasReason("INVALID_FIELD"));
  RAGMESH_ASSERT_OK(Ed25519Key::Generate(Path("key")));
  EXPECT_THAT(Ed25519Key::FromPrivateFile(Path("key.pub")), HasReason("INVALID_FIELD"));
}

}  // namespace
}  // namespace ragmesh::backup
