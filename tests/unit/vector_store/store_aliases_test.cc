#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <set>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/vector_store/aliases.h"
#include "libs/vector_store/change_log.h"
#include "libs/vector_store/database.h"
#include "libs/vector_store/store_check.h"
#include "tests/unit/vector_store/store_fixture.h"

namespace ragmesh::vector_store {
namespace {

using ::ragmesh::testing::HasReason;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

constexpr int kTellFd = 37;  // of the child that is killed

class StoreAliasesTest : public StoreFixture {
 protected:
  static constexpr char kOther[] = "digest-b";

  stages::CollectionId CreateOther(const std::string& name) {
    stages::CollectionConfig config;
    config.id.name = name;
    config.dimension = 3;
    config.embedder_digest = kOther;
    const auto created = store->CreateCollection(config, call);
    EXPECT_TRUE(created.ok()) << created.status();
    return config.id;
  }

  // "manuals" becomes an alias of itself under another name.
  absl::StatusOr<stages::Alias> TakeOver(const std::string& own = "manuals_m1") {
    return store->SetAlias({.name = "manuals",
                            .collection = own,
                            .expected_collection = "",
                            .expected_sequence = std::nullopt,
                            .rename_to = own},
                           call);
  }

  absl::StatusOr<stages::Alias> Move(const std::string& from, const std::string& to,
                                     std::optional<std::uint64_t> sequence = std::nullopt) {
    return store->SetAlias({.name = "manuals",
                            .collection = to,
                            .expected_collection = from,
                            .expected_sequence = sequence,
                            .rename_to = ""},
                           call);
  }

  std::string OwnName(const std::string& name) {
    const auto found = store->GetCollection({"default", name}, call);
    return found.ok() ? found->config.id.name : std::string(found.status().message());
  }

  std::string path() const { return (dir.path() / "store").string(); }
};

TEST_F(StoreAliasesTest, ACollectionGivesItsNameToAnAliasOfItself) {
  const auto id = Create();
  RAGMESH_ASSERT_OK(Write(id, Document("d"), {Chunk("a", 0, "pump", {1, 0})}));
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto alias, TakeOver());
  EXPECT_EQ(alias.collection, "manuals_m1");
  EXPECT_EQ(alias.previous, "");
  for (int i = 0; i < 2; ++i, Reopen()) {
    EXPECT_EQ(OwnName("manuals"), "manuals_m1");
    EXPECT_EQ(OwnName("manuals_m1"), "manuals_m1");
    EXPECT_THAT(Ids(store->Search(Lexical(id, "pump"), call)), ElementsAre("a"));
    RAGMESH_EXPECT_OK(Write(id, Document("e"), {}));
    RAGMESH_ASSERT_OK_AND_ASSIGN(const auto collections, store->ListCollections("default", call));
    ASSERT_THAT(collections, SizeIs(1));
    EXPECT_EQ(collections[0].config.id.name, "manuals_m1");
  }
}

TEST_F(StoreAliasesTest, ANameThatACollectionGivesOfItselfFindsIt) {
  constexpr int kRenames = 400;
  const auto name_of = [](int i) { return absl::StrCat("c", i); };
  for (int i = 0; i < kRenames; ++i) Create(name_of(i));
  std::atomic<int> at = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&] {
      for (int i = at; i < kRenames; i = at) {
        const auto found = store->GetCollection({"default", name_of(i)}, call);
        ASSERT_TRUE(found.ok()) << found.status();
        RAGMESH_EXPECT_OK(store->GetCollection(found->config.id, call));
      }
    });
  }
  threads.emplace_back([&] {
    while (at < kRenames)
      EXPECT_THAT(store->ListCollections("default", call).value(), SizeIs(kRenames));
  });
  for (; at < kRenames; ++at) {
    const std::string own = absl::StrCat(name_of(at), "_m1");
    RAGMESH_EXPECT_OK(store->SetAlias({.name = name_of(at),
                                       .collection = own,
                                       .expected_collection = "",
                                       .expected_sequence = std::nullopt,
                                       .rename_to = own},
                                      call));
  }
  for (std::thread& thread : threads) thread.join();
}

TEST_F(StoreAliasesTest, EveryCallFollowsTheSwitch) {
  const auto id = Create();
  RAGMESH_ASSERT_OK(Write(id, Document("d"), {Chunk("a", 0, "pump", {1, 0})}));
  RAGMESH_ASSERT_OK(TakeOver());
  const auto other = CreateOther("manuals_m2");
  RAGMESH_ASSERT_OK(
      store->Write(other, kOther, {Document("d"), {Chunk("b", 0, "pump", {0, 0, 1})}}, call));
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto alias, Move("manuals_m1", "manuals_m2", 1));
  EXPECT_EQ(alias.collection, "manuals_m2");
  EXPECT_EQ(alias.previous, "manuals_m1");
  EXPECT_EQ(alias.switched_sequence, 1u);
  for (int i = 0; i < 2; ++i, Reopen()) {
    EXPECT_THAT(Ids(store->Search(Lexical(id, "pump"), call)), ElementsAre("b"));
    EXPECT_THAT(store->Search(Dense(id, {1, 0}), call), HasReason("EMBEDDER_MISMATCH"));
    EXPECT_THAT(Write(id, Document("x"), {Chunk("x", 0, "x", {1, 0})}),
                HasReason("EMBEDDER_MISMATCH"));
    RAGMESH_ASSERT_OK_AND_ASSIGN(const auto chunks,
                                 store->ListChunks(id, "", all, {}, stages::Page(), call));
    ASSERT_THAT(chunks.chunks, SizeIs(1));
    EXPECT_EQ(chunks.chunks[0].id, "b");
    // The one before is as it was, under its own name.
    EXPECT_THAT(Ids(store->Search(Dense({"default", "manuals_m1"}, {1, 0}), call)),
                ElementsAre("a"));
  }
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto deleted,
                               store->Delete(id, stages::DocumentIds{{"d"}}, call));
  EXPECT_EQ(deleted.documents, 1u);
  RAGMESH_EXPECT_OK(store->GetDocument({"default", "manuals_m1"}, "d", all, call));
}

TEST_F(StoreAliasesTest, AnAliasMovesOnlyFromWhatAndWhenWasExpected) {
  const auto id = Create();
  RAGMESH_ASSERT_OK(TakeOver());
  CreateOther("manuals_m2");
  RAGMESH_ASSERT_OK(Write(id, Document("d"), {}));
  const auto moved = Move("manuals_m1", "manuals_m2", 0);
  EXPECT_THAT(moved, HasReason("SEQUENCE_MOVED"));
  EXPECT_TRUE(absl::IsAborted(moved.status()));
  EXPECT_THAT(Move("manuals_m2", "manuals_m1"), HasReason("ALIAS_MOVED"));
  EXPECT_THAT(Move("", "manuals_m2"), HasReason("ALIAS_MOVED"));
  EXPECT_THAT(Move("manuals_m1", "nowhere", 1), HasReason("COLLECTION_NOT_FOUND"));
  EXPECT_EQ(OwnName("manuals"), "manuals_m1");
  RAGMESH_EXPECT_OK(Move("manuals_m1", "manuals_m2", 1));
  RAGMESH_EXPECT_OK(Move("manuals_m2", "manuals_m1", 0));
  EXPECT_EQ(OwnName("manuals"), "manuals_m1");
}

TEST_F(StoreAliasesTest, NamesAreNeverAmbiguous) {
  Create();
  Create("spare");
  const auto set = [&](const std::string& name, const std::string& collection,
                       const std::string& rename_to) {
    return store->SetAlias({.name = name,
                            .collection = collection,
                            .expected_collection = "",
                            .expected_sequence = std::nullopt,
                            .rename_to = rename_to},
                           call);
  };
  EXPECT_THAT(set("manuals", "spare", ""), HasReason("ALIAS_IS_COLLECTION"));
  EXPECT_THAT(set("manuals", "spare", "spare"), HasReason("COLLECTION_EXISTS"));
  EXPECT_THAT(set("Bad Name", "spare", ""), HasReason("INVALID_FIELD"));
  EXPECT_THAT(set("second", "nowhere", ""), HasReason("COLLECTION_NOT_FOUND"));
  RAGMESH_EXPECT_OK(set("second", "spare", ""));
  EXPECT_THAT(set("third", "spare", ""), HasReason("COLLECTION_HAS_ALIAS"));
  EXPECT_THAT(set("third", "second", ""), HasReason("COLLECTION_NOT_FOUND"));  // of an alias: no
  EXPECT_THAT(set("manuals", "manuals", "second"), HasReason("COLLECTION_EXISTS"));
  stages::CollectionConfig config;
  config.id.name = "second";
  EXPECT_THAT(store->CreateCollection(config, call), HasReason("COLLECTION_EXISTS"));
  EXPECT_THAT(store->ListAliases("default", call).value(), SizeIs(1));
  EXPECT_THAT(store->ListAliases("other", call).value(), IsEmpty());
}

TEST_F(StoreAliasesTest, SettingsChangeByTheAliasAndNamesStay) {
  const auto id = Create();
  RAGMESH_ASSERT_OK(TakeOver());
  RAGMESH_ASSERT_OK_AND_ASSIGN(auto collection, store->GetCollection(id, call));
  collection.config.id = id;
  collection.config.description = "new";
  RAGMESH_ASSERT_OK(store->UpdateCollection(collection.config, call));
  Reopen();
  RAGMESH_ASSERT_OK_AND_ASSIGN(collection, store->GetCollection(id, call));
  EXPECT_EQ(collection.config.description, "new");
  EXPECT_EQ(collection.config.id.name, "manuals_m1");
}

TEST_F(StoreAliasesTest, DeletingTakesTheAliasAlongAndLeavesNoneBehind) {
  const auto id = Create();
  RAGMESH_ASSERT_OK(TakeOver());
  CreateOther("manuals_m2");
  EXPECT_THAT(store->DeleteCollection({"default", "manuals_m1"}, call),
              HasReason("COLLECTION_HAS_ALIAS"));
  RAGMESH_ASSERT_OK(Move("manuals_m1", "manuals_m2"));
  RAGMESH_ASSERT_OK(store->DeleteCollection({"default", "manuals_m1"}, call));
  EXPECT_EQ(store->ListAliases("default", call).value()[0].previous, "");
  RAGMESH_ASSERT_OK(store->DeleteCollection(id, call));
  for (int i = 0; i < 2; ++i, Reopen()) {
    EXPECT_THAT(store->GetCollection(id, call), HasReason("COLLECTION_NOT_FOUND"));
    EXPECT_THAT(store->ListAliases("default", call).value(), IsEmpty());
    EXPECT_THAT(store->ListCollections("default", call).value(), IsEmpty());
  }
  Create();
}

TEST_F(StoreAliasesTest, ADeletedAliasLeavesItsCollection) {
  const auto id = Create();
  RAGMESH_ASSERT_OK(TakeOver());
  EXPECT_THAT(store->DeleteAlias(id, "manuals_m2", call), HasReason("ALIAS_MOVED"));
  RAGMESH_ASSERT_OK(store->DeleteAlias(id, "manuals_m1", call));
  EXPECT_THAT(store->DeleteAlias(id, "manuals_m1", call), HasReason("ALIAS_NOT_FOUND"));
  EXPECT_THAT(store->GetCollection(id, call), HasReason("COLLECTION_NOT_FOUND"));
  EXPECT_EQ(OwnName("manuals_m1"), "manuals_m1");
}

TEST_F(StoreAliasesTest, ACopyKeepsVersionAndTime) {
  const auto id = Create();
  auto document = Document("d");
  document.version = 7;
  document.updated = absl::FromUnixSeconds(1'000'000) + absl::Nanoseconds(5);
  stages::Upsert copy{document, {Chunk("a", 0, "pump", {1, 0})}};
  copy.copied = true;
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto written, store->Write(id, kDigest, copy, call));
  EXPECT_EQ(written.document_version, 7u);
  Reopen();
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto found, store->GetDocument(id, "d", all, call));
  EXPECT_EQ(found.version, 7u);
  EXPECT_EQ(found.updated, document.updated);
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto next, Write(id, Document("d", "other"), {}));
  EXPECT_EQ(next.document_version, 8u);
  copy.document->version = 0;
  EXPECT_THAT(store->Write(id, kDigest, copy, call), HasReason("INVALID_FIELD"));
  copy.document.reset();
  EXPECT_THAT(store->Write(id, kDigest, copy, call), HasReason("INVALID_FIELD"));
}

TEST_F(StoreAliasesTest, ChangesAreToldFromTheFirstQuestionOn) {
  const auto id = Create();
  RAGMESH_ASSERT_OK(Write(id, Document("before"), {}));
  EXPECT_THAT(store->ListChanges(id, 0, {}, call), HasReason("CHANGES_FORGOTTEN"));
  RAGMESH_ASSERT_OK_AND_ASSIGN(auto changes, store->ListChanges(id, std::nullopt, {}, call));
  EXPECT_EQ(changes.sequence, 1u);
  RAGMESH_ASSERT_OK(Write(id, Document("d"), {Chunk("a", 0, "x", {1, 0})}));
  RAGMESH_ASSERT_OK(Write(id, Document("e"), {Chunk("b", 0, "x", {1, 0})}));
  auto more = Chunk("c", 1, "y", {0, 1});
  more.document_id = "d";
  RAGMESH_ASSERT_OK(store->Write(id, kDigest, {std::nullopt, {more}}, call));
  RAGMESH_ASSERT_OK_AND_ASSIGN(changes, store->ListChanges(id, changes.sequence, {}, call));
  EXPECT_EQ(changes.sequence, 4u);
  EXPECT_THAT(changes.document_ids, UnorderedElementsAre("d", "e"));
  // By chunk, by document, by filter.
  RAGMESH_ASSERT_OK(store->Delete(id, stages::ChunkIds{{"c"}}, call));
  RAGMESH_ASSERT_OK(store->Delete(id, stages::DocumentIds{{"before", "never"}}, call));
  RAGMESH_ASSERT_OK(store->Delete(
      id, stages::Filter{stages::FilterEquals{"document_id", std::string("e")}}, call));
  RAGMESH_ASSERT_OK_AND_ASSIGN(changes, store->ListChanges(id, changes.sequence, {}, call));
  EXPECT_THAT(changes.document_ids, UnorderedElementsAre("d", "before", "e"));
  RAGMESH_ASSERT_OK_AND_ASSIGN(changes, store->ListChanges(id, changes.sequence, {}, call));
  EXPECT_THAT(changes.document_ids, IsEmpty());
  const std::uint64_t last = changes.sequence;
  Reopen();
  EXPECT_THAT(store->ListChanges(id, last, {}, call), HasReason("CHANGES_FORGOTTEN"));
}

TEST_F(StoreAliasesTest, HeldWritesWaitUntilTheAliasMovesOrTheHoldEnds) {
  const auto id = Create();
  RAGMESH_ASSERT_OK(TakeOver());
  CreateOther("manuals_m2");
  EXPECT_THAT(store->ListChanges(id, std::nullopt, absl::Seconds(11), call),
              HasReason("LIMIT_EXCEEDED"));
  const auto hold = [&](absl::Duration time) {
    EXPECT_TRUE(store->ListChanges({"default", "manuals_m1"}, std::nullopt, time, call).ok());
  };
  // A caller that has no time for it is told so; searches go on.
  hold(absl::Seconds(10));
  const CallContext hurried(absl::Now() + absl::Milliseconds(30));
  EXPECT_TRUE(
      absl::IsDeadlineExceeded(store->Write(id, kDigest, {Document("d"), {}}, hurried).status()));
  RAGMESH_EXPECT_OK(store->Search(Lexical(id, "x"), call));
  hold(absl::ZeroDuration());
  RAGMESH_EXPECT_OK(Write(id, Document("d"), {}));
  hold(absl::Milliseconds(50));
  const absl::Time begun = absl::Now();
  RAGMESH_EXPECT_OK(Write(id, Document("e"), {}));
  EXPECT_GE(absl::Now() - begun, absl::Milliseconds(40));
  hold(absl::Seconds(10));
  absl::StatusOr<stages::UpsertResult> written;
  std::thread writer([&] { written = Write(id, Document("f"), {}); });
  RAGMESH_EXPECT_OK(Move("manuals_m1", "manuals_m2", 2));
  writer.join();
  EXPECT_THAT(written, HasReason("EMBEDDER_MISMATCH"));
}

TEST(ChangeLogTest, ForgetsWhatIsTooMuchAndWhatNobodyAsksFor) {
  ChangeLog log(3);
  absl::Time now = absl::FromUnixSeconds(1);
  EXPECT_FALSE(log.active());
  log.Begin(5, now);
  log.Note(6, {"a", "b"}, now);
  log.Note(7, {"a"}, now);
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto two, log.After(5, 7, now));
  EXPECT_THAT(two.document_ids, UnorderedElementsAre("a", "b"));
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto one, log.After(6, 7, now));
  EXPECT_THAT(one.document_ids, ElementsAre("a"));
  EXPECT_THAT(log.After(5, 7, now), HasReason("CHANGES_FORGOTTEN"));  // taken by now
  EXPECT_THAT(log.After(8, 7, now), HasReason("CHANGES_FORGOTTEN"));
  log.Note(8, {"b", "c", "d"}, now);  // one more than there is room for
  EXPECT_FALSE(log.active());
  EXPECT_THAT(log.After(7, 8, now), HasReason("CHANGES_FORGOTTEN"));
  log.Begin(8, now);
  log.Note(9, {"b"}, now + ChangeLog::kPatience + absl::Seconds(1));
  EXPECT_FALSE(log.active());
}

TEST(AliasRecordTest, IsWhatWasWrittenAndNothingElse) {
  const AliasRecord record{3, 2, 1ull << 40, absl::FromUnixSeconds(-5) + absl::Nanoseconds(7)};
  const std::string encoded = Encode(record);
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto decoded, DecodeAlias(encoded));
  EXPECT_EQ(decoded, record);
  for (std::size_t i = 0; i < encoded.size(); ++i) {
    std::string flipped = encoded;
    flipped[i] = static_cast<char>(flipped[i] ^ 1);
    EXPECT_FALSE(DecodeAlias(flipped).ok()) << i;
    EXPECT_FALSE(DecodeAlias(encoded.substr(0, i)).ok()) << i;
  }
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto name, ParseAliasKey(AliasKey("t", "n")));
  EXPECT_EQ(name, AliasName("t", "n"));
  for (const char* bad :
       {"", "alias/", "alias/t", "alias//n", "alias/t/", "alias/t/n/x", "other/t/n"})
    EXPECT_THAT(ParseAliasKey(bad), HasReason("CORRUPT_DATA")) << bad;
}

TEST_F(StoreAliasesTest, CheckTakesOutAliasesThatLeadNowhere) {
  Create();
  RAGMESH_ASSERT_OK(TakeOver());
  store.reset();
  {
    auto database = Database::Open(path(), {});
    ASSERT_TRUE(database.ok());
    WriteSet writes;
    writes.Put(Family::kMeta, AliasKey("default", "lost"), Encode(AliasRecord{9, 0, 0, {}}));
    writes.Put(Family::kMeta, AliasKey("default", "manuals_m1"), Encode(AliasRecord{1, 0, 0, {}}));
    writes.Put(Family::kMeta, "alias/odd", "x");
    RAGMESH_ASSERT_OK((*database)->Commit(writes));
  }
  const auto check = [&](bool repair) {
    std::vector<std::string> found;
    const auto checked = CheckStore(
        {.path = path(), .repair = repair},
        [&](const Finding& finding) { found.push_back(finding.collection); }, call);
    EXPECT_TRUE(checked.ok()) << checked.status();
    return found;
  };
  EXPECT_THAT(check(true), UnorderedElementsAre("default/lost", "default/manuals_m1", ""));
  EXPECT_THAT(check(false), IsEmpty());
  Reopen();
  EXPECT_EQ(OwnName("manuals"), "manuals_m1");
}

// Writers send by the alias, each with the digest that it takes to be the collection's, while the
// alias moves back and forth. What was acknowledged before a switch is in what it left, by the
// sequence that the switch was made at; what came after is in what it moved to. Nothing falls in
// between, and no collection has a vector of the other's embedder.
TEST_F(StoreAliasesTest, NoWriteFallsBetweenTwoCollections) {
  const auto id = Create();
  RAGMESH_ASSERT_OK(TakeOver());
  CreateOther("manuals_m2");
  std::atomic<bool> stop = false;
  std::atomic<int> acknowledged = 0, refused = 0, deletes = 0;
  absl::Mutex mutex;
  std::set<std::string> acked_a, acked_b;
  std::vector<std::thread> writers;
  for (int w = 0; w < 3; ++w) {
    writers.emplace_back([&, w] {
      for (int i = 0; !stop; ++i) {
        const bool first = i % 2 == 0;
        const std::string name = absl::StrCat("w", w, "-", i);
        const auto chunk = first ? Chunk(name, 0, "x", {1, 0}) : Chunk(name, 0, "x", {1, 0, 0});
        const auto written =
            store->Write(id, first ? kDigest : kOther, {Document(name), {chunk}}, call);
        if (written.ok()) {
          ++acknowledged;
          absl::MutexLock lock(&mutex);
          (first ? acked_a : acked_b).insert(name);
        } else {
          EXPECT_THAT(written, HasReason("EMBEDDER_MISMATCH"));
          ++refused;
        }
        if (i % 8 != 0) continue;
        RAGMESH_EXPECT_OK(store->Delete(id, stages::DocumentIds{{"never"}}, call));
        ++deletes;
      }
    });
  }
  int switches = 0, raced = 0;
  std::string from = "manuals_m1", to = "manuals_m2";
  const absl::Time until = absl::Now() + absl::Seconds(20);
  while ((switches < 40 || raced == 0) && absl::Now() < until) {
    RAGMESH_ASSERT_OK_AND_ASSIGN(const auto before, store->GetCollection({"default", from}, call));
    const auto moved = Move(from, to, before.stats.sequence);
    if (!moved.ok()) {
      EXPECT_THAT(moved, HasReason("SEQUENCE_MOVED"));
      ++raced;
      if (raced % 50 != 0) continue;
      RAGMESH_ASSERT_OK(Move(from, to));  // whatever its sequence, so that both sides get some
    }
    // The left one gets nothing any more by the alias.
    RAGMESH_ASSERT_OK_AND_ASSIGN(const auto left, store->GetCollection({"default", from}, call));
    absl::SleepFor(absl::Milliseconds(2));
    RAGMESH_ASSERT_OK_AND_ASSIGN(const auto later, store->GetCollection({"default", from}, call));
    EXPECT_EQ(later.stats.sequence, left.stats.sequence);
    ++switches;
    std::swap(from, to);
  }
  stop = true;
  for (std::thread& writer : writers) writer.join();
  EXPECT_GE(switches, 40);
  EXPECT_GT(acknowledged, 0);
  EXPECT_GT(refused, 0);
  for (int i = 0; i < 2; ++i, Reopen()) {
    const auto holds = [&](const std::string& own) {
      std::set<std::string> ids;
      stages::Page page{.size = 1000};
      do {
        const auto listed = store->ListDocuments({"default", own}, std::nullopt, all, page, call);
        EXPECT_TRUE(listed.ok());
        for (const auto& document : listed->documents) ids.insert(document.id);
        page.token = listed->next_token;
      } while (!page.token.empty());
      return ids;
    };
    EXPECT_EQ(holds("manuals_m1"), acked_a);
    EXPECT_EQ(holds("manuals_m2"), acked_b);
  }
}

// What AKilledSwitchIsDoneOrNot kills: moves the alias on and on and tells each move that was
// acknowledged. A process of its own, since RocksDB's threads do not outlive a fork.
TEST(StoreAliasesChild, DISABLED_MovesTheAliasUntilItIsKilled) {
  const char* const path = std::getenv("RAGMESH_ALIAS_TEST_STORE");
  if (path == nullptr) GTEST_SKIP();
  auto opened = Store::Open({.path = path});
  ASSERT_TRUE(opened.ok()) << opened.status();
  const CallContext call(absl::InfiniteFuture());
  while (true) {
    const auto aliases = (*opened)->ListAliases("default", call);
    ASSERT_TRUE(aliases.ok());
    const std::string from = aliases->front().collection;
    const char next = from.back() == '3' ? '1' : static_cast<char>(from.back() + 1);
    RAGMESH_ASSERT_OK((*opened)->SetAlias({.name = "manuals",
                                           .collection = std::string("manuals_m") + next,
                                           .expected_collection = from,
                                           .expected_sequence = std::nullopt,
                                           .rename_to = ""},
                                          call));
    ASSERT_EQ(write(kTellFd, &next, 1), 1);
  }
}

TEST_F(StoreAliasesTest, AKilledSwitchIsDoneOrNot) {
  Create();
  RAGMESH_ASSERT_OK(TakeOver());
  CreateOther("manuals_m2");
  CreateOther("manuals_m3");
  const std::string where = path();
  for (int round = 0; round < 8; ++round) {
    store.reset();
    int ends[2];
    ASSERT_EQ(pipe(ends), 0);
    const pid_t child = fork();
    if (child == 0) {
      dup2(ends[1], kTellFd);
      close(ends[0]);
      setenv("RAGMESH_ALIAS_TEST_STORE", where.c_str(), 1);
      execl("/proc/self/exe", "store_aliases_child", "--gtest_also_run_disabled_tests",
            "--gtest_filter=StoreAliasesChild.*", nullptr);
      _exit(127);
    }
    close(ends[1]);
    std::string told;
    char c = 0;
    while (static_cast<int>(told.size()) < 3 + 5 * round && read(ends[0], &c, 1) == 1)
      told.push_back(c);
    kill(child, SIGKILL);
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFSIGNALED(status)) << "exit " << WEXITSTATUS(status);
    while (read(ends[0], &c, 1) == 1) told.push_back(c);
    close(ends[0]);
    ASSERT_FALSE(told.empty());
    Reopen();
    RAGMESH_ASSERT_OK_AND_ASSIGN(const auto after, store->ListAliases("default", call));
    ASSERT_THAT(after, SizeIs(1));
    // What was acknowledged last, or the move that was under way; never an earlier one.
    const char next = told.back() == '3' ? '1' : static_cast<char>(told.back() + 1);
    const char now = after[0].collection.back();
    EXPECT_TRUE(now == told.back() || now == next) << now << " after " << told;
    const char before = now == '1' ? '3' : static_cast<char>(now - 1);
    EXPECT_EQ(after[0].previous, std::string("manuals_m") + before);
    EXPECT_EQ(OwnName("manuals"), after[0].collection);
  }
}

}  // namespace
}  // namespace ragmesh::vector_store
