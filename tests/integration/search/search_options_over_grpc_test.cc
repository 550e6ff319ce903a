// Every option of a search, from the gateway's contract to the store and back.
#include <algorithm>
#include <set>

#include "libs/base/error.h"
#include "tests/integration/search/search_mesh.h"

namespace ragmesh::services {
namespace {

namespace v1 = ::ragmesh::gateway::v1;
using ::ragmesh::testing::HasReason;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class SearchOptionsOverGrpcTest : public SearchMesh {
 protected:
  void SetUp() override {
    SearchMesh::SetUp();
    Put("manuals", "pump.md",
        "The pump stands in hall one.\n\nThe pump seal is replaced every year.\n\nThe pump motor "
        "runs at night.\n\nOil is changed in spring.",
        {{"part", std::string("P-17")}, {"year", std::int64_t{2024}}});
    Put("manuals", "seal.md", "A seal keeps oil in.\n\nSeal rings are round.",
        {{"part", std::string("Q-2")}});
    Put("manuals", "gate.md", "The gate is painted green.", {{"part", std::string("P-2")}});
  }

  static v1::SearchRequest Request(const std::string& query, bool rerank) {
    v1::SearchRequest request;
    request.set_collection("manuals");
    request.set_query(query);
    request.set_skip_rerank(!rerank);
    return request;
  }

  static std::vector<std::string> Documents(const v1::SearchResponse& response) {
    std::vector<std::string> documents;
    for (const auto& passage : response.passages()) documents.push_back(passage.document_id());
    return documents;
  }
};

TEST_F(SearchOptionsOverGrpcTest, ExplanationsArriveWhole) {
  for (const bool rerank : {false, true}) {
    auto request = Request("pump seal", rerank);
    request.set_explain(true);
    request.mutable_bm25()->set_k1(0.9);
    RAGMESH_ASSERT_OK_AND_ASSIGN(const auto found, Search(request));
    ASSERT_TRUE(found.has_explanation());
    EXPECT_EQ(found.explanation().bm25().k1(), 0.9);
    EXPECT_EQ(found.explanation().chunks(), 7u);
    EXPECT_EQ(found.explanation().allowed(), 7u);
    EXPECT_EQ(found.explanation().dense_plan(), "full scan");
    EXPECT_TRUE(found.explanation().has_dense_scale());
    EXPECT_GE(found.explanation().steps_size(), 7);
    ASSERT_GT(found.passages_size(), 0);
    for (const auto& passage : found.passages()) {
      ASSERT_TRUE(passage.has_explanation());
      double lexical = 0;
      for (const auto& term : passage.explanation().terms()) lexical += term.score();
      EXPECT_NEAR(lexical, passage.scores().lexical(), 1e-9);
      EXPECT_NEAR(passage.explanation().dense_part() + passage.explanation().lexical_part(),
                  passage.scores().fused(), 1e-9);
      EXPECT_EQ(passage.scores().has_reranked(), rerank);
    }
  }
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto plain, Search(Request("pump seal", false)));
  EXPECT_FALSE(plain.has_explanation());
  EXPECT_FALSE(plain.passages(0).has_explanation());
}

TEST_F(SearchOptionsOverGrpcTest, DocumentsAreLimitedBeforeAndAfterReranking) {
  for (const bool rerank : {false, true}) {
    auto request = Request("pump seal oil", rerank);
    request.set_top_k(2);
    request.set_max_per_document(1);
    RAGMESH_ASSERT_OK_AND_ASSIGN(const auto found, Search(request));
    auto documents = Documents(found);
    std::sort(documents.begin(), documents.end());
    EXPECT_THAT(documents, ElementsAre("pump.md", "seal.md")) << rerank;
    request.set_max_per_document(2);
    RAGMESH_ASSERT_OK_AND_ASSIGN(const auto more, Search(request));
    EXPECT_EQ(more.passages_size(), 4) << rerank;
    EXPECT_EQ(std::set<std::string>({"pump.md", "seal.md"}).size(), 2u);
  }
}

TEST_F(SearchOptionsOverGrpcTest, NeighboursComeOnceAndInOrder) {
  for (const bool rerank : {false, true}) {
    auto request = Request("seal replaced every year", rerank);
    request.set_top_k(1);
    request.mutable_neighbours()->set_before(1);
    request.mutable_neighbours()->set_after(2);
    RAGMESH_ASSERT_OK_AND_ASSIGN(const auto found, Search(request));
    ASSERT_EQ(found.passages_size(), 1);
    const v1::Passage& passage = found.passages(0);
    EXPECT_EQ(passage.text(), "The pump seal is replaced every year.");
    EXPECT_EQ(passage.position(), 1u);
    EXPECT_EQ(passage.run(), 1u);
    ASSERT_EQ(passage.neighbours_size(), 3) << rerank;
    EXPECT_EQ(passage.neighbours(0).text(), "The pump stands in hall one.");
    EXPECT_EQ(passage.neighbours(0).position(), 0u);
    EXPECT_EQ(passage.neighbours(1).position(), 2u);
    EXPECT_EQ(passage.neighbours(2).text(), "Oil is changed in spring.");
    EXPECT_LT(passage.neighbours(0).range().begin(), passage.range().begin());
  }
}

TEST_F(SearchOptionsOverGrpcTest, DiversityIsChosenBeforeOrAfterReranking) {
  for (const bool rerank : {false, true}) {
    auto request = Request("pump", rerank);
    request.set_top_k(3);
    request.set_explain(true);
    request.mutable_diversity()->set_lambda(0.3);
    RAGMESH_ASSERT_OK_AND_ASSIGN(const auto found, Search(request));
    ASSERT_EQ(found.passages_size(), 3);
    double before = 2;
    for (const auto& passage : found.passages()) {
      EXPECT_TRUE(passage.explanation().has_relevance());
      EXPECT_LE(passage.score(), before);
      before = passage.score();
    }
    EXPECT_EQ(found.passages(0).explanation().relevance(), 1);
    EXPECT_EQ(found.passages(0).explanation().similarity(), 0);
  }
}

TEST_F(SearchOptionsOverGrpcTest, AQueryVectorSparesTheEmbedder) {
  auto request = Request("pump seal", false);
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto embedded, Search(request));
  const int texts = fakes_.embedder.texts;
  const auto vector = testing::FakeEmbedder::Vector("pump seal");
  *request.mutable_query_vector() = {vector.begin(), vector.end()};
  EXPECT_THAT(Search(request), HasReason("INVALID_FIELD"));
  request.set_embedder_digest(fakes_.embedder.digest);
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto given, Search(request));
  EXPECT_EQ(fakes_.embedder.texts, texts);
  ASSERT_EQ(given.passages_size(), embedded.passages_size());
  for (int i = 0; i < given.passages_size(); ++i)
    EXPECT_EQ(given.passages(i).chunk_id(), embedded.passages(i).chunk_id());
  request.set_embedder_digest(std::string(64, 'b'));
  EXPECT_THAT(Search(request), HasReason("EMBEDDER_MISMATCH"));
}

TEST_F(SearchOptionsOverGrpcTest, FiltersKnowPrefixesAndUnknownFields) {
  auto request = Request("the pump gate seal", false);
  auto* prefix = request.mutable_filter()->mutable_prefix();
  prefix->set_field("part");
  prefix->set_prefix("P-");
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto found, Search(request));
  const auto documents = Documents(found);
  EXPECT_THAT(std::set<std::string>(documents.begin(), documents.end()),
              ElementsAre("gate.md", "pump.md"));
  auto* range = request.mutable_filter()->mutable_range();
  range->set_field("part");
  range->mutable_greater_than()->set_string_value("P-17");
  range->mutable_less_than()->set_string_value("Q");
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto ranged, Search(request));
  EXPECT_THAT(Documents(ranged), ElementsAre("gate.md"));
  request.mutable_filter()->mutable_equals()->set_field("yeer");
  request.mutable_filter()->mutable_equals()->mutable_value()->set_number_value(2024);
  const auto refused = Search(request);
  EXPECT_THAT(refused, HasReason("UNKNOWN_FILTER_FIELD"));
  EXPECT_THAT(GetErrorDetail(refused.status())->next_step, ::testing::HasSubstr("\"year\""));
}

TEST_F(SearchOptionsOverGrpcTest, WordsAloneCannotDiversify) {
  Create("words", true);
  Put("words", "pump.md", "The pump stands in hall one.");
  for (const bool rerank : {false, true}) {
    auto request = Request("pump", rerank);
    request.set_collection("words");
    request.mutable_diversity();
    EXPECT_THAT(Search(request), HasReason("LEXICAL_ONLY_COLLECTION"));
    request.clear_diversity();
    request.set_max_per_document(1);
    request.set_explain(true);
    RAGMESH_ASSERT_OK_AND_ASSIGN(const auto found, Search(request));
    EXPECT_EQ(found.passages_size(), 1);
    EXPECT_THAT(found.explanation().dense_plan(), IsEmpty());
  }
}

TEST_F(SearchOptionsOverGrpcTest, BadOptionsAreRefusedByName) {
  const auto with = [&](auto change) {
    auto request = Request("pump", false);
    change(&request);
    return Search(request);
  };
  EXPECT_THAT(with([](auto* r) { r->mutable_diversity()->set_lambda(2); }),
              HasReason("INVALID_FIELD"));
  EXPECT_THAT(with([](auto* r) { r->mutable_diversity()->set_candidates(1001); }),
              HasReason("INVALID_FIELD"));
  EXPECT_THAT(with([](auto* r) { r->set_max_per_document(101); }), HasReason("INVALID_FIELD"));
  EXPECT_THAT(with([](auto* r) {
                r->set_top_k(100);
                r->set_max_per_document(6);
              }),
              HasReason("LIMIT_EXCEEDED"));
  EXPECT_THAT(with([](auto* r) { r->mutable_neighbours()->set_after(9); }),
              HasReason("INVALID_FIELD"));
  EXPECT_THAT(with([](auto* r) { r->mutable_bm25()->set_b(1.01); }), HasReason("INVALID_FIELD"));
}

TEST_F(SearchOptionsOverGrpcTest, Bm25SettingsOfACollectionCanBeChanged) {
  v1::UpdateCollectionRequest update;
  update.set_collection("manuals");
  update.mutable_bm25()->set_k1(2);
  update.mutable_bm25()->set_b(0.1);
  v1::UpdateCollectionResponse updated;
  grpc::ClientContext context;
  ASSERT_TRUE(stub_->UpdateCollection(&context, update, &updated).ok());
  EXPECT_EQ(updated.collection().bm25().k1(), 2);
  auto request = Request("pump", false);
  request.set_explain(true);
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto found, Search(request));
  EXPECT_EQ(found.explanation().bm25().b(), 0.1);
}

}  // namespace
}  // namespace ragmesh::services
