// Passages that are kept on disk, seen from prompts that hold them.
#include <gtest/gtest.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "libs/testing/test_data.h"
#include "tests/unit/generation/engine_fixture.h"

namespace ragmesh::generation {
namespace {

constexpr char kFolder[] = "RAGMESH_TEST_KEPT_PASSAGES";  // of a child process

class KeptPassagesTest : public BlendTest {
 protected:
  void SetUp() override { expected_ = Ask(*Forgetful(), WithPassages({1, 2, 3})); }

  // An engine that keeps nothing on disk.
  std::unique_ptr<Engine> Forgetful() {
    folder_.reset();
    return Make(Blending());
  }
  // An engine that starts with what earlier ones have left.
  std::unique_ptr<Engine> Restart(Engine::Options options = Blending()) {
    counts_ = std::make_shared<PassageCounts>();
    const char* given = std::getenv(kFolder);
    folder_ = {.path = given != nullptr ? given : dir_.path().string(),
               .source = "tiny",
               .counts = counts_};
    return Make(options);
  }
  std::vector<std::filesystem::path> Files() const {
    std::vector<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::directory_iterator(dir_.path() / "passages"))
      files.push_back(entry.path());
    return files;
  }

  testing::TempDir dir_;
  std::shared_ptr<PassageCounts> counts_;
  Answer expected_;
};

TEST_F(KeptPassagesTest, ALaterRunReadsThemFromDiskAndWritesTheSame) {
  EXPECT_EQ(Ask(*Restart(), WithPassages({1, 2, 3})).tokens, expected_.tokens);
  EXPECT_EQ(Files().size(), 3u);
  auto again = Restart();
  const Answer answer = Ask(*again, WithPassages({1, 2, 3}));
  EXPECT_EQ(answer.tokens, expected_.tokens);
  EXPECT_EQ(answer.outcome.blended_tokens, 3 * 85);
  EXPECT_EQ(counts_->hits, 3u);
  EXPECT_EQ(counts_->misses, 0u);
  // In another order and place, and beside one that is not there.
  const Answer other = Ask(*again, WithPassages({7, 3, 1}));
  EXPECT_EQ(other.tokens, Ask(*Forgetful(), WithPassages({7, 3, 1})).tokens);
  EXPECT_EQ(counts_->hits, 3u) << "the others are in memory by now";
}

// The child is this test again, in a process of its own, up to the statement that dies.
TEST_F(KeptPassagesTest, AKilledProcessLeavesWhatItHadWritten) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  setenv(kFolder, dir_.path().c_str(), /*overwrite=*/0);
  const auto die = [&] {
    auto engine = Restart();
    Ask(*engine, WithPassages({1, 2, 3}));
    while (counts_->written < 2) std::this_thread::yield();
    Ask(*engine, WithPassages({4, 5, 6}));  // some of them are being written
    std::raise(SIGKILL);
  };
  EXPECT_EXIT(die(), ::testing::KilledBySignal(SIGKILL), "");
  auto engine = Restart();
  unsetenv(kFolder);
  EXPECT_EQ(Ask(*engine, WithPassages({1, 2, 3})).tokens, expected_.tokens);
  EXPECT_GE(counts_->hits, 2u);
  EXPECT_EQ(counts_->damaged, 0u);
}

TEST_F(KeptPassagesTest, AnotherTenantReadsNoneOfThem) {
  Ask(*Restart(), WithPassages({1, 2, 3}));
  Engine::Request request = WithPassages({1, 2, 3});
  request.tenant = "another";
  EXPECT_EQ(Ask(*Restart(), request).tokens, expected_.tokens);
  EXPECT_EQ(counts_->hits, 0u);
  EXPECT_EQ(Files().size(), 6u);
}

TEST_F(KeptPassagesTest, DamagedFilesAreComputedAgain) {
  Ask(*Restart(), WithPassages({1, 2, 3}));
  const auto files = Files();
  std::filesystem::permissions(files[0], std::filesystem::perms::owner_all);
  std::filesystem::resize_file(files[0], std::filesystem::file_size(files[0]) / 2);
  std::string bytes = testing::ReadFileOrDie(files[1]);
  bytes[bytes.size() / 2] ^= 1;
  std::filesystem::remove(files[1]);
  std::ofstream(files[1], std::ios::binary) << bytes;
  EXPECT_EQ(Ask(*Restart(), WithPassages({1, 2, 3})).tokens, expected_.tokens);
  EXPECT_EQ(counts_->damaged, 2u);
  EXPECT_EQ(counts_->hits, 1u);
  // What was computed has been written again.
  EXPECT_EQ(Ask(*Restart(), WithPassages({1, 2, 3})).tokens, expected_.tokens);
  EXPECT_EQ(counts_->hits, 3u);
}

TEST_F(KeptPassagesTest, WhatMemoryGaveUpIsReadBack) {
  Forgetful();  // tells how large a block is
  Engine::Options options = Blending();
  options.kv_bytes = 30 * block_bytes_;  // kept passages take at most 15 blocks of it, 3 passages
  auto engine = Restart(options);
  Ask(*engine, WithPassages({1, 2, 3}));
  Ask(*engine, WithPassages({4, 5, 6}));
  while (counts_->written < 6) std::this_thread::yield();
  EXPECT_EQ(Ask(*engine, WithPassages({1, 2, 3})).tokens, expected_.tokens);
  EXPECT_EQ(counts_->hits, 3u);
}

TEST_F(KeptPassagesTest, StreamsThatReadFromDiskInScarceMemoryWriteWhatEachWritesAlone) {
  std::vector<Engine::Request> requests;
  for (std::uint32_t i = 0; i < 6; ++i) requests.push_back(WithPassages({i, i + 1, i + 2}));
  const std::vector<Answer> expected = AskAll(*Forgetful(), requests);
  Ask(*Restart(), WithPassages({0, 1, 2}));
  Ask(*Restart(), WithPassages({4, 5, 6}));
  Engine::Options options = Blending();
  options.kv_bytes = 30 * block_bytes_;
  const std::vector<Answer> answers = AskAll(*Restart(options), requests);
  for (std::size_t i = 0; i < requests.size(); ++i)
    EXPECT_EQ(answers[i].tokens, expected[i].tokens) << i;
  EXPECT_GT(counts_->hits, 0u);
}

TEST_F(KeptPassagesTest, AFolderThatCannotBeWrittenChangesNoAnswer) {
  auto engine = Restart();
  std::filesystem::remove_all(dir_.path());
  std::ofstream(dir_.path()) << "a file stands in the way";
  EXPECT_EQ(Ask(*engine, WithPassages({1, 2, 3})).tokens, expected_.tokens);
  EXPECT_EQ(Ask(*engine, WithPassages({3, 2, 1})).tokens.size(), 12u);
  engine.reset();
  EXPECT_EQ(counts_->written, 0u);
  EXPECT_EQ(counts_->write_failed, 1u);
}

}  // namespace
}  // namespace ragmesh::generation
