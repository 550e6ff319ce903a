// A collection takes another embedder while it serves: the real gateway's core and the real store,
// with embedders whose vectors can be told apart by their length.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/pipeline/gateway.h"
#include "libs/testing/status_matchers.h"
#include "libs/testing/test_data.h"
#include "libs/vector_store/store.h"
#include "tests/unit/pipeline/fake_mesh.h"

namespace ragmesh::pipeline {
namespace {

using journal::State;
using ::ragmesh::testing::HasReason;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

class ModelChangeTest : public ::testing::Test {
 protected:
  void SetUp() override {
    next_.name = "next";
    next_.digest = std::string(64, 'b');
    next_.dimension = 96;
    auto store = vector_store::Store::Open({.path = (folder_.path() / "store").string()});
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
    StartGateway();
    NewCollection collection;
    collection.name = "manuals";
    RAGMESH_ASSERT_OK(gateway_->CreateCollection(caller_, collection, call_));
  }

  void StartGateway(bool with_next = true) {
    gateway_.reset();
    Stages stages{fakes_.loader,
                  fakes_.splitter,
                  fakes_.embedder,
                  *store_,
                  fakes_.reranker,
                  fakes_.generator,
                  with_next ? &next_ : nullptr};
    GatewayOptions options;
    options.ingest.data_folder = folder_.path() / "gateway";
    options.ingest.workers = 2;
    options.ingest.document.backoff = {absl::Milliseconds(1), absl::Milliseconds(5),
                                       absl::Milliseconds(50)};
    options.ingest.change.copy.backoff = options.ingest.document.backoff;
    options.ingest.change.copy.batch_documents = 4;
    auto gateway = Gateway::Create(stages, options);
    ASSERT_TRUE(gateway.ok()) << gateway.status();
    gateway_ = *std::move(gateway);
  }

  static std::string TextOf(const std::string& id, int version) {
    return absl::StrCat("the pump of ", id, "\n\nversion", version, " needs oil");
  }

  absl::StatusOr<journal::JobRecord> Await(const absl::StatusOr<journal::JobRecord>& job) {
    if (!job.ok()) return job;
    RAGMESH_RETURN_IF_ERROR(gateway_->ingest().WatchJob(
        caller_, job->id, [](const JobEvent&) { return absl::OkStatus(); }, call_));
    return gateway_->ingest().GetJob(caller_, job->id);
  }

  absl::Status Put(const std::string& id, int version = 1) {
    NewJob job;
    job.collection = "manuals";
    job.sources = {InlineSource{id, TextOf(id, version), id, "", ""}};
    RAGMESH_ASSIGN_OR_RETURN(const auto ended,
                             Await(gateway_->CreateIngestJob(caller_, std::move(job), call_)));
    if (ended.state == State::kSucceeded) return absl::OkStatus();
    RAGMESH_ASSIGN_OR_RETURN(const auto documents, gateway_->ingest().ListJobDocuments(
                                                       caller_, ended.id, std::nullopt, {}));
    return documents.documents.empty() ? ended.error : documents.documents[0].error;
  }

  void Fill(int documents) {
    for (int i = 0; i < documents; ++i) RAGMESH_ASSERT_OK(Put(absl::StrCat("d", i)));
  }

  absl::StatusOr<journal::JobRecord> Change(const std::string& embedder = "next") {
    return Await(gateway_->ChangeModel(caller_, "manuals", embedder, call_));
  }

  void ExpectSucceeded(const absl::StatusOr<journal::JobRecord>& job) {
    ASSERT_TRUE(job.ok()) << job.status();
    EXPECT_EQ(job->state, State::kSucceeded) << job->error;
  }

  absl::StatusOr<SearchResponse> Search(const std::string& query) {
    SearchRequest request;
    request.collection = "manuals";
    request.query = query;
    request.mode = stages::SearchMode::kDense;  // where a missing embedder is an error
    request.skip_rerank = true;
    return gateway_->Search(caller_, request, call_);
  }

  std::string DigestNow() {
    const auto collection = gateway_->GetCollection(caller_, "manuals", call_);
    return collection.ok() ? collection->config.embedder_digest
                           : std::string(collection.status().message());
  }

  // Every document with its version; each chunk must have the vector that `embedder` gives it.
  std::map<std::string, std::uint64_t> Documents(const std::string& collection,
                                                 const testing::FakeEmbedder& embedder) {
    std::map<std::string, std::uint64_t> documents;
    stages::Page page{.size = 1000};
    do {
      const auto listed =
          store_->ListDocuments({"default", collection}, std::nullopt, all_, page, call_);
      EXPECT_TRUE(listed.ok()) << listed.status();
      for (const auto& document : listed->documents) documents[document.id] = document.version;
      page.token = listed->next_token;
    } while (!page.token.empty());
    std::string token;
    std::size_t chunks = 0;
    do {
      const auto found = store_->ListChunks({"default", collection}, "", all_, {.vector = true},
                                            {.size = 500, .token = token}, call_);
      EXPECT_TRUE(found.ok()) << found.status();
      for (const stages::StoredChunk& chunk : found->chunks) {
        EXPECT_EQ(chunk.vector, testing::FakeEmbedder::Vector(stages::EmbeddingText(chunk.chunk),
                                                              embedder.dimension))
            << chunk.document_id;
        ++chunks;
      }
      token = found->next_token;
    } while (!token.empty());
    EXPECT_EQ(chunks, 2 * documents.size());
    return documents;
  }

  std::vector<std::string> OwnNames() {
    std::vector<std::string> names;
    const auto collections = store_->ListCollections("default", call_);
    for (const auto& one : *collections) names.push_back(one.config.id.name);
    return names;
  }

  const testing::TempDir folder_;
  FakeMesh fakes_;
  testing::FakeEmbedder next_;
  const Caller caller_;
  const CallContext call_{absl::Now() + absl::Minutes(5)};
  const std::vector<std::string> all_{stages::kAllLabels};
  std::unique_ptr<vector_store::Store> store_;
  std::unique_ptr<Gateway> gateway_;
};

TEST_F(ModelChangeTest, TakesTheOtherModelFromStoredTexts) {
  Fill(10);
  RAGMESH_ASSERT_OK(Put("d3", 2));  // version 2
  const auto before = Documents("manuals", fakes_.embedder);
  const int loads = fakes_.loader.fault.calls();
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto old, Search("oil of d3"));
  const auto job = Change();
  ExpectSucceeded(job);
  EXPECT_EQ(job->documents_done, 10u);
  EXPECT_EQ(job->documents_total, 10u);
  EXPECT_EQ(job->chunks_done, 20u);
  EXPECT_EQ(fakes_.loader.fault.calls(), loads);  // nothing was parsed
  EXPECT_EQ(DigestNow(), next_.digest);
  EXPECT_EQ(Documents("manuals", next_), before);
  EXPECT_EQ(before.at("d3"), 2u);
  const int asked = next_.texts;
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto now, Search("oil of d3"));
  EXPECT_EQ(next_.texts, asked + 1);
  EXPECT_EQ(now.embedder_digest, next_.digest);
  EXPECT_THAT(now.degraded, IsEmpty());
  EXPECT_FALSE(now.passages.empty());
  // To callers it is the one collection that it was.
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto listed, gateway_->ListCollections(caller_, call_));
  ASSERT_THAT(listed, SizeIs(1));
  EXPECT_EQ(listed[0].config.id.name, "manuals");
  EXPECT_EQ(listed[0].config.embedder_model, "next");
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto previous,
                               gateway_->PreviousModel(caller_, "manuals", call_));
  ASSERT_TRUE(previous.has_value());
  EXPECT_EQ(previous->config.embedder_model, "fake");
  // New documents are embedded by the new model, and the old model's vectors are refused.
  RAGMESH_EXPECT_OK(Put("late"));
  stages::StoredChunk chunk;
  chunk.id = "mixed";
  chunk.document_id = "late";
  chunk.vector = testing::FakeEmbedder::Vector("x");
  EXPECT_THAT(
      store_->Write({"default", "manuals"}, fakes_.embedder.digest, {std::nullopt, {chunk}}, call_),
      HasReason("EMBEDDER_MISMATCH"));
  // The same bytes again are told apart from another document all the same.
  RAGMESH_EXPECT_OK(Put("d3", 2));
  EXPECT_EQ(Documents("manuals", next_).at("d3"), 2u);
}

TEST_F(ModelChangeTest, ServesAndLosesNothingWhileOthersReadAndWrite) {
  Fill(40);
  next_.fault.Set([](const CallContext&) {
    absl::SleepFor(absl::Milliseconds(5));  // so that much happens meanwhile
    return absl::OkStatus();
  });
  std::atomic<bool> stop = false;
  std::atomic<int> searches = 0, wrote = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 2; ++t) {
    threads.emplace_back([&] {
      while (!stop) {
        const auto found = Search("pump oil");
        ASSERT_TRUE(found.ok()) << found.status();
        EXPECT_FALSE(found->passages.empty());
        EXPECT_THAT(found->degraded, IsEmpty());
        EXPECT_TRUE(found->embedder_digest == fakes_.embedder.digest ||
                    found->embedder_digest == next_.digest);
        ++searches;
      }
    });
  }
  absl::Mutex mutex;
  std::map<std::string, std::uint64_t> expected;  // what was acknowledged; 0: deleted
  threads.emplace_back([&] {  // by the gateway: new ones, changed ones, deleted ones
    for (int i = 0; !stop; ++i) {
      const std::string fresh = absl::StrCat("new", i), changed = absl::StrCat("d", i % 20);
      RAGMESH_EXPECT_OK(Put(fresh));
      RAGMESH_EXPECT_OK(Put(changed, 100 + i));
      if (i < 15) {
        RAGMESH_EXPECT_OK(
            gateway_->DeleteDocument(caller_, "manuals", absl::StrCat("d", 20 + i), call_));
      }
      absl::MutexLock lock(&mutex);
      expected[fresh] = 1;
      if (i < 15) expected[absl::StrCat("d", 20 + i)] = 0;
      ++wrote;
    }
  });
  threads.emplace_back([&] {  // and past it, with vectors of its own
    const testing::FakeEmbedder* embedder = &fakes_.embedder;
    for (int i = 0; !stop; ++i) {
      stages::StoredDocument document;
      document.id = document.name = absl::StrCat("direct", i);
      document.text = TextOf(document.id, 1);
      document.acl_labels = {"public"};
      stages::Upsert upsert{document, {}};
      std::size_t at = 0;
      for (const std::size_t end : {document.text.find("\n\n"), document.text.size()}) {
        stages::StoredChunk chunk;
        chunk.id = absl::StrCat(document.id, "-", at);
        chunk.chunk.ordinal = at == 0 ? 0 : 1;
        chunk.chunk.range = {at, end};
        chunk.chunk.overlap_begin = at;
        chunk.chunk.text = document.text.substr(at, end - at);
        chunk.vector = testing::FakeEmbedder::Vector(chunk.chunk.text, embedder->dimension);
        upsert.chunks.push_back(chunk);
        at = end + 2;
      }
      const auto written = store_->Write({"default", "manuals"}, embedder->digest, upsert, call_);
      if (written.ok()) {
        absl::MutexLock lock(&mutex);
        expected[document.id] = 1;
      } else {
        EXPECT_THAT(written, HasReason("EMBEDDER_MISMATCH"));
        EXPECT_EQ(embedder, &fakes_.embedder);  // once, at the switch
        embedder = &next_;
      }
      absl::SleepFor(absl::Milliseconds(3));
    }
  });
  while (searches < 20 || wrote < 2) absl::SleepFor(absl::Milliseconds(1));
  const auto job = Change();
  ExpectSucceeded(job);
  const int at_switch = wrote;
  const absl::Time until = absl::Now() + absl::Seconds(20);
  while (wrote < at_switch + 2 && absl::Now() < until) absl::SleepFor(absl::Milliseconds(1));
  stop = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(DigestNow(), next_.digest);
  const auto found = Documents("manuals", next_);
  for (const auto& [id, version] : expected) EXPECT_EQ(found.contains(id), version > 0) << id;
  std::size_t there = 40;
  for (const auto& [id, version] : expected) {
    if (version == 0) --there;
    if (version > 0) ++there;
  }
  EXPECT_EQ(found.size(), there);
}

TEST_F(ModelChangeTest, GoesBackAtOnceAndWithWhatWasWrittenSince) {
  Fill(8);
  ExpectSucceeded(Change());
  const int embedded = fakes_.embedder.texts;
  ExpectSucceeded(Await(gateway_->RollBackModel(caller_, "manuals", call_)));
  EXPECT_EQ(fakes_.embedder.texts, embedded);  // nothing was written since
  EXPECT_EQ(DigestNow(), fakes_.embedder.digest);
  // Forward again: to what is kept, which is as it was.
  const int next_embedded = next_.texts;
  const auto forward = Change();
  ExpectSucceeded(forward);
  EXPECT_EQ(next_.texts, next_embedded);
  RAGMESH_ASSERT_OK(Put("late"));
  RAGMESH_ASSERT_OK(Put("d1", 7));
  RAGMESH_ASSERT_OK(gateway_->DeleteDocument(caller_, "manuals", "d2", call_).status());
  const auto written = Documents("manuals", next_);
  const auto job = Await(gateway_->RollBackModel(caller_, "manuals", call_));
  ExpectSucceeded(job);
  EXPECT_EQ(job->documents_unchanged, 6u);
  EXPECT_EQ(job->chunks_done, 4u);
  EXPECT_EQ(DigestNow(), fakes_.embedder.digest);
  EXPECT_EQ(Documents("manuals", fakes_.embedder), written);
  EXPECT_FALSE(written.contains("d2"));
  EXPECT_EQ(written.at("d1"), 2u);
}

TEST_F(ModelChangeTest, FinishedItCannotGoBackAndCanChangeAgain) {
  Fill(3);
  EXPECT_THAT(gateway_->RollBackModel(caller_, "manuals", call_), HasReason("NO_PREVIOUS_MODEL"));
  ExpectSucceeded(Change());
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto deleted,
                               gateway_->FinishModelChange(caller_, "manuals", call_));
  EXPECT_THAT(deleted, ElementsAre("manuals_m1"));
  EXPECT_THAT(gateway_->FinishModelChange(caller_, "manuals", call_).value(), IsEmpty());
  EXPECT_THAT(gateway_->RollBackModel(caller_, "manuals", call_), HasReason("NO_PREVIOUS_MODEL"));
  EXPECT_THAT(OwnNames(), ElementsAre("manuals_m2"));
  ExpectSucceeded(Change("fake"));
  EXPECT_EQ(Documents("manuals", fakes_.embedder).size(), 3u);
  EXPECT_THAT(OwnNames(), UnorderedElementsAre("manuals_m1", "manuals_m2"));
  // Deleted as the one collection that it is to callers.
  RAGMESH_ASSERT_OK(gateway_->DeleteCollection(caller_, "manuals", call_));
  EXPECT_THAT(OwnNames(), IsEmpty());
  EXPECT_THAT(store_->ListAliases("default", call_).value(), IsEmpty());
}

TEST_F(ModelChangeTest, SaysWhyAChangeCannotBe) {
  Fill(1);
  EXPECT_THAT(gateway_->ChangeModel(caller_, "manuals", "unknown", call_),
              HasReason("EMBEDDER_NOT_SERVED"));
  EXPECT_THAT(gateway_->ChangeModel(caller_, "manuals", "fake", call_),
              HasReason("MODEL_UNCHANGED"));
  EXPECT_THAT(gateway_->ChangeModel(caller_, "nowhere", "next", call_),
              HasReason("COLLECTION_NOT_FOUND"));
  next_.fault.Hang();
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto job,
                               gateway_->ChangeModel(caller_, "manuals", "next", call_));
  EXPECT_THAT(gateway_->ChangeModel(caller_, "manuals", "next", call_),
              HasReason("MODEL_CHANGE_RUNNING"));
  EXPECT_THAT(gateway_->FinishModelChange(caller_, "manuals", call_),
              HasReason("MODEL_CHANGE_RUNNING"));
  NewCollection taken;
  taken.name = "manuals_m2";
  EXPECT_THAT(gateway_->CreateCollection(caller_, taken, call_), HasReason("COLLECTION_EXISTS"));
  next_.fault.Clear();
  RAGMESH_ASSERT_OK(gateway_->ingest().CancelJob(caller_, job.id).status());
  (void)Await(job);
  StartGateway(/*with_next=*/false);
  EXPECT_THAT(gateway_->ChangeModel(caller_, "manuals", "", call_),
              HasReason("EMBEDDER_NOT_SERVED"));
}

TEST_F(ModelChangeTest, WhatIsKeptKeepsAThirdModelOut) {
  Fill(2);
  ExpectSucceeded(Change());
  next_.digest = std::string(64, 'c');
  next_.name = "third";
  StartGateway();
  EXPECT_THAT(gateway_->ChangeModel(caller_, "manuals", "third", call_),
              HasReason("PREVIOUS_MODEL_KEPT"));
  // Nobody serves the collection's own any more: words are still found, meaning is an error.
  EXPECT_THAT(Search("pump"), HasReason("EMBEDDER_MISMATCH"));
}

TEST_F(ModelChangeTest, CancelledItIsAsItWas) {
  Fill(12);
  std::atomic<int> batches = 0;
  next_.fault.Set([&](const CallContext& call) -> absl::Status {
    if (++batches < 2) return absl::OkStatus();
    while (call.Check().ok()) absl::SleepFor(absl::Milliseconds(1));
    return call.Check();
  });
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto job,
                               gateway_->ChangeModel(caller_, "manuals", "next", call_));
  while (batches < 2) absl::SleepFor(absl::Milliseconds(1));
  RAGMESH_ASSERT_OK(gateway_->ingest().CancelJob(caller_, job.id).status());
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto ended, Await(job));
  EXPECT_EQ(ended.state, State::kCancelled);
  EXPECT_THAT(OwnNames(), ElementsAre("manuals_m1"));
  EXPECT_EQ(DigestNow(), fakes_.embedder.digest);
  EXPECT_EQ(Documents("manuals", fakes_.embedder).size(), 12u);
  RAGMESH_EXPECT_OK(Search("pump").status());
  // Retried it begins anew.
  next_.fault.Clear();
  ExpectSucceeded(Await(gateway_->ingest().RetryJob(caller_, job.id)));
  EXPECT_EQ(Documents("manuals", next_).size(), 12u);
}

TEST_F(ModelChangeTest, FailedItServesTheFirstAndARetryGoesOn) {
  Fill(12);
  std::atomic<int> batches = 0;
  next_.fault.Set([&](const CallContext&) -> absl::Status {
    if (++batches <= 2) return absl::OkStatus();
    return MakeError(absl::StatusCode::kInternal, "broken", {.reason = "BROKEN"});
  });
  const auto failed = Change();
  ASSERT_TRUE(failed.ok()) << failed.status();
  EXPECT_EQ(failed->state, State::kFailed);
  EXPECT_THAT(failed->error, HasReason("BROKEN"));
  EXPECT_EQ(DigestNow(), fakes_.embedder.digest);
  RAGMESH_EXPECT_OK(Search("pump").status());
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto listed, gateway_->ListCollections(caller_, call_));
  EXPECT_THAT(listed, SizeIs(1));
  next_.fault.Clear();
  const int embedded = next_.texts;
  EXPECT_GT(embedded, 0);
  const auto again = Await(gateway_->ingest().RetryJob(caller_, failed->id));
  ExpectSucceeded(again);
  EXPECT_GT(again->documents_unchanged, 0u);
  EXPECT_EQ(next_.texts, 24);  // no text was embedded twice
  EXPECT_EQ(Documents("manuals", next_).size(), 12u);
}

TEST_F(ModelChangeTest, AStageThatIsDownForAWhileIsWaitedFor) {
  Fill(4);
  next_.fault.FailFirst(3, Unavailable("STAGE_UNREACHABLE", "the stage cannot be reached"));
  ExpectSucceeded(Change());
  EXPECT_EQ(Documents("manuals", next_).size(), 4u);
}

TEST_F(ModelChangeTest, ARestartGoesOnWhereItWas) {
  Fill(16);
  std::atomic<int> batches = 0;
  next_.fault.Set([&](const CallContext& call) -> absl::Status {
    if (++batches <= 2) return absl::OkStatus();
    while (call.Check().ok()) absl::SleepFor(absl::Milliseconds(1));
    return call.Check();
  });
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto job,
                               gateway_->ChangeModel(caller_, "manuals", "next", call_));
  while (batches <= 2) absl::SleepFor(absl::Milliseconds(1));
  gateway_.reset();  // what a crash leaves: the journal says that it runs
  const int embedded = next_.texts;
  EXPECT_GT(embedded, 0);
  // Written in between, by nobody that the new one could have seen.
  RAGMESH_ASSERT_OK(
      store_->Delete({"default", "manuals"}, stages::DocumentIds{{"d0", "d9"}}, call_).status());
  next_.fault.Clear();
  StartGateway();
  const auto ended = Await(gateway_->ingest().GetJob(caller_, job.id));
  ExpectSucceeded(ended);
  EXPECT_LE(next_.texts, 32);
  const auto documents = Documents("manuals", next_);
  EXPECT_EQ(documents.size(), 14u);
  EXPECT_FALSE(documents.contains("d0"));
}

TEST_F(ModelChangeTest, ACollectionWithoutVectorsGetsSome) {
  NewCollection words;
  words.name = "words";
  words.lexical_only = true;
  RAGMESH_ASSERT_OK(gateway_->CreateCollection(caller_, words, call_));
  NewJob job;
  job.collection = "words";
  job.sources = {InlineSource{"a", TextOf("a", 1), "a", "", ""}};
  ExpectSucceeded(Await(gateway_->CreateIngestJob(caller_, std::move(job), call_)));
  ExpectSucceeded(Await(gateway_->ChangeModel(caller_, "words", "next", call_)));
  EXPECT_EQ(Documents("words", next_).size(), 1u);
  ExpectSucceeded(Await(gateway_->RollBackModel(caller_, "words", call_)));
  const auto back = gateway_->GetCollection(caller_, "words", call_);
  EXPECT_EQ(back->config.dimension, 0u);
}

TEST_F(ModelChangeTest, TheComparisonSeesEveryChunk) {
  Fill(3);
  Embedders embedders(fakes_.embedder, &next_);
  stages::CollectionConfig config;
  config.id = {"default", "copy"};
  config.embedder_digest = next_.digest;
  config.dimension = static_cast<std::uint32_t>(next_.dimension);
  RAGMESH_ASSERT_OK(store_->CreateCollection(config, call_));
  CollectionCopy::Options options;
  options.write_bytes = 1;  // a write a chunk
  const auto copy = [&] {
    CollectionCopy one(*store_, embedders, {"default", "manuals"}, config.id, next_.digest, options,
                       Observer::None(), [](const CopyProgress&) {});
    const absl::Status status = one.CopyAll(call_);
    EXPECT_TRUE(status.ok()) << status;
    return one.progress();
  };
  EXPECT_EQ(copy().documents_copied, 3u);
  Documents("copy", next_);
  EXPECT_EQ(copy().documents_same, 3u);
  // Cut off in the middle of a document: it has the same version and time, and too few chunks.
  const auto chunks = store_->ListChunks(config.id, "d1", all_, {}, {.size = 10}, call_);
  RAGMESH_ASSERT_OK(
      store_->Delete(config.id, stages::ChunkIds{{chunks->chunks[1].id}}, call_).status());
  // One more in the source, one document less there, one more in the copy.
  stages::StoredDocument document;
  document.id = document.name = "extra";
  document.text = "extra";
  document.acl_labels = {"public"};
  RAGMESH_ASSERT_OK(store_->Write(config.id, next_.digest, {document, {}}, call_).status());
  RAGMESH_ASSERT_OK(
      store_->Delete({"default", "manuals"}, stages::DocumentIds{{"d2"}}, call_).status());
  const CopyProgress mended = copy();
  EXPECT_EQ(mended.documents_same, 1u);
  EXPECT_EQ(mended.documents_copied, 1u);
  EXPECT_EQ(mended.documents_removed, 2u);
  EXPECT_EQ(Documents("copy", next_), Documents("manuals", fakes_.embedder));
}

}  // namespace
}  // namespace ragmesh::pipeline
