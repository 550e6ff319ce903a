// What a model server answers when it does not answer: its HTTP statuses and error bodies as our
// typed errors.
#ifndef RAGMESH_LIBS_REMOTE_GENERATION_SERVER_ERROR_H_
#define RAGMESH_LIBS_REMOTE_GENERATION_SERVER_ERROR_H_

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace ragmesh::remote_generation {

// UNAVAILABLE / REMOTE_BAD_ANSWER: "the model server's answer <problem>". `problem` holds no text
// of the server's.
absl::Status BadAnswer(absl::string_view problem);

// For an answer of HTTP status `http_status` with the error `body`, which may be anything:
//   400, 413, 422  INVALID_ARGUMENT / CONTEXT_TOO_LONG with the counts that the server states, when
//                  that is recognised; else INVALID_ARGUMENT / REMOTE_REFUSED
//   401, 403       FAILED_PRECONDITION / REMOTE_KEY_REFUSED naming `key_file`
//   404            FAILED_PRECONDITION / REMOTE_NOT_FOUND
//   429            RESOURCE_EXHAUSTED / QUEUE_FULL, with `retry_after`
//   3xx            FAILED_PRECONDITION / REMOTE_REDIRECTS
//   else           UNAVAILABLE / REMOTE_FAILED, with `retry_after`
// The server's own words are left out, since they may repeat the prompt or tell of its insides; of
// its error's type and code what looks like an identifier is kept.
absl::Status ServerError(int http_status, absl::string_view body,
                         std::optional<absl::Duration> retry_after, const std::string& key_file);

// Whether `error` tells that the server, the way to it or its settings are at fault, so that other
// calls will fare no better; false for what the request or its caller brought about, and for a
// server that is busy.
bool IsServerFault(const absl::Status& error);

}  // namespace ragmesh::remote_generation

#endif  // RAGMESH_LIBS_REMOTE_GENERATION_SERVER_ERROR_H_
