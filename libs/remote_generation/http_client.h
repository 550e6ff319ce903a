// HTTP/1.1 requests to one model server, over libcurl: answers as they arrive, and a connection
// that closes at once when its call ends.
#ifndef RAGMESH_LIBS_REMOTE_GENERATION_HTTP_CLIENT_H_
#define RAGMESH_LIBS_REMOTE_GENERATION_HTTP_CLIENT_H_

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "libs/base/call_context.h"

namespace ragmesh::remote_generation {

struct HttpReply {
  int status = 0;
  std::optional<absl::Duration> retry_after;  // Retry-After as sent, at most ten minutes
  std::string error_body;                     // of any status but 200, its first 64 KiB
};

// Thread-safe; each request runs on its caller's thread, and connections are kept for the next one.
// Certificates are verified; redirects are not followed, compressed answers not taken, and proxies
// of the environment not used: prompts go to the server named and nowhere else. Bounds: 64 KiB of
// headers, Options::max_body_bytes, Options::silence_timeout.
class HttpClient {
 public:
  struct Options {
    std::string key_file;  // bearer token; read for each request, so that it can be replaced
    std::string ca_file;   // PEM; empty: the system's certificates
    absl::Duration connect_timeout = absl::Seconds(5);
    absl::Duration silence_timeout = absl::Seconds(60);  // from the server, while it is waited for
    std::size_t max_body_bytes = 64 << 20;
  };

  explicit HttpClient(Options options);
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  // Takes the next piece of an answer; false when what follows does not matter.
  using OnBody = absl::FunctionRef<absl::StatusOr<bool>(absl::string_view piece)>;

  // POSTs `json`, or GETs when it is null. `on_body` gets the pieces of a 200 answer on this
  // thread; while it runs nothing is read, which slows the server down. Its error ends the request
  // and is returned; after its false the server has 100 ms to end the answer by itself, so that the
  // connection can be kept. CANCELLED and DEADLINE_EXCEEDED within milliseconds of the call's end,
  // with the connection closed. UNAVAILABLE with a REMOTE_ reason for what the server or the way to
  // it does wrong; FAILED_PRECONDITION / REMOTE_KEY_UNREADABLE without the key.
  absl::StatusOr<HttpReply> Send(const std::string& url, const std::string* json, OnBody on_body,
                                 const CallContext& call);

 private:
  class Transfer;
  struct Connection;  // a libcurl multi handle with at most one kept connection

  std::unique_ptr<Connection> Take();
  void GiveBack(std::unique_ptr<Connection> connection);

  const Options options_;
  absl::Mutex mutex_;
  std::vector<std::unique_ptr<Connection>> idle_ ABSL_GUARDED_BY(mutex_);
};

// INVALID_ARGUMENT naming `field` unless `url` is http or https with a host, and without user,
// query and fragment. Returns it without slashes at its end.
absl::StatusOr<std::string> CheckServerUrl(absl::string_view field, const std::string& url);

}  // namespace ragmesh::remote_generation

#endif  // RAGMESH_LIBS_REMOTE_GENERATION_HTTP_CLIENT_H_
