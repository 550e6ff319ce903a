#include "libs/vector_store/database.h"
#include "libs/vector_store/record_keys.h"
#include "libs/vector_store/store_check.h"
#include "tests/unit/vector_store/store_fixture.h"

namespace ragmesh::vector_store {
namespace {

using ::ragmesh::testing::HasReason;
using ::ragmesh::testing::IsOkAndHolds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class ExpiryTest : public StoreFixture {
 protected:
  stages::StoredDocument Expiring(const std::string& id, absl::Duration in) {
    auto document = Document(id);
    document.expires = clock.Now() + in;
    return document;
  }
  bool Has(const stages::CollectionId& id, const std::string& document) {
    return store->GetDocument(id, document, all, call).ok();
  }
  std::size_t KeysLeft() {
    store.reset();
    std::size_t keys = 0;
    auto database = Database::Open((dir.path() / "store").string(), {});
    for (const auto at = (*database)->Walk(Family::kMeta, "expires/"); at->Valid(); at->Next())
      ++keys;
    database->reset();
    Reopen();
    return keys;
  }
};

TEST_F(ExpiryTest, ADocumentGoesWithItsChunksOnceItsTimeHasCome) {
  const auto id = Create();
  RAGMESH_ASSERT_OK(Write(id, Expiring("d", absl::Hours(1)), {Chunk("a", 0, "pump", {1, 0})}));
  RAGMESH_ASSERT_OK(Write(id, Document("e"), {Chunk("b", 0, "pump", {0, 1})}));
  clock.Advance(absl::Minutes(59));
  EXPECT_THAT(store->SweepExpired(call), IsOkAndHolds(0));
  EXPECT_TRUE(Has(id, "d"));
  clock.Advance(absl::Minutes(1));
  EXPECT_THAT(store->SweepExpired(call), IsOkAndHolds(1));
  EXPECT_FALSE(Has(id, "d"));
  EXPECT_THAT(Ids(store->Search(Lexical(id, "pump"), call)), ElementsAre("b"));
  EXPECT_THAT(Ids(store->Search(Dense(id, {1, 1}), call)), ElementsAre("b"));
  Reopen();
  EXPECT_FALSE(Has(id, "d"));
  EXPECT_EQ(KeysLeft(), 0u);
}

TEST_F(ExpiryTest, IsKeptOverARestartAndTold) {
  const auto id = Create();
  const absl::Time expires = clock.Now() + absl::Hours(1) + absl::Nanoseconds(1);
  RAGMESH_ASSERT_OK(Write(id, Expiring("d", expires - clock.Now()), {}));
  Reopen();
  EXPECT_EQ(store->GetDocument(id, "d", all, call)->expires, expires);
  clock.Advance(absl::Hours(1));
  EXPECT_THAT(store->SweepExpired(call), IsOkAndHolds(0));  // not before its time
  clock.Advance(absl::Seconds(1));
  EXPECT_THAT(store->SweepExpired(call), IsOkAndHolds(1));
}

TEST_F(ExpiryTest, ADocumentWrittenAnewFollowsItsNewTime) {
  const auto id = Create();
  RAGMESH_ASSERT_OK(Write(id, Expiring("d", absl::Hours(1)), {}));
  RAGMESH_ASSERT_OK(Write(id, Expiring("d", absl::Hours(3)), {}));
  RAGMESH_ASSERT_OK(Write(id, Expiring("e", absl::Hours(1)), {}));
  RAGMESH_ASSERT_OK(Write(id, Document("e"), {}));
  clock.Advance(absl::Hours(2));
  EXPECT_THAT(store->SweepExpired(call), IsOkAndHolds(0));
  EXPECT_TRUE(Has(id, "d"));
  EXPECT_EQ(KeysLeft(), 1u);  // those of what was there before are gone
  clock.Advance(absl::Hours(2));
  EXPECT_THAT(store->SweepExpired(call), IsOkAndHolds(1));
  EXPECT_TRUE(Has(id, "e"));
}

TEST_F(ExpiryTest, ACollectionsRetentionIsTheDefault) {
  const auto id = Create();
  RAGMESH_ASSERT_OK_AND_ASSIGN(auto collection, store->GetCollection(id, call));
  RAGMESH_ASSERT_OK(Write(id, Document("before"), {}));
  collection.config.retention = absl::Hours(24);
  RAGMESH_ASSERT_OK(store->UpdateCollection(collection.config, call));
  Reopen();
  EXPECT_EQ(store->GetCollection(id, call)->config.retention, absl::Hours(24));
  RAGMESH_ASSERT_OK(Write(id, Document("default"), {}));
  RAGMESH_ASSERT_OK(Write(id, Expiring("own", absl::Hours(48)), {}));
  EXPECT_EQ(store->GetDocument(id, "default", all, call)->expires, clock.Now() + absl::Hours(24));
  clock.Advance(absl::Hours(25));
  EXPECT_THAT(store->SweepExpired(call), IsOkAndHolds(1));
  EXPECT_TRUE(Has(id, "before"));
  EXPECT_TRUE(Has(id, "own"));
  EXPECT_FALSE(Has(id, "default"));
}

TEST_F(ExpiryTest, RetentionAndTimesAreChecked) {
  stages::CollectionConfig config;
  config.id.name = "c";
  for (const absl::Duration bad : {-absl::Seconds(1), absl::Milliseconds(1500),
                                   absl::Hours(24 * 367 * 100), absl::InfiniteDuration()}) {
    config.retention = bad;
    EXPECT_THAT(store->CreateCollection(config, call), HasReason("INVALID_FIELD")) << bad;
  }
  const auto id = Create();
  auto document = Document("d");
  for (const absl::Time bad : {absl::InfiniteFuture(), absl::InfinitePast()}) {
    document.expires = bad;
    EXPECT_THAT(Write(id, document, {}), HasReason("INVALID_FIELD"));
  }
}

TEST_F(ExpiryTest, MoreThanOneBatchGoesInOneSweep) {
  const auto id = Create();
  for (int i = 0; i < 250; ++i)
    RAGMESH_ASSERT_OK(Write(id, Expiring("d" + std::to_string(i), absl::Seconds(i)), {}));
  clock.Advance(absl::Seconds(220));
  EXPECT_THAT(store->SweepExpired(call), IsOkAndHolds(221));
  EXPECT_EQ(store->GetCollection(id, call)->stats.documents, 29u);
}

TEST_F(ExpiryTest, ADeletedCollectionLeavesNoTimesBehind) {
  const auto id = Create();
  RAGMESH_ASSERT_OK(Write(id, Expiring("d", absl::Hours(1)), {}));
  RAGMESH_ASSERT_OK(store->DeleteCollection(id, call));
  EXPECT_EQ(KeysLeft(), 0u);
}

TEST_F(ExpiryTest, AKeyThatIsMissingIsMadeAnewByTheCheck) {
  const auto id = Create();
  const auto document = Expiring("d", absl::Hours(1));
  RAGMESH_ASSERT_OK(Write(id, document, {}));
  store.reset();
  const std::string path = (dir.path() / "store").string();
  {
    RAGMESH_ASSERT_OK_AND_ASSIGN(const auto database, Database::Open(path, {}));
    WriteSet writes;
    writes.Delete(Family::kMeta, ExpiryKey(1, *document.expires, 1));
    RAGMESH_ASSERT_OK(database->Commit(writes));
  }
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto report,
                               CheckStore(
                                   {.path = path, .repair = true}, [](const Finding&) {}, call));
  EXPECT_EQ(report.findings, 1u);
  EXPECT_EQ(report.repaired, 1u);
  Reopen();
  clock.Advance(absl::Hours(2));
  EXPECT_THAT(store->SweepExpired(call), IsOkAndHolds(1));
}

TEST_F(ExpiryTest, TheStoreLooksByItself) {
  const auto id = Create();
  RAGMESH_ASSERT_OK(Write(id, Expiring("d", absl::Hours(1)), {}));
  store.reset();
  StoreOptions options;
  options.path = (dir.path() / "store").string();
  options.clock = &clock;
  options.sweep_interval = absl::Milliseconds(1);
  RAGMESH_ASSERT_OK_AND_ASSIGN(store, Store::Open(options));
  EXPECT_TRUE(Has(id, "d"));
  clock.Advance(absl::Hours(2));
  const absl::Time patience = absl::Now() + absl::Seconds(20);
  while (Has(id, "d") && absl::Now() < patience) absl::SleepFor(absl::Milliseconds(1));
  EXPECT_FALSE(Has(id, "d"));
}

TEST(ExpiryKeyTest, SortsByTimeAndReadsBack) {
  const absl::Time times[] = {absl::FromCivil(absl::CivilYear(1), absl::UTCTimeZone()),
                              absl::FromUnixSeconds(-1), absl::UnixEpoch(),
                              absl::FromUnixSeconds(1), absl::FromUnixSeconds(1'700'000'000)};
  std::string last;
  for (const absl::Time time : times) {
    const std::string key = ExpiryKey(7, time, 9);
    EXPECT_LT(last, key);
    last = key;
    RAGMESH_ASSERT_OK_AND_ASSIGN(const Expiry expiry, ParseExpiryKey(key));
    EXPECT_EQ(expiry.expires, time);
    EXPECT_EQ(expiry.document, 9u);
  }
  EXPECT_EQ(ParseExpiryKey(ExpiryKey(7, absl::FromUnixMillis(1500), 9))->expires,
            absl::FromUnixSeconds(2));
  EXPECT_THAT(ParseExpiryKey("expires/short"), HasReason("CORRUPT_DATA"));
}

}  // namespace
}  // namespace ragmesh::vector_store
