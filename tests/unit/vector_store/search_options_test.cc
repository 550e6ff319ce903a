// Fusion, diversity, quotas, neighbours, explanations and filters as a caller of the store sees
// them.
#include <algorithm>
#include <set>

#include "libs/base/error.h"
#include "tests/unit/vector_store/store_fixture.h"

namespace ragmesh::vector_store {
namespace {

using ::ragmesh::testing::HasReason;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Optional;

class SearchOptionsTest : public StoreFixture {
 protected:
  stages::SearchRequest Hybrid(const stages::CollectionId& id, std::vector<float> query,
                               const std::string& text) {
    auto request = Dense(id, std::move(query));
    request.mode = stages::SearchMode::kHybrid;
    request.query_text = text;
    return request;
  }

  // Three documents of one, two and five chunks, all about pumps.
  stages::CollectionId Pumps() {
    const auto id = Create();
    EXPECT_TRUE(Write(id, Document("a"), {Chunk("a0", 0, "pump pump pump", {1, 0})}).ok());
    EXPECT_TRUE(Write(id, Document("b"),
                      {Chunk("b0", 0, "pump seal", {10, 1}), Chunk("b1", 1, "pump", {10, 2})})
                    .ok());
    std::vector<stages::StoredChunk> chunks;
    for (int i = 0; i < 5; ++i) {
      chunks.push_back(Chunk("c" + std::to_string(i), i, "pump oil number" + std::to_string(i),
                             {10, float(3 + i)}));
    }
    EXPECT_TRUE(Write(id, Document("c"), chunks).ok());
    return id;
  }
};

TEST_F(SearchOptionsTest, HybridGivesEveryHitBothScores) {
  const auto id = Create();
  RAGMESH_ASSERT_OK(
      Write(id, Document("d"),
            {Chunk("both", 0, "pump", {1, 0}), Chunk("near", 1, "other", {10, 1}),
             Chunk("worded", 2, "pump pump", {0, 1}), Chunk("neither", 3, "x", {-1, 0})}));
  auto request = Hybrid(id, {1, 0}, "pump");
  request.fusion = stages::Fusion{.candidates = 2};
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto found, store->Search(request, call));
  ASSERT_EQ(found.hits.size(), 3u);  // "neither" is in no list
  for (const auto& hit : found.hits) {
    ASSERT_TRUE(hit.dense_score.has_value() && hit.lexical_score.has_value()) << hit.chunk.id;
    EXPECT_THAT(hit.fused_score, Optional(hit.score));
    if (hit.chunk.id == "near") {
      EXPECT_EQ(*hit.lexical_score, 0);
      EXPECT_EQ(hit.lexical_rank, std::nullopt);
      EXPECT_THAT(hit.dense_rank, Optional(2u));
    }
    if (hit.chunk.id == "worded") {
      EXPECT_EQ(*hit.dense_score, 0);
      EXPECT_EQ(hit.dense_rank, std::nullopt);
    }
  }
}

TEST_F(SearchOptionsTest, AnExplanationAddsUp) {
  const auto id = Pumps();
  auto request = Hybrid(id, {1, 0}, "pump seal pump nowhere");
  request.explain = true;
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto found, store->Search(request, call));
  ASSERT_TRUE(found.explanation.has_value());
  const auto& whole = *found.explanation;
  EXPECT_EQ(whole.dense_listed, 8u);
  EXPECT_EQ(whole.lexical_listed, 8u);
  EXPECT_EQ(whole.candidates, 8u);
  EXPECT_EQ(whole.chunks, 8u);
  EXPECT_EQ(whole.allowed, 8u);
  EXPECT_EQ(whole.dense_plan, "full scan");
  EXPECT_EQ(whole.bm25.k1, 1.2);
  ASSERT_TRUE(whole.dense_scale.has_value() && whole.lexical_scale.has_value());
  std::set<std::string> steps;
  for (const auto& step : whole.steps) {
    steps.insert(step.name);
    EXPECT_GE(step.duration, absl::ZeroDuration());
  }
  EXPECT_EQ(steps, (std::set<std::string>{"filter", "dense", "lexical", "score", "fuse", "select",
                                          "read", "explain"}));
  for (const auto& hit : found.hits) {
    ASSERT_TRUE(hit.explanation.has_value());
    double lexical = 0;
    for (const auto& term : hit.explanation->terms) {
      EXPECT_DOUBLE_EQ(term.score, term.occurrences * term.idf * term.frequency /
                                       (term.frequency + term.length_norm));
      lexical += term.score;
    }
    EXPECT_NEAR(lexical, *hit.lexical_score, 1e-12);
    EXPECT_NEAR(hit.explanation->dense_part + hit.explanation->lexical_part, hit.score, 1e-12);
    EXPECT_NEAR(hit.explanation->dense_part,
                0.45 * (*hit.dense_score - whole.dense_scale->mean) / whole.dense_scale->deviation,
                1e-9);
    EXPECT_EQ(hit.explanation->relevance, std::nullopt);
  }
  const auto seal = std::find_if(found.hits.begin(), found.hits.end(),
                                 [](const auto& hit) { return hit.chunk.id == "b0"; });
  ASSERT_NE(seal, found.hits.end());
  ASSERT_EQ(seal->explanation->terms.size(), 2u);
  EXPECT_EQ(seal->explanation->terms[0].term, "pump");
  EXPECT_EQ(seal->explanation->terms[0].occurrences, 2);
  EXPECT_EQ(seal->explanation->terms[1].term, "seal");
  request.explain = false;
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto plain, store->Search(request, call));
  EXPECT_FALSE(plain.explanation.has_value());
  EXPECT_FALSE(plain.hits[0].explanation.has_value());
}

TEST_F(SearchOptionsTest, Bm25OfTheRequestGoesBeforeTheCollections) {
  const auto id = Pumps();
  auto request = Lexical(id, "pump");
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto usual, store->Search(request, call));
  request.bm25 = stages::Bm25{.k1 = 0, .b = 0};  // any occurrence counts alike
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto flat, store->Search(request, call));
  EXPECT_GT(usual.hits[0].score, usual.hits[7].score);
  EXPECT_EQ(flat.hits[0].score, flat.hits[7].score);
  EXPECT_EQ(flat.hits[0].chunk.id, "a0");
}

TEST_F(SearchOptionsTest, DiversityPrefersWhatDiffers) {
  const auto id = Create();
  RAGMESH_ASSERT_OK(Write(id, Document("d"),
                          {Chunk("best", 0, "x", {10, 1}), Chunk("copy", 1, "x", {10, 1.1f}),
                           Chunk("other", 2, "x", {10, -20}), Chunk("far", 3, "x", {-1, 0})}));
  auto request = Dense(id, {1, 0});
  request.top_k = 2;
  EXPECT_THAT(Ids(store->Search(request, call)), ElementsAre("best", "copy"));
  request.diversity = stages::Diversity{.lambda = 0.3};
  request.explain = true;
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto diverse, store->Search(request, call));
  EXPECT_THAT(Ids(diverse), ElementsAre("best", "far"));
  EXPECT_GT(diverse.hits[0].score, diverse.hits[1].score);
  EXPECT_THAT(diverse.hits[0].explanation->relevance, Optional(1.0));
  EXPECT_THAT(diverse.hits[1].explanation->similarity, Optional(0.0));
  request.diversity->candidates = 3;  // "far" is not among them
  EXPECT_THAT(Ids(store->Search(request, call)), ElementsAre("best", "other"));
  request.diversity->lambda = 1;
  EXPECT_THAT(Ids(store->Search(request, call)), ElementsAre("best", "copy"));
}

TEST_F(SearchOptionsTest, DiversityNeedsVectors) {
  const auto id = Create("words", 0);
  auto request = Lexical(id, "pump");
  request.diversity = stages::Diversity{};
  EXPECT_THAT(store->Search(request, call), HasReason("LEXICAL_ONLY_COLLECTION"));
  // Words are enough for a collection with vectors.
  const auto both = Pumps();
  auto worded = Lexical(both, "pump");
  worded.diversity = stages::Diversity{};
  RAGMESH_EXPECT_OK(store->Search(worded, call));
}

TEST_F(SearchOptionsTest, TopKCountsDocumentsOnceTheyAreLimited) {
  const auto id = Pumps();
  auto request = Dense(id, {1, 0});
  request.top_k = 3;
  EXPECT_THAT(Ids(store->Search(request, call)), ElementsAre("a0", "b0", "b1"));
  request.max_per_document = 1;
  EXPECT_THAT(Ids(store->Search(request, call)), ElementsAre("a0", "b0", "c0"));
  request.max_per_document = 2;
  EXPECT_THAT(Ids(store->Search(request, call)), ElementsAre("a0", "b0", "b1", "c0", "c1"));
  request.top_k = 2;
  EXPECT_THAT(Ids(store->Search(request, call)), ElementsAre("a0", "b0", "b1"));
  request.top_k = 9;
  request.max_per_document = 1;
  EXPECT_THAT(Ids(store->Search(request, call)), ElementsAre("a0", "b0", "c0"));
}

TEST_F(SearchOptionsTest, AListIsReadOnUntilThereAreDocumentsEnough) {
  const auto id = Create();
  std::vector<stages::StoredChunk> chunks;
  for (int i = 0; i < 200; ++i)
    chunks.push_back(Chunk("big" + std::to_string(i), i, "pump pump", {100, 1}));
  RAGMESH_ASSERT_OK(Write(id, Document("big"), chunks));
  RAGMESH_ASSERT_OK(Write(id, Document("small"), {Chunk("small", 0, "a pump", {1, 1})}));
  for (auto request : {Dense(id, {1, 0}), Lexical(id, "pump")}) {
    request.top_k = 2;
    request.max_per_document = 1;
    EXPECT_THAT(Ids(store->Search(request, call)), ElementsAre("big0", "small"));
  }
}

TEST_F(SearchOptionsTest, NeighboursComeWithTheirHitAndOnce) {
  const auto id = Pumps();
  auto request = Lexical(id, "number1 number3");
  request.neighbours = {.before = 1, .after = 1};
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto found, store->Search(request, call));
  ASSERT_THAT(Ids(found), ElementsAre("c1", "c3"));
  const auto neighbours = [&](const stages::SearchHit& hit) {
    std::vector<std::string> ids;
    for (const auto& one : hit.neighbours) {
      EXPECT_EQ(one.chunk.document_id, "c");
      ids.push_back(one.chunk.id + "@" + std::to_string(one.position));
    }
    return ids;
  };
  EXPECT_THAT(neighbours(found.hits[0]), ElementsAre("c0@0", "c2@2"));
  EXPECT_THAT(neighbours(found.hits[1]), ElementsAre("c4@4"));
  EXPECT_EQ(found.hits[0].position, 1u);
  EXPECT_EQ(found.hits[1].position, 3u);
  EXPECT_EQ(found.hits[0].run, 1u);
  EXPECT_EQ(found.hits[1].run, 1u);
  request.query_text = "number4 seal";
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto apart, store->Search(request, call));
  ASSERT_EQ(apart.hits.size(), 2u);
  EXPECT_NE(apart.hits[0].run, apart.hits[1].run);
  request.neighbours = {};
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto alone, store->Search(request, call));
  EXPECT_EQ(alone.hits[0].run, 0u);
  EXPECT_THAT(alone.hits[0].neighbours, IsEmpty());
}

TEST_F(SearchOptionsTest, DeletedChunksAreNoNeighbours) {
  const auto id = Pumps();
  RAGMESH_ASSERT_OK(store->Delete(id, stages::ChunkIds{{"c2"}}, call));
  auto request = Lexical(id, "number1");
  request.neighbours = {.before = 0, .after = 2};
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto found, store->Search(request, call));
  ASSERT_EQ(found.hits.size(), 1u);
  ASSERT_EQ(found.hits[0].neighbours.size(), 2u);
  EXPECT_EQ(found.hits[0].neighbours[0].chunk.id, "c3");
  EXPECT_EQ(found.hits[0].neighbours[1].chunk.id, "c4");
}

TEST_F(SearchOptionsTest, AFieldThatNoDocumentHasIsAnErrorWithNearNames) {
  const auto id = Create();
  auto request = Dense(id, {1, 0});
  request.filter = stages::Filter{stages::FilterEquals{"yaer", std::int64_t{2024}}};
  RAGMESH_EXPECT_OK(store->Search(request, call));  // nothing is there yet
  auto document = Document("d");
  document.metadata["year"] = std::int64_t{2024};
  document.metadata["author"] = std::string("a");
  RAGMESH_ASSERT_OK(Write(id, document, {Chunk("c", 0, "pump", {1, 0})}));
  auto secret = Document("s", "x", {"board"});
  secret.metadata["yaer"] = std::int64_t{2024};
  RAGMESH_ASSERT_OK(Write(id, secret, {Chunk("s", 0, "pump", {1, 0})}));
  request.principal_labels = {"staff"};
  const auto refused = store->Search(request, call);
  EXPECT_THAT(refused, HasReason("UNKNOWN_FILTER_FIELD"));
  EXPECT_EQ(GetErrorDetail(refused.status())->metadata.at("near_fields"), "year");
  EXPECT_THAT(store->CountChunks(id, request.filter, {"staff"}, call),
              HasReason("UNKNOWN_FILTER_FIELD"));
  EXPECT_THAT(store->ListDocuments(id, request.filter, {"staff"}, {}, call),
              HasReason("UNKNOWN_FILTER_FIELD"));
  request.principal_labels = {"board"};  // who sees the field, and no other
  EXPECT_THAT(Ids(store->Search(request, call)), ElementsAre("s"));
  request.filter = stages::Filter{stages::FilterEquals{"year", std::int64_t{2024}}};
  EXPECT_THAT(store->Search(request, call), HasReason("UNKNOWN_FILTER_FIELD"));
  // Deleting by a filter may be repeated once nothing is left.
  RAGMESH_ASSERT_OK(store->Delete(id, *request.filter, call));
  RAGMESH_ASSERT_OK(store->Delete(id, *request.filter, call));
}

TEST_F(SearchOptionsTest, OptionsOutOfTheirBoundsAreRefusedByName) {
  const auto id = Create();
  const auto with = [&](auto change) {
    auto request = Hybrid(id, {1, 0}, "pump");
    change(request);
    return store->Search(request, call);
  };
  EXPECT_THAT(with([](auto& r) { r.diversity = stages::Diversity{.lambda = 1.5}; }),
              HasReason("INVALID_FIELD"));
  EXPECT_THAT(with([](auto& r) { r.diversity = stages::Diversity{.candidates = 0}; }),
              HasReason("INVALID_FIELD"));
  EXPECT_THAT(with([](auto& r) {
                r.diversity = stages::Diversity{};
                r.top_k = 1001;
              }),
              HasReason("LIMIT_EXCEEDED"));
  EXPECT_THAT(with([](auto& r) { r.max_per_document = 1001; }), HasReason("LIMIT_EXCEEDED"));
  EXPECT_THAT(with([](auto& r) { r.neighbours.before = 9; }), HasReason("INVALID_FIELD"));
  EXPECT_THAT(with([](auto& r) {
                r.neighbours = {8, 8};
                r.top_k = 1000;
              }),
              HasReason("LIMIT_EXCEEDED"));
  EXPECT_THAT(with([](auto& r) { r.bm25 = stages::Bm25{.b = std::nan("")}; }),
              HasReason("INVALID_FIELD"));
}

}  // namespace
}  // namespace ragmesh::vector_store
