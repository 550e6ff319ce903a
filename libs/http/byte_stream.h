// One accepted connection as a stream of bytes, plain or TLS, so that the protocol code is written
// and compiled once. Internal to libs/http.
#ifndef RAGMESH_LIBS_HTTP_BYTE_STREAM_H_
#define RAGMESH_LIBS_HTTP_BYTE_STREAM_H_

#include <memory>
#include <string>
#include <utility>

#include "boost/asio/awaitable.hpp"
#include "boost/asio/ip/tcp.hpp"
#include "boost/asio/ssl/context.hpp"

namespace ragmesh::http {

// Confined to the socket's strand. One read and one write may run at the same time; Close ends
// both.
class ByteStream {
 public:
  using Result = std::pair<boost::system::error_code, std::size_t>;

  virtual ~ByteStream() = default;
  virtual boost::asio::awaitable<boost::system::error_code> Handshake() = 0;
  virtual boost::asio::awaitable<Result> Read(
      boost::asio::mutable_buffer buffer) = 0;                                         // some bytes
  virtual boost::asio::awaitable<Result> Write(boost::asio::const_buffer buffer) = 0;  // some bytes
  virtual void ShutdownSend() = 0;  // says that no more will come
  virtual void Close() = 0;
};

std::unique_ptr<ByteStream> MakePlainStream(boost::asio::ip::tcp::socket socket);
// The stream keeps what it needs of `context`.
std::unique_ptr<ByteStream> MakeTlsStream(boost::asio::ip::tcp::socket socket,
                                          boost::asio::ssl::context& context);

}  // namespace ragmesh::http

#endif  // RAGMESH_LIBS_HTTP_BYTE_STREAM_H_
