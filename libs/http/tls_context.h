// What TLS on the server's side works with. Internal to libs/http.
#ifndef RAGMESH_LIBS_HTTP_TLS_CONTEXT_H_
#define RAGMESH_LIBS_HTTP_TLS_CONTEXT_H_

#include <array>
#include <filesystem>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "boost/asio/ssl/context.hpp"
#include "libs/http/server.h"

namespace ragmesh::http {

// The context of new connections, loaded anew when its files have changed. Not thread-safe: the
// accept loop owns it.
class TlsContextSource {
 public:
  // TLS 1.2 and later; errors name the file at fault.
  static absl::StatusOr<std::unique_ptr<TlsContextSource>> Open(TlsFiles files);

  // Looks at the files at most every 10 s. While they cannot be used, as between the writes of a
  // certificate and of its key, the last good context stays. A connection keeps the one it began
  // with.
  boost::asio::ssl::context& Current(absl::Time now);

 private:
  using Stamps = std::array<std::filesystem::file_time_type, 3>;

  explicit TlsContextSource(TlsFiles files) : files_(std::move(files)) {}
  Stamps Look() const;
  absl::Status Load(const Stamps& stamps);

  const TlsFiles files_;
  std::unique_ptr<boost::asio::ssl::context> context_;
  Stamps loaded_{};  // of the files behind context_
  absl::Time looked_ = absl::InfinitePast();
};

}  // namespace ragmesh::http

#endif  // RAGMESH_LIBS_HTTP_TLS_CONTEXT_H_
