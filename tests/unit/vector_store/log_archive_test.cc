#include "libs/vector_store/log_archive.h"

#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/vector_store/archive_files.h"
#include "libs/vector_store/snapshot.h"
#include "tests/unit/vector_store/store_fixture.h"

namespace ragmesh::vector_store {
namespace {

namespace fs = std::filesystem;
using ::ragmesh::testing::HasReason;
using ::testing::ElementsAre;

class LogArchiveTest : public StoreFixture {
 protected:
  LogArchiveTest() { OpenArchived(); }

  void OpenArchived(const std::string& folder = "archived") {
    store.reset();
    StoreOptions options;
    options.path = Path(folder);
    options.clock = &clock;
    options.write_buffer_bytes = 64 << 10;  // so that logs come to their end
    options.archive.folder = Path("archive");
    options.archive.base_every = base_every;
    options.archive.keep = keep;
    options.archive.max_bytes = max_bytes;
    auto opened = Store::Open(options);
    ASSERT_TRUE(opened.ok()) << opened.status();
    store = *std::move(opened);
  }
  std::string Path(const std::string& name) const { return (dir.path() / name).string(); }

  static stages::StoredDocument Large(const std::string& name, std::size_t bytes) {
    stages::StoredDocument document = Document(name, std::string(bytes, 'x'));
    document.info.sha256 = name;
    return document;
  }
  // Writes a document and moves the clock, so that every write has a moment of its own.
  void Put(const std::string& name) {
    const auto written = Write(id, Large(name, 2000), {Chunk(name, 0, name, {1, 0})});
    ASSERT_TRUE(written.ok()) << written.status();
    clock.Advance(absl::Seconds(1));
  }
  // Ids of the documents of the store of that moment.
  absl::StatusOr<std::vector<std::string>> At(const ArchiveMoment& moment) {
    fs::remove_all(dir.path() / "restored");
    const auto restored = RestoreMoment(Path("archive"), moment, Path("restored"), call);
    if (!restored.ok()) return restored.status();
    StoreOptions options;
    options.path = Path("restored");
    auto opened = Store::Open(options);
    if (!opened.ok()) return opened.status();
    std::vector<std::string> ids;
    const auto page = (*opened)->ListDocuments(id, std::nullopt, all, {.size = 1000}, call);
    if (!page.ok()) return page.status();
    for (const auto& document : page->documents) ids.push_back(document.id);
    return ids;
  }
  std::vector<std::string> IdsAt(const ArchiveMoment& moment) {
    auto ids = At(moment);
    EXPECT_TRUE(ids.ok()) << ids.status();
    return ids.ok() ? *ids : std::vector<std::string>{"?"};
  }

  absl::Duration base_every = absl::Hours(24), keep = absl::Hours(7 * 24);
  std::uint64_t max_bytes = 0;
  stages::CollectionId id{"default", "manuals"};
};

TEST_F(LogArchiveTest, AnyMomentComesBack) {
  Create();
  clock.Advance(absl::Seconds(1));
  std::vector<std::pair<absl::Time, std::vector<std::string>>> moments;
  std::vector<std::string> there;
  for (int i = 0; i < 60; ++i) {
    if (i % 7 == 6) {
      RAGMESH_ASSERT_OK(store->Delete(id, stages::DocumentIds{{there.front()}}, call));
      there.erase(there.begin());
      clock.Advance(absl::Seconds(1));
    } else {
      there.push_back(absl::StrCat("d", 100 + i));
      Put(there.back());
    }
    // Now and then as the thread would.
    if (i % 4 == 0) {
      RAGMESH_ASSERT_OK(store->ShipArchive());
    }
    moments.emplace_back(clock.Now() - absl::Milliseconds(500), there);
  }
  RAGMESH_ASSERT_OK(store->ShipArchive());
  for (std::size_t i = 0; i < moments.size(); i += 7)
    EXPECT_EQ(IdsAt({.time = moments[i].first}), moments[i].second) << i;
  EXPECT_EQ(IdsAt({}), there);
  EXPECT_EQ(IdsAt({.time = clock.Now()}), there);
}

TEST_F(LogArchiveTest, AWriteOfTheStoreIsAMomentToo) {
  Create();
  std::vector<std::uint64_t> sequences;
  for (const char* name : {"a", "b", "c"}) {
    Put(name);
    RAGMESH_ASSERT_OK_AND_ASSIGN(auto info, store->Info(call));
    sequences.push_back(static_cast<std::uint64_t>(info.limits["sequence"]));
  }
  RAGMESH_ASSERT_OK(store->ShipArchive());
  EXPECT_THAT(IdsAt({.sequence = sequences[0]}), ElementsAre("a"));
  EXPECT_THAT(IdsAt({.sequence = sequences[1]}), ElementsAre("a", "b"));
  EXPECT_THAT(IdsAt({.sequence = sequences[1] + 1}), ElementsAre("a", "b"));  // within the third
  EXPECT_THAT(At({.sequence = sequences[2] + 1}), HasReason("MOMENT_NOT_ARCHIVED"));
}

TEST_F(LogArchiveTest, GoesOnOverRestarts) {
  Create();
  Put("a");
  const absl::Time first = clock.Now();
  clock.Advance(absl::Seconds(1));
  OpenArchived();  // what was not shipped yet is, at the end or at the next start
  Put("b");
  OpenArchived();
  RAGMESH_ASSERT_OK(store->ShipArchive());
  EXPECT_EQ(ChainsOf(Path("archive")), std::vector<int>{1});
  EXPECT_THAT(IdsAt({.time = first}), ElementsAre("a"));
  EXPECT_THAT(IdsAt({}), ElementsAre("a", "b"));
}

TEST_F(LogArchiveTest, MomentsItDoesNotHoldAreRefused) {
  const absl::Time begun = clock.Now();
  Create();
  Put("a");
  RAGMESH_ASSERT_OK(store->ShipArchive());
  EXPECT_THAT(At({.time = begun - absl::Seconds(1)}), HasReason("MOMENT_NOT_ARCHIVED"));
  EXPECT_THAT(At({.time = clock.Now() + absl::Seconds(1)}), HasReason("MOMENT_NOT_ARCHIVED"));
  EXPECT_THAT(RestoreMoment(Path("absent"), {}, Path("restored"), call),
              HasReason("MOMENT_NOT_ARCHIVED"));
  EXPECT_FALSE(fs::exists(Path("restored")));
}

TEST_F(LogArchiveTest, WritesThatWereNotArchivedBeginANewChain) {
  Create();
  Put("a");
  const absl::Time before = clock.Now();
  RAGMESH_ASSERT_OK(store->ShipArchive());
  store.reset();
  clock.Advance(absl::Hours(1));
  {  // without an archive, whose logs are not kept
    StoreOptions options;
    options.path = Path("archived");
    options.write_buffer_bytes = 64 << 10;
    RAGMESH_ASSERT_OK_AND_ASSIGN(store, Store::Open(options));
    for (int i = 0; i < 100; ++i) RAGMESH_ASSERT_OK(Write(id, Large("b", 20'000), {}));
  }
  OpenArchived();
  const absl::Time reopened = clock.Now();
  clock.Advance(absl::Seconds(1));
  Put("c");
  RAGMESH_ASSERT_OK(store->ShipArchive());
  EXPECT_EQ(ChainsOf(Path("archive")), (std::vector<int>{1, 2}));
  EXPECT_THAT(IdsAt({.time = before}), ElementsAre("a"));
  EXPECT_THAT(At({.time = before + absl::Minutes(30)}), HasReason("MOMENT_NOT_ARCHIVED"));
  EXPECT_THAT(IdsAt({.time = reopened}), ElementsAre("a", "b"));
  EXPECT_THAT(IdsAt({}), ElementsAre("a", "b", "c"));
}

TEST_F(LogArchiveTest, ARestoredStoreIsAnotherOne) {
  Create();
  Put("a");
  const absl::Time wanted = clock.Now();
  clock.Advance(absl::Seconds(1));
  Put("b");
  RAGMESH_ASSERT_OK(store->ShipArchive());
  RAGMESH_ASSERT_OK(RestoreMoment(Path("archive"), {.time = wanted}, Path("second"), call));
  OpenArchived("second");
  const absl::Time switched = clock.Now();
  clock.Advance(absl::Seconds(1));
  Put("c");
  RAGMESH_ASSERT_OK(store->ShipArchive());
  EXPECT_EQ(ChainsOf(Path("archive")), (std::vector<int>{1, 2}));
  EXPECT_THAT(IdsAt({.time = switched - absl::Nanoseconds(1)}), ElementsAre("a", "b"));
  EXPECT_THAT(IdsAt({.time = switched}), ElementsAre("a"));
  EXPECT_THAT(IdsAt({}), ElementsAre("a", "c"));
}

TEST_F(LogArchiveTest, ADayLaterANewChainBeginsWithoutAGap) {
  Create();
  Put("a");
  for (int hour = 0; hour < 30; ++hour) {
    clock.Advance(absl::Hours(1));
    RAGMESH_ASSERT_OK(store->ShipArchive());
    Put(absl::StrCat("h", 10 + hour));
  }
  RAGMESH_ASSERT_OK(store->ShipArchive());
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto reach, ReachOf(Path("archive"), call));
  ASSERT_EQ(reach.size(), 2u);
  EXPECT_GE(reach[0].through, reach[1].from);
  EXPECT_EQ(IdsAt({.time = reach[1].from}).size(), IdsAt({.time = reach[0].through}).size());
  EXPECT_EQ(IdsAt({}).size(), 31u);
}

TEST_F(LogArchiveTest, WhatIsOlderThanIsKeptGoes) {
  keep = absl::Hours(48);
  OpenArchived();
  Create();
  for (int day = 0; day < 6; ++day) {
    Put(absl::StrCat("d", day));
    RAGMESH_ASSERT_OK(store->ShipArchive());
    clock.Advance(absl::Hours(24));
    RAGMESH_ASSERT_OK(store->ShipArchive());
  }
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto reach, ReachOf(Path("archive"), call));
  EXPECT_LE(reach.size(), 4u);
  EXPECT_LE(reach.front().from, clock.Now() - absl::Hours(48));
  EXPECT_EQ(IdsAt({.time = clock.Now() - absl::Hours(48)}).size(), 5u);
}

TEST_F(LogArchiveTest, TheBoundOfBytesWins) {
  max_bytes = 1;
  OpenArchived();
  Create();
  for (int day = 0; day < 3; ++day) {
    Put(absl::StrCat("d", day));
    clock.Advance(absl::Hours(24));
    RAGMESH_ASSERT_OK(store->ShipArchive());
  }
  EXPECT_EQ(ChainsOf(Path("archive")).size(), 1u);
  EXPECT_EQ(IdsAt({}).size(), 3u);
}

// Cut off anywhere in its last file, the archive gives a moment of before; with a byte changed it
// gives that, or says where it is damaged, and never something else.
TEST_F(LogArchiveTest, DamageIsFoundOrGivesAMomentOfBefore) {
  Create();
  for (const char* name : {"a", "b", "c"}) Put(name);
  RAGMESH_ASSERT_OK(store->ShipArchive());
  store.reset();
  const std::string chain = Path("archive/chain-000001");
  const std::string log = chain + "/" + LogFileName(LogFilesOf(chain).front());
  const std::string whole = testing::ReadFileOrDie(log);
  const auto holds_a_prefix = [&](const std::string& bytes) {
    std::ofstream(log, std::ios::binary | std::ios::trunc) << bytes;
    const auto ids = At({});
    if (!ids.ok()) {
      EXPECT_TRUE(GetErrorDetail(ids.status()).has_value()) << ids.status();
      return;
    }
    const std::vector<std::string> expected = {"a", "b", "c"};
    ASSERT_LE(ids->size(), 3u);
    EXPECT_EQ(*ids, std::vector<std::string>(expected.begin(),
                                             expected.begin() + static_cast<int>(ids->size())));
  };
  for (std::size_t size = whole.size() / 3; size < whole.size(); size += whole.size() / 9)
    holds_a_prefix(whole.substr(0, size));
  for (std::size_t at = 60; at < whole.size(); at += whole.size() / 11) {
    std::string other = whole;
    other[at] = static_cast<char>(other[at] ^ 8);
    holds_a_prefix(other);
  }
}

TEST_F(LogArchiveTest, AnArchiveThatCannotBeWrittenKeepsNoWriteAway) {
  Create();
  fs::remove_all(dir.path() / "archive");
  std::ofstream(dir.path() / "archive") << "no folder";
  clock.Advance(absl::Hours(25));  // a new chain is due
  EXPECT_FALSE(store->ShipArchive().ok());
  Put("a");
  EXPECT_TRUE(store->Health().archive_failing);
  EXPECT_GT(store->Health().archive_behind, 0u);
  fs::remove(dir.path() / "archive");
  RAGMESH_ASSERT_OK(store->ShipArchive());
  EXPECT_FALSE(store->Health().archive_failing);
  EXPECT_EQ(store->Health().archive_behind, 0u);
  EXPECT_THAT(IdsAt({}), ElementsAre("a"));
}

}  // namespace
}  // namespace ragmesh::vector_store
