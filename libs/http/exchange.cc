#include "libs/http/exchange.h"

#include <utility>

namespace ragmesh::http {
namespace {

struct BodyReader : std::enable_shared_from_this<BodyReader> {
  std::shared_ptr<Exchange> exchange;
  std::size_t limit = 0;
  std::string body;
  absl::AnyInvocable<void(absl::StatusOr<std::string>) &&> callback;

  void Next() {
    exchange->ReadPiece(
        limit, [self = shared_from_this()](absl::StatusOr<std::optional<std::string>> piece) {
          if (!piece.ok()) return std::move(self->callback)(piece.status());
          if (!piece->has_value()) return std::move(self->callback)(std::move(self->body));
          self->body.append(**piece);
          self->Next();
        });
  }
};

}  // namespace

void ReadBody(std::shared_ptr<Exchange> exchange, std::size_t limit,
              absl::AnyInvocable<void(absl::StatusOr<std::string>) &&> callback) {
  auto reader = std::make_shared<BodyReader>();
  if (exchange->head().content_length.value_or(0) <= limit) {
    reader->body.reserve(
        std::min<std::size_t>(exchange->head().content_length.value_or(0), 1 << 20));
  }
  reader->exchange = std::move(exchange);
  reader->limit = limit;
  reader->callback = std::move(callback);
  reader->Next();
}

}  // namespace ragmesh::http
