#include "libs/http/byte_stream.h"

#include "boost/asio/as_tuple.hpp"
#include "boost/asio/ssl/stream.hpp"
#include "boost/asio/use_awaitable.hpp"

namespace ragmesh::http {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using tcp = asio::ip::tcp;

constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);

void CloseSocket(tcp::socket& socket) {
  error_code ignored;
  socket.close(ignored);
}

class PlainStream final : public ByteStream {
 public:
  explicit PlainStream(tcp::socket socket) : socket_(std::move(socket)) {}

  asio::awaitable<error_code> Handshake() override { co_return error_code(); }
  asio::awaitable<Result> Read(asio::mutable_buffer buffer) override {
    auto [error, size] = co_await socket_.async_read_some(buffer, kAwait);
    co_return Result(error, size);
  }
  asio::awaitable<Result> Write(asio::const_buffer buffer) override {
    auto [error, size] = co_await socket_.async_write_some(buffer, kAwait);
    co_return Result(error, size);
  }
  void ShutdownSend() override {
    error_code ignored;
    socket_.shutdown(tcp::socket::shutdown_send, ignored);
  }
  void Close() override { CloseSocket(socket_); }

 private:
  tcp::socket socket_;
};

class TlsStream final : public ByteStream {
 public:
  TlsStream(tcp::socket socket, asio::ssl::context& context)
      : stream_(std::move(socket), context) {}

  asio::awaitable<error_code> Handshake() override {
    auto [error] = co_await stream_.async_handshake(asio::ssl::stream_base::server, kAwait);
    co_return error;
  }
  asio::awaitable<Result> Read(asio::mutable_buffer buffer) override {
    auto [error, size] = co_await stream_.async_read_some(buffer, kAwait);
    co_return Result(error, size);
  }
  asio::awaitable<Result> Write(asio::const_buffer buffer) override {
    auto [error, size] = co_await stream_.async_write_some(buffer, kAwait);
    co_return Result(error, size);
  }
  // Without close_notify: every response states its own length, so a cut is seen without it.
  void ShutdownSend() override {
    error_code ignored;
    stream_.next_layer().shutdown(tcp::socket::shutdown_send, ignored);
  }
  void Close() override { CloseSocket(stream_.next_layer()); }

 private:
  asio::ssl::stream<tcp::socket> stream_;
};

}  // namespace

std::unique_ptr<ByteStream> MakePlainStream(tcp::socket socket) {
  return std::make_unique<PlainStream>(std::move(socket));
}

std::unique_ptr<ByteStream> MakeTlsStream(tcp::socket socket, asio::ssl::context& context) {
  return std::make_unique<TlsStream>(std::move(socket), context);
}

}  // namespace ragmesh::http
