#include "libs/http/server.h"

#include <optional>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/error.h"
#include "tests/unit/http/raw_client.h"

namespace ragmesh::http {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr char kGet[] = "GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n";

class ServerTest : public testing::Test {
 protected:
  void Start(Handler handler) {
    auto server = Server::Start(options_, std::move(handler), [this](const AccessRecord& record) {
      absl::MutexLock lock(&mutex_);
      log_.push_back(record);
    });
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
  }
  // Answers each request with its method, path and body.
  void StartEcho() {
    Start([](std::shared_ptr<Exchange> exchange) {
      ReadBody(exchange, 1000, [exchange](absl::StatusOr<std::string> body) {
        if (!body.ok()) {
          const auto detail = GetErrorDetail(body.status());
          return exchange->Respond(
              {.status = 400, .body = detail.has_value() ? detail->reason : "gone"});
        }
        exchange->Respond({.body = absl::StrCat(exchange->head().method, " ", exchange->head().path,
                                                " ", *body, "$")});
      });
    });
  }
  std::string Ask(absl::string_view bytes) {
    RawClient client(server_->port());
    client.Send(bytes);
    return client.ReadToEnd();
  }
  AccessRecord WaitForLog() {
    absl::MutexLock lock(&mutex_);
    const auto logged = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return !log_.empty(); };
    mutex_.AwaitWithTimeout(absl::Condition(&logged), absl::Seconds(10));
    return log_.empty() ? AccessRecord{} : log_.front();
  }

  ServerOptions options_;
  absl::Mutex mutex_;
  std::vector<AccessRecord> log_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<Server> server_;
};

TEST_F(ServerTest, AnswersAndKeepsTheConnection) {
  StartEcho();
  RawClient client(server_->port());
  for (int i = 0; i < 3; ++i) {
    client.Send("POST /a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nxyz");
    EXPECT_THAT(client.ReadUntil("$"), HasSubstr("\r\n\r\nPOST /a xyz$"));
  }
}

TEST_F(ServerTest, AnswersPipelinedRequestsInOrder) {
  StartEcho();
  const std::string reply =
      Ask("GET /1 HTTP/1.1\r\nHost: localhost\r\n\r\nGET /2 HTTP/1.1\r\nHost: localhost\r\n\r\n"
          "GET /3 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  EXPECT_LT(reply.find("GET /1 $"), reply.find("GET /2 $"));
  EXPECT_LT(reply.find("GET /2 $"), reply.find("GET /3 $"));
  EXPECT_THAT(reply, HasSubstr("GET /3 $"));
}

TEST_F(ServerTest, ReadsChunkedBodiesSentByteByByte) {
  StartEcho();
  RawClient client(server_->port());
  const std::string request =
      "POST /c HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: "
      "chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
  for (char c : request) client.Send(absl::string_view(&c, 1));
  EXPECT_THAT(client.ReadUntil("$"), HasSubstr("POST /c abcde$"));
}

TEST_F(ServerTest, RefusesAmbiguousFraming) {
  StartEcho();
  EXPECT_THAT(Ask("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nTransfer-Encoding: "
                  "chunked\r\n\r\n"
                  "0\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n"),
              StartsWith("HTTP/1.1 400"));
}

TEST_F(ServerTest, RefusesHeadersOverTheLimit) {
  StartEcho();
  const std::string reply = Ask(absl::StrCat(
      "GET / HTTP/1.1\r\nHost: localhost\r\nX: ", std::string(20000, 'a'), "\r\n\r\n"));
  EXPECT_THAT(reply, StartsWith("HTTP/1.1 431"));
  EXPECT_THAT(reply, HasSubstr("HEADER_TOO_LARGE"));
}

TEST_F(ServerTest, RefusesTooManyHeaderFields) {
  StartEcho();
  std::string request = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n";
  for (int i = 0; i < 101; ++i) absl::StrAppend(&request, "A", i, ": b\r\n");
  EXPECT_THAT(Ask(request + "\r\n"), StartsWith("HTTP/1.1 431"));
}

TEST_F(ServerTest, RefusesGarbageAndTwoHosts) {
  StartEcho();
  EXPECT_THAT(Ask("\x16\x03\x01 nonsense\r\n\r\n"), StartsWith("HTTP/1.1 400"));
  EXPECT_THAT(Ask("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: close\r\n\r\n"),
              StartsWith("HTTP/1.1 400"));
}

TEST_F(ServerTest, RefusesABodyOverTheHandlersLimitWithoutReadingIt) {
  StartEcho();
  EXPECT_THAT(Ask("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1001\r\n\r\n"),
              HasSubstr("LIMIT_EXCEEDED"));
  const std::string chunk = absl::StrCat("400\r\n", std::string(1024, 'x'), "\r\n");
  EXPECT_THAT(Ask("POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n" +
                  chunk + "0\r\n\r\n"),
              HasSubstr("LIMIT_EXCEEDED"));
}

TEST_F(ServerTest, SendsContinueWhenAsked) {
  StartEcho();
  RawClient client(server_->port());
  client.Send(
      "POST /e HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(client.ReadUntil("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  client.Send("ok");
  EXPECT_THAT(client.ReadUntil("$"), HasSubstr("POST /e ok$"));
}

TEST_F(ServerTest, HeadHasTheLengthButNoBody) {
  StartEcho();
  const std::string reply = Ask("HEAD /h HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(reply, HasSubstr("Content-Length: 9\r\n"));
  EXPECT_TRUE(absl::EndsWith(reply, "\r\n\r\n"));
}

TEST_F(ServerTest, EndsASlowHeadWith408AndAnIdleConnectionSilently) {
  options_.head_timeout = absl::Milliseconds(50);
  options_.idle_timeout = absl::Milliseconds(50);
  StartEcho();
  EXPECT_THAT(Ask("GET / HT"), StartsWith("HTTP/1.1 408"));
  EXPECT_EQ(Ask(""), "");
}

TEST_F(ServerTest, EndsASlowBodyWithATypedError) {
  options_.body_timeout = absl::Milliseconds(50);
  StartEcho();
  EXPECT_THAT(Ask("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nabc"),
              HasSubstr("SLOW_REQUEST"));
}

TEST_F(ServerTest, StreamsChunksAndKeepAlives) {
  options_.keep_alive_interval = absl::Milliseconds(20);
  std::shared_ptr<Exchange> held;
  absl::Notification begun;
  Start([&](std::shared_ptr<Exchange> exchange) {
    exchange->Begin({.headers = {{"Content-Type", "text/event-stream"}}, .keep_alive = ": \n\n"});
    exchange->Write("data: 1\n\n", nullptr);
    held = exchange;
    begun.Notify();
  });
  RawClient client(server_->port());
  client.Send(kGet);
  EXPECT_THAT(client.ReadUntil("9\r\ndata: 1\n\n\r\n"), HasSubstr("Transfer-Encoding: chunked"));
  EXPECT_EQ(client.ReadUntil("4\r\n: \n\n\r\n"), "4\r\n: \n\n\r\n");
  begun.WaitForNotification();
  held->End();
  EXPECT_TRUE(absl::EndsWith(client.ReadUntil("0\r\n\r\n"), "0\r\n\r\n"));
  held.reset();
}

TEST_F(ServerTest, NoticesAClientThatLeavesWithin100Milliseconds) {
  absl::Notification begun, gone;
  Start([&](std::shared_ptr<Exchange> exchange) {
    exchange->OnGone([&gone, exchange] { gone.Notify(); });
    begun.Notify();
  });
  RawClient client(server_->port());
  client.Send(kGet);
  begun.WaitForNotification();
  client.CloseNow();
  EXPECT_TRUE(gone.WaitForNotificationWithTimeout(absl::Milliseconds(100)));
  EXPECT_EQ(WaitForLog().status, 499);
}

TEST_F(ServerTest, CutsOffAClientThatDoesNotRead) {
  options_.write_timeout = absl::Milliseconds(100);
  options_.write_buffer_bytes = 64 * 1024;
  absl::Notification gone;
  struct Producer {
    static void Next(std::shared_ptr<Exchange> exchange) {
      exchange->Write(std::string(64 * 1024, 'x'), [exchange](bool room) {
        if (room) Next(exchange);
      });
    }
  };
  Start([&](std::shared_ptr<Exchange> exchange) {
    exchange->OnGone([&gone] { gone.Notify(); });
    exchange->Begin({});
    Producer::Next(exchange);
  });
  RawClient client(server_->port(), /*receive_buffer_bytes=*/4096);
  client.Send(kGet);
  EXPECT_TRUE(gone.WaitForNotificationWithTimeout(absl::Seconds(10)));
}

TEST_F(ServerTest, CutsOffAProducerThatIgnoresTheBound) {
  options_.write_buffer_bytes = 1024;
  absl::Notification gone;
  Start([&](std::shared_ptr<Exchange> exchange) {
    exchange->OnGone([&gone] { gone.Notify(); });
    exchange->Begin({});
    for (int i = 0; i < 1000; ++i) exchange->Write(std::string(64 * 1024, 'x'), nullptr);
  });
  RawClient client(server_->port(), /*receive_buffer_bytes=*/4096);
  client.Send(kGet);
  EXPECT_TRUE(gone.WaitForNotificationWithTimeout(absl::Seconds(10)));
}

TEST_F(ServerTest, AnswersADroppedExchangeWith500) {
  Start([](std::shared_ptr<Exchange>) {});
  RawClient client(server_->port());
  client.Send(kGet);
  EXPECT_THAT(client.ReadUntil("\r\n\r\n"), StartsWith("HTTP/1.1 500"));
}

TEST_F(ServerTest, RefusesConnectionsAndStreamsOverTheCap) {
  options_.max_connections = 2;
  options_.max_exchanges_per_client = 1;
  absl::Notification begun;
  std::shared_ptr<Exchange> held;
  Start([&](std::shared_ptr<Exchange> exchange) {
    held = exchange;
    begun.Notify();
  });
  RawClient first(server_->port());
  first.Send(kGet);
  begun.WaitForNotification();
  RawClient second(server_->port());
  second.Send(kGet);
  EXPECT_THAT(second.ReadUntil("\r\n\r\n"), StartsWith("HTTP/1.1 429"));
  RawClient third(server_->port());
  EXPECT_THAT(third.ReadUntil("\r\n\r\n"), StartsWith("HTTP/1.1 503"));
  held->Respond({});
  held.reset();
}

TEST_F(ServerTest, DrainsRunningExchangesAndClosesIdleConnections) {
  absl::Notification begun;
  std::shared_ptr<Exchange> held;
  Start([&](std::shared_ptr<Exchange> exchange) {
    held = exchange;
    begun.Notify();
  });
  RawClient idle(server_->port()), busy(server_->port());
  busy.Send(kGet);
  begun.WaitForNotification();
  std::thread shutdown([this] { server_->Shutdown(absl::Now() + absl::Seconds(10)); });
  EXPECT_TRUE(idle.SeesClose());
  std::exchange(held, nullptr)->Respond({.body = "done"});
  EXPECT_THAT(busy.ReadToEnd(), HasSubstr("Connection: close"));
  shutdown.join();
  EXPECT_EQ(server_->open_connections(), 0);
}

TEST_F(ServerTest, ShutdownCancelsWhatDoesNotEndInTime) {
  absl::Notification begun, gone;
  std::shared_ptr<Exchange> held;
  Start([&](std::shared_ptr<Exchange> exchange) {
    held = exchange;
    exchange->OnGone([&gone] { gone.Notify(); });
    begun.Notify();
  });
  RawClient client(server_->port());
  client.Send(kGet);
  begun.WaitForNotification();
  server_->Shutdown(absl::Now());
  EXPECT_TRUE(gone.HasBeenNotified());
  server_.reset();
  bool room = true;
  held->Write("late",
              [&room](bool there_is) { room = there_is; });  // an exchange may outlive its server
  EXPECT_FALSE(room);
}

TEST_F(ServerTest, EchoesAGoodRequestIdAndReplacesABadOne) {
  StartEcho();
  EXPECT_THAT(
      Ask("GET / HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: abc-1\r\nConnection: close\r\n\r\n"),
      HasSubstr("X-Request-Id: abc-1\r\n"));
  EXPECT_THAT(Ask("GET / HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: <script>\r\nConnection: "
                  "close\r\n\r\n"),
              Not(HasSubstr("<script>")));
}

TEST_F(ServerTest, LogsOneLinePerRequestWithoutTheQuery) {
  StartEcho();
  Ask("POST /p?secret=1 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: "
      "2\r\n\r\nhi");
  const AccessRecord record = WaitForLog();
  EXPECT_EQ(record.path, "/p");
  EXPECT_EQ(record.status, 200);
  EXPECT_EQ(record.bytes_in, 2u);
  EXPECT_EQ(record.bytes_out, 11u);
}

TEST_F(ServerTest, RefusesAnAddressThatIsNone) {
  options_.address = "nowhere";
  EXPECT_EQ(Server::Start(options_, nullptr).status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace ragmesh::http
