#include "libs/remote_generation/http_client.h"

#include <fstream>
#include <string>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/http/server.h"
#include "libs/testing/certificates.h"
#include "libs/testing/status_matchers.h"
#include "libs/testing/test_data.h"
#include "tests/unit/remote_generation/scripted_model_server.h"

namespace ragmesh::remote_generation {
namespace {

using ragmesh::testing::HasReason;
using ragmesh::testing::ScriptedConnection;
using ragmesh::testing::ScriptedModelServer;
using ragmesh::testing::ScriptedRequest;
using ragmesh::testing::StatusIs;
using ::testing::HasSubstr;
using ::testing::Not;

CallContext SoonEnough() { return CallContext(absl::Now() + absl::Seconds(20)); }

struct Got {
  absl::StatusOr<HttpReply> reply = absl::UnknownError("not sent");
  std::string body;
};

Got Get(HttpClient& client, const std::string& url, const CallContext& call = SoonEnough()) {
  Got got;
  got.reply = client.Send(
      url, nullptr,
      [&got](absl::string_view piece) {
        absl::StrAppend(&got.body, piece);
        return true;
      },
      call);
  return got;
}

ScriptedModelServer::Script Raw(const std::string& bytes) {
  return [bytes](const ScriptedRequest&, ScriptedConnection& connection) {
    connection.Send(bytes);
    return false;
  };
}

TEST(HttpClientTest, PostsJsonAndKeepsTheConnection) {
  ScriptedModelServer server([](const ScriptedRequest& request, ScriptedConnection& connection) {
    return connection.SendAnswer(200, request.body);
  });
  HttpClient client({});
  const std::string json = R"({"a":1})";
  for (int i = 0; i < 3; ++i) {
    std::string body;
    const auto reply = client.Send(
        server.url() + "/x", &json,
        [&body](absl::string_view piece) {
          absl::StrAppend(&body, piece);
          return true;
        },
        SoonEnough());
    RAGMESH_ASSERT_OK(reply);
    EXPECT_EQ(reply->status, 200);
    EXPECT_EQ(body, json);
  }
  EXPECT_EQ(server.connections(), 1);
  EXPECT_EQ(server.requests()[0].line(), "POST /x");
  EXPECT_THAT(server.requests()[0].head, HasSubstr("Content-Type: application/json"));
  EXPECT_THAT(server.requests()[0].head, Not(HasSubstr("Expect")));
  EXPECT_THAT(server.requests()[0].head, Not(HasSubstr("Accept-Encoding")));
}

TEST(HttpClientTest, SendsTheKeyThatTheFileHoldsNow) {
  ScriptedModelServer server([](const ScriptedRequest&, ScriptedConnection& connection) {
    return connection.SendAnswer(200, "");
  });
  const ragmesh::testing::TempDir folder;
  const std::string path = folder.path() / "key";
  HttpClient client({.key_file = path});
  EXPECT_THAT(Get(client, server.url()).reply, HasReason("REMOTE_KEY_UNREADABLE"));
  for (const char* key : {"first", "second\n"}) {
    std::ofstream(path) << key;
    RAGMESH_EXPECT_OK(Get(client, server.url()).reply);
  }
  EXPECT_THAT(server.requests()[0].head, HasSubstr("Authorization: Bearer first\r\n"));
  EXPECT_THAT(server.requests()[1].head, HasSubstr("Authorization: Bearer second\r\n"));
}

TEST(HttpClientTest, RefusesAKeyThatIsNone) {
  const ragmesh::testing::TempDir folder;
  const std::string path = folder.path() / "key";
  HttpClient client({.key_file = path});
  for (const std::string& key :
       {std::string(), std::string("\n"), std::string("two words"), std::string("a\r\nHost: evil"),
        std::string("\xff"), std::string(9000, 'x')}) {
    std::ofstream(path) << key;
    const auto reply = Get(client, "http://127.0.0.1:1").reply;
    EXPECT_THAT(reply, HasReason("REMOTE_KEY_UNREADABLE"));
    EXPECT_THAT(std::string(reply.status().message()), HasSubstr(path));
  }
}

TEST(HttpClientTest, CancellingClosesTheConnectionAtOnce) {
  absl::Notification asked, closed;
  ScriptedModelServer server([&](const ScriptedRequest&, ScriptedConnection& connection) {
    asked.Notify();
    if (connection.WaitForClose(absl::Seconds(10))) closed.Notify();
    return false;
  });
  HttpClient client({});
  const CallContext call = SoonEnough();
  absl::Time cancelled;
  std::thread canceller([&] {
    asked.WaitForNotification();
    cancelled = absl::Now();
    call.Cancel();
  });
  const auto reply = Get(client, server.url(), call).reply;
  closed.WaitForNotification();
  const absl::Duration took = absl::Now() - cancelled;
  canceller.join();
  EXPECT_THAT(reply, StatusIs(absl::StatusCode::kCancelled));
  EXPECT_LT(took, absl::Milliseconds(500));  // milliseconds, but for a busy machine
}

TEST(HttpClientTest, CancellingAStreamClosesTheConnectionAtOnce) {
  absl::Notification closed;
  ScriptedModelServer server([&](const ScriptedRequest&, ScriptedConnection& connection) {
    connection.BeginEvents();
    connection.SendEvent("a");
    if (connection.WaitForClose(absl::Seconds(10))) closed.Notify();
    return false;
  });
  HttpClient client({});
  const CallContext call = SoonEnough();
  const auto reply = client.Send(
      server.url(), nullptr,
      [&](absl::string_view) {
        call.Cancel();
        return true;
      },
      call);
  closed.WaitForNotification();
  EXPECT_THAT(reply, StatusIs(absl::StatusCode::kCancelled));
}

TEST(HttpClientTest, ADeadlineClosesTheConnection) {
  absl::Notification closed;
  ScriptedModelServer server([&](const ScriptedRequest&, ScriptedConnection& connection) {
    if (connection.WaitForClose(absl::Seconds(10))) closed.Notify();
    return false;
  });
  HttpClient client({});
  const auto reply =
      Get(client, server.url(), CallContext(absl::Now() + absl::Milliseconds(50))).reply;
  closed.WaitForNotification();
  EXPECT_THAT(reply, StatusIs(absl::StatusCode::kDeadlineExceeded));
}

TEST(HttpClientTest, TheReadersErrorEndsTheRequest) {
  absl::Notification closed;
  ScriptedModelServer server([&](const ScriptedRequest&, ScriptedConnection& connection) {
    connection.BeginEvents();
    connection.SendEvent("a");
    if (connection.WaitForClose(absl::Seconds(10))) closed.Notify();
    return false;
  });
  HttpClient client({});
  const auto reply = client.Send(
      server.url(), nullptr,
      [](absl::string_view) -> absl::StatusOr<bool> { return absl::AbortedError("full"); },
      SoonEnough());
  closed.WaitForNotification();
  EXPECT_THAT(reply, StatusIs(absl::StatusCode::kAborted));
}

TEST(HttpClientTest, DoesNotWaitForTheEndOfWhatDoesNotMatter) {
  ScriptedModelServer server([&](const ScriptedRequest&, ScriptedConnection& connection) {
    connection.BeginEvents();
    connection.SendEvent("a");
    connection.WaitForClose(absl::Seconds(10));
    return false;
  });
  HttpClient client({});
  const auto reply = client.Send(
      server.url(), nullptr, [](absl::string_view) { return false; }, SoonEnough());
  RAGMESH_ASSERT_OK(reply);
  EXPECT_EQ(reply->status, 200);
}

TEST(HttpClientTest, ASilentServerIsGivenUp) {
  ScriptedModelServer server([&](const ScriptedRequest&, ScriptedConnection& connection) {
    connection.WaitForClose(absl::Seconds(10));
    return false;
  });
  HttpClient client({.silence_timeout = absl::Milliseconds(50)});
  EXPECT_THAT(Get(client, server.url()).reply, HasReason("REMOTE_SILENT"));
}

TEST(HttpClientTest, AnEndlessBodyIsCut) {
  ScriptedModelServer server([](const ScriptedRequest&, ScriptedConnection& connection) {
    connection.BeginEvents();
    while (connection.Send(std::string(4096, 'x'))) {
    }
    return false;
  });
  HttpClient client({.max_body_bytes = 100'000});
  EXPECT_THAT(Get(client, server.url()).reply, HasReason("REMOTE_BAD_ANSWER"));
}

TEST(HttpClientTest, AnEndlessErrorBodyIsCutAndTheErrorKept) {
  ScriptedModelServer server([](const ScriptedRequest&, ScriptedConnection& connection) {
    connection.Send("HTTP/1.1 500 X\r\nRetry-After: 3\r\n\r\n");
    while (connection.Send(std::string(4096, 'x'))) {
    }
    return false;
  });
  HttpClient client({});
  const Got got = Get(client, server.url());
  RAGMESH_ASSERT_OK(got.reply);
  EXPECT_EQ(got.reply->status, 500);
  EXPECT_EQ(got.reply->error_body.size(), 64u << 10);
  EXPECT_EQ(got.reply->retry_after, absl::Seconds(3));
  EXPECT_EQ(got.body, "");
}

TEST(HttpClientTest, EndlessHeadersAreCut) {
  ScriptedModelServer server([](const ScriptedRequest&, ScriptedConnection& connection) {
    connection.Send("HTTP/1.1 200 OK\r\n");
    while (connection.Send("X-More: of the same\r\n")) {
    }
    return false;
  });
  HttpClient client({});
  EXPECT_THAT(Get(client, server.url()).reply, HasReason("REMOTE_BAD_ANSWER"));
}

TEST(HttpClientTest, ACompressedAnswerIsRefused) {
  ScriptedModelServer server(
      Raw("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nxyz"));
  HttpClient client({});
  EXPECT_THAT(Get(client, server.url()).reply, HasReason("REMOTE_BAD_ANSWER"));
}

TEST(HttpClientTest, ARedirectIsNotFollowed) {
  ScriptedModelServer server(
      Raw("HTTP/1.1 307 X\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"));
  HttpClient client({});
  const Got got = Get(client, server.url());
  RAGMESH_ASSERT_OK(got.reply);
  EXPECT_EQ(got.reply->status, 307);
  EXPECT_EQ(server.requests().size(), 1u);
}

TEST(HttpClientTest, ABrokenAnswerIsATypedError) {
  for (const char* bytes : {"", "SSH-2.0\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nxyz",
                            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"}) {
    ScriptedModelServer server(Raw(bytes));
    HttpClient client({});
    EXPECT_THAT(Get(client, server.url()).reply, HasReason("REMOTE_CUT")) << bytes;
  }
}

TEST(HttpClientTest, AnAbsentServerIsUnreachable) {
  HttpClient client({});
  EXPECT_THAT(Get(client, "http://127.0.0.1:1").reply, HasReason("REMOTE_UNREACHABLE"));
}

TEST(HttpClientTest, VerifiesTheServersCertificate) {
  const ragmesh::testing::TempDir folder;
  const ragmesh::testing::CertificateAuthority ours(folder.path(), "ours");
  const ragmesh::testing::CertificateAuthority theirs(folder.path(), "theirs");
  const auto identity = ours.Issue("server");
  http::ServerOptions options;
  options.tls = http::TlsFiles{identity.certificate, identity.key, ""};
  RAGMESH_ASSERT_OK_AND_ASSIGN(
      const auto server, http::Server::Start(options, [](std::shared_ptr<http::Exchange> exchange) {
        exchange->Respond({.body = "hello"});
      }));
  const std::string url = absl::StrCat("https://localhost:", server->port());
  HttpClient trusting({.ca_file = ours.certificate()});
  EXPECT_EQ(Get(trusting, url).body, "hello");
  for (const std::string& ca : {std::string(), theirs.certificate(), std::string("/absent.pem")}) {
    HttpClient client({.ca_file = ca});
    EXPECT_THAT(Get(client, url).reply, HasReason("REMOTE_TLS_FAILED")) << ca;
  }
}

TEST(CheckServerUrlTest, TakesHttpUrlsOnly) {
  EXPECT_THAT(CheckServerUrl("--url", "http://h:80/"),
              ragmesh::testing::IsOkAndHolds("http://h:80"));
  EXPECT_THAT(CheckServerUrl("--url", "https://h/v1//"),
              ragmesh::testing::IsOkAndHolds("https://h/v1"));
  for (const char* url : {"", "h:80", "file:///etc/passwd", "gopher://h", "http://", "http://u@h",
                          "http://u:p@h", "http://h?q", "http://h#f", "http://h:99999"}) {
    EXPECT_THAT(CheckServerUrl("--url", url), HasReason("INVALID_FIELD")) << url;
  }
}

}  // namespace
}  // namespace ragmesh::remote_generation
