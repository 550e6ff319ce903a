#include "libs/http/connection.h"

#include <algorithm>
#include <deque>
#include <utility>
#include <vector>

#include "absl/random/random.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "boost/asio/as_tuple.hpp"
#include "boost/asio/co_spawn.hpp"
#include "boost/asio/detached.hpp"
#include "boost/asio/post.hpp"
#include "boost/asio/steady_timer.hpp"
#include "boost/asio/use_awaitable.hpp"
#include "boost/beast/http/buffer_body.hpp"
#include "boost/beast/http/fields.hpp"
#include "boost/beast/http/parser.hpp"
#include "libs/base/error.h"
#include "libs/http/policy.h"

namespace ragmesh::http {
namespace {

namespace asio = boost::asio;
namespace beast_http = boost::beast::http;
using boost::system::error_code;

constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);
constexpr std::size_t kPieceBytes = 64 * 1024;
constexpr std::size_t kIdleReadBytes = 4 * 1024;  // an idle connection holds no more than this
constexpr std::size_t kBodyReadBytes = 32 * 1024;
constexpr std::size_t kLingerBytes =
    4 * 1024 * 1024;  // read and dropped after an early refusal, so that it arrives
constexpr absl::Duration kLingerTime = absl::Seconds(2);

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

std::string DrawId() {
  static thread_local absl::BitGen generator;
  return absl::StrFormat("%016x%016x", absl::Uniform<std::uint64_t>(generator),
                         absl::Uniform<std::uint64_t>(generator));
}

bool IsUsableId(absl::string_view id) {
  return !id.empty() && id.size() <= 64 && std::all_of(id.begin(), id.end(), [](char c) {
    return absl::ascii_isalnum(c) || c == '-' || c == '_' || c == '.';
  });
}

// Header values come from handlers, which may pass on what a client sent.
std::string WithoutControls(absl::string_view value) {
  std::string clean(value);
  clean.erase(std::remove_if(clean.begin(), clean.end(),
                             [](char c) { return absl::ascii_iscntrl(c) && c != '\t'; }),
              clean.end());
  return clean;
}

absl::string_view View(boost::beast::string_view text) { return {text.data(), text.size()}; }

std::string HttpDate() {
  return absl::FormatTime("%a, %d %b %Y %H:%M:%S GMT", absl::Now(), absl::UTCTimeZone());
}

absl::Status Gone() { return absl::CancelledError("the client went away"); }

}  // namespace

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

namespace {

// What a handler holds. Its end without an answer becomes a 500.
class ConnectionExchange final : public Exchange {
 public:
  ConnectionExchange(std::shared_ptr<Connection> connection, std::uint64_t turn,
                     std::shared_ptr<const RequestHead> head)
      : connection_(std::move(connection)), turn_(turn), head_(std::move(head)) {}
  ~ConnectionExchange() override {
    connection_->Post([c = connection_, t = turn_] { c->Dropped(t); });
  }

  const RequestHead& head() const override { return *head_; }
  void ReadPiece(std::size_t limit, PieceCallback callback) override {
    connection_->Post(
        [c = connection_, t = turn_, limit, callback = std::move(callback)]() mutable {
          c->ReadPiece(t, limit, std::move(callback));
        });
  }
  void Respond(Response response) override {
    connection_->Post([c = connection_, t = turn_, response = std::move(response)]() mutable {
      c->Respond(t, std::move(response));
    });
  }
  void Begin(StreamHead head) override {
    connection_->Post([c = connection_, t = turn_, head = std::move(head)]() mutable {
      c->Begin(t, std::move(head));
    });
  }
  void Write(std::string piece, absl::AnyInvocable<void(bool) &&> on_room) override {
    connection_->Post([c = connection_, t = turn_, piece = std::move(piece),
                       on_room = std::move(on_room)]() mutable {
      c->Write(t, std::move(piece), std::move(on_room));
    });
  }
  void End() override {
    connection_->Post([c = connection_, t = turn_] { c->End(t); });
  }
  void Abort() override {
    connection_->Post([c = connection_, t = turn_] { c->Abort(t); });
  }
  void OnGone(absl::AnyInvocable<void() &&> callback) override {
    connection_->Post([c = connection_, t = turn_, callback = std::move(callback)]() mutable {
      c->OnGone(t, std::move(callback));
    });
  }

 private:
  const std::shared_ptr<Connection> connection_;
  const std::uint64_t turn_;
  const std::shared_ptr<const RequestHead> head_;
};

}  // namespace

// ---- The connection's own coroutines ----

asio::awaitable<void> Connection::Serve() {
  const auto self = shared_from_this();
  asio::co_spawn(
      strand_, [self] { return self->Watch(); }, asio::detached);
  SetReadDeadline(absl::Now() + options_.head_timeout);
  const error_code handshake = co_await stream_->Handshake();
  ready_ = !handshake;
  if (ready_) {
    asio::co_spawn(
        strand_, [self] { return self->Pump(); }, asio::detached);
    while (!closed_ && co_await ReadHead()) {
      StartExchange();
      co_await WriteAnswer();
      FinishExchange();
      if (gone_ || answer_ == Answer::kAborted) break;
      if (!keep_alive_ || !parser_->is_done()) {
        co_await Linger();
        break;
      }
    }
  }
  Close(/*now=*/true);
}

// Always reading, also while a request is being answered: that is how a client that goes away is
// noticed.
asio::awaitable<void> Connection::Pump() {
  const auto self = shared_from_this();
  const std::size_t capacity = std::max(kPieceBytes, options_.max_header_bytes);
  std::string scratch;
  while (!closed_) {
    if (in_.size() >= capacity && !discard_) {
      co_await room_.Wait();
      continue;
    }
    scratch.resize(piece_callback_ || discard_ ? kBodyReadBytes : kIdleReadBytes);
    const auto [error, size] = co_await stream_->Read(asio::buffer(scratch));
    if (error) break;
    if (discard_) {
      discarded_ += size;
    } else {
      in_.append(scratch, 0, size);
    }
    arrived_.Notify();
    AdvanceBody();
  }
  ended_ = true;
  arrived_.Notify();
  AdvanceBody();
  if (active_ && answer_ != Answer::kComplete) LoseClient();
}

asio::awaitable<void> Connection::Watch() {
  const auto self = shared_from_this();
  while (!closed_) {
    const absl::Time now = absl::Now();
    if (now >= write_deadline_) {
      write_deadline_ = absl::InfiniteFuture();
      LoseClient();
      stream_->Close();
      continue;
    }
    if (now >= read_deadline_) {
      read_deadline_ = absl::InfiniteFuture();
      timed_out_ = true;
      if (!ready_) stream_->Close();  // a TLS handshake that does not end
      if (piece_callback_) {
        DeliverPiece(MakeError(
            absl::StatusCode::kDeadlineExceeded, "the request body came too slowly",
            {.reason = "SLOW_REQUEST", .next_step = "Send the body without long pauses."}));
      }
      arrived_.Notify();
      continue;
    }
    co_await watch_.Wait(std::min(read_deadline_, write_deadline_) - now);
  }
}

asio::awaitable<bool> Connection::ReadHead() {
  parser_ = std::make_unique<Parser>();
  parser_->header_limit(static_cast<std::uint32_t>(options_.max_header_bytes));
  parser_->body_limit(boost::none);
  timed_out_ = false;
  reading_head_ = true;
  SetReadDeadline(absl::Now() + options_.idle_timeout);
  bool begun = false;
  while (true) {
    if (!begun) in_.erase(0, std::min(in_.find_first_not_of("\r\n"), in_.size()));
    if (!begun && !in_.empty()) {
      begun = true;
      SetReadDeadline(absl::Now() + options_.head_timeout);
    }
    if (begun && !in_.empty()) {
      error_code error;
      const std::size_t used = parser_->put(asio::buffer(in_), error);
      in_.erase(0, used);
      room_.Notify();
      if (error && error != beast_http::error::need_more) {
        Response refusal = MalformedHead(error);
        co_await Refuse(std::move(refusal));
        co_return false;
      }
      if (parser_->is_header_done()) break;
    }
    if (timed_out_ && begun) {
      Response refusal = ErrorResponse(408, 4, "SLOW_REQUEST", "the request head came too slowly",
                                       "Send the request line and headers at once.", "");
      co_await Refuse(std::move(refusal));
    }
    if (ended_ || timed_out_ || closed_ || (state_->draining && !begun)) co_return false;
    co_await arrived_.Wait();
  }
  reading_head_ = false;
  SetReadDeadline(absl::InfiniteFuture());
  co_return true;
}

Response Connection::MalformedHead(error_code error) const {
  constexpr char kNextStep[] = "Send a well-formed HTTP/1.1 request.";
  if (error == beast_http::error::header_limit) {
    return ErrorResponse(
        431, 3, "HEADER_TOO_LARGE",
        absl::StrCat("the request line and headers are over ", options_.max_header_bytes, " bytes"),
        kNextStep, "");
  }
  if (error == beast_http::error::bad_version) {
    return ErrorResponse(505, 3, "HTTP_VERSION", "the request is not HTTP/1.1", kNextStep, "");
  }
  return ErrorResponse(400, 3, "MALFORMED_REQUEST",
                       absl::StrCat("the request is malformed: ", error.message()), kNextStep, "");
}

// Answers outside any exchange, when the request could not even be read.
asio::awaitable<void> Connection::Refuse(Response response) {
  SetReadDeadline(absl::InfiniteFuture());
  head_ = std::make_shared<RequestHead>(
      RequestHead{.method = "-", .path = "-", .remote = remote_, .id = DrawId()});
  started_ = absl::Now();
  ++turn_;
  active_ = true;
  counted_ = false;
  gone_ = keep_alive_ = http_1_0_ = body_suppressed_ = false;
  answer_ = Answer::kNone;
  Respond(turn_, std::move(response));
  co_await WriteAnswer();
  FinishExchange();
  co_await Linger();
}

asio::awaitable<bool> Connection::WriteAll(absl::string_view bytes) {
  while (!bytes.empty() && !closed_) {
    SetWriteDeadline(absl::Now() + options_.write_timeout);
    const auto [error, size] = co_await stream_->Write(
        asio::buffer(bytes.data(), std::min<std::size_t>(bytes.size(), kPieceBytes)));
    SetWriteDeadline(absl::InfiniteFuture());
    if (error) co_return false;
    bytes.remove_prefix(size);
  }
  co_return bytes.empty();
}

asio::awaitable<void> Connection::WriteAnswer() {
  while (!gone_) {
    if (out_.empty()) {
      if (answer_ == Answer::kComplete || answer_ == Answer::kAborted) co_return;
      const bool pings = answer_ == Answer::kBegun && !keep_alive_piece_.empty();
      const bool woken =
          co_await answered_.Wait(pings ? options_.keep_alive_interval : absl::InfiniteDuration());
      if (!woken && pings && out_.empty() && answer_ == Answer::kBegun)
        Write(turn_, keep_alive_piece_, nullptr);
      continue;
    }
    // Small pieces that have gathered go out in one write.
    std::string bytes = std::move(out_.front());
    out_.pop_front();
    while (!out_.empty() && bytes.size() + out_.front().size() <= kPieceBytes) {
      bytes.append(out_.front());
      out_.pop_front();
    }
    if (!co_await WriteAll(bytes)) {
      LoseClient();
      co_return;
    }
    out_bytes_ -= bytes.size();
    if (out_bytes_ <= options_.write_buffer_bytes) GiveRoom(true);
  }
}

// Closing with unread bytes in the socket would reset the connection and could take the answer with
// it.
asio::awaitable<void> Connection::Linger() {
  stream_->ShutdownSend();
  in_.clear();
  discard_ = true;
  room_.Notify();
  timed_out_ = false;
  SetReadDeadline(absl::Now() + kLingerTime);
  while (!ended_ && !timed_out_ && !closed_ && discarded_ < kLingerBytes) co_await arrived_.Wait();
}

// ---- Requests ----

RequestHead Connection::TakeHead() {
  const auto& message = parser_->get();
  RequestHead head;
  head.method = std::string(View(message.method_string()));
  absl::string_view target = View(message.target());
  // Absolute form ("GET http://host/path"), as sent to proxies.
  for (absl::string_view scheme : {"http://", "https://"}) {
    if (!absl::StartsWithIgnoreCase(target, scheme)) continue;
    const std::size_t slash = target.find('/', scheme.size());
    target = slash == absl::string_view::npos ? "/" : target.substr(slash);
  }
  target = target.substr(0, target.find('#'));
  const std::size_t question = target.find('?');
  head.path = std::string(target.substr(0, question));
  if (question != absl::string_view::npos) head.query = std::string(target.substr(question + 1));
  for (const auto& field : message) {
    head.headers.push_back(
        {std::string(View(field.name_string())), std::string(View(field.value()))});
  }
  if (const auto length = parser_->content_length(); length.has_value())
    head.content_length = *length;
  head.remote = remote_;
  const absl::string_view id = head.Find("X-Request-Id");
  head.id = IsUsableId(id) ? std::string(id) : DrawId();
  return head;
}

void Connection::StartExchange() {
  head_ = std::make_shared<RequestHead>(TakeHead());
  ++turn_;
  started_ = absl::Now();
  active_ = true;
  counted_ = gone_ = false;
  keep_alive_ = parser_->keep_alive() && !state_->draining;
  http_1_0_ = parser_->get().version() == 10;
  body_suppressed_ = head_->method == "HEAD";
  expects_continue_ = !http_1_0_ && absl::EqualsIgnoreCase(head_->Find("Expect"), "100-continue");
  body_bytes_ = answer_bytes_ = 0;
  waited_ = absl::ZeroDuration();
  answer_ = Answer::kNone;
  keep_alive_piece_.clear();
  parser_->eager(true);

  if (head_->headers.size() > options_.max_header_fields) {
    return Respond(turn_, ErrorResponse(431, 3, "TOO_MANY_HEADERS",
                                        absl::StrCat("more than ", options_.max_header_fields,
                                                     " header fields"),
                                        "Send fewer headers.", head_->id));
  }
  if (head_->path.empty() ||
      (head_->path[0] != '/' && !(head_->path == "*" && head_->method == "OPTIONS"))) {
    return Respond(turn_,
                   ErrorResponse(400, 3, "MALFORMED_REQUEST", "the request target is not a path",
                                 "Send a path that begins with '/'.", head_->id));
  }
  Headers host_lines;
  for (const Header& header : head_->headers) {
    if (absl::EqualsIgnoreCase(header.name, "Host")) host_lines.push_back(header);
  }
  if (host_lines.size() > 1) {
    return Respond(turn_, ErrorResponse(400, 3, "INVALID_HOST", "more than one Host header",
                                        "Send one.", head_->id));
  }
  if (auto refusal = CheckPolicy(options_, *head_)) return Respond(turn_, *std::move(refusal));
  if (!state_->EnterExchange(remote_)) {
    Response response =
        ErrorResponse(429, 8, "TOO_MANY_STREAMS",
                      absl::StrCat("this client has ", options_.max_exchanges_per_client,
                                   " requests under way, which is the limit"),
                      "Wait for some of them to end.", head_->id);
    response.headers.push_back({"Retry-After", "1"});
    return Respond(turn_, std::move(response));
  }
  counted_ = true;
  state_->handler(std::make_shared<ConnectionExchange>(shared_from_this(), turn_, head_));
}

void Connection::FinishExchange() {
  active_ = false;
  if (piece_callback_) DeliverPiece(Gone());
  GiveRoom(false);
  on_gone_ = nullptr;
  out_.clear();
  out_bytes_ = 0;
  SetReadDeadline(absl::InfiniteFuture());
  if (counted_) state_->LeaveExchange(remote_);
  if (state_->access_log) {
    state_->access_log({.id = head_->id,
                        .method = head_->method,
                        .path = head_->path,
                        .remote = remote_,
                        .status = gone_ ? 499 : status_,
                        .bytes_in = body_bytes_,
                        .bytes_out = answer_bytes_,
                        .duration = absl::Now() - started_});
  }
}

// ---- The request's body ----

void Connection::ReadPiece(std::uint64_t turn, std::size_t limit,
                           Exchange::PieceCallback callback) {
  if (!current(turn) || gone_ || answer_ == Answer::kComplete) return std::move(callback)(Gone());
  if (head_->content_length.value_or(0) > limit) {
    keep_alive_ = false;
    return std::move(callback)(LimitExceeded("body", static_cast<long long>(*head_->content_length),
                                             static_cast<long long>(limit), "bytes",
                                             "Send a smaller body."));
  }
  piece_callback_ = std::move(callback);
  body_limit_ = limit;
  wait_began_ = absl::Now();
  SetReadDeadline(wait_began_ + options_.body_timeout);
  if (expects_continue_ && in_.empty() && !parser_->is_done())
    Queue("HTTP/1.1 100 Continue\r\n\r\n");
  expects_continue_ = false;
  AdvanceBody();
}

// Moves what has arrived through the parser; at most one piece.
absl::StatusOr<std::string> Connection::ParseBody() {
  std::string piece(std::min(kPieceBytes, in_.size()), '\0');
  std::size_t filled = 0;
  while (!in_.empty() && filled < piece.size() && !parser_->is_done()) {
    auto& body = parser_->get().body();
    body.data = piece.data() + filled;
    body.size = piece.size() - filled;
    error_code error;
    const std::size_t used = parser_->put(asio::buffer(in_), error);
    filled = piece.size() - body.size;
    in_.erase(0, used);
    if (error && error != beast_http::error::need_buffer && error != beast_http::error::need_more) {
      keep_alive_ = false;
      return MakeError(absl::StatusCode::kInvalidArgument,
                       absl::StrCat("the body's framing is broken: ", error.message()),
                       {.reason = "MALFORMED_REQUEST",
                        .next_step = "Send well-formed chunks or a Content-Length."});
    }
    if (used == 0) break;
  }
  room_.Notify();
  piece.resize(filled);
  return piece;
}

void Connection::AdvanceBody() {
  if (!piece_callback_) return;
  if (parser_->is_done()) return DeliverPiece(std::nullopt);
  const absl::Time now = absl::Now();
  waited_ += now - wait_began_;
  wait_began_ = now;
  absl::StatusOr<std::string> piece = ParseBody();
  if (!piece.ok()) return DeliverPiece(piece.status());
  body_bytes_ += piece->size();
  if (body_bytes_ > body_limit_) {
    keep_alive_ = false;
    return DeliverPiece(LimitExceeded("body", static_cast<long long>(body_bytes_),
                                      static_cast<long long>(body_limit_), "bytes",
                                      "Send a smaller body."));
  }
  if (!piece->empty()) {
    if (waited_ > options_.body_timeout &&
        static_cast<double>(body_bytes_) <
            absl::ToDoubleSeconds(waited_) *
                static_cast<double>(options_.min_body_bytes_per_second)) {
      return DeliverPiece(
          MakeError(absl::StatusCode::kDeadlineExceeded, "the request body comes too slowly",
                    {.reason = "SLOW_REQUEST", .next_step = "Use a faster connection."}));
    }
    return DeliverPiece(std::optional<std::string>(*std::move(piece)));
  }
  if (parser_->is_done()) return DeliverPiece(std::nullopt);
  if (ended_) return DeliverPiece(Gone());
  SetReadDeadline(now + options_.body_timeout);
}

void Connection::DeliverPiece(absl::StatusOr<std::optional<std::string>> piece) {
  if (!piece.ok()) keep_alive_ = false;
  SetReadDeadline(absl::InfiniteFuture());
  auto callback = std::move(piece_callback_);
  piece_callback_ = nullptr;
  std::move(callback)(std::move(piece));
}

// ---- The answer ----

void Connection::AppendHead(int status, Headers headers, absl::string_view framing) {
  AddStandardHeaders(options_, *head_, headers);
  if (state_->draining) keep_alive_ = false;
  if (!parser_->is_done())
    keep_alive_ = false;  // an unread body would be taken for the next request
  status_ = status;
  std::string text =
      absl::StrCat("HTTP/1.1 ", status, " ", ReasonPhrase(status), "\r\nDate: ", HttpDate(),
                   "\r\nX-Request-Id: ", head_->id, "\r\n", framing);
  if (!keep_alive_) {
    absl::StrAppend(&text, "Connection: close\r\n");
  } else if (http_1_0_) {
    absl::StrAppend(&text, "Connection: keep-alive\r\n");
  }
  for (const Header& header : headers) {
    absl::StrAppend(&text, header.name, ": ", WithoutControls(header.value), "\r\n");
  }
  absl::StrAppend(&text, "\r\n");
  Queue(std::move(text));
}

void Connection::Queue(std::string bytes) {
  out_bytes_ += bytes.size();
  out_.push_back(std::move(bytes));
  answered_.Notify();
}

void Connection::Respond(std::uint64_t turn, Response response) {
  if (!current(turn) || gone_ || answer_ != Answer::kNone) return;
  const bool bodiless = response.status == 204 || response.status == 304;
  AppendHead(response.status, std::move(response.headers),
             bodiless ? "" : absl::StrCat("Content-Length: ", response.body.size(), "\r\n"));
  if (!bodiless && !body_suppressed_ && !response.body.empty()) {
    answer_bytes_ += response.body.size();
    Queue(std::move(response.body));
  }
  answer_ = Answer::kComplete;
  answered_.Notify();
}

void Connection::Begin(std::uint64_t turn, StreamHead head) {
  if (!current(turn) || gone_ || answer_ != Answer::kNone) return;
  chunked_ = !http_1_0_;
  if (!chunked_) keep_alive_ = false;  // its end is the end of the connection
  AppendHead(head.status, std::move(head.headers),
             chunked_ ? "Transfer-Encoding: chunked\r\n" : "");
  keep_alive_piece_ = std::move(head.keep_alive);
  answer_ = Answer::kBegun;
}

void Connection::Write(std::uint64_t turn, std::string piece,
                       absl::AnyInvocable<void(bool) &&> on_room) {
  if (!current(turn) || gone_ || answer_ != Answer::kBegun) {
    if (on_room) std::move(on_room)(false);
    return;
  }
  if (out_bytes_ > 2 * options_.write_buffer_bytes) {  // a producer that does not wait for room
    LoseClient();
    stream_->Close();
    if (on_room) std::move(on_room)(false);
    return;
  }
  if (!piece.empty() && !body_suppressed_) {
    answer_bytes_ += piece.size();
    if (chunked_) piece = absl::StrCat(absl::Hex(piece.size()), "\r\n", piece, "\r\n");
    Queue(std::move(piece));
  }
  if (on_room) on_room_.push_back(std::move(on_room));
  if (out_bytes_ <= options_.write_buffer_bytes) GiveRoom(true);
}

void Connection::End(std::uint64_t turn) {
  if (!current(turn) || gone_ || answer_ != Answer::kBegun) return;
  if (chunked_ && !body_suppressed_) Queue("0\r\n\r\n");
  answer_ = Answer::kComplete;
  answered_.Notify();
}

void Connection::Abort(std::uint64_t turn) {
  if (!current(turn) || gone_ || answer_ == Answer::kComplete) return;
  answer_ = Answer::kAborted;
  answered_.Notify();
}

void Connection::OnGone(std::uint64_t turn, absl::AnyInvocable<void() &&> callback) {
  if (turn == turn_ && !gone_) {
    if (current(turn) && answer_ != Answer::kComplete) on_gone_ = std::move(callback);
    return;
  }
  std::move(callback)();
}

void Connection::Dropped(std::uint64_t turn) {
  if (!current(turn)) return;
  if (answer_ == Answer::kNone) {
    Respond(turn,
            ErrorResponse(500, 13, "NO_ANSWER", "the request was dropped without an answer",
                          "This is a fault of the server; its log has the request id.", head_->id));
  } else if (answer_ == Answer::kBegun) {
    Abort(turn);
  }
}

void Connection::GiveRoom(bool there_is) {
  std::vector<absl::AnyInvocable<void(bool) &&>> waiting;
  waiting.swap(on_room_);
  for (auto& callback : waiting) std::move(callback)(there_is);
}

void Connection::LoseClient() {
  if (!active_ || gone_) return;
  gone_ = true;
  keep_alive_ = false;
  if (on_gone_) std::move(on_gone_)();
  on_gone_ = nullptr;
  GiveRoom(false);
  if (piece_callback_) DeliverPiece(Gone());
  answered_.Notify();
}

// ---- Ends and deadlines ----

void Connection::SetReadDeadline(absl::Time deadline) {
  const bool sooner = deadline < std::min(read_deadline_, write_deadline_);
  read_deadline_ = deadline;
  if (sooner) watch_.Notify();
}

void Connection::SetWriteDeadline(absl::Time deadline) {
  const bool sooner = deadline < std::min(read_deadline_, write_deadline_);
  write_deadline_ = deadline;
  if (sooner) watch_.Notify();
}

void Connection::Close(bool now) {
  if (!now && (active_ || !reading_head_)) {
    keep_alive_ = false;
    return;
  }
  if (closed_) return;
  LoseClient();
  closed_ = true;
  stream_->Close();
  for (Signal* signal : {&arrived_, &room_, &answered_, &watch_}) signal->Notify();
  absl::MutexLock lock(&state_->mutex);
  state_->connections.erase(this);
}

// ---- Free functions ----

bool ServerState::EnterExchange(const std::string& remote) {
  if (options.max_exchanges_per_client == 0) return true;
  absl::MutexLock lock(&mutex);
  int& running = exchanges[remote];
  if (running >= options.max_exchanges_per_client) return false;
  ++running;
  return true;
}

void ServerState::LeaveExchange(const std::string& remote) {
  if (options.max_exchanges_per_client == 0) return;
  absl::MutexLock lock(&mutex);
  const auto entry = exchanges.find(remote);
  if (--entry->second == 0) exchanges.erase(entry);
}

void ServeConnection(std::shared_ptr<ServerState> state, asio::ip::tcp::socket socket) {
  error_code error;
  const auto peer = socket.remote_endpoint(error);
  if (error) return;  // gone before it was served
  socket.set_option(asio::ip::tcp::no_delay(true), error);
  const asio::any_io_executor strand = socket.get_executor();
  auto stream = state->tls ? MakeTlsStream(std::move(socket), state->tls->Current(absl::Now()))
                           : MakePlainStream(std::move(socket));
  auto connection =
      std::make_shared<Connection>(state, strand, std::move(stream), peer.address().to_string());
  {
    absl::MutexLock lock(&state->mutex);
    state->connections.insert(connection.get());
  }
  asio::co_spawn(
      strand, [connection] { return connection->Serve(); }, asio::detached);
}

void CloseConnections(ServerState& state, bool now) {
  std::vector<std::shared_ptr<Connection>> open;
  {
    absl::MutexLock lock(&state.mutex);
    for (Connection* connection : state.connections) {
      if (auto alive = connection->weak_from_this().lock()) open.push_back(std::move(alive));
    }
  }
  for (auto& connection : open) {
    connection->Post([connection, now] { connection->Close(now); });
  }
}

}  // namespace ragmesh::http
