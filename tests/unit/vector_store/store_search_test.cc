#include "tests/unit/vector_store/store_fixture.h"

namespace ragmesh::vector_store {
namespace {

using ::ragmesh::testing::HasReason;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Optional;
using ::testing::UnorderedElementsAre;

class StoreSearchTest : public StoreFixture {};

TEST_F(StoreSearchTest, DenseIsByCosineWithTiesByChunkId) {
  const auto id = Create();
  RAGMESH_ASSERT_OK(Write(id, Document("d"),
                          {Chunk("far", 0, "x", {0, 1}), Chunk("tie-b", 1, "x", {1, 1}),
                           Chunk("tie-a", 2, "x", {1, 1}), Chunk("near", 3, "x", {1, 0})}));
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto result, store->Search(Dense(id, {1, 0}), call));
  EXPECT_THAT(Ids(result), ElementsAre("near", "tie-a", "tie-b", "far"));
  EXPECT_NEAR(result.hits[1].score, std::sqrt(0.5), 1e-6);
  EXPECT_THAT(result.hits[0].dense_rank, Optional(1u));
  EXPECT_EQ(result.hits[0].lexical_score, std::nullopt);
  EXPECT_EQ(result.candidates, 4u);
  EXPECT_THAT(result.hits[0].chunk.vector, IsEmpty());
  auto two = Dense(id, {1, 0});
  two.top_k = 2;
  two.parts.vector = true;
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto with_vectors, store->Search(two, call));
  EXPECT_THAT(Ids(with_vectors), ElementsAre("near", "tie-a"));
  EXPECT_THAT(with_vectors.hits[0].chunk.vector, ElementsAre(1, 0));
}

TEST_F(StoreSearchTest, LexicalStemsAndReadsTitleAndContext) {
  const auto id = Create();
  auto document = Document("d");
  document.info.title = "Gearbox handbook";
  auto chunk = Chunk("a", 0, "Check the oil.", {1, 0});
  chunk.chunk.context = "Maintenance > Lubrication";
  RAGMESH_ASSERT_OK(Write(id, document, {chunk}));
  for (const char* query : {"gearboxes", "lubricated", "checking oils"}) {
    EXPECT_THAT(Ids(store->Search(Lexical(id, query), call)), ElementsAre("a")) << query;
  }
  EXPECT_THAT(Ids(store->Search(Lexical(id, "the"), call)), IsEmpty());
}

TEST_F(StoreSearchTest, OperatorsAreReadWhereTheRequestSaysSo) {
  const auto id = Create();
  RAGMESH_ASSERT_OK(Write(id, Document("d"),
                          {Chunk("phrase", 0, "the gear box of a pump", {1, 0}),
                           Chunk("words", 1, "a box with a gear", {1, 0})}));
  auto request = Lexical(id, "\"gear box\" -valve");
  EXPECT_THAT(Ids(store->Search(request, call)), UnorderedElementsAre("phrase", "words"));
  request.query_syntax = stages::QuerySyntax::kOperators;
  EXPECT_THAT(Ids(store->Search(request, call)), ElementsAre("phrase"));
  request.query_text = "gea* -pump";
  EXPECT_THAT(Ids(store->Search(request, call)), ElementsAre("words"));
  request.query_text = "gear \"box";
  const auto wrong = store->Search(request, call);
  EXPECT_THAT(wrong, HasReason("INVALID_FIELD"));
  EXPECT_THAT(std::string(wrong.status().message()), HasSubstr("byte 5"));
}

TEST_F(StoreSearchTest, WhatMustAndMustNotBeInAChunkCountsForBothLists) {
  const auto id = Create();
  RAGMESH_ASSERT_OK(
      Write(id, Document("d"),
            {Chunk("phrase", 0, "the gear box of a pump", {0.6f, 0.8f}),
             Chunk("near", 1, "a box with a gear", {1, 0}), Chunk("other", 2, "a valve", {1, 0})}));
  auto request = Lexical(id, "\"gear box\"");
  request.mode = stages::SearchMode::kHybrid;
  request.query_vector = {1, 0};
  request.embedder_digest = "digest-a";
  request.query_syntax = stages::QuerySyntax::kOperators;
  EXPECT_THAT(Ids(store->Search(request, call)), ElementsAre("phrase"));
  request.query_text = "valve -gear";
  EXPECT_THAT(Ids(store->Search(request, call)), ElementsAre("other"));
  request.query_text = "box +gea*";
  EXPECT_THAT(Ids(store->Search(request, call)), UnorderedElementsAre("near", "phrase"));
  request.query_text = "+nowhere";
  EXPECT_THAT(Ids(store->Search(request, call)), IsEmpty());
  request.query_text = "box";  // asks for nothing that must be there
  EXPECT_THAT(Ids(store->Search(request, call)), UnorderedElementsAre("near", "phrase", "other"));
}

TEST_F(StoreSearchTest, FieldWeightsAreOfTheRequestOrTheCollection) {
  const auto id = Create();
  auto heading = Chunk("heading", 0, "oil and seals and more of the same", {1, 0});
  heading.chunk.context = "Pump";
  RAGMESH_ASSERT_OK(
      Write(id, Document("d"), {heading, Chunk("body", 1, "pump pump seals", {1, 0})}));
  EXPECT_THAT(Ids(store->Search(Lexical(id, "pump"), call)), ElementsAre("body", "heading"));
  auto request = Lexical(id, "pump");
  request.lexical_weights = stages::FieldWeights{1, 20, 1};
  EXPECT_THAT(Ids(store->Search(request, call)), ElementsAre("heading", "body"));
  RAGMESH_ASSERT_OK_AND_ASSIGN(auto collection, store->GetCollection(id, call));
  collection.config.lexical_weights = {1, 0, 1};
  RAGMESH_ASSERT_OK(store->UpdateCollection(collection.config, call));
  EXPECT_THAT(Ids(store->Search(Lexical(id, "pump"), call)), ElementsAre("body"));
  request.lexical_weights = stages::FieldWeights{0, 0, 0};
  EXPECT_THAT(store->Search(request, call), HasReason("INVALID_FIELD"));
}

TEST_F(StoreSearchTest, HybridFusesBothLists) {
  const auto id = Create();
  RAGMESH_ASSERT_OK(
      Write(id, Document("d"),
            {Chunk("both", 0, "pump pump", {1, 0}), Chunk("dense", 1, "other", {10, 1}),
             Chunk("lexical", 2, "pump valve seal", {0, 1})}));
  auto request = Dense(id, {1, 0});
  request.mode = stages::SearchMode::kHybrid;
  request.query_text = "pump";
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto z, store->Search(request, call));
  EXPECT_EQ(z.hits[0].chunk.id, "both");
  EXPECT_THAT(z.hits[0].lexical_rank, Optional(1u));
  request.fusion = stages::Fusion{.method = stages::FusionMethod::kReciprocalRank};
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto rrf, store->Search(request, call));
  EXPECT_NEAR(rrf.hits[0].score, 2.0 / 61, 1e-12);
}

TEST_F(StoreSearchTest, OnlyLabelledDocumentsAreSeen) {
  const auto id = Create();
  RAGMESH_ASSERT_OK(
      Write(id, Document("open", "x", {"staff", "guests"}), {Chunk("o", 0, "pump", {1, 0})}));
  RAGMESH_ASSERT_OK(Write(id, Document("secret", "x", {"board"}), {Chunk("s", 0, "pump", {1, 0})}));
  RAGMESH_ASSERT_OK(Write(id, Document("nobody", "x", {}), {Chunk("n", 0, "pump", {1, 0})}));
  const auto seen = [&](std::vector<std::string> labels) {
    auto dense = Dense(id, {1, 0});
    auto lexical = Lexical(id, "pump");
    dense.principal_labels = lexical.principal_labels = labels;
    const auto by_vector = Ids(store->Search(dense, call));
    EXPECT_EQ(by_vector.size(), Ids(store->Search(lexical, call)).size());
    EXPECT_THAT(store->CountChunks(id, std::nullopt, labels, call),
                testing::IsOkAndHolds(by_vector.size()));
    return by_vector;
  };
  EXPECT_THAT(seen({}), IsEmpty());
  EXPECT_THAT(seen({""}), IsEmpty());
  EXPECT_THAT(seen({"unknown"}), IsEmpty());
  EXPECT_THAT(seen({"guests", "unknown"}), ElementsAre("o"));
  EXPECT_THAT(seen({"board", "staff"}), ElementsAre("o", "s"));
  EXPECT_THAT(seen({"*"}), ElementsAre("n", "o", "s"));
  EXPECT_THAT(store->GetDocument(id, "secret", {"staff"}, call), HasReason("DOCUMENT_NOT_FOUND"));
  EXPECT_THAT(store->ListChunks(id, "secret", {"staff"}, {}, {}, call),
              HasReason("DOCUMENT_NOT_FOUND"));
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto chunks,
                               store->GetChunks(id, {"s", "o"}, {"staff"}, {}, call));
  ASSERT_EQ(chunks.size(), 1u);
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto page,
                               store->ListDocuments(id, std::nullopt, {"staff"}, {}, call));
  EXPECT_EQ(page.documents.size(), 1u);
}

TEST_F(StoreSearchTest, ChangedLabelsCountAtOnce) {
  const auto id = Create();
  RAGMESH_ASSERT_OK(Write(id, Document("d", "x", {"staff"}), {Chunk("c", 0, "pump", {1, 0})}));
  RAGMESH_ASSERT_OK(Write(id, Document("d", "x", {"board"}), {Chunk("c", 0, "pump", {1, 0})}));
  auto request = Lexical(id, "pump");
  request.principal_labels = {"staff"};
  EXPECT_THAT(Ids(store->Search(request, call)), IsEmpty());
  Reopen();
  EXPECT_THAT(Ids(store->Search(request, call)), IsEmpty());
  request.principal_labels = {"board"};
  EXPECT_THAT(Ids(store->Search(request, call)), ElementsAre("c"));
}

TEST_F(StoreSearchTest, FiltersApplyInsideTheSearch) {
  const auto id = Create();
  for (int i = 0; i < 50; ++i) {
    auto document = Document("d" + std::to_string(i));
    document.metadata["year"] = std::int64_t{2000 + i};
    RAGMESH_ASSERT_OK(
        Write(id, document, {Chunk("c" + std::to_string(i), 0, "pump", {float(50 - i), 1})}));
  }
  auto request = Dense(id, {1, 0});
  request.top_k = 2;
  request.filter = stages::Filter{stages::FilterRange{.field = "year", .greater_or_equal = 2047.5}};
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto result, store->Search(request, call));
  EXPECT_THAT(Ids(result), ElementsAre("c48", "c49"));
  EXPECT_EQ(result.candidates, 2u);
  request.filter = stages::Filter{stages::FilterEquals{"document_id", std::int64_t{3}}};
  EXPECT_THAT(store->Search(request, call), HasReason("FILTER_TYPE_MISMATCH"));
}

TEST_F(StoreSearchTest, BadRequestsAreRefusedByName) {
  const auto id = Create();
  const auto with = [&](auto change) {
    auto request = Dense(id, {1, 0});
    request.mode = stages::SearchMode::kHybrid;
    request.query_text = "pump";
    change(request);
    return store->Search(request, call);
  };
  RAGMESH_EXPECT_OK(with([](auto&) {}));
  EXPECT_THAT(with([](auto& r) { r.top_k = 0; }), HasReason("INVALID_FIELD"));
  EXPECT_THAT(with([](auto& r) { r.top_k = 10'001; }), HasReason("INVALID_FIELD"));
  EXPECT_THAT(with([](auto& r) { r.query_text = ""; }), HasReason("INVALID_FIELD"));
  EXPECT_THAT(with([](auto& r) { r.query_text = "\xC0\x80"; }), HasReason("INVALID_FIELD"));
  EXPECT_THAT(with([](auto& r) { r.query_text = std::string(40'000, 'x'); }),
              HasReason("LIMIT_EXCEEDED"));
  EXPECT_THAT(with([](auto& r) { r.query_vector = {1}; }), HasReason("DIMENSION_MISMATCH"));
  EXPECT_THAT(with([](auto& r) { r.query_vector = {0, 0}; }), HasReason("INVALID_VECTOR"));
  EXPECT_THAT(with([](auto& r) { r.embedder_digest = "other"; }), HasReason("EMBEDDER_MISMATCH"));
  EXPECT_THAT(with([](auto& r) { r.fusion = stages::Fusion{.dense_weight = 2}; }),
              HasReason("INVALID_FIELD"));
  EXPECT_THAT(with([](auto& r) { r.principal_labels.resize(2000, "x"); }),
              HasReason("LIMIT_EXCEEDED"));
}

}  // namespace
}  // namespace ragmesh::vector_store
