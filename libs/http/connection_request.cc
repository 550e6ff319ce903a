// What the client sends: heads, bodies, and the exchange that a handler gets for them.
#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "boost/beast/http/fields.hpp"
#include "libs/base/error.h"
#include "libs/http/connection_internal.h"
#include "libs/http/policy.h"

namespace ragmesh::http {
namespace {

bool IsUsableId(absl::string_view id) {
  return !id.empty() && id.size() <= 64 && std::all_of(id.begin(), id.end(), [](char c) {
    return absl::ascii_isalnum(c) || c == '-' || c == '_' || c == '.';
  });
}

absl::string_view View(boost::beast::string_view text) { return {text.data(), text.size()}; }

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

// ---- Heads ----

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

// ---- Exchanges ----

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

}  // namespace ragmesh::http
