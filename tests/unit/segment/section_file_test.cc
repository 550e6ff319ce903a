#include "libs/segment/section_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>
#include <string>

#include "libs/testing/status_matchers.h"
#include "libs/testing/test_data.h"

namespace ragmesh::segment {
namespace {

using ::ragmesh::testing::HasReason;

std::string Read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}
void Write(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

class SectionFileTest : public ::testing::Test {
 protected:
  SectionFileTest() {
    std::mt19937 random(1);
    for (int i = 0; i < 300'000; ++i) large_.push_back(static_cast<char>(random()));
  }
  std::string Make() {
    const std::string path = (dir_.path() / "parts").string();
    auto writer = SectionWriter::Create(path);
    EXPECT_TRUE(writer.ok()) << writer.status();
    EXPECT_TRUE((*writer)->Begin("small").ok());
    EXPECT_TRUE((*writer)->Append("one").ok());
    EXPECT_TRUE((*writer)->Append(" two").ok());
    EXPECT_TRUE((*writer)->Begin("empty").ok());
    EXPECT_TRUE((*writer)->Begin("a name as long a").ok());
    for (std::size_t at = 0; at < large_.size(); at += 7777)
      EXPECT_TRUE((*writer)->Append(absl::string_view(large_).substr(at, 7777)).ok());
    EXPECT_TRUE((*writer)->Finish().ok());
    return path;
  }
  testing::TempDir dir_;
  std::string large_;
};

TEST_F(SectionFileTest, GivesBackEachSectionAtALineOfTheCache) {
  const auto file = SectionFile::Open(Make());
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(*(*file)->Section("small"), "one two");
  EXPECT_EQ(*(*file)->Section("empty"), "");
  const auto large = (*file)->Section("a name as long a");
  EXPECT_EQ(*large, large_);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(large->data()) % 64, 0u);
  EXPECT_TRUE((*file)->Check(*large).ok());
  EXPECT_TRUE((*file)->Check(large->substr(100'000, 1)).ok());
  EXPECT_THAT((*file)->Section("other"), HasReason("CORRUPT_DATA"));
}

TEST_F(SectionFileTest, EveryFlippedBitIsFoundByOpenOrByCheck) {
  const std::string path = Make(), good = Read(path);
  std::mt19937 random(3);
  for (int i = 0; i < 400; ++i) {
    // Most of the file is one section; the ends matter as much.
    const std::size_t at = i % 2 == 0 ? random() % good.size() : good.size() - 1 - random() % 300;
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ (1 << random() % 8));
    Write(path, bad);
    const auto file = SectionFile::Open(path);
    if (!file.ok()) continue;
    absl::Status status;
    for (const char* name : {"small", "empty", "a name as long a"}) {
      const auto section = (*file)->Section(name);
      status.Update(section.ok() ? (*file)->Check(*section) : section.status());
    }
    // Only what fills up between sections belongs to none; it shares a digest with one all the
    // same.
    EXPECT_THAT(status, HasReason("CORRUPT_DATA")) << "byte " << at;
  }
}

TEST_F(SectionFileTest, ReadCopiesWhatIsGoodAndFindsWhatIsNot) {
  const std::string path = Make(), good = Read(path);
  std::string copy(1000, '\0');
  {
    const auto file = SectionFile::Open(path);
    const absl::string_view large = *(*file)->Section("a name as long a");
    for (const std::size_t at : {0u, 65'000u, 131'000u, 299'000u}) {
      ASSERT_TRUE((*file)->Read(large.substr(at, copy.size()), copy.data()).ok());
      EXPECT_EQ(copy, large_.substr(at, copy.size())) << at;
    }
  }
  std::string bad = good;
  bad[200'000] = static_cast<char>(bad[200'000] ^ 1);
  Write(path, bad);
  const auto file = SectionFile::Open(path);
  const absl::string_view large = *(*file)->Section("a name as long a");
  EXPECT_TRUE((*file)->Read(large.substr(0, copy.size()), copy.data()).ok());
  EXPECT_THAT((*file)->Read(large.substr(199'000, copy.size()), copy.data()),
              HasReason("CORRUPT_DATA"));
}

TEST_F(SectionFileTest, ReadOfAFileThatHasBecomeShorterFails) {
  const std::string path = Make();
  const auto file = SectionFile::Open(path);
  const absl::string_view large = *(*file)->Section("a name as long a");
  std::string copy(1000, '\0');
  ASSERT_TRUE((*file)->Read(large.substr(280'000, copy.size()), copy.data()).ok());
  std::filesystem::resize_file(path, 150'000);
  for (const std::size_t at : {200'000u, 280'000u}) {  // never checked, and checked
    EXPECT_THAT((*file)->Read(large.substr(at, copy.size()), copy.data()),
                HasReason("CORRUPT_DATA"));
  }
}

TEST_F(SectionFileTest, ACutFileIsRefused) {
  const std::string path = Make(), good = Read(path);
  for (std::size_t size = 0; size < good.size(); size += size < 200 ? 1 : 9973) {
    Write(path, good.substr(0, size));
    EXPECT_THAT(SectionFile::Open(path), HasReason("CORRUPT_DATA")) << size;
  }
}

TEST_F(SectionFileTest, ALaterFormatIsRefusedAsSuch) {
  const std::string path = Make();
  std::string bytes = Read(path);
  bytes[bytes.size() - 20] = 9;  // the version
  Write(path, bytes);
  EXPECT_THAT(SectionFile::Open(path), HasReason("NEWER_FORMAT"));
}

TEST_F(SectionFileTest, AnUnfinishedFileGoesWithItsWriter) {
  const std::string path = (dir_.path() / "unfinished").string();
  {
    auto writer = SectionWriter::Create(path);
    ASSERT_TRUE(writer.ok());
    ASSERT_TRUE((*writer)->Begin("part").ok());
    ASSERT_TRUE((*writer)->Append(large_).ok());
    EXPECT_TRUE(std::filesystem::exists(path));
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST_F(SectionFileTest, NeverWritesOverAFile) {
  const std::string path = Make();
  EXPECT_EQ(SectionWriter::Create(path).status().code(), absl::StatusCode::kAlreadyExists);
}

}  // namespace
}  // namespace ragmesh::segment
