#include "libs/vector_store/migrate.h"

#include <rocksdb/db.h>

#include <map>

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/vector_store/binary_codec.h"
#include "libs/vector_store/database.h"
#include "libs/vector_store/record_keys.h"
#include "libs/vector_store/records.h"
#include "libs/vector_store/store_check.h"
#include "tests/unit/vector_store/store_fixture.h"

namespace ragmesh::vector_store {
namespace {

using ::ragmesh::testing::HasReason;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

class MigrateTest : public StoreFixture {
 protected:
  MigrateTest() {
    id = Create();
    auto titled = Document("d", "pump and valve");
    titled.info.title = "Pumps";
    EXPECT_TRUE(
        Write(id, titled, {Chunk("a", 0, "pump", {1, 0}), Chunk("b", 1, "?!", {0, 1})}).ok());
    EXPECT_TRUE(Write(id, Document("e"), {Chunk("c", 0, "seal of a pump", {1, 1})}).ok());
    path = (dir.path() / "store").string();
  }

  absl::StatusOr<MigrateReport> To(std::uint32_t format, bool discard = false) {
    store.reset();
    return MigrateStore(path, format, discard, call);
  }

  // As the first releases of formats 1 and 2 read a store: families by name, and every value of the
  // first version of its kind, or they refuse it.
  void ExpectReadableByTheFirst(std::uint32_t format, std::size_t families) {
    std::vector<std::string> names;
    ASSERT_TRUE(rocksdb::DB::ListColumnFamilies({}, path, &names).ok());
    EXPECT_EQ(names.size(), families);
    std::vector<rocksdb::ColumnFamilyDescriptor> descriptors;
    for (const std::string& name : names)
      descriptors.emplace_back(name, rocksdb::ColumnFamilyOptions());
    std::vector<rocksdb::ColumnFamilyHandle*> handles;
    rocksdb::DB* opened = nullptr;
    ASSERT_TRUE(rocksdb::DB::OpenForReadOnly({}, path, descriptors, &handles, &opened).ok());
    const std::unique_ptr<rocksdb::DB> database(opened);
    const std::map<std::string, RecordKind> kinds = {
        {"collections", RecordKind::kCollection}, {"states", RecordKind::kState},
        {"documents", RecordKind::kDocument},     {"texts", RecordKind::kText},
        {"chunks", RecordKind::kChunk},           {"index", RecordKind::kIndexEntry},
        {"vectors", RecordKind::kVector},         {"tokens", RecordKind::kTokens}};
    std::map<std::string, int> values;
    for (auto* handle : handles) {
      const std::unique_ptr<rocksdb::Iterator> at(database->NewIterator({}, handle));
      for (at->SeekToFirst(); at->Valid(); at->Next()) {
        ++values[handle->GetName()];
        const absl::string_view value(at->value().data(), at->value().size());
        if (handle->GetName() == "default") {
          const std::string key = at->key().ToString();
          EXPECT_TRUE(key == "format" || key == "next_collection") << key;
          continue;
        }
        RAGMESH_EXPECT_OK(Unseal(kinds.at(handle->GetName()), 1, value)) << handle->GetName();
      }
    }
    std::string value;
    EXPECT_TRUE(database->Get({}, "format", &value).ok());
    EXPECT_EQ(*DecodeFormat(value), format);
    EXPECT_EQ(values["documents"], 2);
    EXPECT_EQ(values["index"], 3);
    for (auto* handle : handles) database->DestroyColumnFamilyHandle(handle).PermitUncheckedError();
  }

  void ExpectAllThere() {
    Reopen();
    RAGMESH_ASSERT_OK_AND_ASSIGN(const auto document, store->GetDocument(id, "d", all, call));
    EXPECT_EQ(document.text, "pump and valve");
    EXPECT_EQ(document.info.title, "Pumps");
    EXPECT_THAT(Ids(store->Search(Lexical(id, "pumps"), call)),
                UnorderedElementsAre("a", "b", "c"));
    EXPECT_THAT(Ids(store->Search(Lexical(id, "seal"), call)), ElementsAre("c"));
    stages::SearchRequest phrase = Lexical(id, "\"seal of a pump\"");
    phrase.query_syntax = stages::QuerySyntax::kOperators;
    EXPECT_THAT(Ids(store->Search(phrase, call)), ElementsAre("c"));
    EXPECT_EQ(Ids(store->Search(Dense(id, {1, 0}), call)).front(), "a");
    RAGMESH_EXPECT_OK(Write(id, Document("new"), {Chunk("n", 0, "new", {1, 0})}));
    RAGMESH_ASSERT_OK(store->Delete(id, stages::DocumentIds{{"new"}}, call));
    store.reset();
    RAGMESH_ASSERT_OK_AND_ASSIGN(
        const auto report,
        CheckStore(
            {.path = path}, [](const Finding& finding) { ADD_FAILURE() << finding.problem; },
            call));
    EXPECT_EQ(report.findings, 0u);
  }

  stages::CollectionId id;
  std::string path;
};

TEST_F(MigrateTest, OneFormatBackAndUpAgain) {
  for (int i = 0; i < 40; ++i) {
    const std::string name = absl::StrCat("more-", i);
    RAGMESH_ASSERT_OK(Write(id, Document(name), {Chunk(name, 0, "gasket", {1, 0.5})}));
  }
  RAGMESH_ASSERT_OK(
      store->Delete(id, stages::Filter{stages::FilterPrefix{"document_id", "more-"}}, call));
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto report, To(3));
  EXPECT_EQ(report.from, kFormatVersion);
  EXPECT_TRUE(report.lost.empty());
  {
    RAGMESH_ASSERT_OK_AND_ASSIGN(const auto database, Database::OpenForReading(path));
    RAGMESH_ASSERT_OK_AND_ASSIGN(const auto format, database->Get(Family::kMeta, "format"));
    EXPECT_EQ(*DecodeFormat(*format), 3u);
    RAGMESH_ASSERT_OK_AND_ASSIGN(const auto state,
                                 database->Get(Family::kStates, CollectionKey(1)));
    RAGMESH_EXPECT_OK(Unseal(RecordKind::kState, 2, *state));
    RAGMESH_ASSERT_OK_AND_ASSIGN(const auto collection,
                                 database->Get(Family::kCollections, CollectionKey(1)));
    RAGMESH_EXPECT_OK(Unseal(RecordKind::kCollection, 2, *collection));
  }
  ExpectAllThere();
}

TEST_F(MigrateTest, TwoFormatsBackAndUpAgain) {
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto report, To(2));
  EXPECT_EQ(report.from, kFormatVersion);
  EXPECT_EQ(report.to, 2u);
  EXPECT_GT(report.values, 0u);
  EXPECT_TRUE(report.lost.empty());
  ExpectReadableByTheFirst(2, 9);
  ExpectAllThere();  // opening it raises it
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto again, To(kFormatVersion));
  EXPECT_EQ(again.from, kFormatVersion);
}

TEST_F(MigrateTest, ThreeFormatsBackAndUpAgain) {
  RAGMESH_ASSERT_OK(To(1));
  ExpectReadableByTheFirst(1, 8);
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto same, To(1));
  EXPECT_EQ(same.values, 0u);
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto up, To(kFormatVersion));
  EXPECT_EQ(up.from, 1u);
  ExpectAllThere();
}

TEST_F(MigrateTest, FromTheOldestToTheOneBetween) {
  RAGMESH_ASSERT_OK(To(1));
  RAGMESH_ASSERT_OK(To(2));
  ExpectReadableByTheFirst(2, 9);
  ExpectAllThere();
}

TEST_F(MigrateTest, WhatWouldBeLostIsToldAndNothingIsChanged) {
  auto tokens = Chunk("t", 0, "with tokens", {1, 0});
  tokens.tokens = {.tokenizer = "t", .ids = {1}};
  auto going = Document("goes");
  going.expires = clock.Now() + absl::Hours(1);
  stages::Upsert upsert{going, {tokens}};
  upsert.idempotency_key = "key";
  RAGMESH_ASSERT_OK(store->Write(id, kDigest, upsert, call));
  RAGMESH_ASSERT_OK_AND_ASSIGN(auto collection, store->GetCollection(id, call));
  collection.config.lexical_weights = {2, 1, 1};
  collection.config.retention = absl::Hours(1000);
  RAGMESH_ASSERT_OK(store->UpdateCollection(collection.config, call));
  const auto two = To(2);
  EXPECT_THAT(two, HasReason("WOULD_LOSE_DATA"));
  const std::string message(two.status().message());
  EXPECT_THAT(message, HasSubstr("1 idempotency keys"));
  EXPECT_THAT(message, HasSubstr("1 collections' weights"));
  EXPECT_THAT(message, HasSubstr("1 collections' retentions"));
  EXPECT_THAT(message, HasSubstr("1 documents' times"));
  EXPECT_THAT(message, ::testing::Not(HasSubstr("tokens")));
  EXPECT_THAT(std::string(To(1).status().message()), HasSubstr("1 chunks' tokens"));
  Reopen();
  EXPECT_EQ(store->GetDocument(id, "goes", all, call)->expires, going.expires);
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto replayed, store->Write(id, kDigest, upsert, call));
  EXPECT_TRUE(replayed.replayed);
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto discarded, To(1, /*discard=*/true));
  EXPECT_EQ(discarded.lost.size(), 5u);
  Reopen();
  EXPECT_EQ(store->GetDocument(id, "goes", all, call)->expires, std::nullopt);
}

// Killed before the format was written, and before the families went.
TEST_F(MigrateTest, HalfWayItIsAStoreOfTheFormatItHad) {
  RAGMESH_ASSERT_OK(To(2));
  {
    RAGMESH_ASSERT_OK_AND_ASSIGN(const auto database, Database::Open(path, {}));
    RAGMESH_ASSERT_OK_AND_ASSIGN(const auto format, database->Get(Family::kMeta, "format"));
    EXPECT_EQ(*DecodeFormat(*format), kFormatVersion);  // all values are of the first version still
  }
  {
    RAGMESH_ASSERT_OK_AND_ASSIGN(const auto database, Database::Open(path, {}));
    WriteSet writes;
    writes.Put(Family::kMeta, "format", EncodeFormat(2));  // with the family of format 3
    RAGMESH_ASSERT_OK(database->Commit(writes));
  }
  ExpectAllThere();
}

TEST_F(MigrateTest, OtherFormatsAndFoldersAreRefused) {
  EXPECT_THAT(To(0), HasReason("INVALID_FIELD"));
  EXPECT_THAT(To(kFormatVersion + 1), HasReason("INVALID_FIELD"));
  EXPECT_THAT(MigrateStore((dir.path() / "none").string(), 2, false, call),
              HasReason("STORE_NOT_FOUND"));
  Reopen();
  EXPECT_THAT(MigrateStore(path, 2, false, call), HasReason("STORE_LOCKED"));
}

}  // namespace
}  // namespace ragmesh::vector_store
