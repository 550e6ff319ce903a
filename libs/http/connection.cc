#include "libs/http/connection.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/random/random.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "boost/asio/co_spawn.hpp"
#include "boost/asio/detached.hpp"
#include "libs/base/error.h"
#include "libs/http/connection_internal.h"
#include "libs/http/policy.h"

namespace ragmesh::http {
namespace {

constexpr std::size_t kIdleReadBytes = 4 * 1024;  // an idle connection holds no more than this
constexpr std::size_t kBodyReadBytes = 32 * 1024;
constexpr std::size_t kLingerBytes =
    4 * 1024 * 1024;  // read and dropped after an early refusal, so that it arrives
constexpr absl::Duration kLingerTime = absl::Seconds(2);

}  // namespace

std::string DrawId() {
  static thread_local absl::BitGen generator;
  return absl::StrFormat("%016x%016x", absl::Uniform<std::uint64_t>(generator),
                         absl::Uniform<std::uint64_t>(generator));
}

absl::Status Gone() { return absl::CancelledError("the client went away"); }

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

// ---- What connection.h promises ----

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
