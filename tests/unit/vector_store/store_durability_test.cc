#include <rocksdb/db.h>
#include <rocksdb/file_system.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>

#include "libs/vector_store/binary_codec.h"
#include "libs/vector_store/database.h"
#include "libs/vector_store/record_keys.h"
#include "libs/vector_store/records.h"
#include "tests/unit/vector_store/disk_of_syncs.h"
#include "tests/unit/vector_store/store_fixture.h"

namespace ragmesh::vector_store {
namespace {

using ::ragmesh::testing::HasReason;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class StoreDurabilityTest : public StoreFixture {};

// As a release that knew nothing of the family left the store.
void DropFamily(const std::string& path, const std::string& name) {
  std::vector<std::string> names;
  ASSERT_TRUE(rocksdb::DB::ListColumnFamilies({}, path, &names).ok());
  std::vector<rocksdb::ColumnFamilyDescriptor> families;
  for (const std::string& family : names)
    families.emplace_back(family, rocksdb::ColumnFamilyOptions());
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  rocksdb::DB* opened = nullptr;
  ASSERT_TRUE(rocksdb::DB::Open({}, path, families, &handles, &opened).ok());
  const std::unique_ptr<rocksdb::DB> database(opened);
  for (auto* handle : handles) {
    if (handle->GetName() == name) {
      ASSERT_TRUE(database->DropColumnFamily(handle).ok());
    }
    ASSERT_TRUE(database->DestroyColumnFamilyHandle(handle).ok());
  }
}

TEST_F(StoreDurabilityTest, SecondOpenOfADirectoryIsRefused) {
  StoreOptions options;
  options.path = (dir.path() / "store").string();
  EXPECT_THAT(Store::Open(options), HasReason("STORE_LOCKED"));
}

TEST_F(StoreDurabilityTest, NewerFormatIsRefusedAndLeftAlone) {
  store.reset();
  const std::string path = (dir.path() / "store").string();
  {
    RAGMESH_ASSERT_OK_AND_ASSIGN(const auto database, Database::Open(path, {}));
    WriteSet writes;
    writes.Put(Family::kMeta, "format", EncodeFormat(kFormatVersion + 1));
    RAGMESH_ASSERT_OK(database->Commit(writes));
  }
  StoreOptions options;
  options.path = path;
  EXPECT_THAT(Store::Open(options), HasReason("NEWER_FORMAT"));
}

// A store of format 1 has no family of tokens: its chunks are served without, new ones have them,
// and a build of format 1 is kept away from then on.
TEST_F(StoreDurabilityTest, AnOlderFormatIsRaised) {
  const auto id = Create();
  RAGMESH_ASSERT_OK(Write(id, Document("d"), {Chunk("old", 0, "pump", {1, 0})}));
  store.reset();
  const std::string path = (dir.path() / "store").string();
  {
    RAGMESH_ASSERT_OK_AND_ASSIGN(const auto database, Database::Open(path, {}));
    WriteSet writes;
    writes.Put(Family::kMeta, "format", EncodeFormat(1));
    RAGMESH_ASSERT_OK(database->Commit(writes));
  }
  DropFamily(path, "tokens");
  DropFamily(path, "replays");
  Reopen();
  auto chunk = Chunk("new", 1, "pump", {0, 1});
  chunk.document_id = "d";
  chunk.tokens = {.tokenizer = "t", .ids = {1, 2}};
  RAGMESH_ASSERT_OK(store->Write(id, kDigest, {std::nullopt, {chunk}}, call));
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto chunks,
                               store->GetChunks(id, {"old", "new"}, all, {.tokens = true}, call));
  EXPECT_TRUE(chunks[0].tokens.empty());
  EXPECT_EQ(chunks[1].tokens, chunk.tokens);
  store.reset();
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto database, Database::Open(path, {}));
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto format, database->Get(Family::kMeta, "format"));
  EXPECT_EQ(*DecodeFormat(*format), kFormatVersion);
}

// The family is not merely empty: what was in it is gone.
TEST_F(StoreDurabilityTest, AFamilyThatIsMissingIsDamage) {
  Create();
  store.reset();
  const std::string path = (dir.path() / "store").string();
  DropFamily(path, "tokens");
  StoreOptions options;
  options.path = path;
  EXPECT_THAT(Store::Open(options), HasReason("CORRUPT_DATA"));
  EXPECT_THAT(Store::Open(options), HasReason("CORRUPT_DATA"));  // nor did the first try make it
}

// Killed after it was deleted, and before its records were.
TEST_F(StoreDurabilityTest, RecordsOfADeletedCollectionGoAtTheNextOpen) {
  const auto id = Create();
  RAGMESH_ASSERT_OK(Write(id, Document("d"), {Chunk("a", 0, "pump", {1, 0})}));
  store.reset();
  const std::string path = (dir.path() / "store").string();
  {
    RAGMESH_ASSERT_OK_AND_ASSIGN(const auto database, Database::Open(path, {}));
    WriteSet writes;
    writes.Delete(Family::kCollections, CollectionKey(1));
    writes.Delete(Family::kStates, CollectionKey(1));
    writes.Put(Family::kMeta, DroppedKey(1), EncodeCounter(1));
    RAGMESH_ASSERT_OK(database->Commit(writes));
  }
  Reopen();
  EXPECT_THAT(store->GetCollection(id, call), HasReason("COLLECTION_NOT_FOUND"));
  store.reset();
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto database, Database::Open(path, {}));
  EXPECT_FALSE(database->Walk(Family::kChunks, "")->Valid());
  EXPECT_FALSE(database->Walk(Family::kMeta, kDroppedPrefix)->Valid());
}

// Nothing of what a chunk had on disk outlives it.
TEST_F(StoreDurabilityTest, TokensAreDeletedWithTheirChunkDocumentAndCollection) {
  const auto id = Create(), other = Create("other");
  const auto chunk = [](const std::string& name) {
    auto made = Chunk(name, 0, "pump", {1, 0});
    made.tokens = {.tokenizer = "t", .ids = {1}};
    return made;
  };
  RAGMESH_ASSERT_OK(Write(id, Document("d"), {chunk("a"), chunk("b")}));
  RAGMESH_ASSERT_OK(Write(id, Document("e"), {chunk("c")}));
  RAGMESH_ASSERT_OK(Write(other, Document("f"), {chunk("g")}));
  const auto kept = [&] {
    store.reset();
    auto database = Database::Open((dir.path() / "store").string(), {});
    int count = 0;
    for (const auto at = (*database)->Walk(Family::kTokens, ""); at->Valid(); at->Next()) ++count;
    database->reset();
    Reopen();
    return count;
  };
  EXPECT_EQ(kept(), 4);
  RAGMESH_ASSERT_OK(store->Delete(id, stages::ChunkIds{{"a"}}, call));
  EXPECT_EQ(kept(), 3);
  RAGMESH_ASSERT_OK(store->Delete(id, stages::DocumentIds{{"e"}}, call));
  EXPECT_EQ(kept(), 2);
  RAGMESH_ASSERT_OK(store->DeleteCollection(other, call));
  EXPECT_EQ(kept(), 1);
}

TEST_F(StoreDurabilityTest, DamagedRecordIsReportedNotServed) {
  const auto id = Create();
  RAGMESH_ASSERT_OK(Write(id, Document("d"), {Chunk("a", 0, "pump", {1, 0})}));
  store.reset();
  const std::string path = (dir.path() / "store").string();
  {
    RAGMESH_ASSERT_OK_AND_ASSIGN(const auto database, Database::Open(path, {}));
    RAGMESH_ASSERT_OK_AND_ASSIGN(auto value, database->Get(Family::kVectors, ItemKey(1, 1)));
    ASSERT_TRUE(value.has_value());
    (*value)[8] ^= 1;
    WriteSet writes;
    writes.Put(Family::kVectors, ItemKey(1, 1), *value);
    RAGMESH_ASSERT_OK(database->Commit(writes));
  }
  StoreOptions options;
  options.path = path;
  const auto opened = Store::Open(options);
  EXPECT_THAT(opened, HasReason("CORRUPT_DATA"));
  EXPECT_THAT(std::string(opened.status().message()), HasSubstr("manuals"));
}

TEST_F(StoreDurabilityTest, StaleAnalysisIsMadeAnewAtOpen) {
  const auto id = Create();
  RAGMESH_ASSERT_OK(Write(id, Document("d"), {Chunk("a", 0, "pumps", {1, 0})}));
  store.reset();
  {
    RAGMESH_ASSERT_OK_AND_ASSIGN(const auto database,
                                 Database::Open((dir.path() / "store").string(), {}));
    RAGMESH_ASSERT_OK_AND_ASSIGN(auto value, database->Get(Family::kCollections, CollectionKey(1)));
    RAGMESH_ASSERT_OK_AND_ASSIGN(CollectionRecord record, DecodeCollection(*value));
    record.analyzer_version = "of another release";
    IndexEntry entry{"a", 1, 0, {{{"otherwise-cut", {0, 0, 1}}}, {0}, {0, 0, 1}}};
    WriteSet writes;
    writes.Put(Family::kCollections, CollectionKey(1), Encode(record));
    writes.Put(Family::kIndex, ItemKey(1, 1), Encode(entry));
    RAGMESH_ASSERT_OK(database->Commit(writes));
  }
  Reopen();
  EXPECT_THAT(Ids(store->Search(Lexical(id, "pump"), call)), ElementsAre("a"));
}

TEST_F(StoreDurabilityTest, CollectionOfTheFirstVersionIsAnalysedAnewIntoFieldsAndPositions) {
  const auto id = Create();
  RAGMESH_ASSERT_OK(Write(id, Document("d"), {Chunk("a", 0, "the pump house", {1, 0})}));
  store.reset();
  {
    RAGMESH_ASSERT_OK_AND_ASSIGN(const auto database,
                                 Database::Open((dir.path() / "store").string(), {}));
    RAGMESH_ASSERT_OK_AND_ASSIGN(auto value, database->Get(Family::kCollections, CollectionKey(1)));
    RAGMESH_ASSERT_OK_AND_ASSIGN(CollectionRecord record, DecodeCollection(*value));
    record.analyzer_version = "ragmesh-lexical-1";
    const std::string second = Encode(record);
    RAGMESH_ASSERT_OK_AND_ASSIGN(const auto payload, Unseal(RecordKind::kCollection, 3, second));
    BinaryWriter entry;
    entry.Bytes("a");
    entry.U64(1);
    entry.Varint(0);
    entry.Varint(1);
    entry.Bytes("pump");
    entry.Varint(1);
    WriteSet writes;
    writes.Put(Family::kCollections, CollectionKey(1),
               Seal(RecordKind::kCollection, 1, payload.substr(0, payload.size() - 24)));
    writes.Put(Family::kIndex, ItemKey(1, 1), Seal(RecordKind::kIndexEntry, 1, entry.bytes()));
    RAGMESH_ASSERT_OK(database->Commit(writes));
  }
  Reopen();
  auto request = Lexical(id, "\"pump house\"");
  request.query_syntax = stages::QuerySyntax::kOperators;
  EXPECT_THAT(Ids(store->Search(request, call)), ElementsAre("a"));
}

TEST_F(StoreDurabilityTest, SnapshotIsAWholeStoreOfItsMoment) {
  const auto id = Create();
  RAGMESH_ASSERT_OK(Write(id, Document("before"), {Chunk("a", 0, "pump", {1, 0})}));
  const std::string path = (dir.path() / "snapshot").string();
  RAGMESH_ASSERT_OK(store->Snapshot(path, call));
  EXPECT_THAT(store->Snapshot(path, call), HasReason("SNAPSHOT_EXISTS"));
  RAGMESH_ASSERT_OK(Write(id, Document("after"), {Chunk("b", 0, "pump", {1, 0})}));
  StoreOptions options;
  options.path = path;
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto restored, Store::Open(options));
  EXPECT_THAT(Ids(restored->Search(Lexical(id, "pump"), call)), ElementsAre("a"));
  EXPECT_THAT(Ids(restored->Search(Dense(id, {1, 0}), call)), ElementsAre("a"));
  EXPECT_EQ(restored->open_report().chunks, 1u);
}

// A file size limit makes the log unwritable, as a full disk does.
TEST_F(StoreDurabilityTest, FailedWriteTurnsTheStoreReadOnlyAndLosesNothing) {
  const auto id = Create();
  RAGMESH_ASSERT_OK(Write(id, Document("kept"), {Chunk("a", 0, "pump", {1, 0})}));
  const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit old_limit{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &old_limit), 0);
  rlimit small = old_limit;
  small.rlim_cur = 64 << 10;
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  absl::Status failure;
  for (int i = 0; i < 100 && failure.ok(); ++i) {
    failure =
        Write(id, Document("kept"), {Chunk("a", 0, std::string(20'000, 'x'), {1, 0})}).status();
  }
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &old_limit), 0);
  std::signal(SIGXFSZ, old_handler);
  EXPECT_THAT(failure, HasReason("STORAGE_FAILED"));
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto before, store->GetCollection(id, call));
  EXPECT_THAT(Write(id, Document("more"), {}), HasReason("STORE_READ_ONLY"));
  EXPECT_THAT(store->Delete(id, stages::DocumentIds{{"kept"}}, call), HasReason("STORE_READ_ONLY"));
  EXPECT_THAT(Ids(store->Search(Dense(id, {1, 0}), call)), ElementsAre("a"));
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto info, store->Info(call));
  EXPECT_EQ(info.features.count("read_only"), 1u);
  Reopen();
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto after, store->GetCollection(id, call));
  EXPECT_GE(after.stats.sequence, before.stats.sequence);
  EXPECT_EQ(after.stats.chunks, 1u);
  RAGMESH_EXPECT_OK(Write(id, Document("more"), {}));
}

// A small file system of its own, where the test may mount one.
TEST_F(StoreDurabilityTest, FullDiskRefusesWritesUntilThereIsSpace) {
  const std::string small = (dir.path() / "small").string();
  std::filesystem::create_directory(small);
  if (mount("tmpfs", small.c_str(), "tmpfs", 0, "size=128m") != 0)
    GTEST_SKIP() << "skipped: mounting is not permitted";
  {
    StoreOptions options;
    options.path = small + "/store";
    RAGMESH_ASSERT_OK_AND_ASSIGN(const auto full, Store::Open(options));
    stages::CollectionConfig config;
    config.id.name = "words";
    RAGMESH_EXPECT_OK(full->CreateCollection(config, call));
    const auto write = [&] {
      return full->Write(config.id, "", {Document("d"), {Chunk("a", 0, "pump", {})}}, call);
    };
    RAGMESH_EXPECT_OK(write());
    std::ofstream(small + "/ballast") << std::string(64 << 20, 'x');
    EXPECT_THAT(write(), HasReason("DISK_FULL"));
    EXPECT_THAT(Ids(full->Search(Lexical(config.id, "pump"), call)), ElementsAre("a"));
    RAGMESH_ASSERT_OK_AND_ASSIGN(const auto deleted,
                                 full->Delete(config.id, stages::DocumentIds{{"d"}}, call));
    EXPECT_EQ(deleted.documents, 1u);
    std::filesystem::remove(small + "/ballast");
    RAGMESH_EXPECT_OK(write());
  }
  EXPECT_EQ(umount(small.c_str()), 0);
}

// A disk that has as much space as it is told.
class DiskOfSize final : public rocksdb::FileSystemWrapper {
 public:
  DiskOfSize() : FileSystemWrapper(rocksdb::FileSystem::Default()) {}
  const char* Name() const override { return "DiskOfSize"; }
  rocksdb::IOStatus GetFreeSpace(const std::string&, const rocksdb::IOOptions&,
                                 std::uint64_t* bytes, rocksdb::IODebugContext*) override {
    *bytes = free;
    return rocksdb::IOStatus::OK();
  }
  std::atomic<std::uint64_t> free{1'000'000'000};
};

TEST_F(StoreDurabilityTest, WritesStopAtTheLowWatermarkAndGoOnAtTheHighOne) {
  const auto disk = std::make_shared<DiskOfSize>();
  StoreOptions options;
  options.path = (dir.path() / "watched").string();
  options.low_free_bytes = 100'000'000;
  options.high_free_bytes = 200'000'000;
  options.file_system = disk;
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto watched, Store::Open(options));
  stages::CollectionConfig config;
  config.id.name = "words";
  RAGMESH_ASSERT_OK(watched->CreateCollection(config, call));
  const auto write = [&](const std::string& id) {
    return watched->Write(config.id, "", {Document(id), {}}, call).status();
  };
  RAGMESH_EXPECT_OK(write("a"));
  RAGMESH_EXPECT_OK(write("b"));
  disk->free = 99'000'000;
  const absl::Status full = write("c");
  EXPECT_THAT(full, HasReason("DISK_FULL"));
  EXPECT_EQ(GetErrorDetail(full)->metadata.at("free_bytes"), "99000000");
  EXPECT_THAT(std::string(full.message()), HasSubstr("writes stop below 100000000"));
  EXPECT_TRUE(watched->Health().disk_full);
  EXPECT_EQ(watched->Info(call)->features.count("disk_full"), 1u);
  RAGMESH_EXPECT_OK(watched->Delete(config.id, stages::DocumentIds{{"a"}}, call));
  disk->free = 150'000'000;  // between the two: still refused
  EXPECT_THAT(write("c"), HasReason("DISK_FULL"));
  disk->free = 200'100'000;
  RAGMESH_EXPECT_OK(write("c"));
  EXPECT_FALSE(watched->Health().disk_full);
  EXPECT_EQ(watched->Health().free_bytes, 200'100'000u);
  disk->free = 150'000'000;  // coming from above, it is enough
  RAGMESH_EXPECT_OK(write("d"));
  disk->free = 1'000'000;  // not even deletes
  EXPECT_THAT(watched->Delete(config.id, stages::DocumentIds{{"b"}}, call), HasReason("DISK_FULL"));
  EXPECT_FALSE(watched->Health().read_only);
}

// The sync of a large write comes when RocksDB's tables have it already.
TEST_F(StoreDurabilityTest, ALargeWriteIsAcknowledgedByASyncThatSucceeds) {
  const auto disk = std::make_shared<DiskOfSyncs>();
  StoreOptions options;
  options.path = (dir.path() / "watched").string();
  options.sync_beside_bytes = 1;
  options.file_system = disk;
  RAGMESH_ASSERT_OK_AND_ASSIGN(auto watched, Store::Open(options));
  stages::CollectionConfig config, other;
  config.id.name = "words";
  other.id.name = "others";
  RAGMESH_ASSERT_OK(watched->CreateCollection(config, call));
  RAGMESH_ASSERT_OK(watched->CreateCollection(other, call));
  const auto write = [&](const stages::CollectionId& id, const std::string& document) {
    return watched->Write(id, "", {Document(document), {Chunk(document, 0, "pump", {})}}, call)
        .status();
  };
  const int before = disk->syncs;
  RAGMESH_EXPECT_OK(write(config.id, "a"));
  ASSERT_EQ(disk->syncs, before + 1);
  disk->failing = before + 2;  // once: the system tells of a failed sync once, too
  EXPECT_THAT(write(config.id, "b"), HasReason("STORAGE_FAILED"));
  EXPECT_THAT(write(config.id, "c"), HasReason("STORE_READ_ONLY"));
  EXPECT_THAT(write(other.id, "c"), HasReason("STORE_READ_ONLY"));
  EXPECT_THAT(Ids(watched->Search(Lexical(config.id, "pump"), call)), ElementsAre("a"));
  EXPECT_TRUE(watched->Health().read_only);
  EXPECT_GE(disk->syncs, disk->failing);
  watched.reset();
  RAGMESH_ASSERT_OK_AND_ASSIGN(watched, Store::Open(options));
  const auto found = Ids(watched->Search(Lexical(config.id, "pump"), call));
  EXPECT_THAT(found, ::testing::AnyOf(ElementsAre("a"), ElementsAre("a", "b")));
  RAGMESH_EXPECT_OK(write(config.id, "c"));
}

TEST_F(StoreDurabilityTest, WhatARefusedWriteWasToReplaceStaysFound) {
  const auto disk = std::make_shared<DiskOfSize>();
  StoreOptions options;
  options.path = (dir.path() / "watched").string();
  options.file_system = disk;
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto watched, Store::Open(options));
  stages::CollectionConfig config;
  config.id.name = "words";
  RAGMESH_ASSERT_OK(watched->CreateCollection(config, call));
  const auto write = [&](const std::string& id, const std::string& text) {
    return watched->Write(config.id, "", {Document(id), {Chunk(id + "-0", 0, text, {})}}, call)
        .status();
  };
  RAGMESH_EXPECT_OK(write("d", "pump"));
  disk->free = 1'000'000;
  EXPECT_THAT(write("d", "valve"), HasReason("DISK_FULL"));
  disk->free = 1'000'000'000;
  RAGMESH_EXPECT_OK(write("e", "seal"));  // what was refused lies before it, unseen
  RAGMESH_EXPECT_OK(watched->GetDocument(config.id, "d", all, call));
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto chunks,
                               watched->GetChunks(config.id, {"d-0"}, all, {}, call));
  EXPECT_THAT(chunks, SizeIs(1));
  RAGMESH_ASSERT_OK_AND_ASSIGN(
      const auto listed,
      watched->ListDocuments(config.id, std::nullopt, all, stages::Page(), call));
  EXPECT_THAT(listed.documents, SizeIs(2));
  RAGMESH_EXPECT_OK(write("d", "motor"));
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto collection, watched->GetCollection(config.id, call));
  EXPECT_EQ(collection.stats.documents, 2u);
  EXPECT_EQ(collection.stats.chunks, 2u);
  EXPECT_THAT(Ids(watched->Search(Lexical(config.id, "pump"), call)), IsEmpty());
}

// As DamagedRecordIsReportedNotServed, for records that are gone.
TEST_F(StoreDurabilityTest, RecordsThatAreMissingAreReported) {
  const auto id = Create();
  RAGMESH_ASSERT_OK(Write(id, Document("d"), {Chunk("a", 0, "pump", {1, 0})}));
  store.reset();
  const std::string path = (dir.path() / "store").string();
  {
    RAGMESH_ASSERT_OK_AND_ASSIGN(const auto database, Database::Open(path, {}));
    WriteSet writes;
    for (const Family family : {Family::kChunks, Family::kIndex, Family::kVectors})
      writes.Delete(family, ItemKey(1, 1));
    RAGMESH_ASSERT_OK(database->Commit(writes));
  }
  StoreOptions options;
  options.path = path;
  EXPECT_THAT(Store::Open(options), HasReason("CORRUPT_DATA"));
}

TEST_F(StoreDurabilityTest, AStoreThatLostItsCurrentFileIsNotTakenForANewOne) {
  Create();
  store.reset();
  const std::string path = (dir.path() / "store").string();
  std::filesystem::remove(path + "/CURRENT");
  StoreOptions options;
  options.path = path;
  EXPECT_THAT(Store::Open(options), HasReason("CORRUPT_DATA"));
}

TEST_F(StoreDurabilityTest, MemoryLimitOfACollectionLeavesTheOthersAlone) {
  StoreOptions options;
  options.path = (dir.path() / "limited").string();
  options.max_collection_memory_bytes = 100'000;
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto limited, Store::Open(options));
  stages::CollectionConfig config;
  config.dimension = 2;
  config.embedder_digest = kDigest;
  std::vector<stages::StoredChunk> chunks;
  for (int i = 0; i < 40; ++i) chunks.push_back(Chunk("c" + std::to_string(i), 0, "x", {1, 0}));
  const auto write = [&](const std::string& document) {
    for (auto& chunk : chunks) chunk.id = document + chunk.id;
    return limited->Write(config.id, kDigest, {Document(document), chunks}, call).status();
  };
  config.id.name = "one";
  RAGMESH_ASSERT_OK(limited->CreateCollection(config, call));
  absl::Status full;
  for (int i = 0; i < 10 && full.ok(); ++i) full = write("d" + std::to_string(i));
  EXPECT_THAT(full, HasReason("MEMORY_LIMIT"));
  EXPECT_THAT(std::string(full.message()), HasSubstr("the limit is 100000"));
  config.id.name = "two";
  RAGMESH_ASSERT_OK(limited->CreateCollection(config, call));
  RAGMESH_EXPECT_OK(write("d"));
}

TEST_F(StoreDurabilityTest, MemoryLimitRefusesWritesAndOpens) {
  const auto id = Create();
  RAGMESH_ASSERT_OK(Write(id, Document("d"), {Chunk("a", 0, "pump", {1, 0})}));
  store.reset();
  StoreOptions options;
  options.path = (dir.path() / "store").string();
  options.max_memory_bytes = 100'000;
  {
    RAGMESH_ASSERT_OK_AND_ASSIGN(const auto limited, Store::Open(options));
    std::vector<stages::StoredChunk> chunks;
    for (int i = 0; i < 100; ++i) chunks.push_back(Chunk("c" + std::to_string(i), 0, "x", {1, 0}));
    EXPECT_THAT(limited->Write(id, kDigest, {Document("e"), chunks}, call),
                HasReason("MEMORY_LIMIT"));
  }
  options.max_memory_bytes = 10;
  EXPECT_THAT(Store::Open(options), HasReason("MEMORY_LIMIT"));
}

}  // namespace
}  // namespace ragmesh::vector_store
