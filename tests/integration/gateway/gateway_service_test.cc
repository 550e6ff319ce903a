// A real server on a free port, a real stub, fake stages.
#include "services/gateway/gateway_service.h"

#include <gmock/gmock.h>
#include <google/rpc/status.pb.h>
#include <grpcpp/create_channel.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <thread>

#include "libs/concurrency/thread_pool.h"
#include "libs/log/logger.h"
#include "libs/metrics/registry.h"
#include "libs/rpc/server.h"
#include "libs/rpc/status.h"
#include "libs/testing/status_matchers.h"
#include "libs/testing/test_data.h"
#include "libs/trace/span.h"
#include "services/gateway/gateway_metrics.h"
#include "tests/unit/pipeline/fake_mesh.h"

namespace ragmesh::services {
namespace {

namespace v1 = ::ragmesh::gateway::v1;
using ::ragmesh::testing::HasReason;

class NoSpans final : public trace::Exporter {
 public:
  void Export(const trace::FinishedSpan&) override {}
};

class GatewayServiceTest : public ::testing::Test {
 protected:
  void SetUp() override {
    pipeline::GatewayOptions options;
    options.ingest.data_folder = folder_.path();
    auto gateway = pipeline::Gateway::Create(mesh_.stages, options, observer_);
    ASSERT_TRUE(gateway.ok()) << gateway.status();
    gateway_ = *std::move(gateway);
    service_ = std::make_unique<GatewayService>(runtime_, *gateway_, keys_);
    rpc::ServerOptions server;
    server.listen = {"127.0.0.1:0"};
    auto started =
        rpc::Server::Start(server, {service_.get()}, {"ragmesh.gateway.v1.GatewayService"});
    ASSERT_TRUE(started.ok()) << started.status();
    server_ = *std::move(started);
    stub_ = v1::GatewayService::NewStub(
        grpc::CreateChannel(server_->addresses()[0], grpc::InsecureChannelCredentials()));
    v1::CreateCollectionRequest request;
    request.set_name("manuals");
    v1::CreateCollectionResponse response;
    grpc::ClientContext context;
    ASSERT_TRUE(stub_->CreateCollection(&context, request, &response).ok());
    ASSERT_EQ(response.collection().embedder_digest(), mesh_.embedder.digest);
  }
  void TearDown() override { server_->Drain(absl::Seconds(5)); }

  // Uploads in two pieces and follows the job to its end.
  v1::Job Upload(const std::string& name, const std::string& text) {
    grpc::ClientContext context;
    v1::UploadDocumentResponse response;
    auto writer = stub_->UploadDocument(&context, &response);
    v1::UploadDocumentRequest message;
    message.mutable_header()->set_collection("manuals");
    message.mutable_header()->set_name(name);
    writer->Write(message);
    message.set_data(text.substr(0, text.size() / 2));
    writer->Write(message);
    message.set_data(text.substr(text.size() / 2));
    writer->Write(message);
    writer->WritesDone();
    const grpc::Status status = writer->Finish();
    EXPECT_TRUE(status.ok()) << status.error_message();
    document_id_ = response.document_id();
    v1::WatchJobRequest watch;
    watch.set_job_id(response.job().id());
    grpc::ClientContext watching;
    auto reader = stub_->WatchJob(&watching, watch);
    v1::WatchJobResponse event;
    v1::Job last;
    while (reader->Read(&event)) {
      if (event.has_job()) last = event.job();
    }
    EXPECT_TRUE(reader->Finish().ok());
    return last;
  }

  const testing::TempDir folder_;
  pipeline::FakeMesh mesh_;
  ThreadPool workers_{"workers", 8, 64};
  log::Logger log_{{.stage = "gateway", .level = log::Level::kError}};
  metrics::Registry metrics_;
  NoSpans spans_;
  GatewayMetrics observer_{metrics_};
  rpc::ServerRuntime runtime_{
      {.stage = "gateway", .methods = rpc::MethodNames("ragmesh.gateway.v1.GatewayService")},
      workers_,
      log_,
      metrics_,
      spans_};
  const ApiKeys keys_ = ApiKeys::Open();
  std::unique_ptr<pipeline::Gateway> gateway_;
  std::unique_ptr<GatewayService> service_;
  std::unique_ptr<rpc::Server> server_;
  std::unique_ptr<v1::GatewayService::Stub> stub_;
  std::string document_id_;
};

TEST_F(GatewayServiceTest, ADocumentGoesInAndAnswersComeOutWithTheirSource) {
  const v1::Job job = Upload("tesla.txt", "Tesla died on 7 January 1943 in New York.");
  EXPECT_EQ(job.state(), v1::JOB_STATE_SUCCEEDED);
  mesh_.generator.says = "Tesla died on 7 January 1943.";
  v1::AskRequest request;
  request.set_collection("manuals");
  request.set_question("When did Tesla die?");
  grpc::ClientContext context;
  auto reader = stub_->Ask(&context, request);
  v1::AskResponse event;
  std::string text;
  v1::Citation citation;
  v1::Answer answer;
  bool done = false;
  while (reader->Read(&event)) {
    text += event.token().text();
    if (event.has_citation()) citation = event.citation();
    if (event.has_answer()) answer = event.answer();
    done = event.has_done();
  }
  EXPECT_TRUE(reader->Finish().ok());
  EXPECT_TRUE(done);
  EXPECT_EQ(text, "Tesla died on 7 January 1943. [1]");
  EXPECT_EQ(answer.kind(), v1::ANSWER_KIND_GENERATED);
  v1::GetDocumentRequest get;
  get.set_collection("manuals");
  get.set_document_id(citation.document_id());
  v1::GetDocumentResponse document;
  grpc::ClientContext getting;
  ASSERT_TRUE(stub_->GetDocument(&getting, get, &document).ok());
  EXPECT_EQ(document.document().text().substr(citation.range().begin(),
                                              citation.range().end() - citation.range().begin()),
            citation.quote());
}

TEST_F(GatewayServiceTest, SearchGivesScoresAndTimings) {
  Upload("tesla.txt", "Tesla died on 7 January 1943 in New York.\n\nAnother paragraph.");
  v1::SearchRequest request;
  request.set_collection("manuals");
  request.set_query("Tesla died");
  v1::SearchResponse response;
  grpc::ClientContext context;
  ASSERT_TRUE(stub_->Search(&context, request, &response).ok());
  ASSERT_GT(response.passages_size(), 0);
  EXPECT_TRUE(response.passages(0).scores().has_dense());
  EXPECT_TRUE(response.passages(0).scores().has_reranked());
  EXPECT_EQ(response.timings(response.timings_size() - 1).stage(), "total");
}

TEST_F(GatewayServiceTest, DeadLettersCarryATypedStatus) {
  const v1::Job job = Upload("bad.txt", "BROKEN document");
  EXPECT_EQ(job.state(), v1::JOB_STATE_FAILED);
  v1::ListJobDocumentsRequest request;
  request.set_job_id(job.id());
  request.set_state(v1::JOB_STATE_FAILED);
  v1::ListJobDocumentsResponse response;
  grpc::ClientContext context;
  ASSERT_TRUE(stub_->ListJobDocuments(&context, request, &response).ok());
  ASSERT_EQ(response.documents_size(), 1);
  EXPECT_EQ(response.documents(0).error().code(), 3);
  EXPECT_GT(response.documents(0).error().details_size(), 0);
}

TEST_F(GatewayServiceTest, ErrorsNameTheFieldAndTheNextStep) {
  v1::SearchRequest request;
  request.set_collection("none");
  request.set_query("x");
  v1::SearchResponse response;
  grpc::ClientContext context;
  EXPECT_THAT(rpc::FromGrpcStatus(stub_->Search(&context, request, &response)),
              HasReason("COLLECTION_NOT_FOUND"));
  v1::CreateIngestJobRequest job;
  job.set_collection("manuals");
  job.add_sources();
  v1::CreateIngestJobResponse created;
  grpc::ClientContext creating;
  EXPECT_THAT(rpc::FromGrpcStatus(stub_->CreateIngestJob(&creating, job, &created)),
              HasReason("INVALID_FIELD"));
}

TEST_F(GatewayServiceTest, ClosingTheStreamStopsTheGenerator) {
  Upload("tesla.txt", "Tesla died on 7 January 1943 in New York.");
  mesh_.generator.fault.Hang();
  v1::AskRequest request;
  request.set_collection("manuals");
  request.set_question("When did Tesla die?");
  grpc::ClientContext context;
  auto reader = stub_->Ask(&context, request);
  while (mesh_.generator.fault.hanging() == 0) std::this_thread::yield();
  const absl::Time gone = absl::Now();
  context.TryCancel();
  while (mesh_.generator.fault.hanging() > 0) std::this_thread::yield();
  EXPECT_LT(absl::Now() - gone, absl::Milliseconds(100));
  v1::AskResponse event;
  while (reader->Read(&event)) {
  }
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::CANCELLED);
}

TEST_F(GatewayServiceTest, ChatStreamsTokensThenUsageThenDone) {
  v1::ChatRequest request;
  request.add_messages()->set_role(v1::ROLE_USER);
  grpc::ClientContext context;
  auto reader = stub_->Chat(&context, request);
  v1::ChatResponse event;
  std::string order, text;
  while (reader->Read(&event)) {
    order += event.has_token() ? 't' : event.has_usage() ? 'u' : 'd';
    text += event.token().text();
  }
  EXPECT_TRUE(reader->Finish().ok());
  EXPECT_EQ(text, mesh_.generator.says);
  EXPECT_EQ(order.substr(order.size() - 2), "ud");
}

TEST_F(GatewayServiceTest, ChatMixesChoicesWithLogprobsAndEndsEach) {
  v1::ChatRequest request;
  request.add_messages()->set_role(v1::ROLE_USER);
  request.set_choices(3);
  request.set_top_logprobs(2);
  request.set_dry_multiplier(0.5);
  (*request.mutable_logit_bias())[7] = -100;
  grpc::ClientContext context;
  auto reader = stub_->Chat(&context, request);
  v1::ChatResponse event;
  std::vector<std::string> texts(3);
  std::vector<std::uint32_t> done;
  while (reader->Read(&event)) {
    if (event.has_done()) done.push_back(event.done().choice());
    if (!event.has_token()) continue;
    texts.at(event.token().choice()) += event.token().text();
    ASSERT_EQ(event.token().logprobs_size(), 1);
    EXPECT_EQ(event.token().logprobs(0).chosen().text(), event.token().text());
    EXPECT_EQ(event.token().logprobs(0).top_size(), 2);
  }
  EXPECT_TRUE(reader->Finish().ok());
  EXPECT_EQ(texts, std::vector<std::string>(3, mesh_.generator.says));
  EXPECT_EQ(done, (std::vector<std::uint32_t>{0, 1, 2}));
  EXPECT_EQ(mesh_.generator.last_sampling.dry_multiplier, 0.5);
  ASSERT_EQ(mesh_.generator.last_sampling.logit_bias.size(), 1u);
  EXPECT_EQ(mesh_.generator.last_sampling.logit_bias[0].token_id, 7u);
}

TEST_F(GatewayServiceTest, ChatTakesToolsAndStreamsCalls) {
  mesh_.generator.calls = {{0, "id1", "get_time", ""}, {0, "", "", "{}"}};
  v1::ChatRequest request;
  request.add_messages()->set_role(v1::ROLE_USER);
  auto* called = request.add_messages();
  called->set_role(v1::ROLE_ASSISTANT);
  called->add_tool_calls()->set_name("get_time");
  auto* answered = request.add_messages();
  answered->set_role(v1::ROLE_TOOL);
  answered->set_tool_call_id("id0");
  request.add_tools()->set_name("get_time");
  request.set_tool_name("get_time");
  grpc::ClientContext context;
  auto reader = stub_->Chat(&context, request);
  v1::ChatResponse event;
  std::string names, arguments;
  v1::FinishReason reason = v1::FINISH_REASON_UNSPECIFIED;
  while (reader->Read(&event)) {
    for (const auto& call : event.token().tool_calls()) {
      names += call.name();
      arguments += call.arguments();
    }
    if (event.has_done()) reason = event.done().finish_reason();
  }
  EXPECT_TRUE(reader->Finish().ok());
  EXPECT_EQ(names, "get_time");
  EXPECT_EQ(arguments, "{}");
  EXPECT_EQ(reason, v1::FINISH_REASON_TOOL_CALLS);
  const auto& chat = std::get<stages::ChatPrompt>(mesh_.generator.last_request.prompt);
  EXPECT_EQ(chat.tools.size(), 1u);
  EXPECT_EQ(chat.messages[1].tool_calls.size(), 1u);
  EXPECT_EQ(chat.messages[2].role, stages::ChatRole::kTool);
  EXPECT_EQ(mesh_.generator.last_request.tool_choice.name, "get_time");
}

TEST_F(GatewayServiceTest, ChatRefusesSamplingOutOfRangeByName) {
  v1::ChatRequest request;
  request.add_messages()->set_role(v1::ROLE_USER);
  request.set_typical_p(1.5);
  grpc::ClientContext context;
  auto reader = stub_->Chat(&context, request);
  v1::ChatResponse event;
  EXPECT_FALSE(reader->Read(&event));
  const grpc::Status status = reader->Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(status.error_message().find("typical_p"), 0u) << status.error_message();
}

TEST_F(GatewayServiceTest, StatusListsSeven) {
  v1::GetStatusResponse response;
  grpc::ClientContext context;
  ASSERT_TRUE(stub_->GetStatus(&context, {}, &response).ok());
  EXPECT_EQ(response.stages_size(), 7);
}

}  // namespace
}  // namespace ragmesh::services
