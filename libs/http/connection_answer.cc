// What the client is sent, and how a handler hears that it has left.
#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/http/connection_internal.h"
#include "libs/http/policy.h"

namespace ragmesh::http {
namespace {

// Header values come from handlers, which may pass on what a client sent.
std::string WithoutControls(absl::string_view value) {
  std::string clean(value);
  clean.erase(std::remove_if(clean.begin(), clean.end(),
                             [](char c) { return absl::ascii_iscntrl(c) && c != '\t'; }),
              clean.end());
  return clean;
}

std::string HttpDate() {
  return absl::FormatTime("%a, %d %b %Y %H:%M:%S GMT", absl::Now(), absl::UTCTimeZone());
}

}  // namespace

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

}  // namespace ragmesh::http
