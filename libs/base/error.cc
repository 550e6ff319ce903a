#include "libs/base/error.h"

#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/cord.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

namespace ragmesh {
namespace {

constexpr char kDetailUrl[] = "type.ragmesh/ErrorDetail";

// The payload is a list of length-prefixed strings: kind byte, length, ':', bytes. It never leaves
// the process in this form, so it needs no schema, only to survive copying of the status.
void AppendField(char kind, absl::string_view value, std::string* out) {
  absl::StrAppend(out, absl::string_view(&kind, 1), value.size(), ":", value);
}

bool TakeField(absl::string_view* in, char* kind, std::string* value) {
  if (in->empty()) return false;
  *kind = in->front();
  const std::size_t colon = in->find(':');
  std::size_t size = 0;
  if (colon == absl::string_view::npos || !absl::SimpleAtoi(in->substr(1, colon - 1), &size))
    return false;
  if (in->size() - colon - 1 < size) return false;
  value->assign(in->data() + colon + 1, size);
  in->remove_prefix(colon + 1 + size);
  return true;
}

std::string UpperSnake(absl::string_view kind) {
  return absl::StrReplaceAll(absl::AsciiStrToUpper(kind), {{" ", "_"}, {"-", "_"}, {".", "_"}});
}

}  // namespace

absl::Status MakeError(absl::StatusCode code, absl::string_view message,
                       const ErrorDetail& detail) {
  absl::Status status(code, message);
  std::string payload;
  AppendField('r', detail.reason, &payload);
  if (!detail.field.empty()) AppendField('f', detail.field, &payload);
  if (!detail.next_step.empty()) AppendField('n', detail.next_step, &payload);
  if (detail.retry_after.has_value()) {
    AppendField('t', absl::StrCat(absl::ToInt64Milliseconds(*detail.retry_after)), &payload);
  }
  for (const auto& [key, value] : detail.metadata) {
    AppendField('k', key, &payload);
    AppendField('v', value, &payload);
  }
  status.SetPayload(kDetailUrl, absl::Cord(payload));
  return status;
}

std::optional<ErrorDetail> GetErrorDetail(const absl::Status& status) {
  const auto payload = status.GetPayload(kDetailUrl);
  if (!payload.has_value()) return std::nullopt;
  const std::string bytes(*payload);
  absl::string_view in = bytes;
  ErrorDetail detail;
  char kind;
  std::string value, key;
  while (TakeField(&in, &kind, &value)) {
    long long milliseconds = 0;
    switch (kind) {
      case 'r':
        detail.reason = value;
        break;
      case 'f':
        detail.field = value;
        break;
      case 'n':
        detail.next_step = value;
        break;
      case 'k':
        key = value;
        break;
      case 'v':
        detail.metadata[key] = value;
        break;
      case 't':
        if (absl::SimpleAtoi(value, &milliseconds))
          detail.retry_after = absl::Milliseconds(milliseconds);
        break;
      default:
        break;
    }
  }
  return detail;
}

absl::Status Annotate(const absl::Status& status, absl::string_view context) {
  if (status.ok()) return status;
  absl::Status annotated(status.code(), absl::StrCat(context, ": ", status.message()));
  status.ForEachPayload([&annotated](absl::string_view url, const absl::Cord& payload) {
    annotated.SetPayload(url, payload);
  });
  return annotated;
}

absl::Status InvalidField(absl::string_view field, absl::string_view problem,
                          absl::string_view next_step) {
  return MakeError(absl::StatusCode::kInvalidArgument, absl::StrCat(field, " ", problem),
                   {.reason = "INVALID_FIELD",
                    .field = std::string(field),
                    .next_step = std::string(next_step)});
}

absl::Status NotFound(absl::string_view kind, absl::string_view name, absl::string_view next_step) {
  return MakeError(absl::StatusCode::kNotFound, absl::StrCat("no ", kind, " named \"", name, "\""),
                   {.reason = absl::StrCat(UpperSnake(kind), "_NOT_FOUND"),
                    .next_step = std::string(next_step),
                    .metadata = {{std::string(kind), std::string(name)}}});
}

absl::Status AlreadyExists(absl::string_view kind, absl::string_view name) {
  return MakeError(absl::StatusCode::kAlreadyExists,
                   absl::StrCat("a ", kind, " named \"", name, "\" exists"),
                   {.reason = absl::StrCat(UpperSnake(kind), "_EXISTS"),
                    .metadata = {{std::string(kind), std::string(name)}}});
}

absl::Status WrongState(absl::string_view reason, absl::string_view message,
                        absl::string_view next_step) {
  return MakeError(absl::StatusCode::kFailedPrecondition, message,
                   {.reason = std::string(reason), .next_step = std::string(next_step)});
}

absl::Status QueueFull(absl::Duration retry_after) {
  return MakeError(absl::StatusCode::kResourceExhausted, "the work queue is full",
                   {.reason = "QUEUE_FULL",
                    .next_step = "Retry after the given delay, or add a replica of this stage.",
                    .retry_after = retry_after});
}

absl::Status LimitExceeded(absl::string_view field, long long value, long long limit,
                           absl::string_view unit, absl::string_view next_step) {
  return MakeError(absl::StatusCode::kResourceExhausted,
                   absl::StrCat(field, " is ", value, " ", unit, ", the limit is ", limit),
                   {.reason = "LIMIT_EXCEEDED",
                    .field = std::string(field),
                    .next_step = std::string(next_step),
                    .metadata = {{"limit", absl::StrCat(limit)}, {"value", absl::StrCat(value)}}});
}

absl::Status Unavailable(absl::string_view reason, absl::string_view message,
                         absl::string_view next_step, absl::Duration retry_after) {
  return MakeError(absl::StatusCode::kUnavailable, message,
                   {.reason = std::string(reason),
                    .next_step = std::string(next_step),
                    .retry_after = retry_after});
}

absl::Status Corrupt(absl::string_view what, absl::string_view problem,
                     absl::string_view next_step) {
  return MakeError(absl::StatusCode::kDataLoss, absl::StrCat(what, ": ", problem),
                   {.reason = "CORRUPT_DATA", .next_step = std::string(next_step)});
}

absl::Status ErrnoError(absl::string_view what, int error_number) {
  return absl::ErrnoToStatus(error_number, what);
}

}  // namespace ragmesh
