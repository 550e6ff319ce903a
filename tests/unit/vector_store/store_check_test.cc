#include "libs/vector_store/store_check.h"

#include <filesystem>
#include <functional>

#include "libs/vector_store/database.h"
#include "libs/vector_store/record_keys.h"
#include "libs/vector_store/records.h"
#include "tests/unit/vector_store/store_fixture.h"

namespace ragmesh::vector_store {
namespace {

using ::ragmesh::testing::HasReason;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// A store of one collection (number 1) with documents 1 ("d": chunks 1 "a", 2 "b") and 2 ("e":
// chunk 3 "c").
class StoreCheckTest : public StoreFixture {
 protected:
  StoreCheckTest() {
    id = Create();
    auto first = Chunk("a", 0, "pump", {1, 0});
    first.tokens = {.tokenizer = "t", .ids = {1}};
    EXPECT_TRUE(Write(id, Document("d"), {first, Chunk("b", 1, "valve", {0, 1})}).ok());
    auto keyed = stages::Upsert{Document("e"), {Chunk("c", 0, "seal", {1, 1})}, "key"};
    EXPECT_TRUE(store->Write(id, kDigest, keyed, call).ok());
    before = Answers();
    store.reset();
  }

  std::string path() const { return (dir.path() / "store").string(); }

  // What the collection answers, in a line.
  std::string Answers() {
    std::string answers;
    for (const char* word : {"pump", "valve", "seal"}) {
      for (const std::string& found : Ids(store->Search(Lexical(id, word), call)))
        answers += found + " ";
    }
    for (const std::string& found : Ids(store->Search(Dense(id, {1, 0}), call)))
      answers += found + " ";
    return answers;
  }

  void Damage(const std::function<void(Database&, WriteSet*)>& damage) {
    auto database = Database::Open(path(), {.for_check = true});
    ASSERT_TRUE(database.ok()) << database.status();
    WriteSet writes;
    damage(**database, &writes);
    RAGMESH_ASSERT_OK((*database)->Commit(writes));
  }

  std::vector<Finding> Check(bool repair) {
    std::vector<Finding> findings;
    const auto checked = CheckStore(
        {.path = path(), .repair = repair},
        [&](const Finding& finding) { findings.push_back(finding); }, call);
    EXPECT_TRUE(checked.ok()) << checked.status();
    if (checked.ok()) report = *checked;
    return findings;
  }

  // The damage is found, and repaired so that the store opens and answers as before.
  void ExpectMended(const std::string& family, const std::string& problem) {
    const auto found = Check(/*repair=*/false);
    ASSERT_THAT(found, ::testing::Not(IsEmpty()));
    bool named = false;
    for (const Finding& finding : found) {
      named |= finding.family == family && finding.problem.find(problem) != std::string::npos;
      EXPECT_TRUE(finding.repairable) << finding.problem;
      EXPECT_FALSE(finding.repaired);
    }
    EXPECT_TRUE(named) << found[0].family << ": " << found[0].problem;
    for (const Finding& finding : Check(/*repair=*/true))
      EXPECT_TRUE(finding.repaired) << finding.problem;
    EXPECT_THAT(Check(/*repair=*/false), IsEmpty());
    Reopen();
    ASSERT_NE(store, nullptr);
    EXPECT_EQ(Answers(), before);
    store.reset();
  }

  // The damage is found, and nothing can be done here.
  void ExpectToldOnly(const std::string& family, const std::string& problem) {
    for (const bool repair : {true, false}) {
      const auto found = Check(repair);
      ASSERT_THAT(found, SizeIs(1));
      EXPECT_EQ(found[0].family, family);
      EXPECT_THAT(found[0].problem, HasSubstr(problem));
      EXPECT_THAT(found[0].action, ::testing::Not(IsEmpty()));
      EXPECT_FALSE(found[0].repairable);
    }
  }

  void Delete(Family family, const std::string& key) {
    Damage([&](Database&, WriteSet* writes) { writes->Delete(family, key); });
  }
  void Put(Family family, const std::string& key, const std::string& value) {
    Damage([&](Database&, WriteSet* writes) { writes->Put(family, key, value); });
  }

  stages::CollectionId id;
  std::string before;
  StoreCheckReport report;
};

TEST_F(StoreCheckTest, ASoundStoreHasNoFindings) {
  EXPECT_THAT(Check(false), IsEmpty());
  EXPECT_EQ(report.collections, 1u);
  EXPECT_EQ(report.documents, 2u);
  EXPECT_EQ(report.chunks, 3u);
  EXPECT_GE(report.values, 14u);
  EXPECT_THAT(Check(true), IsEmpty());
  EXPECT_THAT(report.removed_file, IsEmpty());
}

TEST_F(StoreCheckTest, MissingIndexEntryIsMadeAnew) {
  Delete(Family::kIndex, ItemKey(1, 2));
  ExpectMended("index", "no index entry");
}
TEST_F(StoreCheckTest, DamagedIndexEntryIsMadeAnew) {
  Put(Family::kIndex, ItemKey(1, 2), "nonsense");
  ExpectMended("index", "checksum");
}
TEST_F(StoreCheckTest, IndexEntryOfOtherWordsIsMadeAnew) {
  Put(Family::kIndex, ItemKey(1, 2),
      Encode(IndexEntry{"b", 1, 1, {{{"other", {0, 0, 1}}}, {0}, {0, 0, 1}}}));
  ExpectMended("index", "not the one its chunk gives");
}
TEST_F(StoreCheckTest, IndexEntryOfNoChunkIsTakenOutAndKept) {
  Put(Family::kIndex, ItemKey(1, 9), Encode(IndexEntry{"x", 1, 1, {}}));
  ExpectMended("index", "belongs to no chunk");
  EXPECT_TRUE(std::filesystem::exists(path() + "/removed-1.jsonl"));
  EXPECT_THAT(ragmesh::testing::ReadFileOrDie(path() + "/removed-1.jsonl"),
              HasSubstr("\"family\": \"index\""));
}
TEST_F(StoreCheckTest, VectorAndTokensOfNoChunkAreTakenOut) {
  Damage([](Database&, WriteSet* writes) {
    writes->Put(Family::kVectors, ItemKey(1, 9), EncodeVector({1, 0}));
    writes->Put(Family::kTokens, ItemKey(1, 9), Encode(stages::PassageTokens{.ids = {1}}));
  });
  ExpectMended("vectors", "belongs to no chunk");
}
TEST_F(StoreCheckTest, DamagedTokensAreTakenOut) {
  Put(Family::kTokens, ItemKey(1, 1), "nonsense");
  ExpectMended("tokens", "checksum");
}
TEST_F(StoreCheckTest, ChunkOfNoDocumentIsTakenOut) {
  Damage([](Database&, WriteSet* writes) {
    ChunkRecord chunk;
    chunk.document_number = 9;
    chunk.chunk.id = "x";
    writes->Put(Family::kChunks, ItemKey(1, 9), Encode(chunk));
    writes->Put(Family::kVectors, ItemKey(1, 9), EncodeVector({1, 0}));
    writes->Put(Family::kIndex, ItemKey(1, 9), Encode(IndexEntry{"x", 9, 0, {}}));
  });
  ExpectMended("chunks", "belongs to no document");
}
TEST_F(StoreCheckTest, TextOfNoDocumentIsTakenOut) {
  Put(Family::kTexts, ItemKey(1, 9), EncodeText("text"));
  ExpectMended("texts", "belongs to no document");
}
TEST_F(StoreCheckTest, MissingStateIsMadeAnew) {
  Delete(Family::kStates, CollectionKey(1));
  ExpectMended("states", "no state record");
}
TEST_F(StoreCheckTest, CountsAndNumbersOfTheStateAreSetRight) {
  Put(Family::kStates, CollectionKey(1), Encode(CollectionState{1, 1, 1, 7, 8}));
  ExpectMended("states", "counts 7 documents, there are 2");
}
TEST_F(StoreCheckTest, MissingCounterOfCollectionsIsMadeAnew) {
  Delete(Family::kMeta, "next_collection");
  ExpectMended("default", "counter of collections");
}
TEST_F(StoreCheckTest, CounterOfCollectionsIsRaised) {
  Put(Family::kMeta, "next_collection", EncodeCounter(1));
  ExpectMended("default", "the next collection is 1, but 1 is in use");
}
TEST_F(StoreCheckTest, MissingFormatIsMadeAnew) {
  Delete(Family::kMeta, "format");
  ExpectMended("default", "format record");
}
TEST_F(StoreCheckTest, RecordsOfNoCollectionAreTakenOut) {
  Put(Family::kDocuments, ItemKey(7, 1), Encode(DocumentRecord{}));
  ExpectMended("documents", "belongs to no collection");
}
TEST_F(StoreCheckTest, DamagedReplayIsTakenOut) {
  Put(Family::kReplays, ReplayKey(1, "other"), "nonsense");
  ExpectMended("replays", "checksum");
}

TEST_F(StoreCheckTest, MissingVectorIsTold) {
  Delete(Family::kVectors, ItemKey(1, 2));
  ExpectToldOnly("vectors", "no vector");
}
TEST_F(StoreCheckTest, VectorOfAnotherDimensionIsTold) {
  Put(Family::kVectors, ItemKey(1, 2), EncodeVector({1}));
  ExpectToldOnly("vectors", "dimension 1");
}
TEST_F(StoreCheckTest, MissingTextIsTold) {
  Delete(Family::kTexts, ItemKey(1, 1));
  ExpectToldOnly("texts", "no text");
}
TEST_F(StoreCheckTest, TextOfAnotherDocumentIsTold) {
  Put(Family::kTexts, ItemKey(1, 1), EncodeText("another"));
  ExpectToldOnly("texts", "not the one");
}
TEST_F(StoreCheckTest, DamagedDocumentIsToldAndItsChunksStay) {
  Put(Family::kDocuments, ItemKey(1, 1), "nonsense");
  const auto found = Check(/*repair=*/true);
  EXPECT_EQ(report.repaired, 0u) << found[0].problem;
  EXPECT_EQ(found[0].family, "documents");
  EXPECT_EQ(report.chunks, 3u);
}
TEST_F(StoreCheckTest, DamagedChunkIsTold) {
  Put(Family::kChunks, ItemKey(1, 2), "nonsense");
  ExpectToldOnly("chunks", "checksum");
}
TEST_F(StoreCheckTest, DamagedCollectionIsToldAndItsRecordsStay) {
  Put(Family::kCollections, CollectionKey(1), "nonsense");
  ExpectToldOnly("collections", "checksum");
  Damage([](Database& database, WriteSet*) {
    RAGMESH_ASSERT_OK_AND_ASSIGN(const auto chunk, database.Get(Family::kChunks, ItemKey(1, 1)));
    EXPECT_TRUE(chunk.has_value());
  });
}

TEST_F(StoreCheckTest, AStoreThatIsOpenIsRefusedAndNothingIsMade) {
  Reopen();
  const auto ignore = [](const Finding&) {};
  EXPECT_THAT(CheckStore({.path = path()}, ignore, call), HasReason("STORE_LOCKED"));
  const std::string nowhere = (dir.path() / "nowhere").string();
  EXPECT_THAT(CheckStore({.path = nowhere}, ignore, call), HasReason("STORE_NOT_FOUND"));
  EXPECT_FALSE(std::filesystem::exists(nowhere));
}

}  // namespace
}  // namespace ragmesh::vector_store
