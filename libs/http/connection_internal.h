// The class behind connection.h, for the files that define it: connection.cc runs it,
// connection_request.cc reads what the client sends, connection_answer.cc writes what it is sent.
#ifndef RAGMESH_LIBS_HTTP_CONNECTION_INTERNAL_H_
#define RAGMESH_LIBS_HTTP_CONNECTION_INTERNAL_H_

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "boost/asio/as_tuple.hpp"
#include "boost/asio/awaitable.hpp"
#include "boost/asio/post.hpp"
#include "boost/asio/steady_timer.hpp"
#include "boost/asio/use_awaitable.hpp"
#include "boost/beast/http/buffer_body.hpp"
#include "boost/beast/http/parser.hpp"
#include "libs/http/byte_stream.h"
#include "libs/http/connection.h"
#include "libs/http/exchange.h"
#include "libs/http/message.h"

namespace ragmesh::http {

namespace asio = boost::asio;
namespace beast_http = boost::beast::http;
using boost::system::error_code;

inline constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);
inline constexpr std::size_t kPieceBytes = 64 * 1024;  // of a body, in either direction

std::string DrawId();  // of a request that brings none
absl::Status Gone();   // what a handler hears once its client has left

// Wakes one coroutine of the same strand. The waiter checks its condition before and after.
class Signal {
 public:
  explicit Signal(asio::any_io_executor executor) : timer_(std::move(executor)) {}
  void Notify() { timer_.cancel(); }
  // False when `timeout` passed without a Notify.
  asio::awaitable<bool> Wait(absl::Duration timeout = absl::InfiniteDuration()) {
    if (timeout == absl::InfiniteDuration()) {
      timer_.expires_at(asio::steady_timer::time_point::max());
    } else {
      timer_.expires_after(absl::ToChronoNanoseconds(timeout));
    }
    auto [error] = co_await timer_.async_wait(kAwait);
    co_return static_cast<bool>(error);
  }

 private:
  asio::steady_timer timer_;
};

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(std::shared_ptr<ServerState> state, asio::any_io_executor strand,
             std::unique_ptr<ByteStream> stream, std::string remote)
      : state_(std::move(state)),
        options_(state_->options),
        strand_(strand),
        stream_(std::move(stream)),
        remote_(std::move(remote)),
        arrived_(strand),
        room_(strand),
        answered_(strand),
        watch_(strand) {}

  asio::awaitable<void> Serve();

  // Runs `work` on the strand; inline once the server has stopped, when nothing else touches the
  // connection.
  template <typename Work>
  void Post(Work work) {
    {
      absl::MutexLock lock(&state_->mutex);
      if (!state_->stopped) {
        asio::post(strand_, std::move(work));
        return;
      }
    }
    work();
  }

  // The exchange's methods, on the strand. `turn` names the exchange; a stale one is refused.
  void ReadPiece(std::uint64_t turn, std::size_t limit, Exchange::PieceCallback callback);
  void Begin(std::uint64_t turn, StreamHead head);
  void Write(std::uint64_t turn, std::string piece, absl::AnyInvocable<void(bool) &&> on_room);
  void End(std::uint64_t turn);
  void Abort(std::uint64_t turn);
  void Respond(std::uint64_t turn, Response response);
  void OnGone(std::uint64_t turn, absl::AnyInvocable<void() &&> callback);
  void Dropped(std::uint64_t turn);

  void Close(bool now);

 private:
  using Parser = beast_http::request_parser<beast_http::buffer_body>;
  enum class Answer { kNone, kBegun, kComplete, kAborted };

  asio::awaitable<void> Pump();
  asio::awaitable<void> Watch();
  asio::awaitable<bool> ReadHead();
  // gcc 12 destroys temporaries of a co_await's arguments twice, so responses are built in a
  // variable first.
  asio::awaitable<void> Refuse(Response response);
  Response MalformedHead(error_code error) const;
  void StartExchange();
  asio::awaitable<void> WriteAnswer();
  asio::awaitable<bool> WriteAll(absl::string_view bytes);
  asio::awaitable<void> Linger();
  void FinishExchange();

  RequestHead TakeHead();
  void AdvanceBody();
  absl::StatusOr<std::string> ParseBody();
  void DeliverPiece(absl::StatusOr<std::optional<std::string>> piece);
  void AppendHead(int status, Headers headers, absl::string_view framing);
  void Queue(std::string bytes);
  void GiveRoom(bool there_is);
  void LoseClient();
  void SetReadDeadline(absl::Time deadline);
  void SetWriteDeadline(absl::Time deadline);
  bool current(std::uint64_t turn) const { return active_ && turn == turn_; }

  const std::shared_ptr<ServerState> state_;
  const ServerOptions& options_;
  const asio::any_io_executor strand_;
  const std::unique_ptr<ByteStream> stream_;
  const std::string remote_;

  // Reading. Pump fills `in_`; the parser takes from its front.
  std::string in_;
  bool ended_ = false;    // the client sends no more, or the socket failed
  bool discard_ = false;  // what arrives is dropped
  std::size_t discarded_ = 0;
  bool closed_ = false;
  bool ready_ = false;  // the TLS handshake is done, or there is none
  bool reading_head_ = false;
  bool timed_out_ = false;
  absl::Time read_deadline_ = absl::InfiniteFuture();
  absl::Time write_deadline_ = absl::InfiniteFuture();
  Signal arrived_, room_, answered_, watch_;

  // The exchange under way.
  std::uint64_t turn_ = 0;
  bool active_ = false;
  bool counted_ = false;
  bool keep_alive_ = false;
  bool http_1_0_ = false;
  bool gone_ = false;
  std::shared_ptr<const RequestHead> head_;
  std::unique_ptr<Parser> parser_;
  absl::Time started_;
  Exchange::PieceCallback piece_callback_;
  std::size_t body_limit_ = 0;
  std::uint64_t body_bytes_ = 0;
  absl::Time wait_began_;
  absl::Duration waited_;
  bool expects_continue_ = false;

  Answer answer_ = Answer::kNone;
  int status_ = 0;
  bool chunked_ = false;
  bool body_suppressed_ = false;
  std::string keep_alive_piece_;
  std::deque<std::string> out_;
  std::size_t out_bytes_ = 0;  // queued, and handed to the socket but not yet taken
  std::uint64_t answer_bytes_ = 0;
  std::vector<absl::AnyInvocable<void(bool) &&>> on_room_;
  absl::AnyInvocable<void() &&> on_gone_;
};

}  // namespace ragmesh::http

#endif  // RAGMESH_LIBS_HTTP_CONNECTION_INTERNAL_H_
