#include "libs/remote_generation/server_facts.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/testing/status_matchers.h"
#include "tests/unit/remote_generation/scripted_model_server.h"

namespace ragmesh::remote_generation {
namespace {

using ragmesh::testing::HasReason;
using ragmesh::testing::StatusIs;
using ::testing::HasSubstr;

constexpr char kTwo[] = R"({"data":[{"id":"a","owned_by":"vllm"},{"id":"b"}]})";

TEST(ServerFactsTest, KnowsLlamaServerAndItsContextOfOneStream) {
  RAGMESH_ASSERT_OK_AND_ASSIGN(const ServerFacts facts,
                               ReadModelList(ragmesh::testing::LlamaServerModels(2048), ""));
  EXPECT_EQ(facts.kind, kLlamaServer);
  EXPECT_EQ(facts.model, "tiny.gguf");
  EXPECT_EQ(facts.context_tokens, 2048u);
  EXPECT_TRUE(facts.tokenizes());
}

TEST(ServerFactsTest, KnowsVllmAndItsLongestRequest) {
  RAGMESH_ASSERT_OK_AND_ASSIGN(const ServerFacts facts,
                               ReadModelList(ragmesh::testing::VllmModels(4096), ""));
  EXPECT_EQ(facts.kind, kVllm);
  EXPECT_EQ(facts.context_tokens, 4096u);
}

TEST(ServerFactsTest, ReliesOnNothingOfOthers) {
  RAGMESH_ASSERT_OK_AND_ASSIGN(const ServerFacts facts,
                               ReadModelList(ragmesh::testing::OtherModels(), ""));
  EXPECT_EQ(facts.kind, kOther);
  EXPECT_EQ(facts.context_tokens, 0u);
  EXPECT_FALSE(facts.tokenizes());
}

TEST(ServerFactsTest, TakesTheModelThatWasNamed) {
  RAGMESH_ASSERT_OK_AND_ASSIGN(const ServerFacts facts, ReadModelList(kTwo, "b"));
  EXPECT_EQ(facts.model, "b");
  EXPECT_EQ(facts.kind, kOther);
}

TEST(ServerFactsTest, AsksWhichOfSeveralModels) {
  const auto facts = ReadModelList(kTwo, "");
  EXPECT_THAT(facts, HasReason("REMOTE_MODEL_NOT_FOUND"));
  EXPECT_THAT(facts, StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("a, b")));
}

TEST(ServerFactsTest, SaysWhichModelsThereAreWhenTheNamedOneIsNot) {
  EXPECT_THAT(ReadModelList(kTwo, "c"),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("a, b")));
}

TEST(ServerFactsTest, RefusesWhatIsNoList) {
  for (const char* body : {"", "[]", "{}", R"({"data":{}})", "<html>", R"({"data":3})"})
    EXPECT_THAT(ReadModelList(body, ""), HasReason("REMOTE_BAD_ANSWER")) << body;
}

TEST(ServerFactsTest, SkipsEntriesThatAreNoModels) {
  EXPECT_THAT(ReadModelList(R"({"data":[1,{"id":2},{"id":""},{"id":"a"}]})", ""),
              ragmesh::testing::IsOk());
}

TEST(ServerUrlsTest, AddsTheVersionUnlessThereIsOne) {
  EXPECT_EQ(SplitServerUrl("http://h:1").api, "http://h:1/v1");
  EXPECT_EQ(SplitServerUrl("http://h:1").root, "http://h:1");
  EXPECT_EQ(SplitServerUrl("http://h/v3").api, "http://h/v3");
  EXPECT_EQ(SplitServerUrl("http://h/v3").root, "http://h");
  EXPECT_EQ(SplitServerUrl("http://h/api/v1").root, "http://h/api");
  EXPECT_EQ(SplitServerUrl("http://h/vx").api, "http://h/vx/v1");
}

}  // namespace
}  // namespace ragmesh::remote_generation
