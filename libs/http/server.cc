#include "libs/http/server.h"

#include <sys/prctl.h>

#include <algorithm>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "boost/asio/as_tuple.hpp"
#include "boost/asio/co_spawn.hpp"
#include "boost/asio/detached.hpp"
#include "boost/asio/executor_work_guard.hpp"
#include "boost/asio/post.hpp"
#include "boost/asio/steady_timer.hpp"
#include "boost/asio/strand.hpp"
#include "boost/asio/use_awaitable.hpp"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/http/connection.h"

namespace ragmesh::http {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using tcp = asio::ip::tcp;

constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);

class BeastServer final : public Server {
 public:
  explicit BeastServer(std::shared_ptr<ServerState> state)
      : state_(std::move(state)), acceptor_(state_->io), work_(state_->io.get_executor()) {}
  ~BeastServer() override { Shutdown(absl::Now()); }

  absl::Status Listen() {
    const ServerOptions& options = state_->options;
    error_code error;
    const auto address = asio::ip::make_address(options.address, error);
    if (error)
      return InvalidField("http address", "is not an IPv4 or IPv6 address",
                          "Give one such as 0.0.0.0 or ::.");
    const tcp::endpoint endpoint(address, options.port);
    acceptor_.open(endpoint.protocol(), error);
    if (!error) acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
    if (!error) acceptor_.bind(endpoint, error);
    if (!error) acceptor_.listen(asio::socket_base::max_listen_connections, error);
    if (error) {
      return Unavailable(
          "LISTEN_FAILED",
          absl::StrCat("listen on ", options.address, ":", options.port, ": ", error.message()),
          "Choose a free port, or stop what uses this one.");
    }
    port_ = acceptor_.local_endpoint(error).port();
    return absl::OkStatus();
  }

  void Run() {
    asio::co_spawn(state_->io, Accept(), asio::detached);
    absl::MutexLock lock(&shutdown_mutex_);
    for (int i = 0; i < std::max(1, state_->options.threads); ++i) {
      threads_.emplace_back([state = state_] {
        prctl(PR_SET_NAME, "http");
        state->io.run();
      });
    }
  }

  std::uint16_t port() const override { return port_; }

  int open_connections() const override {
    absl::MutexLock lock(&state_->mutex);
    return static_cast<int>(state_->connections.size());
  }

  void Shutdown(absl::Time deadline) override {
    absl::MutexLock lock(&shutdown_mutex_);
    if (threads_.empty()) return;
    state_->draining = true;
    asio::post(state_->io, [this] {
      error_code ignored;
      acceptor_.close(ignored);
    });
    CloseConnections(*state_, /*now=*/false);
    const auto all_closed = [this]() ABSL_SHARED_LOCKS_REQUIRED(state_->mutex) {
      return state_->connections.empty();
    };
    {
      absl::MutexLock state_lock(&state_->mutex);
      state_->mutex.AwaitWithDeadline(absl::Condition(&all_closed), deadline);
    }
    CloseConnections(*state_, /*now=*/true);
    work_.reset();
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
    {
      absl::MutexLock state_lock(&state_->mutex);
      state_->stopped = true;
    }
    state_->io.restart();
    state_->io.poll();  // what exchanges posted in the last moment
  }

 private:
  asio::awaitable<void> Accept() {
    asio::steady_timer pause(state_->io);
    while (acceptor_.is_open()) {
      auto [error, socket] = co_await acceptor_.async_accept(asio::make_strand(state_->io), kAwait);
      if (error == asio::error::operation_aborted || error == asio::error::bad_descriptor)
        co_return;
      if (error) {  // out of descriptors, most likely: give running exchanges time to end
        pause.expires_after(std::chrono::milliseconds(50));
        co_await pause.async_wait(kAwait);
        continue;
      }
      if (open_connections() >= state_->options.max_connections) {
        Refuse(std::move(socket));
      } else if (!state_->draining) {
        ServeConnection(state_, std::move(socket));
      }
    }
  }

  // One best-effort write, so that the client learns why.
  static void Refuse(tcp::socket socket) {
    static constexpr char kAnswer[] =
        "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nConnection: close\r\n"
        "Content-Type: application/json\r\nContent-Length: 128\r\n\r\n";
    std::string body = R"({"code":14,"message":"too many connections","details":[{"@type":)"
                       R"("type.googleapis.com/google.rpc.RetryInfo","retryDelay":"1s"}]})";
    body.resize(128, ' ');
    const std::string answer = absl::StrCat(kAnswer, body);
    error_code ignored;
    socket.non_blocking(true, ignored);
    socket.write_some(asio::buffer(answer), ignored);
    socket.shutdown(tcp::socket::shutdown_send, ignored);
  }

  const std::shared_ptr<ServerState> state_;
  tcp::acceptor acceptor_;
  asio::executor_work_guard<asio::io_context::executor_type> work_;
  std::uint16_t port_ = 0;
  absl::Mutex shutdown_mutex_;
  std::vector<std::thread> threads_ ABSL_GUARDED_BY(shutdown_mutex_);
};

}  // namespace

absl::StatusOr<std::unique_ptr<Server>> Server::Start(const ServerOptions& options, Handler handler,
                                                      AccessLog access_log) {
  auto state = std::make_shared<ServerState>(options, std::move(handler), std::move(access_log));
  if (options.tls.has_value()) {
    RAGMESH_ASSIGN_OR_RETURN(state->tls, TlsContextSource::Open(*options.tls));
  }
  auto server = std::make_unique<BeastServer>(std::move(state));
  RAGMESH_RETURN_IF_ERROR(server->Listen());
  server->Run();
  return server;
}

}  // namespace ragmesh::http
