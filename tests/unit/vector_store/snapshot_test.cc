#include "libs/vector_store/snapshot.h"

#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "libs/backup/snapshot_folder.h"
#include "libs/base/error.h"
#include "libs/vector_store/records.h"
#include "tests/unit/vector_store/store_fixture.h"

namespace ragmesh::vector_store {
namespace {

namespace fs = std::filesystem;
using ::ragmesh::testing::HasReason;
using ::testing::ElementsAre;

class SnapshotTest : public StoreFixture {
 protected:
  absl::Status Restore(const std::string& snapshot, const std::string& to) {
    return RestoreSnapshot(
               snapshot, (dir.path() / to).string(), [](std::uint64_t) {}, call)
        .status();
  }
  std::unique_ptr<Store> Open(const std::string& folder) {
    StoreOptions options;
    options.path = (dir.path() / folder).string();
    options.clock = &clock;
    auto opened = Store::Open(options);
    EXPECT_TRUE(opened.ok()) << opened.status();
    return opened.ok() ? *std::move(opened) : nullptr;
  }
};

TEST_F(SnapshotTest, BringsBackWhatWasThereAndNoMore) {
  const auto id = Create();
  RAGMESH_ASSERT_OK(Write(id, Document("d"), {Chunk("a", 0, "pump", {1, 0})}));
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto taken, store->CreateSnapshot("before", call));
  EXPECT_EQ(taken.name, "before");
  EXPECT_EQ(taken.collections, 1u);
  EXPECT_EQ(taken.created, clock.Now());
  EXPECT_GT(taken.size_bytes, 0u);
  RAGMESH_ASSERT_OK(Write(id, Document("e"), {Chunk("b", 0, "valve", {0, 1})}));
  RAGMESH_ASSERT_OK(store->Delete(id, stages::DocumentIds{{"d"}}, call));
  RAGMESH_ASSERT_OK(Restore(taken.path, "restored"));
  const auto restored = Open("restored");
  ASSERT_NE(restored, nullptr);
  RAGMESH_EXPECT_OK(restored->GetDocument(id, "d", all, call));
  EXPECT_THAT(restored->GetDocument(id, "e", all, call), HasReason("DOCUMENT_NOT_FOUND"));
  EXPECT_THAT(Ids(restored->Search(Lexical(id, "pump"), call)), ElementsAre("a"));
  EXPECT_THAT(Ids(restored->Search(Dense(id, {1, 0}), call)), ElementsAre("a"));
  // The store goes on, and so does the restored one.
  RAGMESH_EXPECT_OK(Write(id, Document("f"), {Chunk("c", 0, "seal", {0, 1})}));
}

TEST_F(SnapshotTest, TheManifestNamesCollectionsAndFiles) {
  const auto id = Create();
  RAGMESH_ASSERT_OK(Write(id, Document("d"), {Chunk("a", 0, "pump", {1, 0})}));
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto taken, store->CreateSnapshot("", call));
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto manifest, backup::VerifySnapshot(
                                                        taken.path, [](std::uint64_t) {}, call));
  EXPECT_EQ(manifest.store_format, kFormatVersion);
  ASSERT_EQ(manifest.collections.size(), 1u);
  EXPECT_EQ(manifest.collections[0].name, "manuals");
  EXPECT_EQ(manifest.collections[0].sequence, 1u);
  EXPECT_EQ(manifest.collections[0].documents, 1u);
  EXPECT_EQ(manifest.sequence, taken.sequence);
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto inventory, InventoryOf(taken.path + "/store"));
  EXPECT_EQ(inventory.collections.size(), 1u);
}

TEST_F(SnapshotTest, NamesAreCheckedAndNotTakenTwice) {
  RAGMESH_ASSERT_OK(store->CreateSnapshot("one", call));
  EXPECT_THAT(store->CreateSnapshot("one", call), HasReason("SNAPSHOT_EXISTS"));
  for (const char* name : {"../one", ".one", "a/b", "a b", "\n"})
    EXPECT_THAT(store->CreateSnapshot(name, call), HasReason("INVALID_FIELD")) << name;
  RAGMESH_ASSERT_OK(store->CreateSnapshot("", call));
  RAGMESH_ASSERT_OK(store->CreateSnapshot("", call));  // within the same second
}

TEST_F(SnapshotTest, AreListedNewestFirst) {
  EXPECT_THAT(*store->ListSnapshots(call), ElementsAre());
  RAGMESH_ASSERT_OK(store->CreateSnapshot("b", call));
  clock.Advance(absl::Seconds(1));
  RAGMESH_ASSERT_OK(store->CreateSnapshot("a", call));
  fs::create_directory(dir.path() / "store/snapshots/none");
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto found, store->ListSnapshots(call));
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].name, "a");
  EXPECT_EQ(found[1].name, "b");
}

TEST_F(SnapshotTest, ASnapshotOfASnapshotsStoreHoldsNoOtherSnapshot) {
  RAGMESH_ASSERT_OK(store->CreateSnapshot("one", call));
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto two, store->CreateSnapshot("two", call));
  EXPECT_FALSE(fs::exists(two.path + "/store/snapshots"));
}

TEST_F(SnapshotTest, NothingIsRestoredOverSomething) {
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto taken, store->CreateSnapshot("one", call));
  EXPECT_THAT(Restore(taken.path, "store"), HasReason("FOLDER_NOT_EMPTY"));
  RAGMESH_EXPECT_OK(store->Info(call));
}

TEST_F(SnapshotTest, ADamagedOneRestoresNothing) {
  Create();
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto taken, store->CreateSnapshot("one", call));
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto manifest, backup::ReadSnapshotManifest(taken.path));
  for (const auto& file : manifest.files) {
    const fs::path path = fs::path(taken.path) / "store" / file.name;
    fs::copy_file(path, dir.path() / "kept");
    // Not in place: the file may be the live store's too.
    fs::remove(path);
    std::ofstream(path) << std::string(file.bytes, '?');
    EXPECT_THAT(Restore(taken.path, "restored"), HasReason("CORRUPT_DATA")) << file.name;
    fs::remove(path);
    EXPECT_THAT(Restore(taken.path, "restored"), HasReason("CORRUPT_DATA")) << file.name;
    EXPECT_FALSE(fs::exists(dir.path() / "restored"));
    EXPECT_FALSE(fs::exists(dir.path() / ".restored.part"));
    fs::rename(dir.path() / "kept", path);
  }
  RAGMESH_EXPECT_OK(Restore(taken.path, "restored"));
}

// All digests fit, and the store in it is another than the manifest says.
TEST_F(SnapshotTest, AManifestThatLiesOfItsStoreIsRefused) {
  Create();
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto taken, store->CreateSnapshot("one", call));
  RAGMESH_ASSERT_OK_AND_ASSIGN(backup::Manifest manifest, backup::ReadSnapshotManifest(taken.path));
  const auto with = [&](const backup::Manifest& changed) {
    std::ofstream(taken.path + "/snapshot.json") << ToText(changed);
    return Restore(taken.path, "restored");
  };
  backup::Manifest changed = manifest;
  changed.collections[0].sequence = 9;
  EXPECT_THAT(with(changed), HasReason("CORRUPT_DATA"));
  changed = manifest;
  changed.store_format = kFormatVersion + 1;
  EXPECT_THAT(with(changed), HasReason("NEWER_FORMAT"));
  changed = manifest;
  std::erase_if(changed.files, [](const auto& file) { return file.name == "CURRENT"; });
  EXPECT_THAT(with(changed), HasReason("CORRUPT_DATA"));
  EXPECT_FALSE(fs::exists(dir.path() / "restored"));
}

}  // namespace
}  // namespace ragmesh::vector_store
