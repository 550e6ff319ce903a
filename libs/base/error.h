// Typed errors. Each factory makes an absl::Status that carries an ErrorDetail: a machine-readable
// reason, the field at fault, when to retry, and what to do next. libs/rpc turns the detail into
// google.rpc.ErrorInfo, BadRequest, RetryInfo and Help; libs/http into JSON.
#ifndef RAGMESH_LIBS_BASE_ERROR_H_
#define RAGMESH_LIBS_BASE_ERROR_H_

#include <map>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace ragmesh {

struct ErrorDetail {
  std::string reason;     // UPPER_SNAKE_CASE, at most 63 characters, stable across releases
  std::string field;      // request field at fault, empty when none
  std::string next_step;  // one sentence a person can act on, empty when none
  std::optional<absl::Duration> retry_after;    // set when the same call may succeed later
  std::map<std::string, std::string> metadata;  // small facts: limits, counts, ids; never user text
};

// A status with `detail` attached. `code` must not be kOk.
absl::Status MakeError(absl::StatusCode code, absl::string_view message, const ErrorDetail& detail);

// The detail of `status`; nullopt when it carries none.
std::optional<ErrorDetail> GetErrorDetail(const absl::Status& status);

// The same status with "`context`: " before its message; payloads stay. OK stays OK.
absl::Status Annotate(const absl::Status& status, absl::string_view context);

// INVALID_ARGUMENT / INVALID_FIELD: `field` is bad in itself. The message reads "<field>
// <problem>".
absl::Status InvalidField(absl::string_view field, absl::string_view problem,
                          absl::string_view next_step = "");

// NOT_FOUND / <KIND>_NOT_FOUND, for example NotFound("collection", "manuals").
absl::Status NotFound(absl::string_view kind, absl::string_view name,
                      absl::string_view next_step = "");

// ALREADY_EXISTS / <KIND>_EXISTS.
absl::Status AlreadyExists(absl::string_view kind, absl::string_view name);

// FAILED_PRECONDITION / `reason`: right request, wrong state.
absl::Status WrongState(absl::string_view reason, absl::string_view message,
                        absl::string_view next_step = "");

// RESOURCE_EXHAUSTED / QUEUE_FULL: our own queue is full; the same call may succeed after
// `retry_after`.
absl::Status QueueFull(absl::Duration retry_after);

// RESOURCE_EXHAUSTED / LIMIT_EXCEEDED: the request is over a stated bound; retrying will not help.
absl::Status LimitExceeded(absl::string_view field, long long value, long long limit,
                           absl::string_view unit, absl::string_view next_step = "");

// UNAVAILABLE / `reason`: a peer or a model is not there (yet).
absl::Status Unavailable(absl::string_view reason, absl::string_view message,
                         absl::string_view next_step = "",
                         absl::Duration retry_after = absl::Seconds(1));

// DATA_LOSS / CORRUPT_DATA: bytes that do not check out; names the file or entry.
absl::Status Corrupt(absl::string_view what, absl::string_view problem,
                     absl::string_view next_step = "");

// The status of a failed system call, with errno's code and text: "open /x: No such file or
// directory".
absl::Status ErrnoError(absl::string_view what, int error_number);

}  // namespace ragmesh

#endif  // RAGMESH_LIBS_BASE_ERROR_H_
