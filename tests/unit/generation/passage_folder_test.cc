#include "libs/generation/passage_folder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "libs/testing/status_matchers.h"
#include "libs/testing/test_data.h"

namespace ragmesh::generation {
namespace {

using testing::HasReason;
using ::testing::SizeIs;

constexpr KvShape kShape = {.layers = 2, .heads = 2, .head_dim = 32};
constexpr std::size_t kBlocks = 3;

class PassageFolderTest : public ::testing::Test {
 protected:
  void SetUp() override { Reopen(); }

  PassageFolder::Options Options(const std::string& source = "model") {
    return {.path = dir_.path().string(),
            .max_bytes = max_bytes_,
            .source = source,
            .counts = counts_,
            .on_fault = [this](const absl::Status& why) { faults_.push_back(why); }};
  }
  void Reopen() {
    folder_.reset();
    counts_ = std::make_shared<PassageCounts>();
    RAGMESH_ASSERT_OK_AND_ASSIGN(folder_, PassageFolder::Open(Options(), kShape));
  }

  // Three blocks that hold `fill` everywhere.
  static std::unique_ptr<KvCache> Keys(char fill) {
    auto keys = *KvCache::Create(kShape, kBlocks * quant::kBlockPositions);
    for (std::size_t i = 0; i < kBlocks; ++i)
      std::memset(keys->Block(i * quant::kBlockPositions), fill, kShape.BlockBytes());
    return keys;
  }
  std::string Key(std::uint32_t passage, const std::string& tenant = "tenant") const {
    const std::vector<std::uint32_t> tokens(90, passage);
    return folder_->Key(tenant, tokens);
  }
  void Write(std::uint32_t passage, char fill) {
    folder_->Write(Key(passage), *Keys(fill));
    folder_->Flush();
  }
  // What every byte of the passage is; nullopt when it is not there.
  std::optional<char> Read(const std::string& key) {
    absl::Notification ended;
    const auto reading = folder_->Read(key, kBlocks, [&] { ended.Notify(); });
    if (reading == nullptr) return std::nullopt;
    ended.WaitForNotification();
    if (!reading->found()) return std::nullopt;
    const auto keys = Keys('?');
    reading->Take(*keys);
    for (std::size_t i = 0; i < kBlocks; ++i) {
      const std::uint8_t* block = keys->Block(i * quant::kBlockPositions);
      for (std::size_t at = 0; at < kShape.BlockBytes(); ++at) EXPECT_EQ(block[at], *block);
    }
    return static_cast<char>(*keys->Block(0));
  }
  std::filesystem::path PathOf(const std::string& key) const {
    return dir_.path() / "passages" / absl::StrCat(key, ".passage.safetensors");
  }
  std::size_t Files() const {
    std::size_t files = 0;
    for (const auto& entry : std::filesystem::directory_iterator(dir_.path() / "passages"))
      files += entry.is_regular_file();
    return files;
  }
  // Changes the file at `path` behind the folder's back.
  static void Rewrite(const std::filesystem::path& path, const std::string& bytes) {
    std::filesystem::remove(path);
    std::ofstream(path, std::ios::binary) << bytes;
  }

  testing::TempDir dir_;
  std::uint64_t max_bytes_ = 1 << 30;
  std::shared_ptr<PassageCounts> counts_;
  std::vector<absl::Status> faults_;
  std::unique_ptr<PassageFolder> folder_;
};

TEST_F(PassageFolderTest, WhatIsWrittenIsReadByALaterRun) {
  EXPECT_EQ(Read(Key(1)), std::nullopt);
  Write(1, 'a');
  Write(2, 'b');
  EXPECT_EQ(Read(Key(1)), 'a');
  Reopen();
  EXPECT_EQ(Read(Key(2)), 'b');
  EXPECT_EQ(Read(Key(1)), 'a');
  EXPECT_EQ(Read(Key(3)), std::nullopt);
  EXPECT_EQ(counts_->hits, 2u);
  EXPECT_EQ(counts_->misses, 1u);
  EXPECT_THAT(faults_, SizeIs(0));
}

TEST_F(PassageFolderTest, TenantsModelsShapesAndTokensEachMakeAnotherKey) {
  const std::string key = Key(1);
  EXPECT_NE(Key(1, "other"), key);
  EXPECT_NE(Key(2), key);
  EXPECT_EQ(Key(1), key);
  folder_.reset();
  const auto of = [&](const std::string& source, const std::string& tenant, const KvShape& shape) {
    return (*PassageFolder::Open(Options(source), shape))->Key(tenant, {});
  };
  KvShape q8 = kShape;
  q8.type = quant::KvType::kQ8;
  EXPECT_EQ(of("model", "b", kShape), of("model", "b", kShape));
  EXPECT_NE(of("model", "b", kShape), of("other", "b", kShape));
  EXPECT_NE(of("model", "b", kShape), of("model", "b", q8));
  EXPECT_NE(of("model", "b", kShape), of("modelb", "", kShape)) << "where a part ends matters";
}

TEST_F(PassageFolderTest, EveryFlippedBitIsFoundAndTheFileRemoved) {
  Write(1, 'a');
  const std::string good = testing::ReadFileOrDie(PathOf(Key(1)));
  std::uint64_t damaged = 0;
  for (std::size_t at = 0; at < good.size(); at += at < 600 ? 7 : 997) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ (1 << at % 8));
    Rewrite(PathOf(Key(1)), bad);
    Reopen();
    EXPECT_EQ(Read(Key(1)), std::nullopt) << at;
    EXPECT_EQ(counts_->damaged, 1u) << at;
    EXPECT_FALSE(std::filesystem::exists(PathOf(Key(1)))) << at;
    EXPECT_EQ(counts_->bytes, 0u) << at;
    ++damaged;
  }
  EXPECT_THAT(faults_, SizeIs(damaged));
}

TEST_F(PassageFolderTest, AFileCutShortAnywhereIsFoundAndRemoved) {
  Write(1, 'a');
  const std::string good = testing::ReadFileOrDie(PathOf(Key(1)));
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{8}, std::size_t{100},
                                 good.size() / 2, good.size() - 4, good.size() - 1}) {
    Rewrite(PathOf(Key(1)), good.substr(0, size));
    Reopen();
    EXPECT_EQ(Read(Key(1)), std::nullopt) << size;
    EXPECT_EQ(counts_->damaged, 1u) << size;
    EXPECT_FALSE(std::filesystem::exists(PathOf(Key(1)))) << size;
  }
}

TEST_F(PassageFolderTest, AFileOfAnotherPassageOrKindIsNotTrusted) {
  Write(1, 'a');
  std::filesystem::copy(PathOf(Key(1)), PathOf(Key(2)));
  Rewrite(PathOf(Key(3)), std::string(1 << 20, 'x'));  // longer than any of these passages
  Reopen();
  EXPECT_EQ(Read(Key(2)), std::nullopt);
  EXPECT_EQ(Read(Key(3)), std::nullopt);
  EXPECT_EQ(counts_->damaged, 2u);
  EXPECT_EQ(Read(Key(1)), 'a');
  // Fewer blocks than the file has are asked for only where keys collide.
  absl::Notification ended;
  const auto reading = folder_->Read(Key(1), kBlocks - 1, [&] { ended.Notify(); });
  ended.WaitForNotification();
  EXPECT_FALSE(reading->found());
}

TEST_F(PassageFolderTest, AFileThatVanishedIsAMiss) {
  Write(1, 'a');
  std::filesystem::remove(PathOf(Key(1)));
  EXPECT_EQ(Read(Key(1)), std::nullopt);
  EXPECT_EQ(counts_->misses, 1u);
  EXPECT_EQ(counts_->bytes, 0u);
  EXPECT_THAT(faults_, SizeIs(0));
  Write(1, 'b');
  EXPECT_EQ(Read(Key(1)), 'b');
}

TEST_F(PassageFolderTest, TheBudgetHoldsAndTheLeastRecentlyUsedGoes) {
  Write(1, 'a');
  const std::uint64_t one = counts_->bytes;
  max_bytes_ = 3 * one + 4096;  // as much as a header may take is kept free for the next
  Reopen();
  for (std::uint32_t i = 2; i <= 8; ++i) {
    Write(i, 'b');
    EXPECT_EQ(Read(Key(1)), 'a') << "used all the time";
    EXPECT_LE(counts_->bytes, max_bytes_);
    std::uint64_t on_disk = 0;
    for (const auto& entry : std::filesystem::directory_iterator(dir_.path() / "passages"))
      on_disk += entry.file_size();
    EXPECT_EQ(on_disk, counts_->bytes);
  }
  EXPECT_EQ(Files(), 3u);
  EXPECT_EQ(Read(Key(8)), 'b');
  EXPECT_EQ(Read(Key(6)), std::nullopt);
  // A smaller budget of a later run holds from its start on.
  max_bytes_ = one + 4096;
  Reopen();
  EXPECT_EQ(Files(), 1u);
  EXPECT_EQ(Read(Key(8)), 'b');
}

TEST_F(PassageFolderTest, APassageOverTheBudgetIsNotWritten) {
  max_bytes_ = 4096;
  Reopen();
  Write(1, 'a');
  EXPECT_EQ(Files(), 0u);
}

// A file size limit makes writes fail, as a full disk does.
TEST_F(PassageFolderTest, AFullDiskIsToldOnceAndReadingGoesOn) {
  Write(1, 'a');
  const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit old_limit{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &old_limit), 0);
  rlimit small = old_limit;
  small.rlim_cur = 1 << 10;
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  Write(2, 'b');
  Write(3, 'c');
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &old_limit), 0);
  std::signal(SIGXFSZ, old_handler);
  EXPECT_THAT(faults_, SizeIs(1));
  EXPECT_EQ(counts_->write_failed, 1u);
  EXPECT_EQ(counts_->write_skipped, 1u);
  EXPECT_EQ(Files(), 1u) << "what was begun is removed";
  EXPECT_EQ(Read(Key(1)), 'a');
}

TEST_F(PassageFolderTest, OneProcessHasTheFolderAtATime) {
  EXPECT_THAT(PassageFolder::Open(Options(), kShape), HasReason("PASSAGE_FOLDER_IN_USE"));
  folder_.reset();
  RAGMESH_EXPECT_OK(PassageFolder::Open(Options(), kShape));
}

TEST_F(PassageFolderTest, AFolderThatCannotBeMadeIsAnError) {
  std::ofstream(dir_.path() / "file") << "x";
  PassageFolder::Options options = Options();
  options.path = (dir_.path() / "file").string();
  EXPECT_FALSE(PassageFolder::Open(options, kShape).ok());
}

TEST_F(PassageFolderTest, RemainsOfInterruptedWritersGoAndForeignFilesStay) {
  const std::filesystem::path folder = dir_.path() / "passages";
  std::ofstream(absl::StrCat(PathOf(Key(1)).string(), ".Ab3dEf")) << "half";
  std::ofstream(folder / "letters.txt") << "mine";
  std::ofstream(folder / "0123.passage.safetensors") << "mine too";
  max_bytes_ = 1;
  Reopen();
  EXPECT_EQ(Files(), 2u);
  EXPECT_TRUE(std::filesystem::exists(folder / "letters.txt"));
}

TEST_F(PassageFolderTest, OthersMayNotLookIntoTheFolder) {
  const auto permissions = std::filesystem::status(dir_.path() / "passages").permissions();
  EXPECT_EQ(permissions, std::filesystem::perms::owner_all);
}

}  // namespace
}  // namespace ragmesh::generation
