// What lies in segments: that it is searched as if it lay in memory, comes back at an open, and is
// made anew when its files are not what they were.
#include <filesystem>
#include <fstream>
#include <functional>
#include <random>
#include <thread>

#include "absl/strings/str_cat.h"
#include "libs/vector_store/database.h"
#include "libs/vector_store/part_records.h"
#include "libs/vector_store/record_keys.h"
#include "libs/vector_store/records.h"
#include "libs/vector_store/store_check.h"
#include "libs/vector_store/store_observer.h"
#include "tests/unit/vector_store/store_fixture.h"

namespace ragmesh::vector_store {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class CountingObserver final : public StoreObserver {
 public:
  void Committed(std::size_t, absl::Duration, const absl::Status&) override {}
  void Searched(stages::SearchMode, absl::Duration, const absl::Status&) override {}
  void Sealed(std::size_t, absl::Duration, const absl::Status& status) override {
    EXPECT_TRUE(status.ok()) << status;
    ++sealed;
    if (after_seal) after_seal();
  }
  void SegmentsLost(const absl::Status& why) override { lost.push_back(why); }

  std::atomic<int> sealed = 0;
  std::vector<absl::Status> lost;
  std::function<void()> after_seal;
};

class PartsTest : public ::testing::Test {
 protected:
  static constexpr char kDigest[] = "digest-a";
  static constexpr std::uint32_t kDimension = 16, kSealRows = 40;

  PartsTest() {
    Open();
    stages::CollectionConfig config;
    config.id = id;
    config.dimension = kDimension;
    config.embedder_digest = kDigest;
    EXPECT_TRUE(store->CreateCollection(config, call).ok());
  }

  void Open() {
    store.reset();
    observer = std::make_shared<CountingObserver>();
    StoreOptions options;
    options.path = path;
    options.seal_rows = kSealRows;
    options.observer = observer;
    auto opened = Store::Open(options);
    ASSERT_TRUE(opened.ok()) << opened.status();
    store = *std::move(opened);
  }
  void AwaitSealed() { ASSERT_TRUE(store->AwaitSealed(absl::Now() + absl::Minutes(3))); }

  void Write(int document, int chunks) {
    static constexpr const char* kWords[] = {"pump", "valve", "seal", "motor", "gasket"};
    stages::Upsert upsert;
    upsert.document.emplace();
    upsert.document->id = absl::StrCat("d", document);
    upsert.document->info.title = absl::StrCat("title ", kWords[document % 5]);
    upsert.document->acl_labels = {document % 3 == 0 ? "staff" : "public"};
    upsert.document->metadata = {{"year", std::int64_t{2000 + document % 7}}};
    upsert.document->text = absl::StrCat("text of ", document);
    for (int i = 0; i < chunks; ++i) {
      stages::StoredChunk chunk;
      chunk.id = absl::StrCat("d", document, "-", i);
      chunk.chunk.ordinal = static_cast<std::uint32_t>(i);
      chunk.chunk.text = absl::StrCat(kWords[random() % 5], " ", kWords[random() % 5]);
      std::normal_distribution<float> normal;
      for (std::uint32_t d = 0; d < kDimension; ++d) chunk.vector.push_back(normal(random));
      chunk.vector = Unit(chunk.vector);
      upsert.chunks.push_back(std::move(chunk));
    }
    RAGMESH_ASSERT_OK(store->Write(id, kDigest, std::move(upsert), call));
  }
  void Fill() {
    for (int i = 0; i < 60; ++i) Write(i, 5);
  }
  void Delete(std::vector<std::string> documents) {
    RAGMESH_ASSERT_OK(store->Delete(id, stages::DocumentIds{std::move(documents)}, call));
  }

  // What the store answers to some questions.
  std::vector<std::string> Answers() {
    std::vector<std::string> answers;
    std::mt19937 questions(5);
    for (int i = 0; i < 12; ++i) {
      stages::SearchRequest request;
      request.collection = id;
      request.mode = static_cast<stages::SearchMode>(i % 3);
      request.query_text = i % 2 == 0 ? "pump valve" : "title motor gasket";
      std::normal_distribution<float> normal;
      for (std::uint32_t d = 0; d < kDimension; ++d)
        request.query_vector.push_back(normal(questions));
      request.query_vector = Unit(request.query_vector);
      request.embedder_digest = kDigest;
      request.principal_labels = {i % 4 == 0 ? "staff" : i % 4 == 1 ? "public" : "*"};
      request.neighbours = {1, 1};
      if (i > 6) request.filter = stages::Filter{stages::FilterEquals{"year", std::int64_t{2003}}};
      const auto found = store->Search(request, call);
      EXPECT_TRUE(found.ok()) << found.status();
      if (!found.ok()) continue;
      std::string answer = absl::StrCat(found->candidates);
      for (const auto& hit : found->hits) {
        absl::StrAppend(&answer, " ", hit.chunk.id, "=", hit.score);
        for (const auto& neighbour : hit.neighbours)
          absl::StrAppend(&answer, "+", neighbour.chunk.id);
      }
      answers.push_back(answer);
    }
    stages::Page page{.size = 7, .token = ""};
    do {
      const auto documents = store->ListDocuments(id, std::nullopt, {"public"}, page, call);
      EXPECT_TRUE(documents.ok()) << documents.status();
      if (!documents.ok()) break;
      for (const auto& document : documents->documents) answers.push_back(document.id);
      page.token = documents->next_token;
    } while (!page.token.empty());
    return answers;
  }

  std::vector<fs::path> Files() const {
    std::vector<fs::path> files;
    for (const auto& entry : fs::directory_iterator(path + "/segments"))
      files.push_back(entry.path());
    std::sort(files.begin(), files.end());
    return files;
  }

  testing::TempDir dir;
  const std::string path = (dir.path() / "store").string();
  const stages::CollectionId id{.name = "manuals"};
  const CallContext call{absl::InfiniteFuture()};
  std::mt19937 random{7};
  std::shared_ptr<CountingObserver> observer;
  std::unique_ptr<Store> store;
};

TEST_F(PartsTest, SegmentsAnswerAsTheTailDidAndComeBack) {
  Fill();
  const std::vector<std::string> before = Answers();
  AwaitSealed();
  EXPECT_GT(observer->sealed, 1);
  EXPECT_THAT(Files(), ::testing::Not(IsEmpty()));
  EXPECT_EQ(Answers(), before);
  Open();
  EXPECT_THAT(observer->lost, IsEmpty());
  EXPECT_EQ(Answers(), before);
}

TEST_F(PartsTest, WhatIsTakenOutOfSegmentsStaysOut) {
  Fill();
  AwaitSealed();
  Delete({"d3", "d4", "d5"});
  Write(6, 2);
  Write(7, 9);
  RAGMESH_ASSERT_OK(store->Delete(id, stages::ChunkIds{{"d8-0", "d8-4"}}, call));
  RAGMESH_ASSERT_OK(
      store->Delete(id, stages::Filter{stages::FilterEquals{"year", std::int64_t{2002}}}, call));
  const std::vector<std::string> before = Answers();
  Open();
  EXPECT_THAT(observer->lost, IsEmpty());
  EXPECT_EQ(Answers(), before);
  AwaitSealed();
  // Merges leave it out for good.
  for (int i = 100; i < 200; ++i) Write(i, 5);
  AwaitSealed();
  const std::vector<std::string> later = Answers();
  Open();
  EXPECT_EQ(Answers(), later);
  store.reset();
  RAGMESH_ASSERT_OK_AND_ASSIGN(const StoreCheckReport report,
                               CheckStore(
                                   {.path = path}, [](const Finding&) {}, call));
  EXPECT_EQ(report.findings, 0u);
}

TEST_F(PartsTest, WritesGoOnWhileSegmentsAreMade) {
  for (int round = 0; round < 400; ++round) {
    Write(static_cast<int>(random() % 80), static_cast<int>(random() % 6));
    if (round % 5 == 0) Delete({absl::StrCat("d", random() % 80)});
  }
  const std::vector<std::string> before = Answers();
  AwaitSealed();
  EXPECT_EQ(Answers(), before);
  Open();
  EXPECT_THAT(observer->lost, IsEmpty());
  EXPECT_EQ(Answers(), before);
}

// Writes get their numbers before they wait for each other, so that one with low numbers may come
// when those with higher ones lie in a segment already.
TEST_F(PartsTest, WritersThatOvertakeEachOtherLoseNothing) {
  constexpr int kWriters = 8, kWrites = 60;
  std::vector<std::thread> writers;
  for (int writer = 0; writer < kWriters; ++writer) {
    writers.emplace_back([this, writer] {
      for (int i = 0; i < kWrites; ++i) {
        stages::Upsert upsert;
        upsert.document.emplace();
        upsert.document->id = absl::StrCat("w", writer, "-", i);
        upsert.document->acl_labels = {"staff"};
        // Long ones take longer to prepare.
        for (int c = 0; c < (writer % 2 == 0 ? 1 : 30); ++c) {
          stages::StoredChunk chunk;
          chunk.id = absl::StrCat(upsert.document->id, "-", c);
          chunk.chunk.text = "pump valve seal";
          chunk.vector = std::vector<float>(kDimension, 0.25f);
          upsert.chunks.push_back(std::move(chunk));
        }
        RAGMESH_EXPECT_OK(store->Write(id, kDigest, std::move(upsert), call));
      }
    });
  }
  for (std::thread& writer : writers) writer.join();
  for (int round = 0; round < 3; ++round) {
    const auto chunks = store->CountChunks(id, std::nullopt, {"staff"}, call);
    EXPECT_EQ(*chunks, kWriters / 2 * kWrites * 31);
    RAGMESH_ASSERT_OK_AND_ASSIGN(const stages::Collection collection,
                                 store->GetCollection(id, call));
    EXPECT_EQ(collection.stats.documents, kWriters * kWrites);
    if (round == 1) AwaitSealed();
    Open();
    EXPECT_THAT(observer->lost, IsEmpty());
  }
}

TEST_F(PartsTest, NumbersThatAWriteTookForNothingBelongToNoLaterChunk) {
  std::atomic<bool> full = false;
  observer->after_seal = [&] {
    while (!full) absl::SleepFor(absl::Milliseconds(1));
    // Before the next tail ends: it takes five numbers that no state record knows of.
    stages::Upsert upsert;
    for (int i = 0; i < 5; ++i) {
      stages::StoredChunk chunk;
      chunk.id = absl::StrCat("nowhere-", i);
      chunk.document_id = "nowhere";
      chunk.chunk.text = "pump";
      chunk.vector = std::vector<float>(kDimension, 0.25f);
      upsert.chunks.push_back(std::move(chunk));
    }
    EXPECT_THAT(store->Write(id, kDigest, std::move(upsert), call),
                ::ragmesh::testing::HasReason("DOCUMENT_NOT_FOUND"));
  };
  Write(0, kSealRows);
  while (observer->sealed == 0) absl::SleepFor(absl::Milliseconds(1));
  Write(1, kSealRows);
  full = true;
  AwaitSealed();
  EXPECT_EQ(observer->sealed, 2);
  Open();
  Write(2, 3);
  Open();
  EXPECT_THAT(observer->lost, IsEmpty());
  EXPECT_EQ(*store->CountChunks(id, std::nullopt, {"*"}, call), 2 * kSealRows + 3);
}

TEST_F(PartsTest, SegmentsThatAreDamagedOrGoneAreMadeAnew) {
  Fill();
  AwaitSealed();
  Delete({"d3"});
  const std::vector<std::string> before = Answers();
  const std::size_t count = Files().size();
  for (std::size_t i = 0; i < count; ++i) {
    store.reset();
    const fs::path file = Files()[i % Files().size()];
    if (i % 3 == 0) {
      fs::remove(file);
    } else if (i % 3 == 1) {
      fs::resize_file(file, fs::file_size(file) / 2);
    } else {
      // Another good segment under its name.
      std::vector<fs::path> others;
      for (const fs::path& other : Files()) {
        if (other != file && other.extension() == file.extension()) others.push_back(other);
      }
      if (others.empty()) continue;
      fs::copy_file(others[0], file, fs::copy_options::overwrite_existing);
    }
    Open();
    EXPECT_THAT(observer->lost, SizeIs(1)) << file;
    EXPECT_EQ(Answers(), before) << file;
    AwaitSealed();
    EXPECT_EQ(Answers(), before) << file;
  }
}

TEST_F(PartsTest, SegmentsThatLackChunksAreMadeAnew) {
  Fill();
  AwaitSealed();
  // Until one was not enough for a segment, so that its chunk lies in none.
  int document = 100, sealed = 0;
  do {
    sealed = observer->sealed;
    Write(document++, 1);
    AwaitSealed();
  } while (observer->sealed != sealed);
  const std::vector<std::string> before = Answers();
  store.reset();
  {
    // As if all there is lay in segments.
    RAGMESH_ASSERT_OK_AND_ASSIGN(const auto database, Database::Open(path, {}));
    const std::string key = CollectionKey(1);
    RAGMESH_ASSERT_OK_AND_ASSIGN(const auto value, database->Get(Family::kSegments, key));
    RAGMESH_ASSERT_OK_AND_ASSIGN(PartsRecord record, DecodeParts(*value));
    record.first_chunk += 1000;
    WriteSet writes;
    writes.Put(Family::kSegments, key, Encode(record));
    RAGMESH_ASSERT_OK(database->Commit(writes));
  }
  Open();
  EXPECT_THAT(observer->lost, SizeIs(1));
  EXPECT_EQ(Answers(), before);
  AwaitSealed();
  Open();
  EXPECT_THAT(observer->lost, IsEmpty());
  EXPECT_EQ(Answers(), before);
}

TEST_F(PartsTest, FilesOfWritingsThatWereCutShortAreRemoved) {
  Fill();
  AwaitSealed();
  const std::vector<fs::path> files = Files();
  store.reset();
  std::ofstream(path + "/segments/1-999.vectors") << "half of it";
  std::ofstream(path + "/segments/77-1.segment") << "of no collection";
  Open();
  EXPECT_EQ(Files(), files);
}

TEST_F(PartsTest, ADroppedCollectionLeavesNoFiles) {
  Fill();
  AwaitSealed();
  RAGMESH_ASSERT_OK(store->DeleteCollection(id, call));
  EXPECT_THAT(Files(), IsEmpty());
}

TEST_F(PartsTest, ACheckFindsWhatIsWrongWithSegmentsAndForgetsThem) {
  Fill();
  AwaitSealed();
  Delete({"d3"});
  const std::vector<std::string> before = Answers();
  store.reset();
  std::vector<Finding> findings;
  const auto check = [&](bool repair) {
    findings.clear();
    const auto report = CheckStore(
        {.path = path, .repair = repair},
        [&](const Finding& finding) { findings.push_back(finding); }, call);
    EXPECT_TRUE(report.ok()) << report.status();
  };
  check(false);
  EXPECT_THAT(findings, IsEmpty());
  {
    std::fstream file(Files()[1], std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(4096);
    file.put('\x55');
  }
  check(false);
  EXPECT_THAT(findings, SizeIs(1));
  check(true);
  EXPECT_THAT(findings, SizeIs(1));
  check(false);
  EXPECT_THAT(findings, IsEmpty());
  Open();
  EXPECT_THAT(observer->lost, IsEmpty());
  EXPECT_EQ(Answers(), before);
}

TEST_F(PartsTest, ALargeCollectionIsSearchedByCodesAsWellAsItIsAskedTo) {
  for (int i = 0; i < 120; ++i) Write(i, 50);
  AwaitSealed();
  stages::SearchRequest request;
  request.collection = id;
  request.mode = stages::SearchMode::kDense;
  request.embedder_digest = kDigest;
  request.principal_labels = {stages::kAllLabels};
  request.explain = true;
  RAGMESH_ASSERT_OK_AND_ASSIGN(stages::Collection collection, store->GetCollection(id, call));
  std::normal_distribution<float> normal;
  double found = 0;
  constexpr int kQueries = 100;
  for (int i = 0; i < kQueries; ++i) {
    request.query_vector.clear();
    for (std::uint32_t d = 0; d < kDimension; ++d) request.query_vector.push_back(normal(random));
    request.query_vector = Unit(request.query_vector);
    std::vector<std::string> ids[2];
    for (const bool exact : {false, true}) {
      collection.config.dense_recall = exact ? 1 : 0.98;
      RAGMESH_ASSERT_OK(store->UpdateCollection(collection.config, call));
      RAGMESH_ASSERT_OK_AND_ASSIGN(const auto result, store->Search(request, call));
      EXPECT_EQ(result.explanation->dense_plan, exact ? "exact scan" : "lists of sign codes");
      for (const auto& hit : result.hits) ids[exact ? 1 : 0].push_back(hit.chunk.id);
    }
    for (const std::string& id : ids[1])
      found += std::count(ids[0].begin(), ids[0].end(), id) > 0 ? 1 : 0;
  }
  EXPECT_GE(found / (10 * kQueries), 0.96);
}

}  // namespace
}  // namespace ragmesh::vector_store
