#include "libs/pipeline/ingest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/testing/status_matchers.h"
#include "libs/testing/test_data.h"
#include "tests/unit/pipeline/fake_mesh.h"

namespace ragmesh::pipeline {
namespace {

using journal::DocumentRecord;
using journal::JobRecord;
using journal::State;
using ::ragmesh::testing::HasReason;
using ::ragmesh::testing::StatusIs;
namespace fs = std::filesystem;

class IngestTest : public ::testing::Test {
 protected:
  void SetUp() override {
    root_ = fs::canonical(folder_.path()) / "docs";
    fs::create_directories(root_);
    options_.data_folder = folder_.path() / "data";
    options_.allowed_roots = {root_};
    options_.document.backoff = {absl::Milliseconds(1), absl::Milliseconds(2),
                                 absl::Milliseconds(20)};
    mesh_.MakeCollection();
    Start();
  }
  void TearDown() override { Stop(); }

  void Start() {
    embedders_ = std::make_unique<Embedders>(mesh_.embedder);
    auto ingest = Ingest::Create(mesh_.stages, *embedders_, options_, Observer::None());
    ASSERT_TRUE(ingest.ok()) << ingest.status();
    ingest_ = *std::move(ingest);
  }
  // What a crash leaves: the journal as it is, nothing else.
  void Stop() { ingest_.reset(); }

  void WriteFile(const std::string& name, const std::string& text) {
    std::ofstream(root_ / name) << text;
  }

  static InlineSource Text(const std::string& name, const std::string& text) {
    return {name, text, "", "", ""};
  }

  absl::StatusOr<JobRecord> Submit(std::vector<IngestSource> sources, bool prune = false) {
    NewJob job;
    job.collection = "manuals";
    job.sources = std::move(sources);
    job.prune = prune;
    return ingest_->CreateJob(caller_, std::move(job), call_);
  }

  // Follows the job to its end.
  JobRecord Await(const std::string& id) {
    JobRecord last;
    const absl::Status status = ingest_->WatchJob(
        caller_, id,
        [&](const JobEvent& event) {
          if (const auto* job = std::get_if<JobRecord>(&event)) last = *job;
          return absl::OkStatus();
        },
        call_);
    EXPECT_TRUE(status.ok()) << status;
    return last;
  }

  JobRecord Run(std::vector<IngestSource> sources, bool prune = false) {
    auto job = Submit(std::move(sources), prune);
    EXPECT_TRUE(job.ok()) << job.status();
    return job.ok() ? Await(job->id) : JobRecord();
  }

  std::vector<DocumentRecord> Documents(const std::string& id) {
    auto page = ingest_->ListJobDocuments(caller_, id, std::nullopt, {});
    EXPECT_TRUE(page.ok());
    return page->documents;
  }

  // What an undisturbed ingest of the same sources leaves in a store.
  auto CleanDump(const std::vector<IngestSource>& sources) {
    FakeMesh mesh;
    mesh.MakeCollection();
    Embedders embedders(mesh.embedder);
    Ingest::Options options = options_;
    options.data_folder = folder_.path() / "clean";
    auto ingest = *Ingest::Create(mesh.stages, embedders, options, Observer::None());
    NewJob job;
    job.collection = "manuals";
    job.sources = sources;
    auto made = ingest->CreateJob(caller_, std::move(job), call_);
    EXPECT_TRUE(ingest
                    ->WatchJob(
                        caller_, made->id, [](const JobEvent&) { return absl::OkStatus(); }, call_)
                    .ok());
    return mesh.store.Dump(mesh.id);
  }

  std::size_t SpoolFiles() {
    return static_cast<std::size_t>(
        std::distance(fs::directory_iterator(folder_.path() / "data" / "spool"), {}));
  }

  const testing::TempDir folder_;
  fs::path root_;
  FakeMesh mesh_;
  std::unique_ptr<Embedders> embedders_;
  Ingest::Options options_;
  std::unique_ptr<Ingest> ingest_;
  const Caller caller_;
  const CallContext call_{absl::Now() + absl::Seconds(60)};
};

TEST_F(IngestTest, UploadIsStoredWithTextChunksAndVectors) {
  const JobRecord job =
      Run({Text("a.txt", "# Pumps\n\nThe pump runs at 50 Hz.\n\nIt weighs 12 kg.")});
  EXPECT_EQ(job.state, State::kSucceeded);
  EXPECT_EQ(job.documents_done, 1u);
  EXPECT_EQ(job.chunks_done, 3u);
  const std::string id = DocumentIdFromName("a.txt");
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto document,
                               mesh_.store.GetDocument(mesh_.id, id, {"public"}, call_));
  EXPECT_EQ(document.text, "Pumps\n\nThe pump runs at 50 Hz.\n\nIt weighs 12 kg.");
  EXPECT_EQ(document.version, 1u);
  EXPECT_EQ(SpoolFiles(), 0u);
}

TEST_F(IngestTest, TheSameBytesAgainAreUnchangedWithoutBeingParsed) {
  Run({Text("a.txt", "One.")});
  const int loads = mesh_.loader.fault.calls();
  const JobRecord again = Run({Text("a.txt", "One.")});
  EXPECT_EQ(again.state, State::kSucceeded);
  EXPECT_EQ(again.documents_unchanged, 1u);
  EXPECT_EQ(mesh_.loader.fault.calls(), loads);
}

TEST_F(IngestTest, AChangedDocumentEmbedsOnlyChangedChunks) {
  Run({Text("a.txt", "One.\n\nTwo.\n\nThree.")});
  const int embedded = mesh_.embedder.texts;
  const JobRecord job = Run({Text("a.txt", "One.\n\nTwo and a half.\n\nThree.")});
  EXPECT_EQ(mesh_.embedder.texts - embedded, 1);
  EXPECT_EQ(job.chunks_reused, 2u);
  EXPECT_EQ(mesh_.store.Dump(mesh_.id),
            CleanDump({Text("a.txt", "One.\n\nTwo and a half.\n\nThree.")}));
}

class IngestTokensTest : public IngestTest {
 protected:
  void Restart(stages::TokenDetail detail, std::size_t max_bytes = 1 << 20) {
    Stop();
    options_.document.keep_tokens = detail;
    options_.document.max_token_bytes = max_bytes;
    Start();
  }
  // Of all chunks, by their texts.
  std::map<std::string, stages::PassageTokens> Kept() {
    std::map<std::string, stages::PassageTokens> kept;
    const auto page =
        mesh_.store.ListChunks(mesh_.id, "", {stages::kAllLabels}, {.tokens = true}, {}, call_);
    for (const auto& chunk : page->chunks) kept[chunk.chunk.text] = chunk.tokens;
    return kept;
  }
  static stages::PassageTokens Of(const std::string& text, stages::TokenDetail detail) {
    return testing::FakeEmbedder::Tokens(text, detail);
  }
};

TEST_F(IngestTokensTest, IdsAreKeptUnlessToldOtherwiseAndOutliveAChangeOfTheirDocument) {
  Run({Text("a.txt", "One.\n\nTwo.")});
  Run({Text("a.txt", "One.\n\nThree.")});
  for (const auto& [text, tokens] : Kept()) EXPECT_EQ(tokens, Of(text, stages::TokenDetail::kIds));
  EXPECT_EQ(mesh_.embedder.texts, 3);
  Restart(stages::TokenDetail::kNone);
  Run({Text("a.txt", "One.\n\nFour.")});
  for (const auto& [text, tokens] : Kept()) EXPECT_TRUE(tokens.empty()) << text;
}

TEST_F(IngestTokensTest, VectorsComeWithTheNextIngestAndAreMadeAnewForAnotherEncoder) {
  const std::vector<IngestSource> sources = {Text("a.txt", "One.\n\nTwo.")};
  Run(sources);
  Restart(stages::TokenDetail::kVectors);
  EXPECT_EQ(Run(sources).documents_unchanged, 0u);
  for (const auto& [text, tokens] : Kept())
    EXPECT_EQ(tokens, Of(text, stages::TokenDetail::kVectors));
  EXPECT_EQ(Run(sources).documents_unchanged, 1u);
  Stop();
  mesh_.embedder.vectors_digest = std::string(64, '9');
  Start();
  EXPECT_EQ(Run(sources).chunks_reused, 0u);
  for (const auto& [text, tokens] : Kept()) EXPECT_EQ(tokens.encoder, std::string(64, '9'));
  // And go again, without another look by the embedder.
  const int embedded = mesh_.embedder.texts;
  Restart(stages::TokenDetail::kIds);
  EXPECT_EQ(Run(sources).chunks_reused, 2u);
  for (const auto& [text, tokens] : Kept()) EXPECT_EQ(tokens, Of(text, stages::TokenDetail::kIds));
  EXPECT_EQ(mesh_.embedder.texts, embedded);
}

TEST_F(IngestTokensTest, WhatExceedsTheBoundOfADocumentIsLeftOut) {
  Restart(stages::TokenDetail::kVectors, 5 * (4 + 1));  // five letters, ids and vectors
  Run({Text("a.txt", "Abcde\n\nFghij")});
  const auto kept = Kept();
  EXPECT_EQ(kept.at("Abcde"), Of("Abcde", stages::TokenDetail::kVectors));
  EXPECT_TRUE(kept.at("Fghij").empty());
}

TEST_F(IngestTest, ChangedLabelsAreNotUnchanged) {
  Run({Text("a.txt", "One.")});
  NewJob job;
  job.collection = "manuals";
  job.sources = {Text("a.txt", "One.")};
  job.options.acl_labels = {"staff"};
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto made, ingest_->CreateJob(caller_, std::move(job), call_));
  EXPECT_EQ(Await(made.id).documents_unchanged, 0u);
  EXPECT_THAT(mesh_.store.GetDocument(mesh_.id, DocumentIdFromName("a.txt"), {"public"}, call_),
              StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(IngestTest, ANewNormalisationParsesAgain) {
  Run({Text("a.txt", "One.")});
  mesh_.loader.normalisation = "ragmesh-text-2";
  EXPECT_EQ(Run({Text("a.txt", "One.")}).documents_unchanged, 0u);
}

TEST_F(IngestTest, ADocumentDeletedFromTheStoreIsIngestedAgain) {
  Run({Text("a.txt", "One.")});
  RAGMESH_ASSERT_OK(
      mesh_.store.Delete(mesh_.id, stages::DocumentIds{{DocumentIdFromName("a.txt")}}, call_));
  EXPECT_EQ(Run({Text("a.txt", "One.")}).documents_unchanged, 0u);
  EXPECT_EQ(mesh_.store.Dump(mesh_.id).size(), 1u);
}

TEST_F(IngestTest, BrokenDocumentsAreDeadLettersAndTheRestGoesIn) {
  WriteFile("good.txt", "Good.");
  WriteFile("bad.txt", "BROKEN");
  WriteFile("empty.txt", "");
  const JobRecord job = Run({PathSource{root_}});
  EXPECT_EQ(job.state, State::kFailed);
  EXPECT_EQ(job.documents_total, 3u);
  EXPECT_EQ(job.documents_done, 1u);
  EXPECT_EQ(job.documents_failed, 2u);
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto letters,
                               ingest_->ListJobDocuments(caller_, job.id, State::kFailed, {}));
  ASSERT_EQ(letters.documents.size(), 2u);
  EXPECT_THAT(letters.documents[0].error, HasReason("MALFORMED_DOCUMENT"));
  EXPECT_THAT(letters.documents[1].error, HasReason("EMPTY_DOCUMENT"));
}

TEST_F(IngestTest, LexicalOnlyCollectionsNeedNoEmbedder) {
  mesh_.id.name = "words";
  mesh_.MakeCollection(/*lexical_only=*/true);
  mesh_.embedder.fault.Down();
  NewJob job;
  job.collection = "words";
  job.sources = {Text("a.txt", "One.")};
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto made, ingest_->CreateJob(caller_, std::move(job), call_));
  EXPECT_EQ(Await(made.id).state, State::kSucceeded);
}

TEST_F(IngestTest, WaitsForAnEmbedderThatComesBack) {
  mesh_.embedder.fault.FailFirst(3, Unavailable("STAGE_UNREACHABLE", "down"));
  const JobRecord job = Run({Text("a.txt", "One.")});
  EXPECT_EQ(job.state, State::kSucceeded);
  EXPECT_EQ(Documents(job.id)[0].attempts, 4u);
}

TEST_F(IngestTest, AnEmbedderThatStaysAwayFailsTheDocumentAndIsNeverSilentlyLexical) {
  mesh_.embedder.fault.Down();
  const JobRecord job = Run({Text("a.txt", "One.")});
  EXPECT_EQ(job.state, State::kFailed);
  EXPECT_THAT(Documents(job.id)[0].error, HasReason("STAGE_UNREACHABLE"));
  EXPECT_TRUE(mesh_.store.Dump(mesh_.id).empty());
}

TEST_F(IngestTest, AnotherEmbedderIsRefused) {
  mesh_.embedder.digest = std::string(64, 'c');
  const JobRecord job = Run({Text("a.txt", "One.")});
  EXPECT_THAT(Documents(job.id)[0].error, HasReason("EMBEDDER_MISMATCH"));
}

TEST_F(IngestTest, RetryRunsFailedDocumentsOnly) {
  mesh_.embedder.fault.Down();
  const JobRecord failed = Run({Text("a.txt", "One."), Text("b.txt", "BROKEN")});
  EXPECT_EQ(failed.documents_failed, 2u);
  mesh_.embedder.fault.Clear();
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto queued, ingest_->RetryJob(caller_, failed.id));
  EXPECT_EQ(queued.documents_failed, 0u);
  const JobRecord job = Await(failed.id);
  EXPECT_EQ(job.documents_done, 1u);
  EXPECT_EQ(job.documents_failed, 1u);
  EXPECT_EQ(SpoolFiles(), 1u);  // the broken one, for another retry
  fs::remove(folder_.path() / "data" / "spool" / Documents(job.id)[1].spool_sha256);
  EXPECT_THAT(ingest_->RetryJob(caller_, job.id), HasReason("JOB_SOURCE_GONE"));
}

TEST_F(IngestTest, CancelStopsAHangingStageAndKeepsWhatIsDone) {
  Run({Text("done.txt", "Done.")});
  mesh_.embedder.fault.Hang();
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto job, Submit({Text("a.txt", "One."), Text("b.txt", "Two."),
                                                       Text("c.txt", "Three.")}));
  while (mesh_.embedder.fault.hanging() < 2) std::this_thread::yield();
  EXPECT_THAT(ingest_->RetryJob(caller_, job.id), HasReason("JOB_RUNNING"));
  const absl::Time before = absl::Now();
  RAGMESH_ASSERT_OK(ingest_->CancelJob(caller_, job.id));
  EXPECT_EQ(Await(job.id).state, State::kCancelled);
  EXPECT_LT(absl::Now() - before, absl::Milliseconds(500));
  for (const DocumentRecord& document : Documents(job.id))
    EXPECT_EQ(document.state, State::kCancelled);
  EXPECT_EQ(mesh_.store.Dump(mesh_.id).size(), 1u);
  mesh_.embedder.fault.Clear();
  RAGMESH_ASSERT_OK(ingest_->RetryJob(caller_, job.id));
  EXPECT_EQ(Await(job.id).state, State::kSucceeded);
}

TEST_F(IngestTest, AJobThatEndedStaysAsItIsWhenCancelled) {
  const JobRecord job = Run({Text("a.txt", "One.")});
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto after, ingest_->CancelJob(caller_, job.id));
  EXPECT_EQ(after.state, State::kSucceeded);
}

TEST_F(IngestTest, GoesOnAfterAStopAtAnyStep) {
  const std::vector<IngestSource> sources = {
      Text("a.txt", "One.\n\nTwo."), Text("b.txt", "Three.\n\nFour."), Text("c.txt", "Five.")};
  const auto expected = CleanDump(sources);
  testing::StageFault* const steps[] = {&mesh_.loader.fault, &mesh_.splitter.fault,
                                        &mesh_.embedder.fault, &mesh_.store.write_fault};
  for (testing::StageFault* step : steps) {
    RAGMESH_ASSERT_OK(mesh_.store.DeleteCollection(mesh_.id, call_));
    mesh_.MakeCollection();
    step->Hang();
    RAGMESH_ASSERT_OK_AND_ASSIGN(const auto job, Submit(sources));
    while (step->hanging() == 0) std::this_thread::yield();
    Stop();
    step->Clear();
    Start();
    const JobRecord done = Await(job.id);
    EXPECT_EQ(done.state, State::kSucceeded);
    EXPECT_EQ(done.documents_done, 3u);
    EXPECT_EQ(mesh_.store.Dump(mesh_.id), expected);
    EXPECT_EQ(SpoolFiles(), 0u);
  }
}

TEST_F(IngestTest, ACrashBetweenStoreAndJournalIngestsTheDocumentOnceMore) {
  // The store has the document, the journal still says running.
  std::string job_id;
  {
    RAGMESH_ASSERT_OK_AND_ASSIGN(const auto job, Submit({Text("a.txt", "One.")}));
    job_id = job.id;
    Await(job_id);
    Stop();
    RAGMESH_ASSERT_OK_AND_ASSIGN(auto journal,
                                 journal::Journal::Open(options_.data_folder + "/journal"));
    auto record = *journal->GetJob(job_id);
    auto document = *journal->GetDocument(job_id, 0);
    record->state = State::kRunning;
    record->documents_done = 0;
    record->chunks_done = 0;
    document->state = State::kRunning;
    document->path = root_ / "a.txt";
    document->spool_sha256.clear();
    WriteFile("a.txt", "One.");
    journal::Batch batch;
    batch.PutJob(*record);
    batch.PutDocument(*document);
    batch.DeleteFootprint("default", "manuals", document->document_id);
    RAGMESH_ASSERT_OK(journal->Write(std::move(batch), journal::Journal::Durability::kSynced));
  }
  Start();
  const JobRecord job = Await(job_id);
  EXPECT_EQ(job.state, State::kSucceeded);
  EXPECT_EQ(job.documents_done, 1u);
  EXPECT_EQ(job.chunks_reused, 1u);  // its vectors were there already
  EXPECT_EQ(mesh_.store.Dump(mesh_.id), CleanDump({Text("a.txt", "One.")}));
}

TEST_F(IngestTest, PasswordIsUsedAndForgotten) {
  InlineSource source = Text("a.txt", "PASSWORD:sesame\nSecret.");
  source.password = "sesame";
  EXPECT_EQ(Run({source}).state, State::kSucceeded);
  EXPECT_EQ(SpoolFiles(), 0u);
  source.password = "wrong";
  source.name = "b.txt";
  const JobRecord job = Run({source});
  EXPECT_THAT(Documents(job.id)[0].error, HasReason("PASSWORD_REQUIRED"));
  EXPECT_EQ(SpoolFiles(), 1u);  // the bytes, not the password
}

TEST_F(IngestTest, PruneDeletesWhatTheFolderNoLongerHoldsAndNothingElse) {
  WriteFile("keep.txt", "Keep.");
  WriteFile("gone.txt", "Gone.");
  Run({PathSource{root_}});
  Run({Text("upload.txt", "Upload.")});
  fs::remove(root_ / "gone.txt");
  EXPECT_EQ(Run({PathSource{root_}}).state, State::kSucceeded);
  EXPECT_EQ(mesh_.store.Dump(mesh_.id).size(), 3u);  // without prune it stays
  const JobRecord job = Run({PathSource{root_}}, /*prune=*/true);
  EXPECT_EQ(job.documents_unchanged, 1u);
  EXPECT_EQ(mesh_.store.Dump(mesh_.id).size(), 2u);
}

TEST_F(IngestTest, OthersDocumentsCannotBeReplaced) {
  NewJob job;
  job.collection = "manuals";
  job.sources = {Text("a.txt", "Ours.")};
  job.options.acl_labels = {"board"};
  Caller board;
  board.labels = {"board"};
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto ours, ingest_->CreateJob(board, std::move(job), call_));
  Await(ours.id);
  const JobRecord theirs = Run({Text("a.txt", "Theirs.")});
  EXPECT_THAT(Documents(theirs.id)[0].error, HasReason("DOCUMENT_NOT_YOURS"));
}

TEST_F(IngestTest, TenantsDoNotSeeEachOthersJobs) {
  const JobRecord job = Run({Text("a.txt", "One.")});
  const Caller other{"acme", {"public"}, ""};
  EXPECT_THAT(ingest_->GetJob(other, job.id), HasReason("JOB_NOT_FOUND"));
  EXPECT_THAT(ingest_->CancelJob(other, job.id), HasReason("JOB_NOT_FOUND"));
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto page, ingest_->ListJobs(other, "", {}));
  EXPECT_TRUE(page.jobs.empty());
}

TEST_F(IngestTest, OldEndedJobsAreForgottenWithTheirBytes) {
  Stop();
  options_.max_ended_jobs = 2;
  Start();
  std::vector<std::string> ids;
  for (int i = 0; i < 4; ++i)
    ids.push_back(Run({Text(absl::StrCat(i, ".txt"), absl::StrCat("BROKEN", i))}).id);
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto page, ingest_->ListJobs(caller_, "", {}));
  ASSERT_EQ(page.jobs.size(), 2u);
  EXPECT_EQ(page.jobs[0].id, ids[3]);
  EXPECT_EQ(SpoolFiles(), 2u);
  EXPECT_THAT(ingest_->GetJob(caller_, ids[0]), HasReason("JOB_NOT_FOUND"));
}

TEST_F(IngestTest, JobsAndDocumentsComeInPages) {
  for (int i = 0; i < 3; ++i)
    Run({Text("a.txt", "One."), Text("b.txt", "Two."), Text("c.txt", "Three.")});
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto first, ingest_->ListJobs(caller_, "", {2, ""}));
  ASSERT_EQ(first.jobs.size(), 2u);
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto rest,
                               ingest_->ListJobs(caller_, "", {2, first.next_token}));
  ASSERT_EQ(rest.jobs.size(), 1u);
  EXPECT_EQ(rest.next_token, "");
  EXPECT_GT(first.jobs[1].id, rest.jobs[0].id);
  RAGMESH_ASSERT_OK_AND_ASSIGN(
      const auto documents,
      ingest_->ListJobDocuments(caller_, rest.jobs[0].id, State::kSucceeded, {2, ""}));
  ASSERT_EQ(documents.documents.size(), 2u);
  RAGMESH_ASSERT_OK_AND_ASSIGN(
      const auto last, ingest_->ListJobDocuments(caller_, rest.jobs[0].id, State::kSucceeded,
                                                 {2, documents.next_token}));
  EXPECT_EQ(last.documents.size(), 1u);
}

TEST_F(IngestTest, AWatcherEndsWhenItsCallerGoes) {
  mesh_.embedder.fault.Hang();
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto job, Submit({Text("a.txt", "One.")}));
  const CallContext watching(absl::InfiniteFuture());
  while (mesh_.embedder.fault.hanging() == 0) std::this_thread::yield();
  std::thread leaver;
  int events = 0;
  const absl::Status status = ingest_->WatchJob(
      caller_, job.id,
      [&](const JobEvent&) {
        if (events++ == 0) leaver = std::thread([&watching] { watching.Cancel(); });
        return absl::OkStatus();
      },
      watching);
  leaver.join();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kCancelled));
}

TEST_F(IngestTest, SourcesAreCheckedBeforeAnythingIsKept) {
  EXPECT_THAT(Submit({}), HasReason("INVALID_FIELD"));
  EXPECT_THAT(Submit({PathSource{"/etc"}}), HasReason("PATH_NOT_ALLOWED"));
  EXPECT_THAT(Submit({Text("", "x")}), HasReason("INVALID_FIELD"));
  EXPECT_THAT(Submit({Text("ok", "x"), PathSource{"/etc"}}), HasReason("PATH_NOT_ALLOWED"));
  EXPECT_EQ(SpoolFiles(), 0u);
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto page, ingest_->ListJobs(caller_, "", {}));
  EXPECT_TRUE(page.jobs.empty());
}

TEST_F(IngestTest, TooManyActiveJobsAreRefusedWithARetryTime) {
  Stop();
  options_.max_active_jobs = 1;
  Start();
  mesh_.embedder.fault.Hang();
  RAGMESH_ASSERT_OK(Submit({Text("a.txt", "One.")}));
  EXPECT_THAT(Submit({Text("b.txt", "Two.")}), HasReason("QUEUE_FULL"));
  EXPECT_EQ(SpoolFiles(), 1u);
}

TEST_F(IngestTest, ForgettingACollectionCancelsItsJobs) {
  mesh_.embedder.fault.Hang();
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto job, Submit({Text("a.txt", "One.")}));
  while (mesh_.embedder.fault.hanging() == 0) std::this_thread::yield();
  RAGMESH_ASSERT_OK(ingest_->ForgetCollection(mesh_.id, call_));
  EXPECT_EQ(ingest_->active_jobs(), 0u);
  EXPECT_EQ(ingest_->GetJob(caller_, job.id)->state, State::kCancelled);
}

TEST(DocumentIdTest, IsReadableStableAndDistinct) {
  EXPECT_EQ(DocumentIdFromName("docs/Hand Book.pdf"), DocumentIdFromName("docs/Hand Book.pdf"));
  EXPECT_NE(DocumentIdFromName("docs/a.pdf"), DocumentIdFromName("other/a.pdf"));
  EXPECT_THAT(DocumentIdFromName("docs/Hand Book.pdf"), ::testing::StartsWith("hand-book-pdf-"));
  EXPECT_EQ(DocumentIdFromName("\xff\xfe").size(), 12u);
}

}  // namespace
}  // namespace ragmesh::pipeline
