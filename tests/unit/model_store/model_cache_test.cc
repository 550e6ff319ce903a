#include "libs/model_store/model_cache.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstring>
#include <filesystem>
#include <fstream>

#include "libs/base/sha256.h"
#include "libs/model_store/file_io.h"
#include "libs/model_store/installed_model.h"
#include "libs/model_store/partial_file.h"
#include "libs/testing/status_matchers.h"
#include "libs/testing/test_data.h"

namespace ragmesh::model_store {
namespace {

using ::ragmesh::testing::HasReason;
using ::ragmesh::testing::IsOk;
using ::ragmesh::testing::IsOkAndHolds;
using ::ragmesh::testing::StatusIs;
using ::testing::HasSubstr;

class ModelCacheTest : public ::testing::Test {
 protected:
  void Put(const std::string& digest, const std::string& bytes) {
    std::filesystem::create_directories(folder_.path() / "sha256");
    std::ofstream(folder_.path() / "sha256" / digest, std::ios::trunc) << bytes;
  }

  testing::TempDir folder_;
  ModelCache cache_{folder_.path().string()};
  CallContext call_{absl::InfiniteFuture()};
  const std::string bytes_ = "some weights";
  const std::string digest_ = Sha256Hex(bytes_);
};

TEST_F(ModelCacheTest, AbsentFileIsNotFound) {
  EXPECT_THAT(cache_.Find(digest_, call_), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_FALSE(cache_.Has(digest_));
}

TEST_F(ModelCacheTest, FileCopiedInIsHashedBeforeItIsHandedOut) {
  Put(digest_, bytes_);
  EXPECT_THAT(cache_.Find(digest_, call_), IsOkAndHolds(cache_.PathOf(digest_)));
}

TEST_F(ModelCacheTest, FileWithWrongBytesIsNeverHandedOut) {
  Put(digest_, "other weights");
  EXPECT_THAT(cache_.Find(digest_, call_),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr(digest_)));
}

TEST_F(ModelCacheTest, ChangeAfterTheCheckIsNoticed) {
  Put(digest_, bytes_);
  ASSERT_THAT(cache_.Find(digest_, call_), IsOk());
  Put(digest_, "same weight!");  // as many bytes as before
  EXPECT_THAT(cache_.Find(digest_, call_), StatusIs(absl::StatusCode::kDataLoss));
}

TEST_F(ModelCacheTest, HashingStopsWhenTheCallIsCancelled) {
  Put(digest_, bytes_);
  call_.Cancel();
  EXPECT_THAT(cache_.Find(digest_, call_), StatusIs(absl::StatusCode::kCancelled));
}

TEST_F(ModelCacheTest, FinishedFileIsReadOnlyAndInPlace) {
  RAGMESH_ASSERT_OK_AND_ASSIGN(auto partial,
                               PartialFile::Open(cache_, digest_, bytes_.size(), call_));
  RAGMESH_ASSERT_OK(partial->Append(bytes_));
  RAGMESH_ASSERT_OK(partial->Finish());
  struct stat info;
  ASSERT_EQ(::stat(cache_.PathOf(digest_).c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0444u);
  EXPECT_FALSE(std::filesystem::exists(cache_.PartialPathOf(digest_)));
}

TEST_F(ModelCacheTest, InterruptedFileGoesOnWhereItStopped) {
  {
    RAGMESH_ASSERT_OK_AND_ASSIGN(auto partial,
                                 PartialFile::Open(cache_, digest_, bytes_.size(), call_));
    RAGMESH_ASSERT_OK(partial->Append(bytes_.substr(0, 4)));
    EXPECT_THAT(partial->Finish(),
                StatusIs(absl::StatusCode::kDataLoss, HasSubstr("after 4 of 12")));
  }
  RAGMESH_ASSERT_OK_AND_ASSIGN(auto partial,
                               PartialFile::Open(cache_, digest_, bytes_.size(), call_));
  EXPECT_EQ(partial->held_bytes(), 4);
  RAGMESH_ASSERT_OK(partial->Append(bytes_.substr(4)));
  EXPECT_THAT(partial->Finish(), IsOk());
}

TEST_F(ModelCacheTest, WrongBytesAreThrownAway) {
  RAGMESH_ASSERT_OK_AND_ASSIGN(auto partial,
                               PartialFile::Open(cache_, digest_, bytes_.size(), call_));
  RAGMESH_ASSERT_OK(partial->Append("same weight!"));
  EXPECT_THAT(partial->Finish(), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("wrong SHA-256")));
  EXPECT_EQ(partial->held_bytes(), 0);
  EXPECT_FALSE(cache_.Has(digest_));
}

TEST_F(ModelCacheTest, FileNeverGrowsPastItsStatedSize) {
  RAGMESH_ASSERT_OK_AND_ASSIGN(auto partial, PartialFile::Open(cache_, digest_, 4, call_));
  EXPECT_THAT(partial->Append(bytes_), HasReason("MODEL_FILE_TOO_LARGE"));
}

TEST_F(ModelCacheTest, SecondPullerWaitsForTheFirst) {
  RAGMESH_ASSERT_OK_AND_ASSIGN(auto first,
                               PartialFile::Open(cache_, digest_, bytes_.size(), call_));
  const CallContext impatient(absl::Now());
  EXPECT_THAT(PartialFile::Open(cache_, digest_, bytes_.size(), impatient),
              StatusIs(absl::StatusCode::kDeadlineExceeded, HasSubstr("another process")));
}

TEST_F(ModelCacheTest, PullerThatFindsTheFileFinishedHasNothingToDo) {
  Put(digest_, bytes_);
  RAGMESH_ASSERT_OK_AND_ASSIGN(auto partial,
                               PartialFile::Open(cache_, digest_, bytes_.size(), call_));
  EXPECT_EQ(partial, nullptr);
  EXPECT_FALSE(std::filesystem::exists(cache_.PartialPathOf(digest_)));
}

TEST_F(ModelCacheTest, AbsentModelSaysWhichCommandObtainsIt) {
  const absl::Status status =
      FindModel(Catalogue::BuiltIn(), cache_, "all-minilm-l6-v2", call_).status();
  EXPECT_THAT(status, HasReason("MODEL_NOT_INSTALLED"));
  EXPECT_EQ(GetErrorDetail(status)->next_step, "Run: ragmesh models pull all-minilm-l6-v2");
}

TEST_F(ModelCacheTest, RemovingAModelKeepsFilesOfAnotherInstalledOne) {
  const std::string other_bytes = "other", other_digest = Sha256Hex(other_bytes);
  const auto file = [](const std::string& name, const std::string& digest) {
    return R"({"name": ")" + name + R"(", "size_bytes": 5, "sha256": ")" + digest +
           R"(", "sources": [{"type": "url", "url": "https://example.test/f"}]})";
  };
  const std::string text = R"({"format": 1, "models": [
    {"name": "a", "role": "embedder", "licence": "MIT", "files": [)" +
                           file("w", digest_) + "," + file("t", other_digest) + R"(]},
    {"name": "b", "role": "reranker", "licence": "MIT", "files": [)" +
                           file("t", other_digest) + "]}]}";
  RAGMESH_ASSERT_OK_AND_ASSIGN(const Catalogue catalogue, Catalogue::Parse(text, "x86_64"));
  Put(digest_, bytes_);
  Put(other_digest, other_bytes);
  RAGMESH_ASSERT_OK_AND_ASSIGN(const Model* model, catalogue.Find("a"));
  EXPECT_THAT(RemoveModel(catalogue, cache_, *model),
              IsOkAndHolds(static_cast<std::int64_t>(bytes_.size())));
  const auto states = ListModels(catalogue, cache_);
  EXPECT_FALSE(states[0].installed);
  EXPECT_TRUE(states[1].installed);
}

TEST_F(ModelCacheTest, RemovingAFileRemovesWhatWasPackedOfIt) {
  Put(digest_, bytes_);
  const std::filesystem::path packed = cache_.PackedFolder();
  const std::string own = (packed / (digest_ + ".int8.avx2.safetensors")).string();
  const std::string other = (packed / (Sha256Hex("other") + ".int8.avx2.safetensors")).string();
  RAGMESH_ASSERT_OK(ReplaceFile(own, {"packed"}));
  RAGMESH_ASSERT_OK(ReplaceFile(other, {"packed"}));
  EXPECT_THAT(cache_.Remove(digest_),
              IsOkAndHolds(static_cast<std::int64_t>(bytes_.size() + std::strlen("packed"))));
  EXPECT_FALSE(std::filesystem::exists(own));
  EXPECT_TRUE(std::filesystem::exists(other));
}

}  // namespace
}  // namespace ragmesh::model_store
