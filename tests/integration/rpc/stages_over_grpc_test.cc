// Each stage through a real server and a real client: what the core gets and what the caller gets.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "libs/testing/status_matchers.h"
#include "tests/integration/rpc/stage_server.h"

namespace ragmesh::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

CallContext Soon() { return CallContext(absl::Now() + absl::Seconds(20)); }

std::string FieldOf(const absl::Status& status) {
  return GetErrorDetail(status).value_or(ErrorDetail{}).field;
}

class StagesOverGrpcTest : public ::testing::Test {
 protected:
  StageServer server_;
};

TEST_F(StagesOverGrpcTest, EmbedderAnswersVectorsInOrder) {
  RAGMESH_ASSERT_OK_AND_ASSIGN(auto client, clients::ConnectEmbedder(server_.peer()));
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto embeddings,
                               client->Embed({.texts = {"one fox", "two dogs"}}, Soon()));
  ASSERT_EQ(embeddings.size(), 2u);
  EXPECT_EQ(embeddings[1].values, FakeEmbedder::Vector("two dogs"));
}

TEST_F(StagesOverGrpcTest, WhatTheEmbedderReadTravelsToTheRerankerByWayOfTheStore) {
  RAGMESH_ASSERT_OK_AND_ASSIGN(auto embedder, clients::ConnectEmbedder(server_.peer()));
  RAGMESH_ASSERT_OK_AND_ASSIGN(auto store, clients::ConnectVectorStore(server_.peer()));
  RAGMESH_ASSERT_OK_AND_ASSIGN(auto reranker, clients::ConnectReranker(server_.peer()));
  RAGMESH_ASSERT_OK_AND_ASSIGN(
      const auto embeddings,
      embedder->Embed({.texts = {"fox"}, .token_detail = stages::TokenDetail::kVectors}, Soon()));
  EXPECT_EQ(embeddings[0].tokens, FakeEmbedder::Tokens("fox", stages::TokenDetail::kVectors));

  const stages::CollectionId id{.name = "manuals"};
  const std::string digest(64, 'a');
  RAGMESH_ASSERT_OK(
      store->CreateCollection({.id = id, .embedder_digest = digest, .dimension = 256}, Soon()));
  stages::Upsert upsert;
  upsert.document = stages::StoredDocument{.id = "d", .text = "fox"};
  upsert.document->acl_labels = {"all"};
  stages::StoredChunk chunk{.id = "d/0", .document_id = "d"};
  chunk.chunk.text = "fox";
  chunk.chunk.range = {0, 3};
  chunk.vector = embeddings[0].values;
  chunk.tokens = embeddings[0].tokens;
  upsert.chunks = {chunk};
  RAGMESH_ASSERT_OK(store->Write(id, digest, upsert, Soon()));
  stages::SearchRequest search{.collection = id,
                               .query_text = "fox",
                               .query_vector = chunk.vector,
                               .embedder_digest = digest,
                               .principal_labels = {"all"}};
  EXPECT_TRUE(store->Search(search, Soon())->hits[0].chunk.tokens.empty());
  search.parts.tokens = true;
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto found, store->Search(search, Soon()));
  EXPECT_EQ(found.hits[0].chunk.tokens, chunk.tokens);
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto page,
                               store->ListChunks(id, "d", {"all"}, {.tokens = true}, {}, Soon()));
  EXPECT_EQ(page.chunks[0].tokens, chunk.tokens);
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto chunks,
                               store->GetChunks(id, {"d/0"}, {"all"}, {.tokens = true}, Soon()));
  EXPECT_EQ(chunks[0].tokens, chunk.tokens);

  stages::RerankRequest rerank{.query = "fox",
                               .candidates = {{.text = "fox", .tokens = chunk.tokens}}};
  RAGMESH_ASSERT_OK(reranker->Rerank(rerank, Soon()));
  EXPECT_EQ(server_.reranker->with_vectors, 1);
}

TEST_F(StagesOverGrpcTest, TokensThatCannotBeAreRefusedByName) {
  RAGMESH_ASSERT_OK_AND_ASSIGN(auto reranker, clients::ConnectReranker(server_.peer()));
  const std::string digest(64, 'a');
  const auto field = [&](stages::PassageTokens tokens) {
    return FieldOf(
        reranker
            ->Rerank({.query = "q", .candidates = {{"a"}, {.text = "b", .tokens = tokens}}}, Soon())
            .status());
  };
  EXPECT_EQ(field({.tokenizer = "x"}), "candidates[1].tokens.tokenizer");
  EXPECT_EQ(field({.ids = {1}}), "candidates[1].tokens.ids");
  EXPECT_EQ(
      field({.tokenizer = digest, .ids = std::vector<std::uint32_t>(stages::kMaxPassageIds + 1)}),
      "candidates[1].tokens.ids");
  EXPECT_EQ(field({.encoder = "x"}), "candidates[1].tokens.encoder");
  EXPECT_EQ(field({.vectors = "v"}), "candidates[1].tokens.vectors");
  EXPECT_EQ(
      field({.encoder = digest, .vectors = std::string(stages::kMaxPassageVectorBytes + 1, 'v')}),
      "candidates[1].tokens.vectors");
}

TEST_F(StagesOverGrpcTest, EmbedderNamesTheFieldOfABadRequest) {
  RAGMESH_ASSERT_OK_AND_ASSIGN(auto client, clients::ConnectEmbedder(server_.peer()));
  const auto none = client->Embed({}, Soon());
  EXPECT_THAT(none, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("texts has 0 texts")));
  EXPECT_EQ(FieldOf(none.status()), "texts");
  EXPECT_THAT(client->Embed({.texts = std::vector<std::string>(17, "x")}, Soon()),
              HasReason("INVALID_FIELD"));
}

TEST_F(StagesOverGrpcTest, TypedErrorsOfTheCoreArriveWhole) {
  RAGMESH_ASSERT_OK_AND_ASSIGN(auto client, clients::ConnectEmbedder(server_.peer()));
  server_.embedder->fault.Set([](const CallContext&) {
    return MakeError(absl::StatusCode::kInvalidArgument, "texts[3] is too long: 400 tokens",
                     {.reason = "TEXT_TOO_LONG",
                      .field = "texts[3]",
                      .next_step = "Allow truncation.",
                      .retry_after = absl::Milliseconds(1500),
                      .metadata = {{"tokens", "400"}}});
  });
  const absl::Status status = client->Embed({.texts = {"x"}}, Soon()).status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument,
                               AllOf(HasSubstr("embedder at"), HasSubstr("400"))));
  const auto detail = GetErrorDetail(status);
  ASSERT_TRUE(detail.has_value());
  EXPECT_EQ(detail->reason, "TEXT_TOO_LONG");
  EXPECT_EQ(detail->field, "texts[3]");
  EXPECT_EQ(detail->next_step, "Allow truncation.");
  EXPECT_EQ(detail->retry_after, absl::Milliseconds(1500));
  EXPECT_EQ(detail->metadata.at("tokens"), "400");
}

TEST_F(StagesOverGrpcTest, LoaderSendsBytesAndStreamsBlocksBack) {
  RAGMESH_ASSERT_OK_AND_ASSIGN(auto client, clients::ConnectLoader(server_.peer()));
  std::vector<stages::Block> blocks;
  const auto info = client->Load(
      {.source = std::string("# Title\n\nFirst.\n\nSecond."), .name = "a.md"},
      [&](stages::Block block) {
        blocks.push_back(std::move(block));
        return absl::OkStatus();
      },
      Soon());
  RAGMESH_ASSERT_OK(info);
  EXPECT_EQ(info->title, "a.md");
  ASSERT_EQ(blocks.size(), 3u);
  EXPECT_EQ(blocks[2].heading_path, std::vector<std::string>{"Title"});
  EXPECT_EQ(blocks[2].text, "Second.");
}

TEST_F(StagesOverGrpcTest, LoaderRefusesADocumentOverItsLimit) {
  RAGMESH_ASSERT_OK_AND_ASSIGN(auto client, clients::ConnectLoader(server_.peer()));
  const auto info = client->Load(
      {.source = std::string(9 << 20, 'x')}, [](auto) { return absl::OkStatus(); }, Soon());
  EXPECT_THAT(info, StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_THAT(info, HasReason("LIMIT_EXCEEDED"));
}

TEST_F(StagesOverGrpcTest, LoaderStopsWhenTheConsumerFails) {
  RAGMESH_ASSERT_OK_AND_ASSIGN(auto client, clients::ConnectLoader(server_.peer()));
  EXPECT_THAT(client->Load(
                  {.source = std::string("a\n\nb")},
                  [](auto) { return absl::DataLossError("full"); }, Soon()),
              StatusIs(absl::StatusCode::kDataLoss));
}

TEST_F(StagesOverGrpcTest, SplitterStreamsBothWaysWithoutDeadlock) {
  RAGMESH_ASSERT_OK_AND_ASSIGN(auto client, clients::ConnectSplitter(server_.peer()));
  // 40 MB each way: far more than all buffers between the two ends hold.
  constexpr int kBlocks = 400;
  const std::string text(100'000, 'x');
  int sent = 0, received = 0;
  const auto status = client->Split(
      {},
      [&]() -> absl::StatusOr<std::optional<stages::Block>> {
        if (sent == kBlocks) return std::nullopt;
        stages::Block block;
        block.text = text;
        block.range.begin = static_cast<std::uint64_t>(sent++) * (text.size() + 2);
        block.range.end = block.range.begin + text.size();
        return block;
      },
      [&](stages::Chunk chunk) {
        EXPECT_EQ(chunk.ordinal, static_cast<std::uint32_t>(received++));
        return absl::OkStatus();
      },
      Soon());
  RAGMESH_EXPECT_OK(status);
  EXPECT_EQ(received, kBlocks);
}

TEST_F(StagesOverGrpcTest, SplitterRefusesBlocksOutOfOrder) {
  RAGMESH_ASSERT_OK_AND_ASSIGN(auto client, clients::ConnectSplitter(server_.peer()));
  int sent = 0;
  const auto status = client->Split(
      {},
      [&]() -> absl::StatusOr<std::optional<stages::Block>> {
        if (sent++ == 2) return std::nullopt;
        return stages::Block{.text = "abc", .range = {0, 3}};
      },
      [](auto) { return absl::OkStatus(); }, Soon());
  EXPECT_THAT(status,
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("block.range begins before")));
}

TEST_F(StagesOverGrpcTest, RerankerKeepsScoresAndIndices) {
  RAGMESH_ASSERT_OK_AND_ASSIGN(auto client, clients::ConnectReranker(server_.peer()));
  stages::RerankRequest request{
      .query = "fox", .candidates = {{.text = "dog"}, {.text = "fox", .dense_score = 0.5}}};
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto remote, client->Rerank(request, Soon()));
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto local, server_.reranker->Rerank(request, Soon()));
  ASSERT_EQ(remote.size(), local.size());
  for (std::size_t i = 0; i < local.size(); ++i) {
    EXPECT_EQ(remote[i].index, local[i].index);
    EXPECT_EQ(remote[i].score, local[i].score);
  }
  request.query = "";
  EXPECT_THAT(client->Rerank(request, Soon()),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("query")));
}

TEST_F(StagesOverGrpcTest, GeneratorStreamsTokensThenTheSummary) {
  RAGMESH_ASSERT_OK_AND_ASSIGN(auto client, clients::ConnectGenerator(server_.peer()));
  std::string text;
  const auto result = client->Generate(
      {.prompt = stages::ChatMessages{{.content = "why?"}}},
      [&](const stages::TokenEvent& event) {
        text += event.text;
        return absl::OkStatus();
      },
      Soon());
  RAGMESH_ASSERT_OK(result);
  EXPECT_EQ(text, "I do not know.");
  EXPECT_EQ(result->usage.completion_tokens, 4u);
}

TEST_F(StagesOverGrpcTest, ToolsAndCallsTravelWhole) {
  RAGMESH_ASSERT_OK_AND_ASSIGN(auto client, clients::ConnectGenerator(server_.peer()));
  server_.generator->calls = {{0, "id1", "get_time", ""}, {0, "", "", "{\"a\":1}"}};
  stages::GenerateRequest request;
  request.prompt = stages::ChatPrompt(
      {{stages::ChatRole::kUser, "Time?"},
       {.role = stages::ChatRole::kAssistant, .tool_calls = {{"c1", "get_time", "{}"}}},
       {.role = stages::ChatRole::kTool, .content = "noon", .tool_call_id = "c1"}},
      {{"get_time", "Tells.", R"({"type":"object"})", true}});
  request.tool_choice = {
      .mode = stages::ToolChoice::Mode::kRequired, .name = "get_time", .single = true};
  std::vector<stages::ToolCallDelta> calls;
  const auto result = client->Generate(
      request,
      [&](const stages::TokenEvent& event) {
        calls.insert(calls.end(), event.tool_calls.begin(), event.tool_calls.end());
        return absl::OkStatus();
      },
      Soon());
  RAGMESH_ASSERT_OK(result);
  EXPECT_EQ(result->finish_reason, stages::FinishReason::kToolCalls);
  EXPECT_EQ(calls, server_.generator->calls);
  const stages::GenerateRequest& arrived = server_.generator->last_request;
  const auto& chat = std::get<stages::ChatPrompt>(arrived.prompt);
  EXPECT_EQ(chat.tools, std::get<stages::ChatPrompt>(request.prompt).tools);
  EXPECT_EQ(arrived.tool_choice, request.tool_choice);
  ASSERT_EQ(chat.messages[1].tool_calls.size(), 1u);
  EXPECT_EQ(chat.messages[1].tool_calls[0].id, "c1");
  EXPECT_EQ(chat.messages[2].tool_call_id, "c1");
}

TEST_F(StagesOverGrpcTest, ToolsThatCannotBeAreRefusedByName) {
  RAGMESH_ASSERT_OK_AND_ASSIGN(auto client, clients::ConnectGenerator(server_.peer()));
  const auto field = [&](stages::ChatPrompt prompt) {
    return FieldOf(
        client
            ->Generate(
                {.prompt = std::move(prompt)}, [](auto&) { return absl::OkStatus(); }, Soon())
            .status());
  };
  const stages::ChatMessage user{stages::ChatRole::kUser, "a"};
  EXPECT_EQ(field({{user}, {{"a b"}}}), "prompt.chat.tools[0].name");
  EXPECT_EQ(field({{{.role = stages::ChatRole::kUser, .tool_calls = {{"1", "f", "{}"}}}}}),
            "prompt.chat.messages[0].tool_calls");
  EXPECT_EQ(field({{user, {.role = stages::ChatRole::kAssistant, .tool_calls = {{"1", "", ""}}}}}),
            "prompt.chat.messages[1].tool_calls[0].name");
  EXPECT_EQ(field({{{.role = stages::ChatRole::kUser, .tool_call_id = "1"}}}),
            "prompt.chat.messages[0].tool_call_id");
}

TEST_F(StagesOverGrpcTest, GeneratorNamesTheBadMessage) {
  RAGMESH_ASSERT_OK_AND_ASSIGN(auto client, clients::ConnectGenerator(server_.peer()));
  stages::GenerateRequest request{.prompt = stages::ChatMessages{{.content = "a"}},
                                  .sampling = {.temperature = 3}};
  EXPECT_EQ(FieldOf(client
                        ->Generate(
                            request, [](auto&) { return absl::OkStatus(); }, Soon())
                        .status()),
            "sampling.temperature");
  request = {.prompt = stages::RawPrompt{}};
  EXPECT_EQ(FieldOf(client
                        ->Generate(
                            request, [](auto&) { return absl::OkStatus(); }, Soon())
                        .status()),
            "prompt.raw.text");
}

TEST_F(StagesOverGrpcTest, VectorStoreWritesReadsSearchesAndDeletes) {
  RAGMESH_ASSERT_OK_AND_ASSIGN(auto client, clients::ConnectVectorStore(server_.peer()));
  const stages::CollectionId id{.name = "manuals"};
  stages::CollectionConfig config{
      .id = id, .embedder_digest = std::string(64, 'a'), .dimension = 256};
  RAGMESH_ASSERT_OK(client->CreateCollection(config, Soon()));
  EXPECT_THAT(client->CreateCollection(config, Soon()), StatusIs(absl::StatusCode::kAlreadyExists));

  stages::Upsert upsert;
  upsert.document = stages::StoredDocument{.id = "d", .name = "d.md", .text = "the red fox"};
  upsert.document->acl_labels = {"all"};
  upsert.document->metadata = {{"year", std::int64_t{2026}}, {"draft", false}};
  stages::StoredChunk chunk{.id = "d/0", .document_id = "d"};
  chunk.chunk.text = "the red fox";
  chunk.chunk.range = {0, 11};
  chunk.vector = FakeEmbedder::Vector("the red fox");
  upsert.chunks = {chunk};
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto written,
                               client->Write(id, config.embedder_digest, upsert, Soon()));
  EXPECT_EQ(written.chunks_written, 1u);

  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto document, client->GetDocument(id, "d", {"all"}, Soon()));
  EXPECT_EQ(document.text, "the red fox");
  EXPECT_EQ(document.metadata, upsert.document->metadata);
  stages::SearchRequest search{.collection = id,
                               .query_text = "fox",
                               .query_vector = chunk.vector,
                               .embedder_digest = config.embedder_digest};
  search.principal_labels = {"all"};
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto found, client->Search(search, Soon()));
  ASSERT_EQ(found.hits.size(), 1u);
  EXPECT_EQ(found.hits[0].chunk.chunk.text, "the red fox");
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto deleted,
                               client->Delete(id, stages::DocumentIds{{"d"}}, Soon()));
  EXPECT_EQ(deleted.documents, 1u);
  EXPECT_THAT(client->GetCollection({.name = "absent"}, Soon()),
              StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(client->GetCollection({.name = "Not A Name"}, Soon()),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(StagesOverGrpcTest, DeadlineOfTheCallerReachesTheCore) {
  RAGMESH_ASSERT_OK_AND_ASSIGN(auto client, clients::ConnectEmbedder(server_.peer()));
  server_.embedder->fault.Hang();
  const CallContext call(absl::Now() + absl::Milliseconds(200));
  EXPECT_THAT(client->Embed({.texts = {"x"}}, call), StatusIs(absl::StatusCode::kDeadlineExceeded));
}

// The core stops within 100 ms of the caller's cancellation, on every kind of call.
TEST_F(StagesOverGrpcTest, CancellationStopsTheCoreWithin100Ms) {
  RAGMESH_ASSERT_OK_AND_ASSIGN(auto embedder, clients::ConnectEmbedder(server_.peer()));
  RAGMESH_ASSERT_OK_AND_ASSIGN(auto generator, clients::ConnectGenerator(server_.peer()));
  RAGMESH_ASSERT_OK_AND_ASSIGN(auto loader, clients::ConnectLoader(server_.peer()));
  RAGMESH_ASSERT_OK_AND_ASSIGN(auto splitter, clients::ConnectSplitter(server_.peer()));
  const auto none = []() -> absl::StatusOr<std::optional<stages::Block>> { return std::nullopt; };
  const std::vector<std::pair<StageFault*, std::function<absl::Status(const CallContext&)>>> calls =
      {{&server_.embedder->fault,
        [&](auto& call) { return embedder->Embed({.texts = {"x"}}, call).status(); }},
       {&server_.generator->fault,
        [&](auto& call) {
          return generator
              ->Generate(
                  {.prompt = stages::RawPrompt{"x"}}, [](auto&) { return absl::OkStatus(); }, call)
              .status();
        }},
       {&server_.loader->fault,
        [&](auto& call) {
          return loader
              ->Load(
                  {.source = std::string("x")}, [](auto) { return absl::OkStatus(); }, call)
              .status();
        }},
       {&server_.splitter->fault, [&](auto& call) {
          return splitter->Split(
              {}, none, [](auto) { return absl::OkStatus(); }, call);
        }}};
  for (const auto& [fault, run] : calls) {
    fault->Hang();
    const CallContext call = Soon();
    absl::Status status;
    std::thread caller([&, &run = run] { status = run(call); });
    while (fault->hanging() == 0) std::this_thread::yield();
    const absl::Time cancelled = absl::Now();
    call.Cancel();
    while (fault->hanging() != 0) std::this_thread::yield();
    EXPECT_LT(absl::Now() - cancelled, absl::Milliseconds(100));
    caller.join();
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kCancelled));
  }
}

TEST(StageWithoutCoreTest, AnswersInfoWithTheReasonAndRefusesWork) {
  StageServer server({.ready = false, .fill = false});
  RAGMESH_ASSERT_OK_AND_ASSIGN(auto client, clients::ConnectEmbedder(server.peer()));
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto info, client->Info(Soon()));
  EXPECT_FALSE(info.ready);
  EXPECT_EQ(info.stage, "embedder");
  EXPECT_THAT(info.not_ready_reason, HasSubstr("starting"));
  EXPECT_THAT(client->Embed({.texts = {"x"}}, Soon()), StatusIs(absl::StatusCode::kUnavailable));
}

TEST(UnreachableStageTest, IsNamedInTheError) {
  std::string target;
  {
    StageServer gone;
    target = gone.peer().target;
  }
  RAGMESH_ASSERT_OK_AND_ASSIGN(auto client, clients::ConnectEmbedder({.target = target}));
  const auto info = client->Info(Soon());
  EXPECT_THAT(info, StatusIs(absl::StatusCode::kUnavailable, HasSubstr("embedder at " + target)));
  EXPECT_THAT(info, HasReason("PEER_UNREACHABLE"));
}

TEST(TargetTest, RefusesWhatIsNoTarget) {
  for (const char* bad : {"", "host", ":80", "host:", "http://host:80"}) {
    EXPECT_THAT(clients::ConnectEmbedder({.target = bad}),
                StatusIs(absl::StatusCode::kInvalidArgument))
        << bad;
  }
}

}  // namespace
}  // namespace ragmesh::testing
