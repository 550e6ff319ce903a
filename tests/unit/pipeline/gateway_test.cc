#include "libs/pipeline/gateway.h"

#include "tests/unit/pipeline/question_fixture.h"

namespace ragmesh::pipeline {
namespace {

using ::ragmesh::testing::HasReason;

class GatewayTest : public QuestionFixture {};

TEST_F(GatewayTest, ACollectionIsBoundToTheEmbedderInUse) {
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto collection,
                               gateway_->GetCollection(caller_, "manuals", call_));
  EXPECT_EQ(collection.config.embedder_digest, mesh_.embedder.digest);
  EXPECT_EQ(collection.config.dimension, testing::FakeEmbedder::kDimension);
  RAGMESH_ASSERT_OK_AND_ASSIGN(
      const auto words,
      gateway_->CreateCollection(caller_, {.name = "words", .lexical_only = true}, call_));
  EXPECT_EQ(words.config.embedder_digest, "");
  EXPECT_THAT(gateway_->CreateCollection(caller_, {.name = "words"}, call_),
              HasReason("COLLECTION_EXISTS"));
  EXPECT_THAT(gateway_->CreateCollection(caller_, {.name = "Bad Name"}, call_),
              HasReason("INVALID_FIELD"));
}

TEST_F(GatewayTest, UpdatingKeepsWhatIsUnset) {
  RAGMESH_ASSERT_OK_AND_ASSIGN(
      const auto collection,
      gateway_->UpdateCollection(caller_, {.name = "manuals", .description = "new"}, call_));
  EXPECT_EQ(collection.config.description, "new");
  EXPECT_EQ(collection.config.embedder_digest, mesh_.embedder.digest);
  RAGMESH_ASSERT_OK_AND_ASSIGN(
      const auto searched,
      gateway_->UpdateCollection(caller_,
                                 {.name = "manuals",
                                  .lexical_weights = stages::FieldWeights{3, 2, 1},
                                  .dense_recall = 0.9},
                                 call_));
  EXPECT_EQ(searched.config.lexical_weights, (stages::FieldWeights{3, 2, 1}));
  EXPECT_EQ(searched.config.dense_recall, 0.9);
  EXPECT_EQ(searched.config.description, "new");
}

TEST_F(GatewayTest, ADeletedCollectionIsGoneWithItsBookkeeping) {
  RAGMESH_ASSERT_OK(gateway_->DeleteCollection(caller_, "manuals", call_));
  EXPECT_THAT(gateway_->GetCollection(caller_, "manuals", call_),
              HasReason("COLLECTION_NOT_FOUND"));
  EXPECT_THAT(gateway_->DeleteCollection(caller_, "manuals", call_),
              HasReason("COLLECTION_NOT_FOUND"));
}

TEST_F(GatewayTest, OnlyTheirReadersDeleteDocuments) {
  Put("secret.txt", "Secret.", {"board"});
  const std::string id = DocumentIdFromName("secret.txt");
  EXPECT_THAT(gateway_->DeleteDocument(caller_, "manuals", id, call_),
              HasReason("DOCUMENT_NOT_FOUND"));
  EXPECT_THAT(gateway_->DeleteDocument({"default", {"board"}, ""}, "manuals", id, call_),
              testing::IsOkAndHolds(1u));
}

TEST_F(GatewayTest, IngestIntoNoCollectionIsRefused) {
  NewJob job;
  job.collection = "none";
  job.sources = {InlineSource{"a.txt", "x", "", "", ""}};
  EXPECT_THAT(gateway_->CreateIngestJob(caller_, job, call_), HasReason("COLLECTION_NOT_FOUND"));
  EXPECT_THAT(gateway_->BeginUpload(caller_, "none", call_), HasReason("COLLECTION_NOT_FOUND"));
}

TEST_F(GatewayTest, AnUploadInPiecesBecomesOneDocument) {
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto writer, gateway_->BeginUpload(caller_, "manuals", call_));
  RAGMESH_ASSERT_OK(writer->Append("One. "));
  RAGMESH_ASSERT_OK(writer->Append("Two."));
  InlineSource source;
  source.name = "pieces.txt";
  RAGMESH_ASSERT_OK_AND_ASSIGN(
      const auto uploaded,
      gateway_->ingest().FinishUpload(caller_, "manuals", source, {}, *writer, call_));
  RAGMESH_ASSERT_OK(gateway_->ingest().WatchJob(
      caller_, uploaded.job.id, [](const JobEvent&) { return absl::OkStatus(); }, call_));
  RAGMESH_ASSERT_OK_AND_ASSIGN(
      const auto document, gateway_->GetDocument(caller_, "manuals", uploaded.document_id, call_));
  EXPECT_EQ(document.text, "One. Two.");
}

TEST_F(GatewayTest, EmbedSplitsBatchesAndKeepsTheOrder) {
  std::vector<std::string> texts;
  for (int i = 0; i < 40; ++i) texts.push_back("text number " + std::to_string(i));
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto result,
                               gateway_->Embed(caller_, "", texts, false, call_));
  ASSERT_EQ(result.embeddings.size(), 40u);
  EXPECT_EQ(result.embeddings[39].values, testing::FakeEmbedder::Vector("text number 39"));
  EXPECT_THAT(gateway_->Embed(caller_, "", {}, false, call_), HasReason("INVALID_FIELD"));
  EXPECT_THAT(gateway_->Embed(caller_, "", {std::string(9 << 20, 'x')}, false, call_),
              HasReason("LIMIT_EXCEEDED"));
}

TEST_F(GatewayTest, StatusNamesAllSevenEvenWhenOneIsDown) {
  mesh_.store.fault.Down();
  const auto statuses = gateway_->Status(call_);
  ASSERT_EQ(statuses.size(), 7u);
  EXPECT_EQ(statuses[0].info.stage, "gateway");
  EXPECT_EQ(statuses[4].info.stage, "vector-store");
  EXPECT_FALSE(statuses[4].reachable);
  EXPECT_NE(statuses[4].error, "");
  EXPECT_TRUE(statuses[6].reachable);
  EXPECT_EQ(statuses[6].address, "in process");
}

}  // namespace
}  // namespace ragmesh::pipeline
