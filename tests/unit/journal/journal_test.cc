#include "libs/journal/journal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "libs/base/error.h"
#include "libs/journal/record_codec.h"
#include "libs/testing/status_matchers.h"
#include "libs/testing/test_data.h"

namespace ragmesh::journal {
namespace {

using ::ragmesh::testing::HasReason;
using ::ragmesh::testing::StatusIs;
using ::testing::ElementsAre;
using Durability = Journal::Durability;

JobRecord MakeJob(const std::string& id) {
  JobRecord job;
  job.id = id;
  job.tenant = "default";
  job.collection = "manuals";
  return job;
}

TEST(JournalTest, KeepsEveryFieldOfAJobOverReopening) {
  const testing::TempDir folder;
  JobRecord job = MakeJob("0001");
  job.state = State::kFailed;
  job.created = absl::FromUnixMicros(1'700'000'000'123'456);
  job.updated = absl::FromUnixMicros(1'700'000'001'000'000);
  job.documents_total = 7;
  job.chunks_reused = 1ull << 40;
  job.error = MakeError(absl::StatusCode::kNotFound, "no folder",
                        {.reason = "FILE_NOT_FOUND",
                         .field = "path",
                         .next_step = "look",
                         .retry_after = absl::Seconds(2),
                         .metadata = {{"a", "b"}}});
  job.options.metadata = {{"s", std::string("x")},
                          {"i", std::int64_t{-3}},
                          {"d", 0.5},
                          {"b", true},
                          {"t", absl::FromUnixSeconds(99)},
                          {"l", std::vector<std::string>{"p", "q"}}};
  job.options.acl_labels = {"public", "staff"};
  job.paths = {"/data/caf\xe9/\n", "/data/b"};
  job.walked = 1;
  job.prune = true;
  {
    RAGMESH_ASSERT_OK_AND_ASSIGN(auto journal, Journal::Open(folder.path()));
    Batch batch;
    batch.PutJob(job);
    RAGMESH_ASSERT_OK(journal->Write(std::move(batch), Durability::kSynced));
  }
  RAGMESH_ASSERT_OK_AND_ASSIGN(auto journal, Journal::Open(folder.path()));
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto read, journal->GetJob("0001"));
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(EncodeJob(*read), EncodeJob(job));
  EXPECT_EQ(read->paths, job.paths);
  EXPECT_EQ(read->options.metadata, job.options.metadata);
  EXPECT_THAT(read->error, HasReason("FILE_NOT_FOUND"));
  EXPECT_EQ(GetErrorDetail(read->error)->retry_after, absl::Seconds(2));
}

TEST(JournalTest, ListsJobsNewestFirstBelowAnId) {
  const testing::TempDir folder;
  RAGMESH_ASSERT_OK_AND_ASSIGN(auto journal, Journal::Open(folder.path()));
  Batch batch;
  for (const char* id : {"0001", "0003", "0002"}) batch.PutJob(MakeJob(id));
  RAGMESH_ASSERT_OK(journal->Write(std::move(batch), Durability::kLater));
  std::vector<std::string> all, below;
  RAGMESH_ASSERT_OK(
      journal->VisitJobs("", [&](JobRecord job) { return all.push_back(job.id), true; }));
  RAGMESH_ASSERT_OK(
      journal->VisitJobs("0003", [&](JobRecord job) { return below.push_back(job.id), true; }));
  EXPECT_THAT(all, ElementsAre("0003", "0002", "0001"));
  EXPECT_THAT(below, ElementsAre("0002", "0001"));
}

TEST(JournalTest, DocumentsOfOneJobDoNotMixWithAnothers) {
  const testing::TempDir folder;
  RAGMESH_ASSERT_OK_AND_ASSIGN(auto journal, Journal::Open(folder.path()));
  Batch batch;
  for (const std::uint32_t ordinal : {300u, 2u, 10u}) {
    DocumentRecord document;
    document.job_id = "0001";
    document.ordinal = ordinal;
    batch.PutDocument(document);
    document.job_id = "00011";
    batch.PutDocument(document);
  }
  RAGMESH_ASSERT_OK(journal->Write(std::move(batch), Durability::kLater));
  std::vector<std::uint32_t> ordinals;
  RAGMESH_ASSERT_OK(journal->VisitDocuments("0001", 3, [&](DocumentRecord document) {
    EXPECT_EQ(document.job_id, "0001");
    return ordinals.push_back(document.ordinal), true;
  }));
  EXPECT_THAT(ordinals, ElementsAre(10, 300));
}

TEST(JournalTest, SpoolReferenceHoldsUntilTheLastDocumentDropsIt) {
  const testing::TempDir folder;
  RAGMESH_ASSERT_OK_AND_ASSIGN(auto journal, Journal::Open(folder.path()));
  DocumentRecord first, second;
  first.job_id = "1";
  second.job_id = "2";
  first.spool_sha256 = second.spool_sha256 = std::string(64, 'c');
  Batch add;
  add.AddSpoolReference(first);
  add.AddSpoolReference(second);
  RAGMESH_ASSERT_OK(journal->Write(std::move(add), Durability::kLater));
  Batch drop;
  drop.DropSpoolReference(first);
  RAGMESH_ASSERT_OK(journal->Write(std::move(drop), Durability::kLater));
  EXPECT_THAT(journal->SpoolReferenced(first.spool_sha256), testing::IsOkAndHolds(true));
  Batch last;
  last.DeleteDocument(second);
  RAGMESH_ASSERT_OK(journal->Write(std::move(last), Durability::kLater));
  EXPECT_THAT(journal->SpoolReferenced(first.spool_sha256), testing::IsOkAndHolds(false));
}

TEST(JournalTest, SecondOpenIsRefused) {
  const testing::TempDir folder;
  RAGMESH_ASSERT_OK_AND_ASSIGN(auto journal, Journal::Open(folder.path()));
  EXPECT_THAT(Journal::Open(folder.path()), HasReason("JOURNAL_LOCKED"));
}

TEST(JournalTest, GarbageIsDataLoss) {
  EXPECT_THAT(DecodeJob("{"), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(DecodeJob("[]"), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(DecodeJob("{}"), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(DecodeDocument("{\"job_id\":7}"), StatusIs(absl::StatusCode::kDataLoss));
}

}  // namespace
}  // namespace ragmesh::journal
