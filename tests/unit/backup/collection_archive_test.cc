#include "libs/backup/collection_archive.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/testing/status_matchers.h"
#include "libs/testing/test_data.h"

namespace ragmesh::backup {
namespace {

using ::ragmesh::testing::HasReason;

class CollectionArchiveTest : public ::testing::Test {
 protected:
  CollectionArchiveTest() {
    EXPECT_TRUE(Ed25519Key::Generate(Path("key")).ok());
    EXPECT_TRUE(Ed25519Key::Generate(Path("other")).ok());
    key_ = *Ed25519Key::FromPrivateFile(Path("key"));
    other_ = *Ed25519Key::FromFile(Path("other.pub"));
  }
  std::string Path(const std::string& name) const { return (dir_.path() / name).string(); }

  std::string Archive(const Ed25519Key* key, std::string* manifest = nullptr) const {
    std::string bytes;
    ArchiveWriter writer([&](absl::string_view piece) {
      absl::StrAppend(&bytes, piece);
      return absl::OkStatus();
    });
    EXPECT_TRUE(writer.Add(FrameKind::kCollection, "config").ok());
    EXPECT_TRUE(writer.Add(FrameKind::kDocument, "document one").ok());
    EXPECT_TRUE(writer.Add(FrameKind::kDocument, "").ok());
    for (int i = 0; i < 3; ++i)
      EXPECT_TRUE(writer.Add(FrameKind::kChunk, absl::StrCat("chunk ", i)).ok());
    const std::size_t before = bytes.size();
    EXPECT_TRUE(writer
                    .Finish({.tenant = "default",
                             .name = "manuals",
                             .created = absl::FromUnixSeconds(5),
                             .release = "1",
                             .sequence = 9,
                             .documents = 2,
                             .chunks = 3})
                    .ok());
    const std::string object = bytes.substr(before + 5);
    if (manifest != nullptr) *manifest = object;
    return bytes + SignatureFrame(object, key);
  }

  static ArchiveReader::Source In(const std::string& bytes, std::size_t piece) {
    return [&bytes, piece, at = std::size_t{0}]() mutable -> absl::StatusOr<std::string> {
      std::string next = bytes.substr(std::min(at, bytes.size()), piece);
      at += next.size();
      return next;
    };
  }
  // Reads all of it; what it was, by the first letter of each frame.
  absl::StatusOr<std::string> Read(const std::string& bytes, const Ed25519Key* key,
                                   std::size_t piece = 7) const {
    ArchiveReader reader(In(bytes, piece), key != nullptr ? Signed::kByKey : Signed::kUnchecked,
                         key);
    std::string kinds;
    while (true) {
      RAGMESH_ASSIGN_OR_RETURN(const ArchiveReader::Frame frame, reader.Next());
      if (frame.end) return kinds;
      kinds.push_back(static_cast<char>(frame.kind));
    }
  }

  testing::TempDir dir_;
  std::unique_ptr<const Ed25519Key> key_, other_;
};

TEST_F(CollectionArchiveTest, ReadsWhatItWroteHoweverItComes) {
  const std::string bytes = Archive(key_.get());
  for (const std::size_t piece : {1u, 7u, 1000u})
    EXPECT_THAT(Read(bytes, key_.get(), piece), testing::IsOkAndHolds("CDDKKKMS"));
}

TEST_F(CollectionArchiveTest, TheManifestIsThereAtTheEnd) {
  const std::string bytes = Archive(nullptr);
  ArchiveReader reader(In(bytes, 100), Signed::kUnchecked, nullptr);
  while (true) {
    RAGMESH_ASSERT_OK_AND_ASSIGN(const auto frame, reader.Next());
    if (frame.end) break;
  }
  EXPECT_EQ(reader.manifest().name, "manuals");
  EXPECT_EQ(reader.manifest().documents, 2u);
  EXPECT_EQ(reader.manifest().chunks, 3u);
  EXPECT_EQ(reader.manifest().sequence, 9u);
  EXPECT_EQ(reader.bytes_read(), bytes.size());
}

TEST_F(CollectionArchiveTest, EveryFlippedBitOfASignedOneIsFound) {
  const std::string bytes = Archive(key_.get());
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string other = bytes;
      other[i] = static_cast<char>(other[i] ^ 1 << bit);
      const auto read = Read(other, key_.get(), 64);
      ASSERT_FALSE(read.ok()) << "byte " << i << " bit " << bit;
      const auto detail = GetErrorDetail(read.status());
      ASSERT_TRUE(detail.has_value()) << read.status();
    }
  }
}

TEST_F(CollectionArchiveTest, EveryLengthButTheWholeIsRefused) {
  const std::string bytes = Archive(key_.get());
  for (std::size_t size = 0; size < bytes.size(); ++size)
    EXPECT_THAT(Read(bytes.substr(0, size), key_.get(), 64), HasReason("CORRUPT_DATA")) << size;
  EXPECT_THAT(Read(bytes + "x", key_.get()), HasReason("CORRUPT_DATA"));
  EXPECT_THAT(Read(bytes + "x", key_.get(), 1 << 20), HasReason("CORRUPT_DATA"));
}

TEST_F(CollectionArchiveTest, ASignatureIsWantedAndMustBeTheKeys) {
  EXPECT_THAT(Read(Archive(nullptr), key_.get()), HasReason("UNSIGNED_ARCHIVE"));
  EXPECT_THAT(Read(Archive(key_.get()), other_.get()), HasReason("UNKNOWN_SIGNER"));
  RAGMESH_EXPECT_OK(Read(Archive(nullptr), nullptr));
  RAGMESH_EXPECT_OK(Read(Archive(key_.get()), nullptr));
}

// Someone who changes a part and makes the manifest fit still has no signature.
TEST_F(CollectionArchiveTest, AManifestThatWasMadeToFitIsNotSigned) {
  std::string manifest;
  const std::string bytes = Archive(key_.get(), &manifest);
  const std::string signature = bytes.substr(bytes.size() - 102);
  std::string changed;
  ArchiveWriter writer([&](absl::string_view piece) {
    absl::StrAppend(&changed, piece);
    return absl::OkStatus();
  });
  RAGMESH_ASSERT_OK(writer.Add(FrameKind::kCollection, "another config"));
  RAGMESH_ASSERT_OK(writer.Finish({.tenant = "default", .name = "manuals"}));
  RAGMESH_EXPECT_OK(Read(changed + signature, nullptr));
  const auto read = Read(changed + signature, key_.get());
  EXPECT_THAT(read, HasReason("CORRUPT_DATA"));
  EXPECT_EQ(GetErrorDetail(read.status())->field, "signature");
}

std::string Frame(char kind, std::uint32_t length, const std::string& payload) {
  std::string bytes(1, kind);
  for (int shift = 0; shift < 32; shift += 8) bytes.push_back(static_cast<char>(length >> shift));
  return bytes + payload;
}

TEST_F(CollectionArchiveTest, LengthsThatLieAndFramesOutOfPlaceAreRefused) {
  const std::string header = Archive(nullptr).substr(0, 12);
  const std::string config = Frame('C', 1, "x");
  const auto field_of = [&](const std::string& bytes) {
    const auto read = Read(header + bytes, nullptr);
    EXPECT_THAT(read, HasReason("CORRUPT_DATA"));
    return GetErrorDetail(read.status()).value_or(ErrorDetail()).field;
  };
  EXPECT_EQ(field_of(Frame('C', 0xFFFFFFFF, "x")), "frame.length");
  EXPECT_EQ(field_of(Frame('C', kMaxFrameBytes, "x")), "frame 'C'");  // and no such memory is taken
  EXPECT_EQ(field_of(config + Frame('M', kMaxArchiveManifestBytes + 1, "{}")), "frame.length");
  EXPECT_EQ(field_of(Frame('D', 1, "x")), "frame.kind");
  EXPECT_EQ(field_of(config + config), "frame.kind");
  EXPECT_EQ(field_of(config + Frame('K', 1, "x") + Frame('D', 1, "x")), "frame.kind");
  EXPECT_EQ(field_of(config + Frame('S', 1, std::string(1, '\0'))), "frame.kind");
  EXPECT_EQ(field_of(config + Frame('Z', 1, "x")), "frame.kind");
}

TEST_F(CollectionArchiveTest, FieldsOfTheManifestAreNamed) {
  std::string manifest;
  const std::string bytes = Archive(nullptr, &manifest);
  const std::string before = bytes.substr(0, bytes.find(manifest) - 5);
  const auto field_of = [&](const std::string& object) {
    const auto read = Read(before + Frame('M', static_cast<std::uint32_t>(object.size()), object) +
                               SignatureFrame(object, nullptr),
                           nullptr);
    EXPECT_THAT(read, HasReason("CORRUPT_DATA")) << object;
    return GetErrorDetail(read.status()).value_or(ErrorDetail()).field;
  };
  const auto with = [&](const char* from, const char* to) {
    EXPECT_TRUE(absl::StrContains(manifest, from)) << manifest;
    return absl::StrReplaceAll(manifest, {{from, to}});
  };
  EXPECT_EQ(field_of(with("\"frames\":2", "\"frames\":18446744073709551615")),
            "manifest.sections[1].frames");
  EXPECT_EQ(field_of(with("\"frames\":3", "\"frames\":2")), "manifest.sections[2].frames");
  EXPECT_EQ(field_of(with("\"chunks\":3", "\"chunks\":4")), "manifest.chunks");
  EXPECT_EQ(field_of(with("\"documents\":2", "\"documents\":-2")), "manifest.documents");
  EXPECT_EQ(field_of(with("\"name\":\"documents\"", "\"name\":\"chunks\"")),
            "manifest.sections[1].name");
  EXPECT_EQ(field_of(with("ragmesh collection", "something")), "manifest.kind");
  EXPECT_EQ(field_of("[1]"), "manifest");
  EXPECT_EQ(field_of("{\"sections\":[]}"), "manifest.kind");
}

TEST_F(CollectionArchiveTest, ALaterVersionIsTold) {
  std::string bytes = Archive(nullptr);
  bytes[8] = 2;
  EXPECT_THAT(Read(bytes, nullptr), HasReason("NEWER_FORMAT"));
}

}  // namespace
}  // namespace ragmesh::backup
