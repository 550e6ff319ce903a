// HTTP in, a real gRPC server behind, HTTP out.
#include <atomic>
#include <memory>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/security/credentials.h"
#include "grpcpp/security/server_credentials.h"
#include "grpcpp/server.h"
#include "grpcpp/server_builder.h"
#include "gtest/gtest.h"
#include "libs/bridge/bridge.h"
#include "libs/http/server.h"
#include "nlohmann/json.hpp"
#include "ragmesh/gateway/v1/gateway.grpc.pb.h"
#include "ragmesh_test/library.grpc.pb.h"
#include "tests/unit/http/raw_client.h"

namespace ragmesh::bridge {
namespace {

namespace v1 = ragmesh::gateway::v1;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

grpc::Status BusyStatus() {
  google::rpc::Status status;
  status.set_code(8);
  status.set_message("busy");
  google::rpc::RetryInfo retry;
  retry.mutable_retry_delay()->set_nanos(1500000);
  status.add_details()->PackFrom(retry);
  return grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED, "busy", status.SerializeAsString());
}

class Library final : public ragmesh_test::LibraryService::Service {
 public:
  grpc::Status GetBook(grpc::ServerContext*, const ragmesh_test::GetBookRequest* request,
                       ragmesh_test::Book* book) override {
    if (request->name() == "busy") return BusyStatus();
    book->set_name(request->name());
    return grpc::Status::OK;
  }
  grpc::Status UpdateBook(grpc::ServerContext* context,
                          const ragmesh_test::UpdateBookRequest* request,
                          ragmesh_test::UpdateBookResponse* response) override {
    *response->mutable_book() = request->book();
    const auto trace = context->client_metadata().find("traceparent");
    if (trace != context->client_metadata().end()) {
      response->mutable_book()->set_name(std::string(trace->second.data(), trace->second.size()));
    }
    return grpc::Status::OK;
  }
  grpc::Status FindBooks(grpc::ServerContext* context,
                         const ragmesh_test::FindBooksRequest* request,
                         ragmesh_test::FindBooksRequest* response) override {
    *response = *request;
    if (request->title() == "deadline") {
      response->set_big_number(static_cast<std::uint64_t>(
          absl::ToInt64Milliseconds(absl::FromChrono(context->deadline()) - absl::Now())));
    }
    return grpc::Status::OK;
  }
  grpc::Status ReadAloud(grpc::ServerContext*, const ragmesh_test::ReadAloudRequest* request,
                         grpc::ServerWriter<ragmesh_test::ReadAloudResponse>* writer) override {
    if (request->fail_at_start()) return BusyStatus();
    ragmesh_test::ReadAloudResponse response;
    for (int i = 0; request->pages() == 0 || i < request->pages(); ++i) {
      response.set_page(request->pages() == 0 ? std::string(50000, 'x') : absl::StrCat("p", i));
      if (writer->Write(response)) continue;
      stopped.Notify();
      return grpc::Status::CANCELLED;
    }
    if (request->fail_at_end()) return BusyStatus();
    response.set_count(request->pages());
    writer->Write(response);
    return grpc::Status::OK;
  }

  absl::Notification stopped;
};

class Gateway final : public v1::GatewayService::Service {
 public:
  grpc::Status Ask(grpc::ServerContext* context, const v1::AskRequest* request,
                   grpc::ServerWriter<v1::AskResponse>* writer) override {
    v1::AskResponse event;
    event.mutable_token()->set_text(absl::StrCat(request->collection(), ":", request->question()));
    writer->Write(event);
    if (request->question() == "hang") {
      asking.Notify();
      while (!context->IsCancelled())
        absl::SleepFor(absl::Milliseconds(1));  // a generator's loop between two tokens
      stopped.Notify();
      return grpc::Status::CANCELLED;
    }
    if (request->question() == "fail") return BusyStatus();
    event.mutable_done()->set_finish_reason(v1::FINISH_REASON_LENGTH);
    writer->Write(event);
    return grpc::Status::OK;
  }
  grpc::Status Chat(grpc::ServerContext*, const v1::ChatRequest* request,
                    grpc::ServerWriter<v1::ChatResponse>* writer) override {
    v1::ChatResponse event;
    event.mutable_token()->set_text(absl::StrCat(request->messages_size(), " messages"));
    writer->Write(event);
    event.mutable_usage()->set_prompt_tokens(4);
    writer->Write(event);
    return grpc::Status::OK;
  }
  grpc::Status Embed(grpc::ServerContext*, const v1::EmbedRequest* request,
                     v1::EmbedResponse* response) override {
    for (int i = 0; i < request->texts_size(); ++i)
      response->add_embeddings()->add_values(0.5f * static_cast<float>(i + 1));
    response->set_model("encoder");
    return grpc::Status::OK;
  }
  grpc::Status GetStatus(grpc::ServerContext*, const v1::GetStatusRequest*,
                         v1::GetStatusResponse* response) override {
    auto* info = response->add_stages()->mutable_info();
    info->set_stage("generator");
    info->set_ready(true);
    info->mutable_model()->set_name("writer");
    return grpc::Status::OK;
  }
  grpc::Status ListCollections(grpc::ServerContext*, const v1::ListCollectionsRequest*,
                               v1::ListCollectionsResponse* response) override {
    response->add_collections()->set_name("manuals");
    return grpc::Status::OK;
  }
  grpc::Status UploadDocument(grpc::ServerContext*,
                              grpc::ServerReader<v1::UploadDocumentRequest>* reader,
                              v1::UploadDocumentResponse* response) override {
    v1::UploadDocumentRequest request;
    if (!reader->Read(&request) || !request.has_header())
      return {grpc::StatusCode::INVALID_ARGUMENT, "no header"};
    const v1::UploadHeader header = request.header();
    if (header.collection() == "missing")
      return {grpc::StatusCode::NOT_FOUND, "no such collection"};
    std::size_t bytes = 0;
    while (reader->Read(&request)) bytes += request.data().size();
    response->mutable_job()->set_id("job1");
    response->set_document_id(absl::StrCat(header.collection(), "|", header.name(), "|",
                                           header.password(), "|",
                                           header.options().metadata().fields_size(), "|", bytes));
    return grpc::Status::OK;
  }
  grpc::Status WatchJob(grpc::ServerContext*, const v1::WatchJobRequest* request,
                        grpc::ServerWriter<v1::WatchJobResponse>* writer) override {
    v1::WatchJobResponse event;
    event.mutable_job()->set_id(request->job_id());
    writer->Write(event);
    return grpc::Status::OK;
  }

  absl::Notification asking, stopped;
};

class BridgeServerTest : public testing::Test {
 protected:
  void SetUp() override {
    grpc::ServerBuilder builder;
    int grpc_port = 0;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &grpc_port);
    builder.RegisterService(&library_);
    builder.RegisterService(&gateway_);
    grpc_server_ = builder.BuildAndStart();
    BridgeOptions options;
    options.services = {"ragmesh_test.LibraryService", "ragmesh.gateway.v1.GatewayService"};
    options.api.channel = grpc::CreateChannel(absl::StrCat("127.0.0.1:", grpc_port),
                                              grpc::InsecureChannelCredentials());
    options.api.max_document_bytes = 3 << 20;
    auto bridge = Bridge::Create(std::move(options));
    ASSERT_TRUE(bridge.ok()) << bridge.status();
    bridge_ = *std::move(bridge);
    auto server = http::Server::Start(
        {}, [this](std::shared_ptr<http::Exchange> exchange) { bridge_->Handle(exchange); });
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
  }
  void TearDown() override {
    server_.reset();
    grpc_server_->Shutdown(absl::ToChronoTime(absl::Now() + absl::Seconds(5)));
  }

  std::string Send(absl::string_view method, absl::string_view target, absl::string_view body = "",
                   absl::string_view headers = "") {
    http::RawClient client(server_->port());
    client.Send(absl::StrCat(
        method, " ", target, " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n", headers,
        body.empty() ? "" : absl::StrCat("Content-Length: ", body.size(), "\r\n"), "\r\n", body));
    return client.ReadToEnd();
  }
  static nlohmann::json BodyOf(const std::string& reply) {
    return nlohmann::json::parse(reply.substr(reply.find("\r\n\r\n") + 4), nullptr, false);
  }

  Library library_;
  Gateway gateway_;
  std::unique_ptr<grpc::Server> grpc_server_;
  std::unique_ptr<Bridge> bridge_;
  std::unique_ptr<http::Server> server_;
};

TEST_F(BridgeServerTest, AnswersUnaryMethods) {
  const std::string reply = Send("GET", "/v1/shelves/1/books/2");
  EXPECT_THAT(reply, StartsWith("HTTP/1.1 200"));
  EXPECT_EQ(BodyOf(reply)["name"], "shelves/1/books/2") << reply;
}

TEST_F(BridgeServerTest, PassesOnTraceParentAndAnswersWithTheResponseBodyField) {
  constexpr char kTrace[] = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  const std::string reply =
      Send("PATCH", "/v1/books/7", "{}", absl::StrCat("Traceparent: ", kTrace, "\r\n"));
  EXPECT_EQ(BodyOf(reply)["name"], kTrace);
  EXPECT_EQ(BodyOf(reply)["id"], "7");
}

TEST_F(BridgeServerTest, BoundsTheDeadlineByTheCallersHeader) {
  const auto remaining =
      BodyOf(Send("POST", "/v1/books:find", R"({"title":"deadline"})", "Request-Timeout: 5\r\n"));
  const long long milliseconds = std::stoll(remaining["bigNumber"].get<std::string>());
  EXPECT_GT(milliseconds, 0);
  EXPECT_LE(milliseconds, 6000);  // the clock of the deadline may run a little ahead
  EXPECT_THAT(Send("POST", "/v1/books:find", "{}", "Request-Timeout: soon\r\n"),
              StartsWith("HTTP/1.1 400"));
}

TEST_F(BridgeServerTest, TurnsStatusDetailsIntoJsonAndRetryAfter) {
  const std::string reply = Send("GET", "/v2/books/busy");
  EXPECT_THAT(reply, StartsWith("HTTP/1.1 429"));
  EXPECT_THAT(reply, HasSubstr("Retry-After: 1\r\n"));
  const auto body = BodyOf(reply);
  EXPECT_EQ(body["code"], 8);
  EXPECT_EQ(body["details"][0]["@type"], "type.googleapis.com/google.rpc.RetryInfo");
  EXPECT_EQ(body["details"][0]["retryDelay"], "0.001500s");
}

TEST_F(BridgeServerTest, StreamsServerSentEventsNamedByTheOneof) {
  const std::string reply = Send("GET", "/v1/books/1:read?pages=2");
  EXPECT_THAT(reply, HasSubstr("Content-Type: text/event-stream"));
  EXPECT_THAT(reply, HasSubstr("event: page\ndata: {\"page\":\"p0\"}\n\n"));
  EXPECT_THAT(reply, HasSubstr("event: count\ndata: {\"count\":2}\n\n"));
}

TEST_F(BridgeServerTest, StreamsLinesWhenAsked) {
  const std::string reply =
      Send("GET", "/v1/books/1:read?pages=1", "", "Accept: application/x-ndjson\r\n");
  EXPECT_THAT(reply, HasSubstr("{\"page\":\"p0\"}\n"));
  EXPECT_THAT(reply, Not(HasSubstr("event:")));
}

TEST_F(BridgeServerTest, EndsABrokenStreamWithAnErrorEventAndAnUnbegunOneWithItsCode) {
  EXPECT_THAT(Send("GET", "/v1/books/1:read?pages=1&failAtEnd=true"),
              HasSubstr("event: error\ndata: {\"code\":8"));
  EXPECT_THAT(Send("GET", "/v1/books/1:read?failAtStart=true"), StartsWith("HTTP/1.1 429"));
  EXPECT_THAT(Send("GET", "/v1/books/1:read?pages=1&failAtEnd=true", "",
                   "Accept: application/x-ndjson\r\n"),
              HasSubstr("{\"error\":{\"code\":8"));
}

TEST_F(BridgeServerTest, CancelsTheCallWithin100MillisecondsOfTheClientLeaving) {
  http::RawClient client(server_->port());
  const std::string body = R"({"question":"hang"})";
  client.Send(absl::StrCat(
      "POST /v1/collections/c:ask HTTP/1.1\r\nHost: localhost\r\nContent-Length: ", body.size(),
      "\r\n\r\n", body));
  client.ReadUntil("event: token");
  gateway_.asking.WaitForNotification();
  client.CloseNow();
  EXPECT_TRUE(gateway_.stopped.WaitForNotificationWithTimeout(absl::Milliseconds(100)));
}

TEST_F(BridgeServerTest, StopsAnEndlessStreamWhoseClientReadsNothingOnceItLeaves) {
  http::RawClient client(server_->port(), /*receive_buffer_bytes=*/65536);
  client.Send("GET /v1/books/1:read HTTP/1.1\r\nHost: localhost\r\n\r\n");
  client.ReadUntil("event: page");
  client.CloseNow();
  EXPECT_TRUE(library_.stopped.WaitForNotificationWithTimeout(absl::Seconds(10)));
}

TEST_F(BridgeServerTest, AnswersUnknownPathsAndMethodsWithTypedErrors) {
  const std::string missing = Send("GET", "/nowhere");
  EXPECT_THAT(missing, StartsWith("HTTP/1.1 404"));
  EXPECT_THAT(missing, HasSubstr("PATH_NOT_FOUND"));
  const std::string method = Send("DELETE", "/v1/books/2");
  EXPECT_THAT(method, StartsWith("HTTP/1.1 405"));
  EXPECT_THAT(method, HasSubstr("Allow: OPTIONS, PATCH\r\n"));
  EXPECT_THAT(Send("OPTIONS", "/v1/books/2"), StartsWith("HTTP/1.1 204"));
}

TEST_F(BridgeServerTest, RefusesBadBodiesWithTheFieldsName) {
  EXPECT_THAT(Send("POST", "/v1/books:find", "{\"a\":1,\"a\":2}"), HasSubstr("DUPLICATE_KEY"));
  EXPECT_THAT(Send("POST", "/v1/books:find", "{\"titel\":\"x\"}"), HasSubstr("UNKNOWN_FIELD"));
  EXPECT_THAT(Send("POST", "/v1/books:find", "\xff"), HasSubstr("INVALID_UTF8"));
  EXPECT_THAT(Send("POST", "/v1/books:find", "{}", "Content-Type: text/xml\r\n"),
              StartsWith("HTTP/1.1 415"));
}

TEST_F(BridgeServerTest, ServesThePageWithItsPolicyAndNothingElse) {
  const std::string page = Send("GET", "/");
  EXPECT_THAT(page, HasSubstr("<title>ragmesh</title>"));
  EXPECT_THAT(page, HasSubstr("Content-Security-Policy: default-src 'none'"));
  for (const char* path : {"/../etc/passwd", "/%2e%2e/etc/passwd", "/.git/config", "/app.js/"}) {
    EXPECT_THAT(Send("GET", path), StartsWith("HTTP/1.1 404")) << path;
  }
  EXPECT_THAT(Send("POST", "/app.js", "x"), StartsWith("HTTP/1.1 405"));
  const std::string head = Send("HEAD", "/app.js");
  EXPECT_TRUE(absl::EndsWith(head, "\r\n\r\n"));
  const std::size_t at = head.find("ETag: ") + 6;
  const std::string etag = head.substr(at, head.find("\r\n", at) - at);
  EXPECT_THAT(Send("GET", "/app.js", "", absl::StrCat("If-None-Match: ", etag, "\r\n")),
              StartsWith("HTTP/1.1 304"));
}

TEST_F(BridgeServerTest, ServesAnOpenApiDocument) {
  const auto document = BodyOf(Send("GET", "/openapi.json"));
  EXPECT_EQ(document["openapi"], "3.1.0");
  EXPECT_TRUE(document["paths"].contains("/v1/chat/completions"));
  EXPECT_TRUE(document["paths"].contains("/v1/books/{id}:read"));
}

TEST_F(BridgeServerTest, CompletesChatsFromDocumentsAndFromTheGenerator) {
  const auto chat = [this](const std::string& model, const std::string& more) {
    return Send(
        "POST", "/v1/chat/completions",
        absl::StrCat("{\"model\":\"", model,
                     "\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]", more, "}"));
  };
  const auto answer = BodyOf(chat("ragmesh/manuals", ""));
  EXPECT_EQ(answer["choices"][0]["message"]["content"], "manuals:hi");
  EXPECT_EQ(answer["choices"][0]["finish_reason"], "length");
  EXPECT_EQ(BodyOf(chat("ragmesh", ""))["choices"][0]["message"]["content"], "default:hi");
  EXPECT_EQ(BodyOf(chat("writer", ""))["choices"][0]["message"]["content"], "1 messages");
  EXPECT_EQ(BodyOf(chat("writer", ""))["usage"]["prompt_tokens"], 4);
  const std::string streamed = chat("ragmesh", ",\"stream\":true");
  EXPECT_THAT(streamed, HasSubstr("\"delta\":{\"content\":\"default:hi\"}"));
  EXPECT_THAT(streamed, HasSubstr("data: [DONE]\n\n"));
  const std::string unknown = chat("gpt-x", "");
  EXPECT_THAT(unknown, StartsWith("HTTP/1.1 404"));
  EXPECT_EQ(BodyOf(unknown)["error"]["code"], "model_not_found");
}

TEST_F(BridgeServerTest, ReportsChatErrorsInOpenAiForm) {
  const std::string body = R"({"model":"ragmesh","messages":[{"role":"user","content":"fail"}]})";
  const std::string reply = Send("POST", "/v1/chat/completions", body);
  EXPECT_THAT(reply, StartsWith("HTTP/1.1 429"));
  EXPECT_EQ(BodyOf(reply)["error"]["type"], "rate_limit_error");
  const std::string streamed =
      Send("POST", "/v1/chat/completions",
           R"({"model":"ragmesh","stream":true,"messages":[{"role":"user","content":"fail"}]})");
  EXPECT_THAT(streamed, HasSubstr("data: {\"error\":{\"message\":\"busy\""));
  EXPECT_THAT(streamed, Not(HasSubstr("[DONE]")));
  EXPECT_EQ(BodyOf(Send("POST", "/v1/chat/completions", "{}"))["error"]["param"], "model");
}

TEST_F(BridgeServerTest, EmbedsAsFloatsAndAsBase64) {
  const auto floats =
      BodyOf(Send("POST", "/v1/embeddings", R"({"model":"encoder","input":["a","b"]})"));
  EXPECT_EQ(floats["data"][1]["embedding"][0], 1.0);
  const auto base64 = BodyOf(Send("POST", "/v1/embeddings",
                                  R"({"model":"encoder","input":"a","encoding_format":"base64"})"));
  EXPECT_EQ(base64["data"][0]["embedding"], "AAAAPw==");  // 0.5f, little-endian
  EXPECT_THAT(Send("POST", "/v1/embeddings", R"({"model":"other","input":"a"})"),
              StartsWith("HTTP/1.1 404"));
}

TEST_F(BridgeServerTest, ListsModels) {
  const auto list = BodyOf(Send("GET", "/v1/models"));
  EXPECT_EQ(list["data"].size(), 3u);
  EXPECT_EQ(BodyOf(Send("GET", "/v1/models/ragmesh%2Fmanuals"))["id"], "ragmesh/manuals");
  EXPECT_THAT(Send("GET", "/v1/models/none"), StartsWith("HTTP/1.1 404"));
}

TEST_F(BridgeServerTest, UploadsRawBodies) {
  const std::string bytes(2 << 20, 'x');
  const std::string reply =
      Send("POST", "/v1/collections/c/documents:upload?name=a%20b.txt&metadata=%7B%22k%22:1%7D",
           bytes, "Content-Type: text/plain\r\nX-Document-Password: secret\r\n");
  EXPECT_THAT(reply, StartsWith("HTTP/1.1 202"));
  EXPECT_EQ(BodyOf(reply)["documentId"], absl::StrCat("c|a b.txt|secret|1|", bytes.size()));
}

TEST_F(BridgeServerTest, UploadsForms) {
  const std::string form =
      "--b\r\nContent-Disposition: form-data; name=\"password\"\r\n\r\npw\r\n"
      "--b\r\nContent-Disposition: form-data; name=\"file\"; "
      "filename=\"f.pdf\"\r\n\r\n12345\r\n--b--\r\n";
  const std::string type = "Content-Type: multipart/form-data; boundary=b\r\n";
  EXPECT_EQ(BodyOf(Send("POST", "/v1/collections/c/documents:upload", form, type))["documentId"],
            "c|f.pdf|pw|0|5");
  EXPECT_THAT(Send("POST", "/v1/collections/c/documents:upload", form,
                   type + "Accept: text/event-stream\r\n"),
              HasSubstr("event: job\ndata: {\"job\":{\"id\":\"job1\""));
}

// Run often it also shows that a call may be the last owner of its channel when the bridge is gone:
// gRPC then ended its callback threads from one of them, and the process aborted.
TEST_F(BridgeServerTest, RefusesBadUploads) {
  const std::string path = "/v1/collections/c/documents:upload";
  EXPECT_THAT(Send("POST", path, "x"), HasSubstr("name is missing"));
  EXPECT_THAT(Send("POST", path + "?name=a&password=b", "x"), HasSubstr("X-Document-Password"));
  EXPECT_THAT(Send("POST", path + "?name=a", std::string(4 << 20, 'x')),
              HasSubstr("LIMIT_EXCEEDED"));
  EXPECT_THAT(Send("POST", "/v1/collections/missing/documents:upload?name=a", "x"),
              StartsWith("HTTP/1.1 404"));
  EXPECT_THAT(
      Send("POST", path, "--b\r\nbroken", "Content-Type: multipart/form-data; boundary=b\r\n"),
      HasSubstr("MALFORMED_MULTIPART"));
  EXPECT_THAT(Send("GET", path), StartsWith("HTTP/1.1 405"));
}

}  // namespace
}  // namespace ragmesh::bridge
