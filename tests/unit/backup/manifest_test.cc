#include "libs/backup/manifest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "libs/base/error.h"
#include "libs/base/sha256.h"
#include "libs/testing/status_matchers.h"

namespace ragmesh::backup {
namespace {

using ::ragmesh::testing::HasReason;

Manifest Example() {
  Manifest manifest;
  manifest.store_format = 3;
  manifest.created = absl::FromUnixNanos(1'700'000'000'123'456'789);
  manifest.release = "1.2";
  manifest.sequence = 77;
  manifest.collections = {{"default", "manuals", 1, 5, 2, 3}};
  manifest.files = {{"000012.sst", 5, Sha256Hex("a")}, {"CURRENT", 16, Sha256Hex("b")}};
  return manifest;
}

// `object` under a digest of its own, as someone would write it who wants it believed.
std::string Sealed(std::string object) {
  absl::StrAppend(&object, "\n");
  return absl::StrCat(object, "{\"sha256\":\"", Sha256Hex(object), "\"}\n");
}

std::string Object() {
  const std::string text = ToText(Example());
  return text.substr(0, text.find('\n'));
}

std::string FieldOf(const absl::Status& status) {
  return GetErrorDetail(status).value_or(ErrorDetail()).field;
}

TEST(ManifestTest, ReadsWhatItWrote) {
  RAGMESH_ASSERT_OK_AND_ASSIGN(const Manifest read, ParseManifest(ToText(Example())));
  const Manifest made = Example();
  EXPECT_EQ(read.store_format, made.store_format);
  EXPECT_EQ(read.created, made.created);
  EXPECT_EQ(read.release, made.release);
  EXPECT_EQ(read.sequence, made.sequence);
  ASSERT_EQ(read.collections.size(), 1u);
  EXPECT_EQ(read.collections[0].name, "manuals");
  EXPECT_EQ(read.collections[0].chunks, 3u);
  ASSERT_EQ(read.files.size(), 2u);
  EXPECT_EQ(read.files[0].name, "000012.sst");
  EXPECT_EQ(read.files[0].sha256, made.files[0].sha256);
  EXPECT_EQ(read.size_bytes(), 21u);
}

TEST(ManifestTest, EveryChangedByteIsFound) {
  const std::string text = ToText(Example());
  for (std::size_t i = 0; i + 1 < text.size(); ++i) {
    std::string other = text;
    other[i] ^= 1;
    EXPECT_FALSE(ParseManifest(other).ok()) << i;
  }
}

TEST(ManifestTest, EveryLengthButTheWholeIsRefused) {
  const std::string text = ToText(Example());
  // The last line feed may go.
  for (std::size_t size = 0; size + 1 < text.size(); ++size)
    EXPECT_THAT(ParseManifest(text.substr(0, size)), HasReason("CORRUPT_DATA")) << size;
}

TEST(ManifestTest, NamesThatLeadElsewhereAreRefused) {
  for (const char* name : {"../000012.sst", "/etc/passwd", "a/000012.sst", "..", ".", "",
                           "000012.sst/", "x.sst", "ragmesh.lock", "MANIFEST-", "000012.SST"}) {
    const auto read = ParseManifest(Sealed(absl::StrReplaceAll(Object(), {{"000012.sst", name}})));
    EXPECT_THAT(read, HasReason("CORRUPT_DATA")) << name;
    EXPECT_EQ(FieldOf(read.status()), "manifest.files[0].name") << name;
  }
}

TEST(ManifestTest, HostileFieldsAreNamed) {
  const struct {
    const char* from;
    const char* to;
    const char* field;
  } cases[] = {
      {"\"bytes\":5", "\"bytes\":99999999999999999999", "manifest.files[0].bytes"},
      {"\"bytes\":5", "\"bytes\":-5", "manifest.files[0].bytes"},
      {"\"bytes\":5", "\"bytes\":9007199254740993", "manifest.files[0].bytes"},
      {"\"bytes\":5,", "", "manifest.files[0].bytes"},
      {"\"name\":\"CURRENT\"", "\"name\":\"000012.sst\"", "manifest.files[1].name"},
      {"\"name\":\"CURRENT\"", "\"name\":7", "manifest.files[1].name"},
      {"\"number\":1", "\"number\":4294967296", "manifest.collections[0].number"},
      {"\"sequence\":77", "\"sequence\":\"77\"", "manifest.sequence"},
      {"ragmesh store snapshot", "something else", "manifest.kind"},
      {"\"created\":\"2023", "\"created\":\"never", "manifest.created"},
  };
  for (const auto& hostile : cases) {
    const std::string object = absl::StrReplaceAll(Object(), {{hostile.from, hostile.to}});
    ASSERT_NE(object, Object()) << hostile.from;
    const auto read = ParseManifest(Sealed(object));
    EXPECT_THAT(read, HasReason("CORRUPT_DATA")) << hostile.to;
    EXPECT_EQ(FieldOf(read.status()), hostile.field) << read.status();
  }
  EXPECT_THAT(ParseManifest(Sealed("[]")), HasReason("CORRUPT_DATA"));
  EXPECT_THAT(ParseManifest(Sealed(std::string(100'000, '['))), HasReason("CORRUPT_DATA"));
}

TEST(ManifestTest, ALaterVersionIsTold) {
  EXPECT_THAT(
      ParseManifest(Sealed(absl::StrReplaceAll(Object(), {{"\"version\":1", "\"version\":2"}}))),
      HasReason("NEWER_FORMAT"));
}

}  // namespace
}  // namespace ragmesh::backup
