// What the server runner promises whatever the stage: queue bound, slow readers, drain, health,
// reflection, addresses.
#include <gmock/gmock.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <ragmesh/embedder/v1/embedder.grpc.pb.h>
#include <ragmesh/generator/v1/generator.grpc.pb.h>

#include <future>
#include <thread>

#include "libs/rpc/status.h"
#include "libs/testing/status_matchers.h"
#include "libs/testing/test_data.h"
#include "tests/integration/rpc/stage_server.h"

namespace ragmesh::testing {
namespace {

using ::testing::HasSubstr;

CallContext Soon() { return CallContext(absl::Now() + absl::Seconds(20)); }

TEST(ServerTest, RefusesWithRetryInfoWhenTheQueueIsFull) {
  StageServer::Options options;
  options.server.workers = 1;
  options.server.max_queued = 1;
  StageServer server(options);
  server.embedder->fault.Hang();
  RAGMESH_ASSERT_OK_AND_ASSIGN(auto client, clients::ConnectEmbedder(server.peer()));
  const CallContext held = Soon();
  const auto embed = [&] { return client->Embed({.texts = {"x"}}, held).status(); };
  auto first = std::async(std::launch::async, embed);
  while (server.embedder->fault.hanging() == 0) std::this_thread::yield();
  auto second = std::async(std::launch::async, embed);
  while (server.metrics().Expose().find("ragmesh_test_queue_depth 1") == std::string::npos)
    std::this_thread::yield();
  const absl::Status refused = client->Embed({.texts = {"x"}}, Soon()).status();
  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_THAT(refused, HasReason("QUEUE_FULL"));
  EXPECT_TRUE(GetErrorDetail(refused)->retry_after.has_value());
  held.Cancel();
  EXPECT_THAT(first.get(), StatusIs(absl::StatusCode::kCancelled));
  EXPECT_THAT(second.get(), StatusIs(absl::StatusCode::kCancelled));
}

// gRPC itself answers UNIMPLEMENTED, without a word.
TEST(ServerTest, AMessageThatCannotBeDecodedIsAnInvalidArgument) {
  StageServer server(StageServer::Options{});
  grpc::GenericStub stub(
      grpc::CreateChannel(server.peer().target, grpc::InsecureChannelCredentials()));
  for (const std::string bytes : {"\xff\xff\xff", "\x0a\x03q\xff\xfe"}) {
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(20)));
    const grpc::Slice slice(bytes);
    const grpc::ByteBuffer request(&slice, 1);
    grpc::ByteBuffer response;
    std::promise<grpc::Status> done;
    stub.UnaryCall(&context, "/ragmesh.embedder.v1.EmbedderService/Embed", {}, &request, &response,
                   [&done](const grpc::Status& status) { done.set_value(status); });
    const absl::Status status = rpc::FromGrpcStatus(done.get_future().get());
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument));
    EXPECT_THAT(status, HasReason("INVALID_FIELD"));
    EXPECT_EQ(GetErrorDetail(status)->field, "message");
  }
}

TEST(ServerTest, EndsACallWhoseReaderStopsReading) {
  StageServer::Options options;
  options.server.max_write_stall = absl::Milliseconds(100);
  StageServer server(options);
  server.generator->says.clear();
  for (int i = 0; i < 4000; ++i) server.generator->says += " " + std::string(10'000, 'x');  // 40 MB
  auto stub = ragmesh::generator::v1::GeneratorService::NewStub(
      grpc::CreateChannel(server.peer().target, grpc::InsecureChannelCredentials()));
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(20)));
  ragmesh::generator::v1::GenerateRequest request;
  request.mutable_prompt()->mutable_raw()->set_text("x");
  const auto reader = stub->Generate(&context, request);
  ragmesh::generator::v1::GenerateResponse response;
  ASSERT_TRUE(reader->Read(&response));
  // Nothing is read until the server has given up.
  const std::string counted =
      "ragmesh_test_requests_total{code=\"RESOURCE_EXHAUSTED\",method=\"Generate\"} 1";
  while (server.metrics().Expose().find(counted) == std::string::npos) std::this_thread::yield();
  EXPECT_LT(server.generator->tokens_made.load(), 4000);
  while (reader->Read(&response)) {
  }
  const absl::Status status = rpc::FromGrpcStatus(reader->Finish());
  EXPECT_THAT(status, HasReason("SLOW_READER"));
}

TEST(ServerTest, DrainLetsRunningCallsFinishAndRefusesNewOnes) {
  StageServer server;
  absl::Notification begun, go;
  server.embedder->fault.Set([&](const CallContext&) {
    begun.Notify();
    go.WaitForNotification();
    return absl::OkStatus();
  });
  RAGMESH_ASSERT_OK_AND_ASSIGN(auto client, clients::ConnectEmbedder(server.peer()));
  auto running = std::async(std::launch::async,
                            [&] { return client->Embed({.texts = {"x"}}, Soon()).status(); });
  begun.WaitForNotification();
  std::thread drain([&] { server.server().Drain(absl::Seconds(10)); });
  while (server.server().readiness().reason != "draining") std::this_thread::yield();
  go.Notify();
  RAGMESH_EXPECT_OK(running.get());
  drain.join();
  EXPECT_THAT(client->Embed({.texts = {"x"}}, Soon()), StatusIs(absl::StatusCode::kUnavailable));
}

TEST(ServerTest, DrainCancelsWhatOutlivesItsTime) {
  StageServer server;
  server.embedder->fault.Hang();
  RAGMESH_ASSERT_OK_AND_ASSIGN(auto client, clients::ConnectEmbedder(server.peer()));
  auto running = std::async(std::launch::async,
                            [&] { return client->Embed({.texts = {"x"}}, Soon()).status(); });
  while (server.embedder->fault.hanging() == 0) std::this_thread::yield();
  server.server().Drain(absl::Milliseconds(50));
  EXPECT_FALSE(running.get().ok());
  EXPECT_EQ(server.embedder->fault.hanging(), 0);
}

TEST(ServerTest, HealthFollowsReadiness) {
  StageServer server;
  RAGMESH_ASSERT_OK_AND_ASSIGN(auto client, clients::ConnectEmbedder(server.peer()));
  RAGMESH_EXPECT_OK(client->Embed({.texts = {"x"}}, Soon()));
  server.server().SetNotReady("the model is missing");
  absl::Status status;  // the change travels by the health stream
  do {
    status = client->Embed({.texts = {"x"}}, Soon()).status();
  } while (status.ok());
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kUnavailable));
  RAGMESH_EXPECT_OK(client->Info(Soon()));
  EXPECT_EQ(server.server().readiness().reason, "the model is missing");
}

TEST(ServerTest, ListensOnUnixSocketsToo) {
  TempDir folder;
  StageServer::Options options;
  options.server.listen = {"unix:" + (folder.path() / "stage.sock").string(), "127.0.0.1:0"};
  StageServer server(options);
  for (const std::string& address : server.server().addresses()) {
    RAGMESH_ASSERT_OK_AND_ASSIGN(auto client, clients::ConnectEmbedder({.target = address}));
    RAGMESH_EXPECT_OK(client->Embed({.texts = {"x"}}, Soon())) << address;
  }
}

TEST(ServerTest, RefusesAnAddressInUse) {
  StageServer server;
  rpc::ServerOptions options;
  options.listen = {server.peer().target};
  const auto second = rpc::Server::Start(options, {}, {});
  EXPECT_THAT(second,
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr(server.peer().target)));
  EXPECT_THAT(second, HasReason("CANNOT_LISTEN"));
}

TEST(ServerTest, CountsCallsByMethodAndCode) {
  StageServer server;
  RAGMESH_ASSERT_OK_AND_ASSIGN(auto client, clients::ConnectEmbedder(server.peer()));
  RAGMESH_EXPECT_OK(client->Embed({.texts = {"x"}}, Soon()));
  EXPECT_FALSE(client->Embed({}, Soon()).ok());
  const std::string text = server.metrics().Expose();
  EXPECT_THAT(text, HasSubstr("ragmesh_test_requests_total{code=\"OK\",method=\"Embed\"} 1"));
  EXPECT_THAT(
      text, HasSubstr("ragmesh_test_requests_total{code=\"INVALID_ARGUMENT\",method=\"Embed\"} 1"));
  EXPECT_THAT(text, HasSubstr("ragmesh_test_inflight_requests{method=\"Embed\"} 0"));
}

TEST(ServerTest, RefusesACertificateWithoutItsKey) {
  rpc::ServerOptions options;
  options.listen = {"127.0.0.1:0"};
  options.tls.cert_file = "/nowhere/cert.pem";
  const auto server = rpc::Server::Start(options, {}, {});
  EXPECT_THAT(server,
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("--tls_key is missing")));
}

}  // namespace
}  // namespace ragmesh::testing
