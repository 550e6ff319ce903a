// One request and its response, as a handler sees it. The seam between the HTTP server and what
// answers.
#ifndef RAGMESH_LIBS_HTTP_EXCHANGE_H_
#define RAGMESH_LIBS_HTTP_EXCHANGE_H_

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "libs/http/message.h"

namespace ragmesh::http {

// Thread-safe: any thread may call any method; callbacks run on a network thread and must not
// block. A handler answers once, by Respond or by Begin, Write..., End. An exchange dropped without
// an answer is answered with 500.
class Exchange {
 public:
  virtual ~Exchange() = default;

  virtual const RequestHead& head() const = 0;

  // The next bytes of the body, at most 64 KiB; nullopt at its end. Errors: RESOURCE_EXHAUSTED /
  // LIMIT_EXCEEDED when the body passes `limit` bytes in all, INVALID_ARGUMENT when its framing is
  // broken, DEADLINE_EXCEEDED / SLOW_REQUEST when it comes too slowly, CANCELLED when the client is
  // gone. One read at a time.
  using PieceCallback = absl::AnyInvocable<void(absl::StatusOr<std::optional<std::string>>) &&>;
  virtual void ReadPiece(std::size_t limit, PieceCallback callback) = 0;

  // Answers in one go. Ignored when an answer was begun before.
  virtual void Respond(Response response) = 0;

  // Answers piece by piece.
  virtual void Begin(StreamHead head) = 0;
  // Queues `piece` and calls `on_room` with true once the next piece may come (the buffer is below
  // its bound), or with false when the client is gone. A producer that waits for `on_room` holds at
  // most one piece over the bound; one that does not is cut off when the buffer passes twice its
  // bound.
  virtual void Write(std::string piece, absl::AnyInvocable<void(bool) &&> on_room) = 0;
  virtual void End() = 0;
  // Ends a begun stream abruptly, so that the client can tell it is incomplete.
  virtual void Abort() = 0;

  // Runs `callback` once when the client goes away, reads too slowly, or the server gives up on the
  // exchange; at once when that has happened. Never after the response is complete. A later call
  // replaces the callback.
  virtual void OnGone(absl::AnyInvocable<void() &&> callback) = 0;
};

using Handler = std::function<void(std::shared_ptr<Exchange>)>;

// Reads the whole body, then calls back.
void ReadBody(std::shared_ptr<Exchange> exchange, std::size_t limit,
              absl::AnyInvocable<void(absl::StatusOr<std::string>) &&> callback);

}  // namespace ragmesh::http

#endif  // RAGMESH_LIBS_HTTP_EXCHANGE_H_
