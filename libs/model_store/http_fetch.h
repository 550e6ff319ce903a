// One file over HTTPS into a PartialFile: resumed with a Range request, bounded in size, redirects
// and silence.
#ifndef RAGMESH_LIBS_MODEL_STORE_HTTP_FETCH_H_
#define RAGMESH_LIBS_MODEL_STORE_HTTP_FETCH_H_

#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "libs/base/call_context.h"
#include "libs/model_store/partial_file.h"

namespace ragmesh::model_store {

struct HttpOptions {
  bool allow_plain_http =
      false;            // for a mirror inside the site; the digest still protects the content
  std::string ca_file;  // PEM; empty: the system's certificates
  int max_redirects = 5;
  absl::Duration connect_timeout = absl::Seconds(10);
  absl::Duration silence_timeout = absl::Seconds(60);  // no byte for so long ends the attempt
};

// Called with the bytes held so far and the bytes of the whole file, at most a few times a second.
using ByteProgress = std::function<void(std::int64_t done_bytes, std::int64_t total_bytes)>;

// Appends to `file` until it has its full size, or the transfer ends. A server that ignores the
// Range request, or refuses it, makes the download start over. Proxies come from the usual
// environment variables (https_proxy, no_proxy). UNAVAILABLE says what went wrong in words;
// CANCELLED and DEADLINE_EXCEEDED follow `call`.
absl::Status FetchUrl(const std::string& url, const HttpOptions& options, PartialFile* file,
                      const ByteProgress& progress, const CallContext& call);

}  // namespace ragmesh::model_store

#endif  // RAGMESH_LIBS_MODEL_STORE_HTTP_FETCH_H_
