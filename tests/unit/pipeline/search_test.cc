#include "libs/pipeline/search.h"

#include <thread>

#include "tests/unit/pipeline/question_fixture.h"

namespace ragmesh::pipeline {
namespace {

using ::ragmesh::testing::HasReason;
using ::ragmesh::testing::StatusIs;

class SearchTest : public QuestionFixture {
 protected:
  absl::StatusOr<SearchResponse> Search(SearchRequest request = {}, const Caller& caller = {}) {
    request.collection = "manuals";
    if (request.query.empty()) request.query = "Who led the Panthers in sacks?";
    return gateway_->Search(caller, request, call_);
  }
};

TEST_F(SearchTest, PassagesAreNumberedBestFirstWithEveryScore) {
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto found, Search());
  ASSERT_FALSE(found.passages.empty());
  EXPECT_EQ(found.passages[0].number, 1u);
  EXPECT_EQ(found.passages[0].chunk.document_name, "panthers.txt");
  EXPECT_TRUE(found.passages[0].scores.dense.has_value());
  EXPECT_TRUE(found.passages[0].scores.reranked.has_value());
  EXPECT_TRUE(found.degraded.empty());
  EXPECT_EQ(found.timings.back().stage, "total");
}

TEST_F(SearchTest, TheRerankerGetsWhatTheEmbedderRead) {
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto found, Search());
  EXPECT_GE(found.passages.size(), 2u);
  EXPECT_EQ(mesh_.reranker.with_ids, static_cast<int>(found.passages.size()));
  RAGMESH_ASSERT_OK(Search({.skip_rerank = true}));
  EXPECT_EQ(mesh_.reranker.with_ids, static_cast<int>(found.passages.size()));
}

TEST_F(SearchTest, ModelsReadTheWordsOfAQueryWithOperators) {
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto found,
                               Search({.query = "+sacks -tesla \"led the team\"",
                                       .query_syntax = stages::QuerySyntax::kOperators}));
  EXPECT_EQ(found.query_vector, testing::FakeEmbedder::Vector("sacks led the team"));
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto plain, Search({.query = "+sacks -tesla"}));
  EXPECT_EQ(plain.query_vector, testing::FakeEmbedder::Vector("+sacks -tesla"));
}

TEST_F(SearchTest, WithoutEmbedderItSearchesByWordsAndSaysSo) {
  mesh_.embedder.fault.Down();
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto found, Search());
  ASSERT_FALSE(found.passages.empty());
  EXPECT_FALSE(found.passages[0].scores.dense.has_value());
  ASSERT_EQ(found.degraded.size(), 1u);
  EXPECT_EQ(found.degraded[0].stage, "embedder");
  EXPECT_EQ(found.degraded[0].reason, "STAGE_UNREACHABLE");
  EXPECT_EQ(observer_.degraded.size(), 1u);
  EXPECT_THAT(Search({.mode = stages::SearchMode::kDense}),
              StatusIs(absl::StatusCode::kUnavailable));
}

TEST_F(SearchTest, WithoutRerankerTheOrderOfRetrievalStays) {
  mesh_.reranker.fault.Down();
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto found, Search());
  ASSERT_EQ(found.degraded.size(), 1u);
  EXPECT_EQ(found.degraded[0].stage, "reranker");
  EXPECT_FALSE(found.passages[0].scores.reranked.has_value());
}

TEST_F(SearchTest, AHangingRerankerUsesOnlyItsShareOfTheTime) {
  mesh_.reranker.fault.Hang();
  SearchRequest request;
  request.collection = "manuals";
  request.query = "sacks";
  const CallContext call(absl::Now() + absl::Milliseconds(300));
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto found, gateway_->Search(caller_, request, call));
  ASSERT_EQ(found.degraded.size(), 1u);
  EXPECT_EQ(found.degraded[0].reason, "STAGE_TOO_SLOW");
}

TEST_F(SearchTest, WithoutTheStoreThereIsNothingToShow) {
  mesh_.store.search_fault.Down();
  EXPECT_THAT(Search(), HasReason("STAGE_UNREACHABLE"));
}

TEST_F(SearchTest, LabelsDecideWhatIsSeen) {
  Put("secret.txt", "The Panthers secret plan.", {"board"});
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto open, Search({.query = "secret plan"}));
  for (const Passage& passage : open.passages) EXPECT_NE(passage.chunk.document_name, "secret.txt");
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto board,
                               Search({.query = "secret plan"}, {"default", {"board"}, ""}));
  ASSERT_EQ(board.passages.size(), 1u);
}

TEST_F(SearchTest, BadRequestsNameTheField) {
  EXPECT_THAT(Search({.query = std::string(4097, 'x')}), HasReason("INVALID_FIELD"));
  EXPECT_THAT(Search({.top_k = 101}), HasReason("INVALID_FIELD"));
  EXPECT_THAT(gateway_->Search(caller_, {.collection = "none", .query = "x"}, call_),
              HasReason("COLLECTION_NOT_FOUND"));
  EXPECT_THAT(gateway_->Search(caller_, {.collection = "NO/", .query = "x"}, call_),
              HasReason("INVALID_FIELD"));
}

TEST_F(SearchTest, ACallerWhoGoesStopsEveryStepSoon) {
  testing::StageFault* const faults[] = {&mesh_.embedder.fault, &mesh_.store.search_fault,
                                         &mesh_.reranker.fault};
  int wasted = 0;
  for (testing::StageFault* fault : faults) {
    fault->Hang();
    const CallContext call(absl::InfiniteFuture());
    absl::Status status;
    std::thread search([&] {
      status =
          gateway_->Search(caller_, {.collection = "manuals", .query = "sacks"}, call).status();
    });
    while (fault->hanging() == 0) std::this_thread::yield();
    call.Cancel();
    search.join();
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kCancelled));
    EXPECT_EQ(observer_.wasted, ++wasted);
    EXPECT_LT(observer_.lingered, absl::Milliseconds(100));
    fault->Clear();
  }
}

}  // namespace
}  // namespace ragmesh::pipeline
